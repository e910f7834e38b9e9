"""The state of a stepper in one file: arrays and facts, complete or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xai4land.errors import CouplingError, InputError
from xai4land.files import read_tensors, translate_os_errors, write_file

__all__ = ["read_state", "write_state"]

KEY = "xai4land-stepper"
VERSION = 1


def write_state(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]
) -> None:
    """Write arrays (safetensors) and facts (JSON); until all is there, an older file stays.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    from safetensors.numpy import save

    held = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    text = json.dumps({"version": VERSION, **facts})
    with translate_os_errors(Path(path), "free some space, or give another path"):
        write_file(Path(path), save(held, {KEY: text}))


def read_state(
    path: str | os.PathLike[str], expected: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`write_state` wrote.

    Parameters
    ----------
    path : path-like
    expected : mapping
        Facts that must be the same.

    Raises
    ------
    CouplingError
        If the file is absent, damaged, or of another version.
    InputError
        Listing the facts that differ.
    """
    try:
        arrays, facts = read_tensors(path, KEY, "numpy")
    except ValueError as error:
        raise CouplingError(
            f"{path} is no checkpoint of a stepper, or damaged ({error}); give the path of one "
            "that stepper.checkpoint(path) wrote"
        ) from error
    if facts.pop("version", None) != VERSION:
        raise CouplingError(
            f"{path} was written by another version of xai4land; begin anew with prior= or history="
        )
    here = json.loads(json.dumps(dict(expected)))
    InputError.raise_if(
        f"{path} is of a stepper with another {name}; make the stepper as the first one was"
        for name, value in here.items()
        if facts.get(name) != value
    )
    return arrays, facts
