"""From inputs and an emulator to lazy arrays: the dask graph of a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from xai4land.adapters.dask import make_reading_task
from xai4land.cluster import NEIGHBOURS, STEPS
from xai4land.device import Precision, choose_device, choose_precision
from xai4land.emulator import Emulator
from xai4land.emulator.inputs import Bound
from xai4land.emulator.reference import Reference
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.heads.outputs import Output, unpack
from xai4land.inference.blocks import run_block
from xai4land.inference.chain import find_prior_blocks, run_first_block, run_next_block
from xai4land.inference.layout import BlockIndex, Layout
from xai4land.inference.plan import Plan, check_batch_size
from xai4land.windows.cache import WINDOW_CACHE_BYTES, ResultCache
from xai4land.windows.lattice import Windows
from xai4land.windows.sources import Sources

__all__ = ["DEFAULT_BLOCK_SIDE", "Chunks", "predict"]

logger = logging.getLogger(__name__)

Chunks = int | tuple[int, int] | Mapping[str, int] | None
Sizes = tuple[tuple[int, ...], tuple[int, ...]]
DEFAULT_BLOCK_SIDE = 1024
"""Rows and columns of a block where ``chunks`` is not given."""


def predict(
    emulator: Emulator,
    bound: Bound,
    chunks: Chunks = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    previous: Mapping[int, int] | None = None,
    **options: Any,
) -> dict[str, da.Array]:
    """Describe a run as a lazy graph; nothing is computed.

    Parameters
    ----------
    emulator : Emulator
    bound : Bound
        Inputs that were checked against the emulator's card.
    chunks : int, tuple of int or mapping from str to int, optional
        Rows and columns of an output chunk (-1: all of them), by default 1,024. It does not
        change the result.
    batch_size : int
        Windows that the network sees at once. It does not change the result.
    device : str
        ``"auto"`` or a torch device.
    precision : {"auto", "float32", "bfloat16"}
        Numbers that the network computes in.
    previous : mapping from int to int, optional
        For each step the one before, whose map is its prior map, each after the one it follows
        from; a step that is not named is the prior map itself. By default each step follows from
        the prior map that is an input.
    **options
        Options of the emulator's head.

    Returns
    -------
    dict of dask array
        Each output of the head by name: (time, leading dimensions,) rows, columns of the target.
    """
    card = emulator.card
    device = choose_device(device)
    sizes = _chunk_sizes(chunks, bound.target)
    plan = Plan(
        Reference(emulator),
        options,
        Layout(
            bound.target,
            bound.coarse,
            Windows(bound.target.lattice_shape, card.window),
            sizes,
            card.outputs.whole_cells,
        ),
        Sources.of(card, bound),
        check_batch_size(batch_size),
        device,
        choose_precision(precision, device),
    )
    logger.info("%s on %s in %s: %d x %d blocks", card.name, device, plan.dtype, *map(len, sizes))
    token = tokenize(
        plan.layout.target.lat,
        plan.layout.target.lon,
        emulator,
        (
            sizes,
            sorted(options.items()),
            str(plan.dtype),
            *([list(previous.items())] if previous else []),
        ),
        [reader.data for reader in plan.inputs.values()],
    )
    name = f"xai4land-{token}"
    times = None if bound.time is None else bound.time.size
    blocks = _make_block_tasks(plan, name, times or 1, previous)
    base = name
    about: dict[str, Any] = {
        NEIGHBOURS: (1, 3, 2) if plan.layout.prefers_column_cuts else (1, 2, 3)
    }
    if previous:
        # Blocks need the maps of the step before, which need blocks: one layer holds both.
        base = f"{plan.carried}-{name}"
        blocks |= _make_output_tasks(name, plan.outputs[plan.carried], times, sizes)
        about[STEPS] = (*(set(range(times or 1)) - set(previous)), *previous)
    layers = {base: MaterializedLayer(blocks, collection_annotations=about)}
    steps = () if times is None else ((1,) * times,)
    arrays = {}
    for output in plan.head.outputs:
        layer = f"{output.name}-{name}"
        own = _make_output_tasks(name, output, times, sizes) if layer != base else None
        graph = HighLevelGraph(
            layers if own is None else {**layers, layer: own},
            {base: set()} if own is None else {base: set(), layer: {base}},
        )
        chunks = (*steps, *((n,) for n in output.shape), *sizes)
        arrays[output.name] = da.Array(graph, layer, chunks=chunks, dtype=output.dtype)
    return arrays


def _make_block_tasks(
    plan: Plan, name: str, times: int, previous: Mapping[int, int] | None
) -> dict[Any, Any]:
    """Make one task per time and block, ``(name, t, i, j)``, that returns all its outputs."""
    rows, columns = plan.layout.sizes
    limits = plan.cache_limits(times)
    graph: dict[Any, Any] = {
        f"{name}-plan": plan,
        f"{name}-shared": (ResultCache, WINDOW_CACHE_BYTES, limits["screening"], limits["others"]),
    }
    dependencies = f"{name}-plan", f"{name}-shared"
    for t, i, j in np.ndindex(times, len(rows), len(columns)):
        # Marked as tasks that read data, or all blocks would follow the plan to one worker.
        key, index = (name, t, i, j), BlockIndex((i, j))
        if previous and t in previous:
            places = find_prior_blocks(plan, index)
            maps = tuple((f"{plan.carried}-{name}", previous[t], *place) for place in places)
            args = t, index, tuple(places)
            graph[key] = make_reading_task(key, run_next_block, (*dependencies, *maps), *args)
        else:
            run = run_first_block if previous else run_block
            graph[key] = make_reading_task(key, run, dependencies, t, index)
    return graph


def _make_output_tasks(
    name: str, output: Output, times: int | None, sizes: Sizes
) -> dict[Any, Any]:
    """Make the tasks that select one output of each block."""
    layer = f"{output.name}-{name}"
    zeros = (0,) * len(output.shape)
    return {
        (layer, *(() if times is None else (t,)), *zeros, i, j): (
            _select_output,
            (name, t, i, j),
            output.name,
            times is not None,
            (output.steps, output.dtype),
        )
        for t in range(times or 1)
        for i, j in np.ndindex(len(sizes[0]), len(sizes[1]))
    }


def _select_output(
    fields: dict[str, np.ndarray], name: str, timed: bool, packing: tuple[int | None, str]
) -> np.ndarray:
    """Select one output of a block."""
    values = fields[name]
    return unpack(values[np.newaxis] if timed else values, *packing)


def _chunk_sizes(chunks: Chunks, target: Grid) -> Sizes:
    sides: Any = chunks
    if isinstance(chunks, Mapping):
        if unknown := set(chunks) - set(target.names):
            raise InputError(
                f"chunks={dict(chunks)!r} names {', '.join(sorted(map(str, unknown)))}, expected "
                f"{' and '.join(target.names)}; a chunk has one time step"
            )
        sides = tuple(chunks.get(name, DEFAULT_BLOCK_SIDE) for name in target.names)
    elif not isinstance(chunks, tuple | list):
        sides = (DEFAULT_BLOCK_SIDE if chunks is None else chunks,) * 2
    if len(sides) != 2 or not all(
        isinstance(n, int | np.integer) and (n > 0 or n == -1) for n in sides
    ):
        raise InputError(f"chunks={chunks!r}, expected rows and columns of an output chunk")
    lengths = [n if side == -1 else int(side) for n, side in zip(target.shape, sides, strict=True)]
    rows, columns = (
        (*(size for _ in range(n // size)), *((n % size,) if n % size else ()))
        for n, size in zip(target.shape, lengths, strict=True)
    )
    return rows, columns
