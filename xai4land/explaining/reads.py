"""What a run will read: its cache of chunks, simulated before it runs."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import dask.array as da

from xai4land.inference.layout import BlockIndex
from xai4land.inference.plan import Plan
from xai4land.windows.cache import InputKind
from xai4land.windows.chunks import Box, Span
from xai4land.windows.lattice import WindowCorner

__all__ = ["Reads", "simulate_reads"]


class Reads(NamedTuple):
    """Uncompressed bytes of one kind of inputs: read in all, and cached at once at most."""

    total: int
    max_cached: int


def simulate_reads(
    plan: Plan,
    blocks: Sequence[BlockIndex],
    find_active: Callable[[BlockIndex], list[WindowCorner]],
    steps: int,
) -> dict[InputKind, Reads]:
    """Simulate what blocks read, one after another, of inputs that are not in memory.

    Parameters
    ----------
    plan : Plan
    blocks : sequence of BlockIndex
        In the order of the run.
    find_active : callable
        Returns a block's windows that need the network.
    steps : int
        Time steps; the second stands for all that follow.
    """
    limits = plan.cache_limits(steps)
    caches = {kind: _SimulatedCache(limit) for kind, limit in limits.items()}
    inputs = {name: _InputChunks(plan, name, limits) for name in plan.inputs}
    canonical = plan.layout.canonical_corner
    totals: list[dict[InputKind, int]] = []
    for step in range(min(steps, 2)):
        computed: set[WindowCorner] = set()
        for block in blocks:
            corners = [c for c in find_active(block) if canonical(c) not in computed]
            computed.update(map(canonical, corners))
            reads = [
                *plan.list_screening_reads(block),
                *plan.list_further_reads(block, corners),
            ]
            for names, box in reads:
                for name in names:
                    input_cache = caches[plan.inputs[name].kind]
                    for chunk, size in inputs[name].find(box, step):
                        input_cache.request((name, chunk), size, inputs[name].steps_per_read)
        totals.append({kind: simulated.total for kind, simulated in caches.items()})
    more = max(steps - 2, 0)
    return {
        kind: Reads(
            simulated.total + more * (simulated.total - totals[0][kind]), simulated.max_size
        )
        for kind, simulated in caches.items()
    }


class _SimulatedCache:
    """Counts what :class:`ResultCache` would read of one kind of inputs."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = self.size = self.max_size = 0
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()

    def request(self, key: Hashable, size: int, steps_per_read: int) -> None:
        """Count a chunk that is not cached, with the steps that are read along with it."""
        if key in self._sizes:
            self._sizes.move_to_end(key)
            return
        self.total += size * steps_per_read
        if size > self.limit:
            return
        self._sizes[key] = size
        self.size += size
        while self.size > self.limit:
            self.size -= self._sizes.popitem(last=False)[1]
        self.max_size = max(self.max_size, self.size)


class _InputChunks:
    """Finds the chunks of an input that a part of the lattice needs, and their bytes."""

    def __init__(self, plan: Plan, name: str, limits: Mapping[InputKind, int]) -> None:
        self.plan, self.reader = plan, plan.inputs[name]
        self.steps_per_read = self.reader.steps_per_read(limits[self.reader.kind])
        # Rows and columns are cached separately, since many parts share them.
        self._find_along_cached = cache(self._find_along)

    def find(self, box: Box, step: int) -> Iterator[tuple[Hashable, int]]:
        """Yield key and bytes of each chunk at a time step."""
        reader = self.reader
        itemsize = reader.data.dtype.itemsize
        if not isinstance(reader.data, da.Array):  # in memory already
            return
        rows, columns = (self._find_along_cached(dim, span) for dim, span in enumerate(box))
        for (i, height), (j, width) in itertools.product(rows, columns):
            yield (step * reader.timed, i, j), height * width * itemsize

    def _find_along(self, dim: int, span: Span) -> list[tuple[int, int]]:
        chunking = self.reader.chunking
        needed = self.plan.sources.needed_along(dim, chunking.grid, span)
        return [(k, chunking.sizes[dim][k]) for k in chunking.find_chunks_along(dim, needed)]
