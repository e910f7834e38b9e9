"""The state of a training in one file, complete or absent, from which it goes on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xai4land.errors import EmulatorFileError, InputError, StoreError, StoreWarning
from xai4land.files import read_tensors, translate_os_errors, write_file

__all__ = ["Checkpoint", "State", "digest_tensors"]

KEY = "xai4land-checkpoint"
"""Of the metadata of safetensors: JSON with what is no tensor."""
State = tuple[dict[str, torch.Tensor], dict[str, Any]]
"""Tensors, and facts that are JSON."""


@dataclass(eq=False)
class Checkpoint:
    """Where and how often the state of a training is written: safetensors and JSON in one file.

    Parameters
    ----------
    path : Path
    about : mapping from str to JSON value
        What must be the same for a training to go on: settings, and digests of data and network.
    rng : numpy.random.Generator, optional
        The one that batches are drawn with; None if they follow from the number of the epoch.
    minutes : float
        Between two writes in an epoch; the state is also written after each epoch.
    verify : callable
        Called before each write; it raises an error if what was learned from is not to be trusted.
    """

    path: Path
    about: Mapping[str, Any]
    rng: np.random.Generator | None = None
    minutes: float = 10.0
    verify: Callable[[], None] = lambda: None

    @property
    def drawn(self) -> dict[str, Any]:
        """The state of the random numbers that batches are drawn with."""
        return dict(self.rng.bit_generator.state) if self.rng else {}

    @drawn.setter
    def drawn(self, state: dict[str, Any]) -> None:
        if self.rng:
            self.rng.bit_generator.state = state

    def read(self) -> State | None:
        """Return tensors and facts as they were written, or None where there is no file.

        Raises
        ------
        InputError
            If it is of another training, listing what differs.
        EmulatorFileError
            If it is no checkpoint, or damaged.
        """
        if not self.path.exists():
            return None
        try:
            tensors, facts = read_tensors(self.path, KEY, "pt")
        except ValueError as error:
            raise EmulatorFileError(
                f"{self.path} is no checkpoint, or damaged ({error}); delete it, or give another "
                "checkpoint="
            ) from error
        there = facts.pop("about")
        here = json.loads(json.dumps(dict(self.about)))
        differ = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
        if differ:
            what = ", ".join(_compare(name, there.get(name), here.get(name)) for name in differ)
            raise InputError(
                f"checkpoint={str(self.path)!r} is of another training: {what}; give what it was "
                "begun with, or delete it to begin anew"
            )
        return tensors, facts

    def write(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Replace the file; until all of the new one is there, the old one stays.

        Raises
        ------
        StoreError
        """
        self.verify()
        self._replace(tensors, facts)

    def try_to_write(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Write, or warn: a full disk is no reason to lose what was computed since."""
        self.verify()
        try:
            self._replace(tensors, facts)
        except StoreError as error:
            warnings.warn(
                f"{error}. The training goes on, and the checkpoint before stays",
                StoreWarning,
                stacklevel=2,
            )

    def _replace(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        from safetensors.torch import save

        held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        text = json.dumps({**facts, "about": dict(self.about)})
        with translate_os_errors(self.path, "free some space or give another checkpoint="):
            write_file(self.path, save(held, {KEY: text}))


def digest_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of tensors by name.

    Examples
    --------
    >>> digest_tensors({"a": torch.zeros(2)}) == digest_tensors({"a": torch.zeros(3)})
    False
    """
    import hashlib

    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _compare(name: str, there: Any, here: Any) -> str:
    if name in ("data", "network"):
        return f"its {name} {'are' if name == 'data' else 'is'} different"
    return f"{name}={there!r} there, {here!r} here"
