"""Parts of inputs, read when a block wants them and put together from chunks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dask.array as da
import numpy as np
from dask.core import flatten, get_dependencies
from dask.local import get_sync

from xai4land.grids.grid import Grid
from xai4land.typing import Ints
from xai4land.windows.buffers import apart, empty
from xai4land.windows.cache import ResultCache, Source

__all__ = ["Box", "Chunking", "Reader"]

Span = tuple[int, int]
"""A half-open range."""

Box = tuple[Span, Span]
"""Half-open ranges of rows and columns; columns may count on past the ends of a globe."""

_ByChunk = dict[int, list[tuple[slice, slice]]]


@dataclass(frozen=True)
class Chunking:
    """Where the chunks of a two-dimensional array begin, and on which grid."""

    grid: Grid
    sizes: tuple[tuple[int, ...], tuple[int, ...]]

    def touched_along(self, dim: int, span: Span) -> list[int]:
        """Numbers of the chunks along rows (0) or columns (1) that a range touches."""
        return list(self._pieces_along(dim, span))

    def assembled(self, box: Box, chunk: Callable[[tuple[int, int]], np.ndarray]) -> np.ndarray:
        """The values in a box; each chunk that it touches is asked for once, and then let go."""
        down, across = self._pieces(box)
        values = None
        for i, j in itertools.product(down, across):
            found = chunk((i, j))
            if values is None:
                values = empty([stop - start for start, stop in box], found.dtype)
            for (above, rows), (left, columns) in itertools.product(down[i], across[j]):
                values[above, left] = found[rows, columns]
        assert values is not None  # a box touches something
        return values

    def _pieces(self, box: Box) -> tuple[_ByChunk, _ByChunk]:
        """For each chunk along each axis: where the box meets it, in the box and in the chunk."""
        return self._pieces_along(0, box[0]), self._pieces_along(1, box[1])

    def _pieces_along(self, dim: int, span: Span) -> _ByChunk:
        axis = (self.grid.lat, self.grid.lon)[dim]
        return _by_chunk(self.sizes[dim], span, axis.periodic)


class Reader:
    """An input whose chunks are read when a block first wants them, and then shared.

    Parameters
    ----------
    data : dask array or ndarray, shape ((time,) rows, columns)
    grid : Grid
    kind : {"screening", "others"}
        With which others its chunks share memory.
    """

    def __init__(self, data: Any, grid: Grid, kind: Source = "others") -> None:
        self.data, self.kind = data, kind
        whole = (data.shape[-2],), (data.shape[-1],)
        lazy = isinstance(data, da.Array)
        self.chunking = Chunking(grid, data.chunks[-2:] if lazy else whole)

    def read(self, box: Box, time: int, shared: ResultCache) -> np.ndarray:
        """The values in a box, at a time step if they change with time."""
        if not isinstance(self.data, da.Array):
            whole = self.data[time] if self.timed else self.data
            return self.chunking.assembled(box, lambda _: whole)
        return self.chunking.assembled(box, lambda place: self._chunk(place, time, shared))

    @property
    def timed(self) -> bool:
        """Whether the values change with time."""
        return bool(self.data.ndim == 3)

    @cached_property
    def largest(self) -> int:
        """Bytes of the largest chunk of one step; 0 for what is in memory, which is not copied."""
        if not isinstance(self.data, da.Array):
            return 0
        rows, columns = (max(sizes) for sizes in self.chunking.sizes)
        return rows * columns * int(self.data.dtype.itemsize)

    def steps(self, limit: int) -> int:
        """Steps that are read to get one: those of a chunk that is too large to be kept whole."""
        several = max(self.data.chunks[0]) if self.timed and isinstance(self.data, da.Array) else 1
        return several if several * self.largest * 4 > limit else 1

    def _chunk(self, place: tuple[int, int], time: int, shared: ResultCache) -> np.ndarray:
        if not self.timed:
            return self._node((self.data.name, *place), shared)  # type: ignore[no-any-return]
        number, _, inside = next(_pieces(self.data.chunks[0], (time, time + 1)))
        key = (self.data.name, number, *place)
        if self.steps(shared.limits[self.kind]) == 1:
            return self._node(key, shared)[inside.start]  # type: ignore[no-any-return]

        # Kept by itself, or chunks of many steps would drive each other out.
        def step() -> np.ndarray:
            return self._made(key, shared)[inside.start].copy()  # type: ignore[no-any-return]

        return shared.get((key, time), step, self.kind)  # type: ignore[no-any-return]

    def _node(self, key: Any, shared: ResultCache) -> Any:
        return shared.get(key, lambda: self._made(key, shared), self.kind)

    def _made(self, key: Any, shared: ResultCache) -> Any:
        """Run one task of the array's graph; what it needs is shared like it."""
        task = self._graph[key]
        needs = get_dependencies(self._graph, key)
        graph = {need: self._node(need, shared) for need in needs}
        made = get_sync({**graph, key: task}, key)
        return apart(made) if isinstance(made, np.ndarray) else made

    @cached_property
    def _graph(self) -> Any:
        keys = list(flatten(self.data.__dask_keys__()))
        return dict(self.data.__dask_optimize__(self.data.__dask_graph__(), keys))

    def __getstate__(self) -> dict[str, Any]:
        return {"data": self.data, "kind": self.kind, "chunking": self.chunking}


def _by_chunk(sizes: tuple[int, ...], span: Span, periodic: bool) -> _ByChunk:
    found: _ByChunk = {}
    for number, here, inside in _pieces(sizes, span, periodic):
        found.setdefault(number, []).append((here, inside))
    return found


def _pieces(
    sizes: tuple[int, ...], span: Span, periodic: bool = False
) -> Iterator[tuple[int, slice, slice]]:
    """A range cut at the ends of chunks: chunk, place in the range, place in the chunk."""
    ends: Ints = np.cumsum(sizes)
    at = span[0]
    while at < span[1]:
        cell = at % int(ends[-1]) if periodic else at
        number = int(np.searchsorted(ends, cell, side="right"))
        first = int(ends[number]) - sizes[number]
        length = min(int(ends[number]) - cell, span[1] - at)
        here = slice(at - span[0], at - span[0] + length)
        yield number, here, slice(cell - first, cell - first + length)
        at += length
