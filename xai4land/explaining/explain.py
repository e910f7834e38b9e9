"""What a run will take, before it runs."""

from __future__ import annotations

import itertools
import math
import os
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import torch
import xarray as xr

from xai4land.display import format_html, format_text
from xai4land.errors import InputError
from xai4land.explaining.reads import simulate_reads
from xai4land.explaining.timing import estimate_seconds
from xai4land.explaining.workers import Workers
from xai4land.inference.blocks import Block
from xai4land.inference.layout import BlockIndex
from xai4land.inference.plan import Plan
from xai4land.inference.predict import DEFAULT_BLOCK_SIDE
from xai4land.windows.cache import WINDOW_CACHE_BYTES, InputKind, ResultCache
from xai4land.windows.lattice import WindowCorner

__all__ = ["Explanation", "explain"]

MAX_SCREENED_BLOCKS = 64
"""Blocks whose screening inputs are read; where there are more, these stand for all."""


@dataclass(frozen=True)
class Explanation:
    """What a run will take.

    Attributes
    ----------
    windows : int
        Windows of all time steps, each counted once.
    skipped : float
        Share of them whose result is known without the network.
    screening_bytes, other_bytes : int
        Uncompressed bytes to read: of the inputs that decide which windows need the network (the
        coarse ones, if there are any), and of all others. Inputs in memory do not count. Where
        blocks are many, those that were not read are assumed to be like their neighbours.
    memory : int
        Estimate of the bytes that a process takes at most.
    blocks, tasks : int
        Blocks of output (of all variables at once), and tasks of dask.
    seconds : float
        Estimate from a few seconds of the run on this machine, without writing and without
        reading the other inputs.
    chunks : tuple of int
        Rows and columns of a block to give to ``reconstruct(chunks=...)``.
    input_chunks : dict
        Chunks to open the inputs with, or see :meth:`rechunk`; empty if theirs are fine.
    advice : tuple of str
        Reasons for ``chunks`` and ``input_chunks``.
    """

    windows: int
    skipped: float
    screening_bytes: int
    other_bytes: int
    memory: int
    blocks: int
    tasks: int
    seconds: float
    chunks: tuple[int, int]
    input_chunks: dict[str, int]
    advice: tuple[str, ...]

    def rechunk(self, data: xr.Dataset) -> xr.Dataset:
        """Return a dataset of inputs in the chunks of ``input_chunks``."""
        sizes = {dim: size for dim, size in self.input_chunks.items() if dim in data.dims}
        return data.chunk(sizes)

    def __repr__(self) -> str:
        return format_text("<Explanation>", self._rows())

    def _repr_html_(self) -> str:
        return format_html("<Explanation>", self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        minutes, seconds = divmod(round(self.seconds), 60)
        screening, others = _format_bytes(self.screening_bytes), _format_bytes(self.other_bytes)
        return [
            ("windows", f"{self.windows:,}, {self.skipped:.0%} of them skipped"),
            ("to read", f"{screening} to screen windows, {others} of other inputs"),
            ("memory", f"about {_format_bytes(self.memory)} per process"),
            ("tasks", f"{self.tasks:,} for {self.blocks:,} blocks"),
            ("time", f"about {minutes} min {seconds} s on this machine"),
            *(("advice", line) for line in self.advice),
        ]


def explain(data: xr.Dataset) -> Explanation:
    """Estimate what a lazy reconstruction, or a part of one, will take.

    The screening inputs of its first time step are read (of 64 blocks at most), and parts of the
    run are timed for about three seconds; nothing is stored.

    Parameters
    ----------
    data : Dataset
        From :func:`reconstruct`, or a part of that.

    Raises
    ------
    InputError
        If the dataset is computed already, or was not made by an emulator.

    Examples
    --------
    >>> import xai4land
    >>> result = xai4land.sample("land", years=[2000]).ai4land.reconstruct()
    >>> estimate = result.ai4land.explain()
    >>> estimate.blocks, estimate.windows, estimate.chunks
    (2, 392, (1024, 1024))
    """
    plan, tasks, total_tasks = _find_plan(data)
    steps = sorted({t for t, _, _ in tasks})
    blocks = sorted({BlockIndex((i, j)) for _, i, j in tasks})
    chosen = blocks[:: -(-len(blocks) // MAX_SCREENED_BLOCKS)]
    cache, workers = ResultCache(), Workers.detect(plan.device)
    start = time.perf_counter()
    screened = {block: _screen(plan, cache, steps[0], block) for block in chosen}
    reading = time.perf_counter() - start
    canonical = plan.layout.canonical_corner
    unique = {canonical(corner) for block in blocks for corner in plan.layout.corners(block)}
    seen = {canonical(corner) for block in chosen for corner in plan.layout.corners(block)}
    active = {canonical(corner) for corners in screened.values() for corner in corners}
    share = len(active) / len(seen)
    limits = plan.cache_limits(len(steps))
    find_active = partial(_find_active, plan, screened, chosen)
    reads = simulate_reads(plan, blocks, find_active, len(steps))
    windows = share * len(unique) * len(steps)
    seconds = estimate_seconds(plan, steps[0], screened, cache, windows, len(tasks), workers)
    cached = sum(kind.max_cached for kind in reads.values())
    memory = _estimate_memory(plan, screened, cached, workers.concurrent_blocks)
    chunks, reasons = _advise_chunks(plan, memory, workers.memory)
    input_chunks, more = _advise_input_chunks(plan, chunks, data, limits)
    return Explanation(
        windows=len(unique) * len(steps),
        skipped=1 - share,
        screening_bytes=reads["screening"].total,
        other_bytes=reads["others"].total,
        memory=memory,
        blocks=len(tasks),
        tasks=total_tasks,
        seconds=seconds + reading * len(steps),
        chunks=chunks,
        input_chunks=input_chunks,
        advice=(*reasons, *more),
    )


def _find_plan(data: xr.Dataset) -> tuple[Plan, set[tuple[int, int, int]], int]:
    """Return the plan in a dataset's graph, its block tasks (t, i, j), and the number of tasks."""
    plans: dict[str, Plan] = {}
    blocks: set[tuple[int, int, int]] = set()
    keys: set[Any] = set()
    for variable in data.data_vars.values():
        if not isinstance(variable.data, da.Array):
            continue
        graph: Any = variable.data.__dask_graph__()
        needed: dict[Any, Any] = dict(graph.cull(variable.data.__dask_keys__()))
        keys |= set(needed)
        for key, task in needed.items():
            if isinstance(key, str) and key.startswith("xai4land-") and key.endswith("-plan"):
                plans[key] = getattr(task, "value", task)
            elif isinstance(key, tuple) and str(key[0]).startswith("xai4land-"):
                blocks.add(key[1:])
    if len(plans) != 1:
        count = "none" if not plans else f"{len(plans)}"
        raise InputError(
            f"explain: found {count} lazy reconstruction in this dataset, expected one; call it on "
            "what reconstruct returns, before it is computed or joined with another"
        )
    (plan,) = plans.values()
    return plan, blocks, len(keys)


def _screen(plan: Plan, cache: ResultCache, step: int, block: BlockIndex) -> list[WindowCorner]:
    """Return the windows of a block that need the network."""
    with torch.inference_mode():
        return Block(replace(plan, device="cpu"), cache, step, block).screen()[1]


def _find_active(
    plan: Plan,
    screened: Mapping[BlockIndex, list[WindowCorner]],
    chosen: Sequence[BlockIndex],
    block: BlockIndex,
) -> list[WindowCorner]:
    """Return windows of a block that need the network; if not screened, all or none of them."""
    if block in screened:
        return screened[block]
    before = chosen[bisect_right(chosen, block) - 1]
    return plan.layout.corners(block) if screened[before] else []


def _estimate_memory(
    plan: Plan,
    screened: Mapping[BlockIndex, list[WindowCorner]],
    cached_inputs: int,
    concurrent_blocks: int,
) -> int:
    """Add up the memory of the process, of blocks at work, and of the cache they share."""
    layout, layers = plan.layout, plan.card.outputs.layers
    window = layout.windows.window.size**2 * layers * plan.dtype.itemsize
    pixels = max(a * b for a, b in itertools.product(*layout.sizes))
    inputs = sum(np.prod([max(s) for s in r.chunking.sizes]) for r in plan.inputs.values())
    max_windows = max(len(corners) for corners in screened.values())
    pixel_bytes = [o.block_dtype.itemsize * math.prod(o.shape) for o in plan.outputs.values()]
    outputs = 2 * sum(pixel_bytes) * pixels
    block = max_windows * window + 4 * min(int(inputs), 2 * pixels * len(plan.inputs)) + outputs
    cache = min(WINDOW_CACHE_BYTES, layout.max_waiting_windows * window) + cached_inputs
    return _resident_bytes() + concurrent_blocks * block + cache


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 500 * 2**20


def _advise_chunks(plan: Plan, memory: int, total: float) -> tuple[tuple[int, int], list[str]]:
    """Return better chunks of the output, and why."""
    side, window = DEFAULT_BLOCK_SIDE, plan.layout.windows.window.size
    present = (plan.layout.sizes[0][0], plan.layout.sizes[1][0])
    if min(present) < min(2 * window, side, *plan.layout.target.shape):
        reason = f"blocks of {present[0]} x {present[1]} share most of their windows of {window}"
        return (side, side), [f"chunks={side}: {reason}"]
    if memory > 0.8 * total and min(present) > 4 * window:
        half = (present[0] // 2, present[1] // 2)
        needed, available = _format_bytes(memory), _format_bytes(total)
        return half, [f"chunks={half}: {needed} is much of the {available} of a worker"]
    rows, columns = (
        side if n == min(side, length) else n
        for n, length in zip(present, plan.layout.target.shape, strict=True)
    )
    return (rows, columns), []


def _advise_input_chunks(
    plan: Plan, chunks: tuple[int, int], data: xr.Dataset, limits: Mapping[InputKind, int]
) -> tuple[dict[str, int], list[str]]:
    """Return better chunks for inputs whose own make reading slow, and why."""
    advised: dict[str, int] = {}
    reasons = []
    time_name = next((str(d) for d in data.dims if data[d].dtype.kind in "MO"), "time")
    for name, reader in plan.inputs.items():
        if not isinstance(reader.data, da.Array):
            continue
        side = max(reader.chunking.sizes[1])
        if (steps := reader.steps_per_read(limits[reader.kind])) > 1:
            advised[time_name] = 1
            reasons.append(
                f"{name}: {steps} steps a chunk, too large to cache, are read at every step"
            )
        single = reader.chunking.sizes[1] == (side,)
        if (side < 256 and not single) or side > 8 * max(chunks):
            names = reader.chunking.grid.names
            advised |= dict.fromkeys(names, max(chunks))
            fault = "tiny chunks, many tasks" if side < 256 else "chunks far larger than a block"
            reasons.append(f"{name}: {fault} ({side} columns)")
    if not reasons:
        return advised, []
    return advised, [f"explain().rechunk(inputs), or chunks={advised}: {'; '.join(reasons)}"]


def _format_bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
