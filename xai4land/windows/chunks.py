"""Parts of inputs, read when a block needs them and assembled from chunks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import dask.array as da
import numpy as np
from dask.core import flatten, get_dependencies
from dask.local import get_sync

from xai4land.adapters.dask import find_tasks, is_read, run_task
from xai4land.grids.grid import Grid
from xai4land.typing import Ints
from xai4land.windows.buffers import copy_to_own_pages, empty
from xai4land.windows.cache import InputKind, ResultCache

__all__ = ["Box", "Chunking", "HeldChunks", "Reader", "Span"]

Span = tuple[int, int]
"""A half-open range."""

Box = tuple[Span, Span]
"""Half-open ranges of rows and columns; columns may continue beyond the ends of a globe."""

_SlicesByChunk = dict[int, list[tuple[slice, slice]]]


@dataclass(frozen=True)
class Chunking:
    """Where the chunks of a two-dimensional array begin, and on which grid."""

    grid: Grid
    sizes: tuple[tuple[int, ...], tuple[int, ...]]

    def find_chunks_along(self, dim: int, span: Span) -> list[int]:
        """Find the chunks along rows (0) or columns (1) that a range overlaps."""
        return list(self._slices_along(dim, span))

    def assemble(self, box: Box, read_chunk: Callable[[tuple[int, int]], np.ndarray]) -> np.ndarray:
        """Return the values in a box; each chunk that it overlaps is read once, then released."""
        down, across = (self._slices_along(dim, span) for dim, span in enumerate(box))
        values = None
        for i, j in itertools.product(down, across):
            chunk = read_chunk((i, j))
            if values is None:
                values = empty([stop - start for start, stop in box], chunk.dtype)
            for (above, rows), (left, columns) in itertools.product(down[i], across[j]):
                values[above, left] = chunk[rows, columns]
        assert values is not None  # a box overlaps at least one chunk
        return values

    def _slices_along(self, dim: int, span: Span) -> _SlicesByChunk:
        """Return slices of a range and of the chunk where they overlap, by chunk."""
        axis = (self.grid.lat, self.grid.lon)[dim]
        slices: _SlicesByChunk = {}
        for chunk, in_span, in_chunk in _cut_at_chunks(self.sizes[dim], span, axis.periodic):
            slices.setdefault(chunk, []).append((in_span, in_chunk))
        return slices


class Reader:
    """An input whose chunks are read when a block first needs them, and then shared.

    Parameters
    ----------
    data : dask array or ndarray, shape ((time,) rows, columns)
    grid : Grid
    kind : {"screening", "others"}
        Inputs of one kind share a part of the cache.
    share_reads : bool
        Whether what is read of a store serves all that is computed from it, such as the map of a
        year as truth and as prior map; it is cached beside what is computed.
    """

    def __init__(
        self, data: Any, grid: Grid, kind: InputKind = "others", share_reads: bool = False
    ) -> None:
        self.data, self.kind, self.share_reads = data, kind, share_reads
        single = (data.shape[-2],), (data.shape[-1],)
        lazy = isinstance(data, da.Array)
        self.chunking = Chunking(grid, data.chunks[-2:] if lazy else single)

    def read(self, box: Box, time: int, cache: ResultCache) -> np.ndarray:
        """Return the values in a box, at a time step if they change; not to be written to."""
        if not isinstance(self.data, da.Array):
            step = self.data[time] if self.timed else self.data
            (top, bottom), (left, right) = box
            if top >= 0 and left >= 0 and bottom <= step.shape[0] and right <= step.shape[1]:
                view: np.ndarray = step[top:bottom, left:right]
                return view
            return self.chunking.assemble(box, lambda _: step)
        return self.chunking.assemble(box, lambda index: self._read_chunk(index, time, cache))

    def read_chunk(self, index: tuple[int, ...], cache: ResultCache) -> np.ndarray:
        """Return one chunk of an array that is read in chunks, with all of its steps."""
        return np.asarray(self._get_or_compute((self.data.name, *index), cache))

    @property
    def timed(self) -> bool:
        """Whether the values change with time."""
        return bool(self.data.ndim == 3)

    @cached_property
    def max_chunk_bytes(self) -> int:
        """Bytes of the largest chunk of one step; 0 for what is in memory, which is not cached."""
        if not isinstance(self.data, da.Array):
            return 0
        rows, columns = (max(sizes) for sizes in self.chunking.sizes)
        return rows * columns * int(self.data.dtype.itemsize)

    @property
    def steps_in_chunk(self) -> int:
        """Most steps that a chunk holds."""
        return max(self.data.chunks[0]) if self.timed and isinstance(self.data, da.Array) else 1

    def steps_per_read(self, limit: int) -> int:
        """Return the steps that are read to get one: several if the chunk is too large to cache."""
        several = self.steps_in_chunk
        return several if several * self.max_chunk_bytes * 4 > limit else 1

    def _read_chunk(self, index: tuple[int, int], time: int, cache: ResultCache) -> np.ndarray:
        """Return one step of a chunk, shape (rows, columns)."""
        if not self.timed:
            return self._get_or_compute((self.data.name, *index), cache)  # type: ignore[no-any-return]
        chunk, _, in_chunk = next(_cut_at_chunks(self.data.chunks[0], (time, time + 1)))
        key = (self.data.name, chunk, *index)
        if self.steps_per_read(cache.limits[self.kind]) == 1:
            return self._get_or_compute(key, cache)[in_chunk.start]  # type: ignore[no-any-return]

        # The step alone is cached, or chunks of many steps would evict each other.
        def read_step() -> np.ndarray:
            return self._compute(key, cache)[in_chunk.start].copy()  # type: ignore[no-any-return]

        return cache.get((key, time), read_step, self.kind)  # type: ignore[no-any-return]

    def _get_or_compute(self, key: Any, cache: ResultCache) -> Any:
        return cache.get(key, lambda: self._compute(key, cache), self.kind)

    def _compute(self, key: Any, cache: ResultCache) -> Any:
        """Run one task of the array's graph; the results of its dependencies are cached too."""
        if self.share_reads:
            result = self._compute_from_reads(key, cache)
            return copy_to_own_pages(result) if isinstance(result, np.ndarray) else result
        task = self._graph[key]
        needs = get_dependencies(self._graph, key)
        graph = {need: self._get_or_compute(need, cache) for need in needs}
        result = get_sync({**graph, key: task}, key)
        return copy_to_own_pages(result) if isinstance(result, np.ndarray) else result

    def _compute_from_reads(self, key: Any, cache: ResultCache) -> Any:
        """Run the tasks that a chunk needs; what they read is cached, what lies between is not.

        Its cost does not grow with the number of chunks.
        """
        tasks = find_tasks(self.data.__dask_graph__(), key)
        values = {
            name: cache.get(name, partial(run_task, tasks, name), self.kind)
            for name in tasks
            if name != key and is_read(tasks, name)
        }
        return run_task(tasks, key, values)

    @cached_property
    def _graph(self) -> Any:
        keys = list(flatten(self.data.__dask_keys__()))
        return dict(self.data.__dask_optimize__(self.data.__dask_graph__(), keys))

    def __getstate__(self) -> dict[str, Any]:
        names = "data", "kind", "share_reads", "chunking"
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class HeldChunks:
    """An input of one step, some of whose chunks are at hand.

    Parameters
    ----------
    chunking : Chunking
    chunks : mapping from tuple of int to ndarray
        By row and column, counted in chunks; at least those that are asked for.
    """

    chunking: Chunking
    chunks: Mapping[tuple[int, int], np.ndarray]

    def read(self, box: Box, time: int, cache: ResultCache) -> np.ndarray:
        """Return the values in a box."""
        return self.chunking.assemble(box, self.chunks.__getitem__)


def _cut_at_chunks(
    sizes: tuple[int, ...], span: Span, periodic: bool = False
) -> Iterator[tuple[int, slice, slice]]:
    """Cut a range where chunks end: yield the chunk, a slice of the range, and one of the chunk."""
    ends: Ints = np.cumsum(sizes)
    at = span[0]
    while at < span[1]:
        cell = at % int(ends[-1]) if periodic else at
        chunk = int(np.searchsorted(ends, cell, side="right"))
        first = int(ends[chunk]) - sizes[chunk]
        length = min(int(ends[chunk]) - cell, span[1] - at)
        in_span = slice(at - span[0], at - span[0] + length)
        yield chunk, in_span, slice(cell - first, cell - first + length)
        at += length
