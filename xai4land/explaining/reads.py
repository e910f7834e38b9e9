"""What a run will read: its memory of chunks, played through before it runs."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import dask.array as da

from xai4land.explaining.timing import Number
from xai4land.inference.plan import Plan
from xai4land.windows.cache import Source
from xai4land.windows.chunks import Box, Span
from xai4land.windows.lattice import Place

__all__ = ["Reads", "played"]


class Reads(NamedTuple):
    """Uncompressed bytes of one kind of inputs: read in all, and kept at once at most."""

    read: int
    kept: int


def played(
    plan: Plan,
    numbers: Sequence[Number],
    open_: Callable[[Number], Sequence[Place]],
    steps: int,
) -> dict[Source, Reads]:
    """What blocks read, one after another, of states and of fixed inputs that are not in memory.

    Parameters
    ----------
    plan : Plan
    numbers : sequence
        Blocks, in the order of the run.
    open_ : callable
        A block's windows that need the network.
    steps : int
        The second of them stands for all that follow.
    """
    limits = plan.kept(steps)
    memories = {kind: _Memory(limit) for kind, limit in limits.items()}
    inputs = {name: _Chunks(plan, name, limits) for name in plan.inputs}
    told: list[dict[Source, int]] = []
    for step in range(min(steps, 2)):
        claimed: set[Place] = set()
        for number in numbers:
            places = [place for place in open_(number) if plan.layout.same(place) not in claimed]
            claimed.update(map(plan.layout.same, places))
            for names, box in [*plan.looks(number), *plan.reads(number, places)]:
                for name in names:
                    memory = memories[plan.inputs[name].kind]
                    for chunk, size in inputs[name].touched(box, step):
                        memory.ask((name, chunk), size, inputs[name].times)
        told.append({kind: memory.read for kind, memory in memories.items()})
    more = max(steps - 2, 0)
    return {
        kind: Reads(memory.read + more * (memory.read - told[0][kind]), memory.most)
        for kind, memory in memories.items()
    }


class _Memory:
    """As :class:`ResultCache` keeps a kind of inputs: the longest unused go first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.read = self.held = self.most = 0
        self._sizes: OrderedDict[Hashable, int] = OrderedDict()

    def ask(self, key: Hashable, size: int, times: int) -> None:
        """Read what is not there, or so many times as much to get at it."""
        if key in self._sizes:
            self._sizes.move_to_end(key)
            return
        self.read += size * times
        if size > self.limit:
            return
        self._sizes[key] = size
        self.held += size
        while self.held > self.limit:
            self.held -= self._sizes.popitem(last=False)[1]
        self.most = max(self.most, self.held)


class _Chunks:
    """The chunks of an input that a part of the lattice touches, and their bytes."""

    def __init__(self, plan: Plan, name: str, limits: Mapping[Source, int]) -> None:
        self.plan, self.reader = plan, plan.inputs[name]
        self.times = self.reader.steps(limits[self.reader.kind])
        # Rows and columns apart: many parts share them.
        self._along = cache(self._touched_along)

    def touched(self, box: Box, step: int) -> Iterator[tuple[Hashable, int]]:
        """Key and bytes of each chunk, at a step."""
        reader = self.reader
        itemsize = reader.data.dtype.itemsize
        if not isinstance(reader.data, da.Array):  # there already
            return
        rows, columns = (self._along(dim, span) for dim, span in enumerate(box))
        for (i, height), (j, width) in itertools.product(rows, columns):
            yield (step * reader.timed, i, j), height * width * itemsize

    def _touched_along(self, dim: int, span: Span) -> list[tuple[int, int]]:
        chunking = self.reader.chunking
        needed = self.plan.sources.needed_along(dim, chunking.grid, span)
        return [(k, chunking.sizes[dim][k]) for k in chunking.touched_along(dim, needed)]
