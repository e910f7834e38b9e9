"""How long a run will take, from a few seconds of it."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import torch
from dask.system import CPU_COUNT

from xai4land.device import lane, lanes
from xai4land.explaining.workers import Workers
from xai4land.inference.blocks import Block
from xai4land.inference.layout import Layout
from xai4land.inference.plan import Plan
from xai4land.windows.cache import ResultCache
from xai4land.windows.lattice import Place

__all__ = ["Number", "estimate"]

Number = tuple[int, int]
SECONDS = 3.0
SIDE, MOST = 512, 32
"""Side of a block that is tried, and how many of them with open windows, at most."""


def estimate(
    plan: Plan,
    step: int,
    look: Mapping[Number, Sequence[Place]],
    shared: ResultCache,
    windows: float,
    blocks: float,
    workers: Workers,
) -> float:
    """Seconds of a run, without what it takes to read its inputs.

    Windows, and pixels of blocks with and without windows that need the network, are timed apart:
    small blocks have other shares of them than large ones.

    Parameters
    ----------
    plan : Plan
    step : int
        Time step to try.
    look : mapping
        Windows that need the network, of the blocks that may be tried.
    shared : ResultCache
        What has been read already.
    windows, blocks : float
        Windows that need the network, and blocks, in the whole run.
    workers : Workers
    """
    small, mixed, pure = _small(plan, look)
    alone = lanes(plan.device) is None
    callers = min(workers.lanes, CPU_COUNT, int(blocks)) if alone else 1
    took = _tried(small, step, mixed, pure, shared, callers)
    work = 0.0
    for numbers in (mixed, pure):
        if some := [one for one in took if one.number in numbers]:
            each = sum(one.rest for one in some) / _pixels(small.layout, (o.number for o in some))
            work += each * _pixels(small.layout, numbers) * blocks / len(look)
    if count := sum(one.windows for one in took):
        work += sum(one.network for one in took) / count * windows
    if not workers.single:
        return work / workers.count
    cores = 1 if alone else torch.get_num_threads()
    turns = -(-blocks // workers.cores)
    return work * cores * turns / blocks


def _small(
    plan: Plan, look: Mapping[Number, Sequence[Place]]
) -> tuple[Plan, list[Number], list[Number]]:
    """The same run in small blocks; which of them need the network, and which do not."""
    cut = [
        [(k, part) for k, size in enumerate(line) for part in _parts(size)]
        for line in plan.layout.sizes
    ]
    rows, columns = (tuple(part for _, part in line) for line in cut)
    layout = replace(plan.layout, sizes=(rows, columns))
    open_ = {layout.same(place) for places in look.values() for place in places}
    found: dict[bool, list[Number]] = {True: [], False: []}
    for i, j in itertools.product(range(len(rows)), range(len(columns))):
        if (cut[0][i][0], cut[1][j][0]) in look:
            mixed = any(layout.same(place) in open_ for place in layout.places((i, j)))
            found[mixed].append((i, j))
    return replace(plan, layout=layout), found[True], found[False]


def _parts(size: int) -> list[int]:
    """A length in parts that are small.

    >>> _parts(1025), _parts(7)
    ([341, 342, 342], [7])
    """
    count = -(-size // SIDE)
    ends = [size * k // count for k in range(count + 1)]
    return [stop - start for start, stop in itertools.pairwise(ends)]


def _pixels(layout: Layout, numbers: Iterable[Number]) -> int:
    return sum(layout.sizes[0][i] * layout.sizes[1][j] for i, j in numbers)


class _Took(NamedTuple):
    """What a block took: seconds of the network and of all else but reading."""

    number: Number
    windows: int
    network: float
    rest: float


def _tried(
    plan: Plan,
    step: int,
    mixed: Sequence[Number],
    pure: Sequence[Number],
    shared: ResultCache,
    callers: int,
) -> list[_Took]:
    """Compute small blocks, several at once, until the time is over; at least one of each kind."""
    some = random.Random(0).sample(mixed, min(len(mixed), MOST))
    order = [*some[:1], *pure[:1], *some[1:]]
    _one(plan, step, order[0], shared, 0)  # what torch does once a process is no part of it
    end = time.perf_counter() + SECONDS

    def job(k: int) -> _Took | None:
        late = k > 1 and time.perf_counter() > end
        return None if late else _one(plan, step, order[k], shared, end)

    with ThreadPoolExecutor(callers) as pool:
        return [took for took in pool.map(job, range(len(order))) if took]


def _one(plan: Plan, step: int, number: Number, shared: ResultCache, end: float) -> _Took:
    """Compute a block; after the end, no more of its windows."""
    batch = plan.batch_size * torch.get_num_threads()
    answers: dict[Place, torch.Tensor] = {}
    with torch.inference_mode(), lane(torch.device(plan.device)):
        start = time.perf_counter()
        block = Block(plan, shared, step, number)
        guess, open_ = block.look()
        looked = time.perf_counter()
        block.read(open_)
        ready = time.perf_counter()
        while len(answers) < len(open_) and (not answers or time.perf_counter() < end):
            futures = {p: Future[torch.Tensor]() for p in open_[len(answers) :][:batch]}
            block.compute(list(futures), futures, guess)
            answers |= {place: future.result() for place, future in futures.items()}
        made = time.perf_counter()
        block.finish(guess, answers)
        rest = time.perf_counter() - made + looked - start
    return _Took(number, len(answers), made - ready, rest)
