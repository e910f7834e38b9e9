"""Fractions of classes in coarse cells: counts of the pixels whose centres they hold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Ints

__all__ = ["cell_fractions"]

BLOCK_SIDE = 1024
"""Approximate rows and columns of the blocks in which a map is counted."""


def cell_fractions(classes: xr.DataArray, coarse: Grid, codes: Sequence[int]) -> xr.Dataset:
    """Return the fraction of each class in the cells of a coarse grid; lazy if the map is.

    All pixels of a cell count alike, and those of no class do not count.

    Parameters
    ----------
    classes : DataArray, shape (rows, columns)
        Codes of classes; others are missing.
    coarse : Grid
    codes : sequence of int

    Returns
    -------
    Dataset
        ``fraction`` (code, latitude, longitude), missing where no pixel has a class; and
        ``known`` (latitude, longitude), the share of the cell's pixels that have one.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> made = cell_fractions(planet.land_cover[0], Grid.of(planet.urban), range(8))
    >>> urban = planet.urban[0].fillna(0)
    >>> bool(np.allclose(made.fraction.sel(code=1), urban, atol=1e-6))
    True
    """
    grid = Grid.of(classes, "the map")
    values = classes.transpose(*grid.names).data
    runs = [
        _Runs.of(axis.cell_index(own.centres), axis)
        for axis, own in ((coarse.lat, grid.lat), (coarse.lon, grid.lon))
    ]
    counted = _count(values, runs, np.asarray(codes))
    for dim, run in enumerate(runs):
        counted = run.place(counted, dim + 1)
    known, pixels = counted[:-1].sum(0), counted.sum(0)
    fractions = (counted[:-1] / np.where(known > 0, known, np.nan)).astype(np.float32)
    coords = {**coarse.coords(), "code": list(codes)}
    return xr.Dataset(
        {
            "fraction": (("code", *coarse.names), fractions),
            "known": (coarse.names, (known / np.where(pixels > 0, pixels, 1)).astype(np.float32)),
        },
        coords,
    )


class _Runs:
    """Pixels along an axis that follow each other in one cell.

    Parameters
    ----------
    starts : ndarray of int
        First pixel of each run.
    count : int
        Pixels along the axis.
    sources : list of ndarray of int
        For each cell the run that it holds; around the globe it may hold two. The number of runs
        where there is none.
    """

    def __init__(self, starts: Ints, count: int, sources: list[Ints]) -> None:
        self.starts, self.count, self.sources = starts, count, sources

    @classmethod
    def of(cls, cells: Ints, axis: Axis) -> _Runs:
        """From the cell of each pixel on an axis."""
        cells = axis.wrap_or_clip(cells) if axis.periodic else cells
        starts = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))
        inside = axis.contains_cells(cells[starts])
        sources: list[Ints] = []
        for number, cell in enumerate(cells[starts]):
            if not inside[number]:
                continue
            free = next((s for s in sources if s[cell] == starts.size), None)
            if free is None:
                free = np.full(len(axis), starts.size)
                sources.append(free)
            free[cell] = number
        return cls(starts, cells.size, sources or [np.full(len(axis), starts.size)])

    def chunks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the sizes of blocks that cut no run: in pixels, and in runs."""
        blocks = self.starts // BLOCK_SIDE
        first = np.flatnonzero(np.diff(blocks, prepend=-1))
        pixels = np.diff([*self.starts[first], self.count])
        return tuple(pixels.tolist()), tuple(np.diff([*first, self.starts.size]).tolist())

    def place(self, counted: Any, dim: int) -> Any:
        """Bring counts of runs to the cells that hold them."""
        widths = [(0, int(d == dim)) for d in range(3)]
        padded = np.pad(counted, widths)
        parts = [np.take(padded, source, axis=dim) for source in self.sources]
        return sum(parts[1:], start=parts[0])


def _count(values: Any, runs: Sequence[_Runs], codes: Ints) -> Any:
    """Count pixels by class and run, shape (classes and one more for none, rows, columns)."""
    if isinstance(values, np.ndarray):
        return _count_block(values, *(run.starts for run in runs), codes=codes)
    import dask.array as da

    down, across = (run.chunks() for run in runs)
    data = values.rechunk((down[0], across[0]))
    starts = [
        [run.starts[a:b] - run.starts[a] for a, b in itertools.pairwise(np.cumsum([0, *sizes]))]
        for run, (_, sizes) in zip(runs, (down, across), strict=True)
    ]

    return da.map_blocks(
        partial(_count_numbered, starts=starts, codes=codes),
        data,
        chunks=((codes.size + 1,), down[1], across[1]),
        new_axis=0,
        dtype=np.int64,
    )


def _count_numbered(
    values: npt.NDArray[Any],
    starts: list[list[Ints]],
    codes: Ints,
    block_info: Any = None,
) -> npt.NDArray[np.int64]:
    i, j = block_info[0]["chunk-location"]
    return _count_block(values, starts[0][i], starts[1][j], codes=codes)


def _count_block(
    values: npt.NDArray[Any], rows: Ints, columns: Ints, *, codes: Ints
) -> npt.NDArray[np.int64]:
    layers = [values == code for code in codes]
    layers.append(~np.logical_or.reduce(layers))
    return np.stack(
        [
            np.add.reduceat(np.add.reduceat(layer, columns, 1, dtype=np.int64), rows, 0)
            for layer in layers
        ]
    )
