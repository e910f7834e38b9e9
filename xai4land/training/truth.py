"""What a network learns: the truth, read part by part."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.grid import Grid
from xai4land.training.split import Split
from xai4land.typing import Ints
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Box, Reader
from xai4land.windows.sources import as_chunks

__all__ = ["PIECE", "Truth", "new_cache"]

PIECE = 1024
"""Most rows and columns of the pieces in which the whole truth is read."""
COARSE_SHARE = 8
"""The part of the cache that coarse inputs have, which many windows share: one of so many."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Layers of truth on the target grid, rows from the north.

    Parameters
    ----------
    readers : tuple of Reader
        One a layer.
    target : Grid
    times : int
        Steps.
    missing : float
        What stands for an unknown value.
    split : Split, optional
        Values outside are unknown.
    cache : ResultCache
    """

    readers: tuple[Reader, ...]
    target: Grid
    times: int
    missing: float
    cache: ResultCache
    split: Split | None = None

    @classmethod
    def of(
        cls, layers: Sequence[xr.DataArray], target: Grid, missing: float, cache: ResultCache
    ) -> Truth:
        """Return the truth from arrays of (time,) rows, columns on the target's own pixels."""
        names = target.names
        turned = [a.isel({names[0]: slice(None, None, -1)}) for a in layers]
        chosen = turned if target.ascending else layers
        readers = tuple(
            Reader(as_chunks(array.transpose(..., *names)), target, share_reads=True)
            for array in chosen
        )
        times = readers[0].data.shape[0] if readers[0].timed else 1
        return cls(readers, target, times, missing, cache)

    def within(self, split: Split) -> Truth:
        """Return the same truth, known within a split alone."""
        return replace(self, split=split)

    def read(self, time: int, rows: Ints, columns: Ints) -> npt.NDArray[np.generic]:
        """Read a box, shape (layers, rows, columns).

        Parameters
        ----------
        time : int
        rows, columns : ndarray of int
            Consecutive, counted from the target's north-west; beyond the target all is unknown.
        """
        height, width = self.target.shape
        around = self.target.lon.periodic
        down = (int(rows[0]), min(int(rows[-1]) + 1, height))
        across = (int(columns[0]), int(columns[-1]) + 1)
        across = across if around else (across[0], min(across[1], width))
        values = [reader.read((down, across), time, self.cache) for reader in self.readers]
        found = np.full((len(values), rows.size, columns.size), self.missing, values[0].dtype)
        found[:, : down[1] - down[0], : across[1] - across[0]] = values
        if self.split is not None:
            found[:, ~self.split.holds(*self.points(rows, columns))] = self.missing
        return found

    def known(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
        """Return where at least one layer is known, shape (rows, columns)."""
        if np.isnan(self.missing):
            return np.asarray(np.isfinite(values.astype(np.float64)).any(0))
        return np.asarray((values != self.missing).any(0))

    def pieces(self, size: int = PIECE, time_first: bool = False) -> list[tuple[int, Ints, Ints]]:
        """Cut the target into pieces: time, rows and columns of each, for :meth:`read`.

        Pieces of one chunk follow each other, so that each chunk is read once.

        Parameters
        ----------
        size : int
            Most rows and columns.
        time_first : bool
            Whether all places of a time, or of a chunk of times, come before those of the next one;
            else all times of a place do.
        """
        down, across = (
            [_cut_chunk(start, length, size) for start, length in _join_chunks(sizes, size)]
            for sizes in self.readers[0].chunking.sizes
        )
        first = self.readers[0]
        lengths = first.data.chunks[0] if first.timed and first.max_chunk_bytes else (self.times,)
        ends = np.cumsum(lengths)
        spans = [range(b - n, b) for b, n in zip(ends.tolist(), lengths, strict=True)]
        spans = spans if time_first else [range(self.times)]
        return [
            (time, rows, columns)
            for span, row, column in itertools.product(spans, down, across)
            for time in span
            for rows, columns in itertools.product(row, column)
        ]

    def part(self, rows: Ints, columns: Ints) -> Box:
        """Return the part of the target's lattice that a box is."""
        top, left = self.target.lattice_origin
        return (
            (int(rows[0]) + top, int(rows[-1]) + 1 + top),
            (int(columns[0]) + left, int(columns[-1]) + 1 + left),
        )

    def points(
        self, rows: Ints, columns: Ints
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the latitudes and longitudes of a box."""
        top, left = self.target.lattice_origin
        return self.target.lattice_lat(rows + top), self.target.lattice_lon(columns + left)


def new_cache(size: int) -> ResultCache:
    """Return the cache of all chunks that a training reads.

    Parameters
    ----------
    size : int
        Bytes that it may hold.
    """
    coarse = size // COARSE_SHARE
    return ResultCache(windows=0, screening=coarse, others=size - coarse)


def _join_chunks(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Return start and length of chunks along an axis; small ones are joined."""
    found = [(0, sizes[0])]
    for size in sizes[1:]:
        start, length = found[-1]
        if length + size <= most:
            found[-1] = start, length + size
        else:
            found.append((start + length, size))
    return found


def _cut_chunk(start: int, length: int, size: int) -> list[Ints]:
    """Cut a chunk along an axis into pieces."""
    end = start + length
    return [np.arange(a, min(a + size, end)) for a in range(start, end, size)]
