"""What a lazy reconstruction will take, said before it runs."""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
import torch
import xarray as xr
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph
from dask.system import CPU_COUNT

from xai4land.errors import InputError
from xai4land.inference.blocks import _Block
from xai4land.inference.device import LANES, lane
from xai4land.inference.features import class_fractions
from xai4land.inference.layout import Layout
from xai4land.inference.maps import make_maps
from xai4land.inference.plan import Plan
from xai4land.inference.predict import SMALL
from xai4land.inference.reading import Box, Reader
from xai4land.inference.shared import LIMIT, Shared
from xai4land.inference.windows import Place
from xai4land.inputs import scalar_dates, time_name

__all__ = ["Explanation", "explain"]

Number = tuple[int, int]

SECONDS = 3.0
"""How long the run is tried out."""
SAMPLE = 512
"""Pixels along a side of a block that is tried out, at most."""
MOST = 32
"""Blocks with open windows that are tried out, at most."""
TINY = 256
"""Smaller chunks of fixed inputs cost more to handle than to read."""
BASE = 2**29
"""Memory of a process that has loaded torch, where it cannot be measured."""


@dataclass(frozen=True)
class Explanation:
    """What a reconstruction will take.

    Attributes
    ----------
    blocks : int
        Output blocks, over all time steps.
    windows : int
        Windows of those blocks, over all time steps; one that blocks share counts once.
    skipped : float
        Share of the windows that need no network, since their cells are pure or missing. It is
        that of one time step.
    step : str
        Date of that time step, the first that is needed; empty if there are no dates.
    state_bytes, static_bytes : int
        Bytes of the chunks to be read, uncompressed: of inputs that change with time, and of fixed
        ones where they are needed. What is in memory is not read.
    reread : bool
        Whether the fixed inputs are too large to be kept, and are read again for each time step.
    memory : int
        Bytes that a worker takes at its peak, without the finished map.
    threads : int
        Threads a worker, each with a block of its own.
    tasks : int
        Tasks in the graph.
    seconds : float
        From a few seconds of this very run on this machine; writing is not in it.
    chunks : tuple of int
        What to pass as ``reconstruct(chunks=...)``.
    rechunk : dict of str to int
        Better chunks of the inputs, for ``xr.open_dataset(path, chunks=...)``, or ``ds.chunk(...)``
        where they are open already; empty if theirs are good.
    advice : tuple of str
        Why, if ``chunks`` are not those of the run, or ``rechunk`` is not empty.
    """

    blocks: int
    windows: int
    skipped: float
    step: str
    state_bytes: int
    static_bytes: int
    reread: bool
    memory: int
    threads: int
    tasks: int
    seconds: float
    chunks: tuple[int, int]
    rechunk: dict[str, int]
    advice: tuple[str, ...]

    def __repr__(self) -> str:
        again = ", again for each time step" if self.reread else ""
        seen = f" (as in {self.step})" if self.step else ""
        lines = {
            "blocks": f"{self.blocks:,}",
            "windows": f"{self.windows:,}, {self.skipped:.0%} of them need no network{seen}",
            "reads": f"{_bytes(self.state_bytes)} of states, "
            f"{_bytes(self.static_bytes)} of fixed inputs{again}",
            "memory": f"{_bytes(self.memory)} a worker with {self.threads} threads",
            "tasks": f"{self.tasks:,}, {self.tasks / self.blocks:.1f} a block",
            "time": f"about {_duration(self.seconds)}, without writing",
            "advice": "\n         ".join(self.advice) or "none",
        }
        return "\n".join(f"{what:<7}  {said}" for what, said in lines.items())


def explain(out: xr.Dataset) -> Explanation:
    """Say what a lazy reconstruction will take.

    The states of one time step are read, and a few blocks are computed for about three seconds.

    Parameters
    ----------
    out : Dataset
        What ``reconstruct`` returns, or a part of it.

    Raises
    ------
    InputError
        If it is computed already, or not from one reconstruction.

    Examples
    --------
    >>> import xai4land
    >>> world = xai4land.sample("land", years=[2000]).ai4land.reconstruct()
    >>> said = world.isel(lat=slice(0, 300)).ai4land.explain()
    >>> said.windows, said.chunks, said.advice
    (392, (720, 1024), ())
    """
    run = _Run.of(out)
    needs, machine = _Needs(run), _Machine.now(run.plan.device)
    seconds = _seconds(needs, machine)
    base = _resident()  # now with the network, and what it needs to compute
    axis, date = _dates(out)
    chunks, why = _better_chunks(needs, machine, base)
    rechunk, reasons = _better_inputs(needs, axis)
    return Explanation(
        blocks=run.blocks,
        windows=needs.windows,
        skipped=needs.skipped,
        step=date,
        state_bytes=needs.state_bytes(run.steps),
        static_bytes=needs.static_bytes,
        reread=needs.reread,
        memory=needs.memory(base, machine.lanes),
        threads=machine.threads,
        tasks=run.tasks,
        seconds=seconds,
        chunks=chunks,
        rechunk=rechunk,
        advice=(*why, *reasons),
    )


def _bytes(count: float) -> str:
    """Bytes for people.

    >>> _bytes(1_234_567), _bytes(0), _bytes(3.2e12)
    ('1.2 MB', '0 B', '3.2 TB')
    """
    units = ["B", "kB", "MB", "GB", "TB"]
    power = min(max(len(f"{count:.0f}") - 1, 0) // 3, len(units) - 1)
    return f"{count / 1000**power:.{int(power > 0)}f} {units[power]}"


def _duration(seconds: float) -> str:
    """A time for people.

    >>> _duration(0.31), _duration(75), _duration(600), _duration(100_000)
    ('0.3 s', '75 s', '10 min', '28 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _dates(out: xr.Dataset) -> tuple[str | None, str]:
    """Name of the time axis, and its first date."""
    names = [time_name(variable) for variable in out.data_vars.values()]
    name = next((n for n in [*names, *scalar_dates(out)] if n is not None), None)
    return (None, "") if name is None else (str(name), str(np.min(out[name].values))[:10])


@dataclass(frozen=True)
class _Run:
    """What of a reconstruction is needed.

    Attributes
    ----------
    plan : Plan
    steps : dict
        Blocks of each time step.
    tasks : int
    """

    plan: Plan
    steps: dict[int, list[Number]]
    tasks: int

    @classmethod
    def of(cls, out: xr.Dataset) -> _Run:
        """Find it in the graph that a dataset is computed from."""
        graph = out.__dask_graph__()
        layers = graph.layers.items() if isinstance(graph, HighLevelGraph) else ()
        found = {name: layer for name, layer in layers if f"{name}-plan" in layer}
        tasks: Any = graph.cull(set(flatten(out.__dask_keys__()))).to_dict() if found else {}
        plans = {name: layer[f"{name}-plan"] for name, layer in found.items()}
        plans = {name: plan for name, plan in plans.items() if f"{name}-plan" in tasks}
        if len(plans) != 1:
            raise InputError(_refused(len(plans)))
        (name, plan), *_ = plans.items()
        steps = defaultdict(list)
        for _, t, i, j in sorted(key for key in tasks if isinstance(key, tuple) and key[0] == name):
            steps[t].append((i, j))
        return cls(plan, steps, len(tasks))

    @property
    def blocks(self) -> int:
        """How many blocks, over all time steps."""
        return sum(map(len, self.steps.values()))

    @property
    def first(self) -> int:
        """The first time step."""
        return min(self.steps)


def _refused(count: int) -> str:
    if count:
        return f"the dataset holds {count} reconstructions, expected one; explain each by itself"
    return (
        "the dataset holds no lazy reconstruction: it is computed already, or from elsewhere; "
        "explain what ds.ai4land.reconstruct(...) returns, before .compute()"
    )


class _Needs:
    """What a run needs, as far as its first time step tells."""

    def __init__(self, run: _Run) -> None:
        self.run, self.plan, self.layout = run, run.plan, run.plan.layout
        self.numbers = run.steps[run.first]
        self.shared = Shared()
        self.reading = 0.0
        card, inputs = run.plan.card, run.plan.inputs
        self.moving = {spec.name: inputs[spec.name] for spec in card.of_role("dynamic")}
        self.fixed = {n: reader for n, reader in inputs.items() if n not in self.moving}
        size = self.layout.windows.window.size
        self.window_bytes = len(card.classes) * size**2 * run.plan.dtype.itemsize
        self.open = self._open()

    def _open(self) -> dict[Place, bool]:
        """Whether each window needs the network."""
        found: dict[Place, bool] = {}
        card, plan = self.plan.card, replace(self.plan, device="cpu")
        for number in self.numbers:
            places = self.layout.places(number)
            if not card.states:
                found |= {self.layout.same(place): True for place in places}
                continue
            block = _Block(plan, self.shared, self.run.first, number)
            start = time.perf_counter()
            block._read(list(self.moving), places)
            self.reading += time.perf_counter() - start
            fractions = class_fractions(card, block.stacks)
            for place in places:
                if (same := self.layout.same(place)) not in found:
                    found[same] = not fractions.settled(block._pixels(place), card.conserve)
        return found

    @property
    def skipped(self) -> float:
        """Share of the windows that need no network."""
        return 1 - sum(self.open.values()) / len(self.open)

    def computed(self, workers: int) -> float:
        """Windows through the network: what blocks share is computed once in each worker."""
        uses = sum(len(self.open_in(self.layout, number)) for number in self.numbers)
        different = sum(self.open.values())
        twice = (uses / different - 1) * (1 - 1 / workers) if different else 0
        return self.windows * (1 - self.skipped) * (1 + twice)

    @cached_property
    def windows(self) -> int:
        """Different windows, over all time steps."""
        alike = Counter(map(tuple, self.run.steps.values()))
        same, places = self.layout.same, self.layout.places
        return sum(
            steps * len({same(p) for number in numbers for p in places(number)})
            for numbers, steps in alike.items()
        )

    def open_in(self, layout: Layout, number: Number) -> list[Place]:
        """Windows of a block that need the network."""
        return [place for place in layout.places(number) if self.open[layout.same(place)]]

    def seen(self, layout: Layout, number: Number, name: str) -> list[Place]:
        """Windows of a block for which an input is read."""
        first = name in self.plan.first
        return layout.places(number) if first else self.open_in(layout, number)

    def chunks(
        self, readers: dict[str, Reader], layout: Layout, numbers: Iterable[Number]
    ) -> dict[Any, int]:
        """Chunks of inputs that blocks read, and the bytes in each at one time step."""
        found: dict[Any, int] = {}
        for number, (name, reader) in itertools.product(numbers, readers.items()):
            seen = self.seen(layout, number, name)
            if seen and isinstance(reader.data, da.Array):
                (rows, columns), itemsize = reader.chunking.sizes, reader.data.dtype.itemsize
                box = layout.needed(reader.chunking.grid, layout.around(seen))
                for i, j in reader.chunking.touched(box):
                    found[name, i, j] = rows[i] * columns[j] * itemsize
        return found

    @cached_property
    def static_bytes(self) -> int:
        """Bytes of fixed inputs to be read, if each chunk is read once."""
        return sum(self.chunks(self.fixed, self.layout, self.numbers).values())

    def state_bytes(self, steps: Iterable[int]) -> int:
        """Bytes of the inputs that change with time, in the chunks that hold some steps."""
        depth = {
            name: sum(dict(_time_chunk(reader, t) for t in steps).values())
            for name, reader in self.moving.items()
        }
        chunks = self.chunks(self.moving, self.layout, self.numbers)
        return sum(size * depth[name] for (name, *_), size in chunks.items())

    @property
    def reread(self) -> bool:
        """Whether fixed inputs are more than is kept from one time step to the next."""
        return self.static_bytes > LIMIT and len(self.run.steps) > 1

    def memory(self, base: int, in_flight: int, area: float = 1) -> int:
        """Bytes at the peak of a worker; the area of its blocks is relative to the run's."""
        border = sum(open_ and self.layout.uses(place) > 1 for place, open_ in self.open.items())
        logits = border * self.window_bytes * len(self.run.steps)
        kept = self.static_bytes + self.state_bytes(self.run.steps) + logits
        blocks = min(in_flight, self.run.blocks) * self._block_bytes
        return base + int(blocks * area) + min(kept, LIMIT)

    @cached_property
    def _block_bytes(self) -> int:
        """Bytes of the largest block in flight: logits, fixed inputs as numbers, maps."""
        return max(map(self._bytes_of, self.numbers))

    def _bytes_of(self, number: Number) -> int:
        plan, layout = self.plan, self.layout
        (top, bottom), (left, right) = layout.box(number)
        # The maps are bytes; one at a time is made floats.
        each = 14 + 2 * plan.baselines + 4 * len(plan.card.classes) * plan.probabilities
        total = len(self.open_in(layout, number)) * self.window_bytes
        total += (bottom - top) * (right - left) * each
        for name, reader in self.fixed.items():
            if seen := self.seen(layout, number, name):
                total += 4 * _area(layout.needed(reader.chunking.grid, layout.around(seen)))
        return total


def _area(box: Box) -> int:
    return (box[0][1] - box[0][0]) * (box[1][1] - box[1][0])


def _time_chunk(reader: Reader, t: int) -> tuple[int, int]:
    """Position, and time steps, of the chunk along time that holds a step."""
    if not (reader.timed and isinstance(reader.data, da.Array)):
        return 0, 1
    number = int(np.searchsorted(np.cumsum(reader.data.chunks[0]), t, side="right"))
    return number, reader.data.chunks[0][number]


class _Machine(NamedTuple):
    """Who computes.

    Attributes
    ----------
    workers, threads : int
        Workers of dask, and threads of each.
    memory : float
        Bytes that each may use.
    remote : bool
        Whether they are elsewhere.
    cores : int
        Cores that one block keeps busy here.
    lanes : int
        Blocks that a worker computes at once.
    """

    workers: int
    threads: int
    memory: float
    remote: bool
    cores: int
    lanes: int

    @classmethod
    def now(cls, device: str) -> _Machine:
        """The active client's workers, or this process."""
        cpu = device == "cpu"
        cores = torch.get_num_threads() if cpu else 1
        lanes = LANES + cores // 8
        try:
            client = sys.modules["distributed"].default_client()
        except (KeyError, ValueError):
            threads = dask.config.get("num_workers", None) or CPU_COUNT
            lanes = threads if cpu and cores == 1 else min(threads, lanes)
            return cls(1, threads, _installed(), False, cores, lanes)
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers:
            raise InputError("the active client has no workers; client.wait_for_workers(1) first")
        memory = min(worker["memory_limit"] or np.inf for worker in workers)
        threads = min(worker["nthreads"] for worker in workers)
        # Dask's workers give torch one thread.
        return cls(len(workers), threads, memory, True, cores, threads if cpu else LANES)


def _installed() -> float:
    """Memory of this machine, where it can be told."""
    known = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else np.inf


def _resident() -> int:
    """Memory of this process, where it can be told."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return BASE
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class _Took(NamedTuple):
    """Seconds of a small block, and the windows that went through the network."""

    number: Number
    windows: int
    reading: float
    network: float
    maps: float


class _Trial:
    """Small blocks of a run, computed as the engine does to see how long that takes."""

    def __init__(self, needs: _Needs, cores: int) -> None:
        self.needs, self.step = needs, needs.plan.batch_size * cores
        rows, columns = (
            [(n, part) for n, size in enumerate(line) for part in _parts(size)]
            for line in needs.layout.sizes
        )
        sizes = tuple(part for _, part in rows), tuple(part for _, part in columns)
        self.layout = replace(needs.layout, sizes=sizes)
        self.plan = replace(needs.plan, layout=self.layout)
        self.open: list[Number] = []
        self.pure: list[Number] = []
        needed = set(needs.numbers)
        for i, j in np.ndindex(len(rows), len(columns)):
            if (rows[i][0], columns[j][0]) in needed:
                (self.open if needs.open_in(self.layout, (i, j)) else self.pure).append((i, j))

    def run(self, callers: int) -> list[_Took]:
        """Compute blocks, as many at once as the run will, until the time is over."""
        some = random.Random(0).sample(self.open, min(len(self.open), MOST))
        order = [*some[:1], *self.pure[:1], *some[1:]]
        self._one(order[0], 0)  # what torch does once a process is no part of it
        end = time.perf_counter() + SECONDS

        def job(k: int) -> _Took | None:
            late = k > 1 and time.perf_counter() > end
            return None if late else self._one(order[k], end)

        with ThreadPoolExecutor(callers) as pool:
            return [took for took in pool.map(job, range(len(order))) if took]

    def _one(self, number: Number, end: float) -> _Took:
        """Compute one block; after the end, no more of its windows."""
        plan, clock = self.plan, [time.perf_counter()]
        open_ = self.needs.open_in(self.layout, number)
        logits: dict[Place, torch.Tensor] = {}
        with torch.inference_mode(), lane(torch.device(plan.device)):
            block = _Block(plan, self.needs.shared, self.needs.run.first, number)
            block._read(plan.first, self.layout.places(number))
            if others := [name for name in plan.inputs if open_ and name not in plan.first]:
                block._read(others, open_)
            clock.append(time.perf_counter())
            fractions = class_fractions(plan.card, block.stacks)
            while len(logits) < len(open_) and (not logits or time.perf_counter() < end):
                futures = {p: Future[torch.Tensor]() for p in open_[len(logits) :][: self.step]}
                block._compute(list(futures), futures, fractions)
                logits |= {place: future.result() for place, future in futures.items()}
            clock.append(time.perf_counter())
            make_maps(plan, number, block.stacks, fractions, logits)
            clock.append(time.perf_counter())
        return _Took(number, len(logits), *np.diff(clock).tolist())

    def pixels(self, numbers: Iterable[Number]) -> int:
        """Pixels of blocks."""
        return sum(_area(self.layout.box(number)) for number in numbers)


def _parts(size: int) -> list[int]:
    """A length in parts that can be tried out.

    >>> _parts(1025), _parts(7)
    ([341, 342, 342], [7])
    """
    count = -(-size // SAMPLE)
    ends = [size * k // count for k in range(count + 1)]
    return [stop - start for start, stop in itertools.pairwise(ends)]


def _seconds(needs: _Needs, machine: _Machine) -> float:
    """How long the run takes, from what a trial took by window, pixel and byte."""
    run, trial = needs.run, _Trial(needs, machine.cores)
    spread = needs.plan.device == "cpu" and (machine.remote or machine.cores == 1)
    callers = min(machine.lanes, CPU_COUNT, run.blocks) if spread and machine.cores == 1 else 1
    took = trial.run(callers)
    work = needs.reading * len(run.steps)
    for numbers in (trial.open, trial.pure):
        if some := [one for one in took if one.number in numbers]:
            each = sum(one.maps for one in some) / trial.pixels(one.number for one in some)
            work += each * trial.pixels(numbers) * run.blocks / len(needs.numbers)
    if count := sum(one.windows for one in took):
        each = sum(one.network for one in took) / count
        work += each * needs.computed(machine.workers)
    if read := sum(needs.chunks(needs.fixed, trial.layout, (one.number for one in took)).values()):
        each = sum(one.reading for one in took) / read
        work += each * needs.static_bytes * (len(run.steps) if needs.reread else 1)
    if not spread:
        return work / machine.workers
    turns = -(-run.blocks // (machine.workers * machine.threads))
    return work * machine.cores * turns / run.blocks


def _better_chunks(
    needs: _Needs, machine: _Machine, base: int
) -> tuple[tuple[int, int], list[str]]:
    """Rows and columns of better output chunks, and why they are."""
    size, shape = needs.layout.windows.window.size, needs.layout.target.shape
    own = rows, columns = max(needs.layout.sizes[0]), max(needs.layout.sizes[1])
    threads, why = machine.workers * machine.threads, []

    def area() -> float:
        return rows * columns / (own[0] * own[1])

    def too_large() -> bool:
        return needs.memory(base, machine.lanes, area()) > machine.memory

    def too_few() -> bool:
        return machine.remote and needs.run.blocks < threads * area()

    if min(own) < min(size, *shape):
        rows, columns = (min(max(n, SMALL), whole) for n, whole in zip(own, shape, strict=True))
        why.append(f"blocks of {_by(own)} are smaller than a window of {_by((size, size))}")
    if too_large():
        why.append(f"a worker has no more than {_bytes(machine.memory)}")
    if too_few():
        why.append(f"there are {threads} threads that want a block each")
    while (too_large() or too_few()) and max(rows, columns) >= 2 * size:
        rows, columns = (-(-rows // 2), columns) if rows > columns else (rows, -(-columns // 2))
    if (rows, columns) == own:
        return own, []
    return (rows, columns), [f"chunks=({rows}, {columns}): {'; '.join(why)}"]


def _better_inputs(needs: _Needs, axis: str | None) -> tuple[dict[str, int], list[str]]:
    """Better chunks of the inputs, and why they are."""
    rechunk: dict[str, int] = {}
    why: dict[str, None] = {}
    reach = needs.layout.reach(needs.numbers[0])
    for reader in needs.fixed.values():
        if not isinstance(reader.data, da.Array):
            continue
        grid, (rows, columns) = reader.chunking.grid, reader.chunking.sizes
        sides = max(rows), max(columns)
        tiny = any(n < min(TINY, whole) for n, whole in zip(sides, grid.shape, strict=True))
        seen = _area(needs.layout.needed(grid, reach))
        large = needs.static_bytes > LIMIT and sides[0] * sides[1] > 4 * seen
        if tiny or large:
            better = [SMALL if large else -(-SMALL // n) * n for n in sides]
            rechunk |= dict(zip(grid.names, map(min, better, grid.shape), strict=True))
            what = "too large to be kept" if large else "small, each a task"
            why[f"fixed inputs come in chunks of {_by(sides)}, {what}"] = None
    steps = max(_time_chunk(r, needs.run.first)[1] for r in needs.moving.values())
    together = needs.state_bytes([needs.run.first])
    if axis and steps > 1 and together > LIMIT:
        rechunk[axis] = max(steps * LIMIT // together // 2, 1)
        why[f"states come {steps} time steps a chunk, {_bytes(together)} together"] = None
    return rechunk, [f"open_dataset(chunks={rechunk}): {'; '.join(why)}"] if rechunk else []


def _by(sides: tuple[int, int]) -> str:
    return f"{sides[0]} x {sides[1]}"
