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
from xai4land.explaining.reads import played
from xai4land.explaining.timing import Number, estimate
from xai4land.explaining.workers import Workers
from xai4land.inference.blocks import Block
from xai4land.inference.plan import Plan
from xai4land.inference.predict import SIDE
from xai4land.windows.cache import LIMIT, ResultCache, Source
from xai4land.windows.lattice import Place

__all__ = ["Explanation", "explain"]

LOOKED_AT = 64
"""Blocks whose states are read; where there are more, these stand for all."""


@dataclass(frozen=True)
class Explanation:
    """What a run will take.

    Attributes
    ----------
    windows : int
        Windows of all steps, each counted once.
    skipped : float
        Share of them that need no network: open sea, or one class all over.
    states_bytes, fixed_bytes : int
        Uncompressed bytes to read of the states, and of all other inputs; not of what is in
        memory. Where blocks are many, those not looked at are taken like their neighbours.
    memory : int
        Bytes that a process takes at most, about.
    blocks, tasks : int
        Blocks of output (of all variables at once), and tasks of dask.
    seconds : float
        From a few seconds of the run on this machine, without writing and reading fixed inputs.
    chunks : tuple of int
        Rows and columns of a block to give to ``reconstruct(chunks=...)``.
    rechunk : dict
        Chunks of the inputs to open them with, or see :meth:`rechunked`; empty if theirs are fine.
    advice : tuple of str
        Why.
    """

    windows: int
    skipped: float
    states_bytes: int
    fixed_bytes: int
    memory: int
    blocks: int
    tasks: int
    seconds: float
    chunks: tuple[int, int]
    rechunk: dict[str, int]
    advice: tuple[str, ...]

    def rechunked(self, data: xr.Dataset) -> xr.Dataset:
        """An input dataset (states, or static features) in the chunks of ``rechunk``."""
        return data.chunk({dim: size for dim, size in self.rechunk.items() if dim in data.dims})

    def __repr__(self) -> str:
        return format_text("<Explanation>", self._rows())

    def _repr_html_(self) -> str:
        return format_html("<Explanation>", self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        minutes, seconds = divmod(round(self.seconds), 60)
        return [
            ("windows", f"{self.windows:,}, {self.skipped:.0%} of them skipped"),
            ("to read", f"{_size(self.states_bytes)} of states, {_size(self.fixed_bytes)} fixed"),
            ("memory", f"about {_size(self.memory)} a process"),
            ("tasks", f"{self.tasks:,} for {self.blocks:,} blocks"),
            ("time", f"about {minutes} min {seconds} s on this machine"),
            *(("advice", line) for line in self.advice),
        ]


def explain(data: xr.Dataset) -> Explanation:
    """Say what a lazy reconstruction, or a part of one, will take.

    The states of its first step are read (of 64 blocks at most), and for about three seconds the
    run itself is tried; nothing is kept.

    Parameters
    ----------
    data : Dataset
        From :func:`reconstruct`, or a part of that.

    Raises
    ------
    InputError
        If the dataset is computed already, or is none of ours.

    Examples
    --------
    >>> import xai4land
    >>> made = xai4land.sample("land", years=[2000]).ai4land.reconstruct()
    >>> found = made.ai4land.explain()
    >>> found.blocks, found.windows, found.chunks
    (2, 392, (1024, 1024))
    """
    plan, runs, tasks = _found(data)
    steps = sorted({t for t, _, _ in runs})
    numbers = sorted({(i, j) for _, i, j in runs})
    chosen = numbers[:: -(-len(numbers) // LOOKED_AT)]
    shared, workers = ResultCache(), Workers.now(plan.device)
    start = time.perf_counter()
    look = {n: _look(plan, shared, steps[0], n) for n in chosen}
    reading = time.perf_counter() - start
    unique = {plan.layout.same(place) for n in numbers for place in plan.layout.places(n)}
    seen = {plan.layout.same(place) for n in chosen for place in plan.layout.places(n)}
    wanted = {plan.layout.same(place) for places in look.values() for place in places}
    share = len(wanted) / len(seen)
    limits = plan.kept(len(steps))
    reads = played(plan, numbers, partial(_open, plan, look, chosen), len(steps))
    windows = share * len(unique) * len(steps)
    seconds = estimate(plan, steps[0], look, shared, windows, len(runs), workers)
    memory = _memory(plan, look, sum(kind.kept for kind in reads.values()), workers.lanes)
    chunks, why = _chunks(plan, memory, workers.memory)
    rechunk, more = _rechunk(plan, chunks, data, limits)
    return Explanation(
        windows=len(unique) * len(steps),
        skipped=1 - share,
        states_bytes=reads["screening"].read,
        fixed_bytes=reads["others"].read,
        memory=memory,
        blocks=len(runs),
        tasks=tasks,
        seconds=seconds + reading * len(steps),
        chunks=chunks,
        rechunk=rechunk,
        advice=(*why, *more),
    )


def _found(data: xr.Dataset) -> tuple[Plan, set[tuple[int, int, int]], int]:
    """The plan in a dataset's graph, the runs (t, i, j) that it needs, and the number of tasks."""
    plans: dict[str, Plan] = {}
    runs: set[tuple[int, int, int]] = set()
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
                runs.add(key[1:])
    if len(plans) != 1:
        seen = "none" if not plans else f"{len(plans)}"
        raise InputError(
            f"explain: found {seen} lazy reconstruction in this dataset, expected one; call it on "
            "what reconstruct returns, before it is computed or joined with another"
        )
    (plan,) = plans.values()
    return plan, runs, len(keys)


def _look(plan: Plan, shared: ResultCache, step: int, number: Number) -> list[Place]:
    with torch.inference_mode():
        return Block(replace(plan, device="cpu"), shared, step, number).look()[1]


def _open(
    plan: Plan, look: Mapping[Number, list[Place]], chosen: Sequence[Number], number: Number
) -> list[Place]:
    """Windows of a block that need the network; all or none where it was not looked at."""
    if number in look:
        return look[number]
    before = chosen[bisect_right(chosen, number) - 1]
    return plan.layout.places(number) if look[before] else []


def _memory(plan: Plan, look: dict[Number, list[Place]], inputs: int, lanes: int) -> int:
    """What the process has, the blocks in flight, and what they share: windows and inputs."""
    layout, layers = plan.layout, plan.card.outputs.layers
    window = layout.windows.window.size**2 * layers * plan.dtype.itemsize
    pixels = max(a * b for a, b in itertools.product(*layout.sizes))
    fields = sum(np.prod([max(s) for s in r.chunking.sizes]) for r in plan.inputs.values())
    most = max(len(places) for places in look.values())
    fields_made = [o.block_dtype.itemsize * math.prod(o.shape) for o in plan.outputs.values()]
    maps = 2 * sum(fields_made) * pixels
    block = most * window + 4 * min(int(fields), 2 * pixels * len(plan.inputs)) + maps
    shared = min(LIMIT, layout.waiting * window) + inputs
    return _resident() + lanes * block + shared


def _resident() -> int:
    try:
        with open("/proc/self/statm") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 500 * 2**20


def _chunks(plan: Plan, memory: int, total: float) -> tuple[tuple[int, int], list[str]]:
    sizes, window = plan.layout.sizes, plan.layout.windows.window.size
    present = (sizes[0][0], sizes[1][0])
    if min(present) < min(2 * window, SIDE, *plan.layout.target.shape):
        reason = f"blocks of {present[0]} x {present[1]} share most of their windows of {window}"
        return (SIDE, SIDE), [f"chunks={SIDE}: {reason}"]
    if memory > 0.8 * total and min(present) > 4 * window:
        half = (present[0] // 2, present[1] // 2)
        return half, [f"chunks={half}: {_size(memory)} is much of the {_size(total)} of a worker"]
    rows, columns = (
        SIDE if n == min(SIDE, whole) else n
        for n, whole in zip(present, plan.layout.target.shape, strict=True)
    )
    return (rows, columns), []


def _rechunk(
    plan: Plan, chunks: tuple[int, int], data: xr.Dataset, limits: Mapping[Source, int]
) -> tuple[dict[str, int], list[str]]:
    """Other chunks for inputs whose own are unfortunate."""
    wanted: dict[str, int] = {}
    why = []
    time_name = next((str(d) for d in data.dims if data[d].dtype.kind in "MO"), "time")
    for name, reader in plan.inputs.items():
        if not isinstance(reader.data, da.Array):
            continue
        side = max(reader.chunking.sizes[1])
        if (steps := reader.steps(limits[reader.kind])) > 1:
            wanted[time_name] = 1
            why.append(f"{name}: {steps} steps a chunk, too large to keep, are read at every step")
        whole = reader.chunking.sizes[1] == (side,)
        if (side < 256 and not whole) or side > 8 * max(chunks):
            names = reader.chunking.grid.names
            wanted |= dict.fromkeys(names, max(chunks))
            what = "tiny chunks, many tasks" if side < 256 else "chunks far larger than a block"
            why.append(f"{name}: {what} ({side} columns)")
    return wanted, [
        f"explain().rechunked(inputs), or chunks={wanted}: {'; '.join(why)}"
    ] if why else []


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
