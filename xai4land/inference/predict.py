"""From inputs and an emulator to lazy arrays: the dask graph of a run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from operator import getitem
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from xai4land.emulator import Emulator
from xai4land.errors import InputError
from xai4land.inference.blocks import (
    CONFIDENCE_STEPS,
    MISSING,
    Block,
    Box,
    Plan,
    Source,
    run_block,
    whole_cells,
)
from xai4land.inference.device import choose_device
from xai4land.inputs import Bound, Layer

__all__ = ["Chunks", "Prediction", "predict"]

Chunks = int | tuple[int, int] | None
Sizes = tuple[tuple[int, ...], ...]
AUTO = 1440
READ = 2048


@dataclass(frozen=True)
class Prediction:
    """Lazy arrays of (time,) rows, columns on the target grid.

    Attributes
    ----------
    classes : dask array of uint8
        Flag values; 255 where inputs are missing.
    confidence : dask array of float32
        Probability of the chosen class, in steps of 0.01; NaN where missing.
    probability : dask array of float32 or None
        Classes before time.
    baselines : dict of dask array of uint8
        Flag values that the ``nearest`` cell and the ``bilinear`` fractions alone suggest.
    """

    classes: da.Array
    confidence: da.Array
    probability: da.Array | None
    baselines: dict[str, da.Array]


def predict(
    emulator: Emulator,
    bound: Bound,
    chunks: Chunks = None,
    batch_size: int = 8,
    device: str = "auto",
    probabilities: bool = False,
    baselines: bool = False,
) -> Prediction:
    """Describe a run; nothing is computed.

    Parameters
    ----------
    emulator : Emulator
    bound : Bound
        Inputs that were checked against the emulator's card.
    chunks : int or tuple of int, optional
        Rows and columns of an output chunk. It does not change the result.
    batch_size : int
        Windows that the network sees at once. It does not change the result.
    device : str
        ``"auto"`` or a torch device.
    probabilities : bool
        Whether to give the probability of every class.
    baselines : bool
        Whether to give the maps that the fractions alone suggest.
    """
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InputError(f"batch_size={batch_size!r}, expected a whole number of at least 1")
    card = emulator.card
    plan = Plan(
        emulator,
        bound.target,
        bound.states,
        tuple(layer.grid for layer in bound.layers),
        batch_size,
        choose_device(device),
        probabilities,
        baselines,
    )
    arrays: list[Any] = [_as_dask(layer) for layer in bound.layers]
    sizes = _chunk_sizes(chunks, bound.target.shape)
    token = tokenize(
        plan.target.lat,
        plan.target.lon,
        emulator,
        (batch_size, sizes, probabilities, baselines),
        [array.name for array in arrays],
    )
    times = 1 if bound.time is None else bound.time.size
    runs = _runs(plan, bound.layers, arrays, f"xai4land-{token}", times, sizes)

    def output(what: str, dtype: Any, leading: tuple[int, ...] = ()) -> da.Array:
        made = _output(runs, f"xai4land-{token}", what, dtype, (leading, times, sizes))
        return made if bound.time is not None else made[..., 0, :, :]

    return Prediction(
        output("classes", np.uint8),
        output("confidence", np.float32),
        output("probability", np.float32, (len(card.classes),)) if probabilities else None,
        {kind: output(kind, np.uint8) for kind in ("nearest", "bilinear") if baselines},
    )


def _runs(
    plan: Plan,
    layers: tuple[Layer, ...],
    arrays: list[Any],
    name: str,
    times: int,
    sizes: Sizes,
) -> HighLevelGraph:
    """One task a time and block, ``(name, t, i, j)``, that gives all outputs of the block."""
    blocks = {(i, j): _block(plan, layers, arrays, box) for i, j, box in _boxes(plan.target, sizes)}
    graph: dict[Any, Any] = {f"{name}-plan": plan}
    for t in range(times):
        for (i, j), (block, keys) in blocks.items():
            parts = [
                [_at_time(array, t, key, graph, name) for key in wanted]
                for array, wanted in zip(arrays, keys, strict=True)
            ]
            graph[(name, t, i, j)] = (run_block, f"{name}-plan", block, parts)
    return HighLevelGraph.from_collections(name, graph, dependencies=arrays)


def _output(
    runs: HighLevelGraph,
    name: str,
    what: str,
    dtype: Any,
    layout: tuple[tuple[int, ...], int, Sizes],
) -> da.Array:
    """One output as an array of (leading,) time, rows, columns; a task picks it from each run."""
    leading, times, sizes = layout
    own = f"{what}-{name}"
    nothing = (0,) * len(leading)
    picks: dict[Any, Any] = {
        (own, *nothing, t, i, j): (_pick, (name, t, i, j), what)
        for t in range(times)
        for i, j in np.ndindex(len(sizes[0]), len(sizes[1]))
    }
    graph = HighLevelGraph({**runs.layers, own: picks}, {**runs.dependencies, own: {name}})
    chunks = (*((n,) for n in leading), (1,) * times, *sizes)
    return da.Array(graph, own, chunks=chunks, dtype=dtype)


def _pick(packed: dict[str, np.ndarray], what: str) -> np.ndarray:
    found = packed[what][..., np.newaxis, :, :]
    if what == "confidence":
        found = np.where(found == MISSING, np.nan, found / np.float32(CONFIDENCE_STEPS))
        return found.astype(np.float32)
    return found


def _as_dask(layer: Layer) -> da.Array:
    data = layer.data
    if data.chunks is None:
        data = data.chunk(
            {dim: 1 if i < data.ndim - 2 else READ for i, dim in enumerate(data.dims)}
        )
    array: da.Array = data.data
    return array


def _at_time(
    array: da.Array, t: int, key: tuple[int, int], graph: dict[Any, Any], name: str
) -> Any:
    """Key of a chunk of one time step; a chunk of several steps is cut by a task of its own."""
    if array.ndim == 2:
        return (array.name, *key)
    ends = np.cumsum(array.chunks[0])
    chunk = int(np.searchsorted(ends, t, side="right"))
    inside = t - int(ends[chunk] - array.chunks[0][chunk])
    cut = (f"{name}-{array.name}", t, *key)
    graph[cut] = (getitem, (array.name, chunk, *key), inside)
    return cut


def _chunk_sizes(chunks: Chunks, shape: tuple[int, int]) -> Sizes:
    chunks = AUTO if chunks is None else chunks
    wanted = chunks if isinstance(chunks, tuple | list) else (chunks, chunks)
    if len(wanted) != 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in wanted):
        raise InputError(f"chunks={chunks!r}, expected rows and columns of an output chunk")
    return tuple(
        (*(size for _ in range(n // size)), *((n % size,) if n % size else ()))
        for n, size in zip(shape, map(int, wanted), strict=True)
    )


def _boxes(target: Any, sizes: Sizes) -> Iterator[tuple[int, int, Box]]:
    """Each block's number and its place on the lattice."""
    (top, left), height = target.origin, target.shape[0]
    rows, columns = (np.concatenate([[0], np.cumsum(s)]).tolist() for s in sizes)
    for i, (a, b) in enumerate(itertools.pairwise(rows)):
        span = (height - b, height - a) if target.ascending else (a, b)
        for j, (c, d) in enumerate(itertools.pairwise(columns)):
            yield i, j, ((top + span[0], top + span[1]), (left + c, left + d))


def _block(
    plan: Plan, layers: tuple[Layer, ...], arrays: list[da.Array], box: Box
) -> tuple[Block, list[list[tuple[int, int]]]]:
    """A block's sources, and the chunks that each is made of."""
    size = plan.emulator.card.window.size
    grown = whole_cells(plan, box) if plan.emulator.card.conserve else box
    places = plan.windows.touching(*grown)
    rows = np.array([min(r for r, _ in places), max(r for r, _ in places) + size - 1])
    columns = np.array([min(c for _, c in places), max(c for _, c in places) + size - 1])
    lat, lon = plan.target.lattice_lat(rows), plan.target.lattice_lon(columns)
    sources, keys = [], []
    for layer, array in zip(layers, arrays, strict=True):
        row, height = layer.grid.lat.needed(lat, plan.target.spacings[0])
        column, width = layer.grid.lon.needed(lon, plan.target.spacings[1])
        down = _touched(array.chunks[-2], np.arange(row, row + height))
        across = _touched(
            array.chunks[-1], layer.grid.lon.wrapped(np.arange(column, column + width))
        )
        keys.append([(i, j) for i in down for j in across])
        offsets = tuple((down[i], across[j]) for i in down for j in across)
        sources.append(Source((row, column), (height, width), offsets))
    return Block(box, tuple(sources)), keys


def _touched(sizes: tuple[int, ...], wanted: np.ndarray) -> dict[int, int]:
    """Chunks that hold some of the wanted cells: number and first cell."""
    ends = np.cumsum(sizes)
    numbers = np.unique(np.searchsorted(ends, wanted, side="right"))
    return {int(n): int(ends[n] - sizes[n]) for n in numbers}
