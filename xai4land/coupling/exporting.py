"""Export of an emulator as one ONNX file, checked against torch before it is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xai4land.coupling.graph import WindowGraph, make_example
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.onnx_file import METADATA_KEY, OUTPUTS, VERSION, import_onnx, make_session
from xai4land.emulator.outputs import Classes
from xai4land.errors import EmulatorError, InputError
from xai4land.files import write_file

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["export"]

LARGEST_DIFFERENCE = 1e-4
"""Of probabilities, between ONNX Runtime and torch."""
LEAST_AGREEMENT = 0.9999
"""Share of pixels of the same class."""
NOT_INSIDE = (
    "blending of windows that overlap, exact areas, drawn maps, land masks, interpolation of "
    "static features to pixels"
)


def export(
    emulator: Emulator, path: str | os.PathLike[str], *, cells: int | None = None
) -> dict[str, float]:
    """Write features, network and map of a window as one ONNX file.

    The file holds numbers and operations of ONNX alone, no code of Python. What it takes and gives
    is in its metadata, beside the card: ``states`` (batch, states, rows, columns), fractions of
    coarse cells with a margin of one; ``numbers`` and ``codes`` on pixels, where the card has such
    inputs; and ``land_cover`` (flags, 255 where missing), ``probability``, the network's answer
    ``raw`` and what it sees, ``features`` and ``feature_codes``. Rows run from the north.

    Parameters
    ----------
    emulator : Emulator
        Of classes from states, whose coarse cells hold whole pixels.
    path : path-like
        Ends in ``.onnx``.
    cells : int, optional
        Coarse cells along a side of the window; by default as many as fit into the emulator's.

    Returns
    -------
    dict of str to float
        What was checked: ``difference`` (the largest, of probabilities) and ``agreement`` (the
        share of pixels of the same class) between ONNX Runtime and torch.

    Raises
    ------
    InputError
        If the emulator cannot be exported, or the packages of ``xai4land[onnx]`` are absent.
    EmulatorError
        If the exported file does not give what torch gives; nothing is kept then.
    StoreError
        If the file cannot be written.

    Examples
    --------
    >>> import xai4land  # doctest: +SKIP
    >>> export(xai4land.load_emulator("sample-landcover"), "sample.onnx")  # doctest: +SKIP
    {'difference': 2.3e-06, 'agreement': 1.0}
    """
    path = Path(path)
    count, pixels = _check(emulator, path, cells)
    onnx = import_onnx()
    graph = WindowGraph(emulator, count, pixels).eval()
    example = make_example(graph)
    content = _convert(graph, example, emulator)
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    found = _compare(graph, content)
    if found["difference"] > LARGEST_DIFFERENCE or found["agreement"] < LEAST_AGREEMENT:
        raise EmulatorError(
            f"ONNX Runtime differs from torch by {found['difference']:.2g} in probability, and in "
            f"the class of {1 - found['agreement']:.4%} of the pixels; this emulator cannot be "
            "exported with these versions"
        )
    write_file(path, content)
    return found


def _check(emulator: Emulator, path: Path, cells: int | None) -> tuple[int, int]:
    """Return coarse cells along a window, and pixels along a cell."""
    problems = []
    if path.suffix != ".onnx":
        problems.append(f"{path} is no name of an exported emulator; end it in .onnx")
    if not (isinstance(emulator, Emulator) and type(emulator.card.outputs) is Classes):
        gives = emulator.card.gives if isinstance(emulator, Emulator) else type(emulator).__name__
        problems.append(
            f"only emulators of classes from states can be exported, not one of {gives}; step "
            "others inside of a model by Python"
        )
        raise InputError(problems)
    resolution = emulator.card.resolution
    ratio = resolution.states / resolution.target
    pixels = round(ratio)
    if abs(ratio - pixels) > 1e-3 or pixels < 1:
        problems.append(
            f"a coarse cell of {resolution.states:g}° has no whole number of pixels of "
            f"{resolution.target:g}°, which a graph of fixed shapes needs"
        )
    size = emulator.card.window.size
    count = size // max(pixels, 1) if cells is None else cells
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= 1024:
        problems.append(f"cells={cells!r}, expected a number of coarse cells from 2, or none")
    InputError.raise_if(problems)
    return count, pixels


def _convert(graph: WindowGraph, example: tuple[torch.Tensor, ...], emulator: Emulator) -> bytes:
    """Return the bytes of the ONNX file."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    names = list(graph.shapes)
    program = torch.onnx.export(
        graph,
        example,
        dynamo=True,
        input_names=names,
        output_names=list(OUTPUTS),
        dynamic_shapes=(tuple({0: batch} for _ in names),),
        external_data=False,
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    about = {
        "version": VERSION,
        "card": emulator.card.model_dump(mode="json"),
        "sha256": emulator.sha256,
        "cells": graph.cells,
        "pixels": graph.pixels,
        "states": list(graph.outputs.states),
        "numbers": [s.name for s in graph.numbers],
        "codes": [s.name for s in graph.card.coded],
        "not_inside": NOT_INSIDE,
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(about)
    content: bytes = model.SerializeToString()
    return content


def _compare(graph: WindowGraph, content: bytes) -> dict[str, float]:
    """Compare ONNX Runtime with torch on a batch of another size."""
    example = make_example(graph, 3)
    with torch.inference_mode():
        expected = [part.numpy() for part in graph(*example)[:2]]
    arguments: dict[str, npt.NDArray[Any]] = {
        name: value.numpy() for name, value in zip(graph.shapes, example, strict=True)
    }
    classes, likely = make_session(content).run(list(OUTPUTS[:2]), arguments)
    return {
        "difference": float(np.abs(likely - expected[1]).max()),
        "agreement": float((classes == expected[0]).mean()),
    }
