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

from xai4land.device import device_slot, max_concurrent_blocks
from xai4land.explaining.workers import Workers
from xai4land.inference.blocks import Block
from xai4land.inference.layout import BlockIndex, Layout
from xai4land.inference.plan import Plan
from xai4land.windows.cache import ResultCache
from xai4land.windows.lattice import WindowCorner

__all__ = ["estimate_seconds"]

TRIAL_SECONDS = 3.0
"""Time after which no more blocks are timed."""
MAX_TRIAL_SIDE = 512
"""Rows and columns of a timed block."""
MAX_TRIAL_BLOCKS = 32
"""Timed blocks with windows that need the network."""


def estimate_seconds(
    plan: Plan,
    step: int,
    screened: Mapping[BlockIndex, Sequence[WindowCorner]],
    cache: ResultCache,
    windows: float,
    blocks: float,
    workers: Workers,
) -> float:
    """Estimate the seconds of a run, without what it takes to read its inputs.

    Windows, and pixels of blocks with and without windows that need the network, are timed
    separately: small blocks have other shares of them than large ones.

    Parameters
    ----------
    plan : Plan
    step : int
        Time step to try.
    screened : mapping
        Windows that need the network, by block; only these blocks are timed.
    cache : ResultCache
        What has been read already.
    windows, blocks : float
        Windows that need the network, and blocks, in the whole run.
    workers : Workers
    """
    small, active, trivial = _cut_smaller(plan, screened)
    one_core = max_concurrent_blocks(plan.device) is None
    threads = min(workers.concurrent_blocks, CPU_COUNT, int(blocks)) if one_core else 1
    timings = _time_blocks(small, step, active, trivial, cache, threads)
    work = 0.0
    for group in (active, trivial):
        if some := [timing for timing in timings if timing.block in group]:
            pixels = _count_pixels(small.layout, (timing.block for timing in some))
            each = sum(timing.rest for timing in some) / pixels
            work += each * _count_pixels(small.layout, group) * blocks / len(screened)
    if count := sum(timing.windows for timing in timings):
        work += sum(timing.network for timing in timings) / count * windows
    if not workers.one_core_per_block:
        return work / workers.count
    cores = 1 if one_core else torch.get_num_threads()
    rounds = -(-blocks // workers.cores)
    return work * cores * rounds / blocks


def _cut_smaller(
    plan: Plan, screened: Mapping[BlockIndex, Sequence[WindowCorner]]
) -> tuple[Plan, list[BlockIndex], list[BlockIndex]]:
    """Return the same run in small blocks; those that need the network, and those that do not."""
    cut = [
        [(k, part) for k, size in enumerate(line) for part in _split_evenly(size)]
        for line in plan.layout.sizes
    ]
    rows, columns = (tuple(part for _, part in line) for line in cut)
    layout = replace(plan.layout, sizes=(rows, columns))
    canonical = layout.canonical_corner
    active = {canonical(corner) for corners in screened.values() for corner in corners}
    blocks: dict[bool, list[BlockIndex]] = {True: [], False: []}
    for i, j in itertools.product(range(len(rows)), range(len(columns))):
        if (cut[0][i][0], cut[1][j][0]) in screened:
            block = BlockIndex((i, j))
            needs_network = any(canonical(corner) in active for corner in layout.corners(block))
            blocks[needs_network].append(block)
    return replace(plan, layout=layout), blocks[True], blocks[False]


def _split_evenly(size: int) -> list[int]:
    """Split a length into parts of at most ``MAX_TRIAL_SIDE``.

    >>> _split_evenly(1025), _split_evenly(7)
    ([341, 342, 342], [7])
    """
    count = -(-size // MAX_TRIAL_SIDE)
    ends = [size * k // count for k in range(count + 1)]
    return [stop - start for start, stop in itertools.pairwise(ends)]


def _count_pixels(layout: Layout, blocks: Iterable[BlockIndex]) -> int:
    return sum(layout.sizes[0][i] * layout.sizes[1][j] for i, j in blocks)


class BlockTiming(NamedTuple):
    """Seconds that a block took in the network, and in all else but reading."""

    block: BlockIndex
    windows: int
    network: float
    rest: float


def _time_blocks(
    plan: Plan,
    step: int,
    active: Sequence[BlockIndex],
    trivial: Sequence[BlockIndex],
    cache: ResultCache,
    threads: int,
) -> list[BlockTiming]:
    """Compute blocks in several threads until time is over; at least one of each group."""
    some = random.Random(0).sample(active, min(len(active), MAX_TRIAL_BLOCKS))
    order = [*some[:1], *trivial[:1], *some[1:]]
    _time_block(plan, step, order[0], cache, 0)  # torch sets itself up in its first call
    end = time.perf_counter() + TRIAL_SECONDS

    def job(k: int) -> BlockTiming | None:
        late = k > 1 and time.perf_counter() > end
        return None if late else _time_block(plan, step, order[k], cache, end)

    with ThreadPoolExecutor(threads) as pool:
        return [timing for timing in pool.map(job, range(len(order))) if timing]


def _time_block(
    plan: Plan, step: int, index: BlockIndex, cache: ResultCache, end: float
) -> BlockTiming:
    """Compute a block; after the end, no more of its windows."""
    batch = plan.batch_size * torch.get_num_threads()
    answers: dict[WindowCorner, torch.Tensor] = {}
    with torch.inference_mode(), device_slot(torch.device(plan.device)):
        start = time.perf_counter()
        block = Block(plan, cache, step, index)
        guess, active = block.screen()
        screened = time.perf_counter()
        block.read(active)
        ready = time.perf_counter()
        while len(answers) < len(active) and (not answers or time.perf_counter() < end):
            futures = {c: Future[torch.Tensor]() for c in active[len(answers) :][:batch]}
            block.compute(list(futures), futures, guess)
            answers |= {corner: future.result() for corner, future in futures.items()}
        answered = time.perf_counter()
        block.finish(guess, answers)
        rest = time.perf_counter() - answered + screened - start
    return BlockTiming(index, len(answers), answered - ready, rest)
