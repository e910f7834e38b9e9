"""Export of an emulator as one ONNX file, checked against torch before it is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from xai4land.coupling.graph import WindowGraph
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.onnx_file import (
    METADATA_KEY,
    VERSION,
    OnnxEmulator,
    import_onnx,
    make_session,
)
from xai4land.emulator.outputs import Classes
from xai4land.errors import EmulatorError, InputError
from xai4land.files import write_file

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["export"]


def export(
    emulator: Emulator, path: str | os.PathLike[str], *, cells: int | None = None
) -> dict[str, float]:
    """Write features, network and map of a window as one ONNX file.

    The file holds numbers and operations of ONNX alone, no code of Python. What it takes and gives
    is in its metadata, beside the card. Rows run from the north.

    Of classes: ``states`` (batch, states, rows, columns), fractions of coarse cells with a margin
    of one; ``numbers`` and ``codes`` on pixels, where the card has such inputs; and ``land_cover``
    (flags, 255 where missing), ``probability``, the network's answer ``raw`` and what it sees,
    ``features`` and ``feature_codes``.

    Of leaf area: ``numbers``, all inputs of the card on pixels; and ``leaf_area_index`` and
    ``leaf_area_index_spread`` (missing where temperature is), ``raw`` and ``features``.

    Parameters
    ----------
    emulator : Emulator
        Of classes from states, whose coarse cells hold whole pixels, or of leaf area.
    path : path-like
        Ends in ``.onnx``.
    cells : int, optional
        Coarse cells (leaf area: pixels) along a side of the window; by default as many as fit into
        the emulator's.

    Returns
    -------
    dict of str to float
        What was checked: ``difference`` (the largest, of probabilities) and ``agreement`` (the
        share of pixels of the same class) between ONNX Runtime and torch; of leaf area the largest
        differences of both outputs.

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
    make = _check(emulator, path)
    onnx = import_onnx()
    graph = make(emulator, cells).eval()
    content = _convert(graph, emulator)
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    found, fault = _compare(graph, content)
    if fault:
        raise EmulatorError(
            f"ONNX Runtime differs from torch {fault}; this emulator cannot be exported with these "
            "versions"
        )
    write_file(path, content)
    return found


def _check(emulator: Emulator, path: Path) -> Callable[..., Any]:
    """Return what makes the emulator's graph: a module with what :class:`WindowGraph` has.

    Outputs of plugins bring theirs by a method ``make_graph(emulator, cells)``.
    """
    problems = []
    if path.suffix != ".onnx":
        problems.append(f"{path} is no name of an exported emulator; end it in .onnx")
    outputs = emulator.card.outputs if isinstance(emulator, Emulator) else None
    make = WindowGraph if type(outputs) is Classes else getattr(outputs, "make_graph", None)
    if make is None:
        gives = emulator.card.gives if isinstance(emulator, Emulator) else type(emulator).__name__
        problems.append(
            "only emulators of classes from states and of leaf area can be exported, not one of "
            f"{gives}; step others inside of a model by Python"
        )
    elif isinstance(emulator, OnnxEmulator):
        problems.append(f"emulator {emulator.card.name!r} was exported already; copy its file")
    InputError.raise_if(problems)
    assert make is not None
    return make


def _convert(graph: Any, emulator: Emulator) -> bytes:
    """Return the bytes of the ONNX file."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    names = list(graph.shapes)
    several = isinstance(graph, WindowGraph)  # whose arguments are variadic
    shapes = tuple({0: batch} for _ in names)
    program = torch.onnx.export(
        graph,
        graph.make_example(),
        dynamo=True,
        input_names=names,
        output_names=list(graph.output_names),
        dynamic_shapes=(shapes,) if several else shapes,
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
        **graph.about,
        "not_inside": graph.not_inside,
    }
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(about)
    content: bytes = model.SerializeToString()
    return content


def _compare(graph: Any, content: bytes) -> tuple[dict[str, float], str]:
    """Compare ONNX Runtime with torch on a batch of another size."""
    example = graph.make_example(3)
    with torch.inference_mode():
        expected = [part.numpy() for part in graph(*example)[:2]]
    arguments: dict[str, npt.NDArray[Any]] = {
        name: value.numpy() for name, value in zip(graph.shapes, example, strict=True)
    }
    made = make_session(content).run(list(graph.output_names[:2]), arguments)
    found: tuple[dict[str, float], str] = graph.compare(expected, made)
    return found
