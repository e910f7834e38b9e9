"""Texture of maps of classes: boundaries of patches, and what a coarse grid leaves in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.scores.areas import find_known, spread_weights, sum_over_chunks
from xai4land.scores.windows import align_chunks
from xai4land.typing import Floats, Ints

__all__ = ["count_neighbours", "score_texture", "sum_misplaced"]

LONG_NAMES = {
    "boundary_density": "share of neighbouring pixels of different classes",
    "true_boundary_density": "share of neighbouring pixels of different classes in the truth",
    "border_ratio": "how much more often neighbours differ across borders of coarse cells",
    "true_border_ratio": "how much more often neighbours differ across borders of coarse cells, "
    "in the truth",
    "misplaced_area": "share of the area that the map has in another coarse cell than the truth",
}


def count_neighbours(
    maps: Sequence[xr.DataArray], cells: tuple[xr.DataArray, xr.DataArray], classes: int
) -> Any:
    """Count pairs of neighbouring pixels, and those of different classes, in each map.

    Pairs are counted where all maps are known.

    Parameters
    ----------
    maps : sequence of DataArray, shape (..., lat, lon)
        Codes below ``classes`` where known.
    cells : tuple of DataArray, shapes (lat,) and (lon,)
        Number of the coarse cell that a row, and a column, is in.
    classes : int

    Returns
    -------
    array, shape (maps, 2, 2)
        Inside of cells and across their borders; all pairs, and those that differ. Lazy where the
        maps are.
    """
    found = 0.0
    for line in cells:
        [dim] = map(str, line.dims)
        one, other = ({dim: part} for part in (slice(None, -1), slice(1, None)))
        border = xr.DataArray(np.diff(line.values) != 0, dims=dim)
        if not border.size:
            continue
        pairs = [codes.isel(part) for part in (one, other) for codes in maps]
        axis = maps[0].dims.index(dim) - maps[0].ndim
        count = partial(_count_pairs, axis=axis, classes=classes)
        found = found + sum_over_chunks(count, [*pairs, border], (len(maps), 2, 2))
    return found


def _count_pairs(*arrays: npt.NDArray[Any], axis: int, classes: int) -> Floats:
    number = len(arrays) // 2
    first, second, border = arrays[:number], arrays[number:-1], arrays[-1]
    known = find_known([*first, *second], classes)
    across = known & (border[:, None] if axis == -2 else border)
    found = np.zeros((number, 2, 2))
    for where, pairs in enumerate((known & ~across, across)):
        for k in range(number):
            found[k, where] = pairs.sum(), ((first[k] != second[k]) & pairs).sum()
    return found


def sum_misplaced(
    truth: xr.DataArray,
    made: xr.DataArray,
    weights: xr.DataArray,
    cells: tuple[xr.DataArray, xr.DataArray],
    classes: int,
) -> Any:
    """Sum the area that a map has in other coarse cells than the truth, and all area.

    Parameters
    ----------
    truth, made : DataArray, shape (..., lat, lon)
        Codes below ``classes`` where known.
    weights : DataArray, shape (lat,) or (lat, lon)
        Area of a pixel, or its weight.
    cells : tuple of DataArray, shapes (lat,) and (lon,)
        Number of the coarse cell that a row, and a column, is in.
    classes : int

    Returns
    -------
    array, shape (2,)
        Lazy where the maps are.

    Examples
    --------
    >>> truth, made = (xr.DataArray(np.array([row], np.uint8), dims=("lat", "lon"))
    ...                for row in ([0, 0, 1, 1], [0, 1, 1, 1]))
    >>> rows, columns = xr.DataArray([0], dims="lat"), xr.DataArray([0, 0, 1, 1], dims="lon")
    >>> sum_misplaced(truth, made, xr.DataArray([1.0], dims="lat"), (rows, columns), 2)
    array([1., 4.])
    """
    count = partial(_sum_misplaced, classes=classes)
    aligned = [align_chunks(codes, cells) for codes in (truth, made)]
    return sum_over_chunks(count, [*aligned, weights, *cells], (2,))


def _sum_misplaced(
    truth: npt.NDArray[np.uint8],
    made: npt.NDArray[np.uint8],
    weights: Floats,
    rows: Ints,
    columns: Ints,
    classes: int,
) -> Floats:
    known = find_known((truth, made), classes)
    area = spread_weights(weights, known.shape)[known]
    row, column = rows - rows.min(), columns - columns.min()
    cell = np.broadcast_to(row[:, None] * (column.max() + 1) + column, known.shape)
    steps = np.arange(known[..., 0, 0].size).reshape(known.shape[:-2])[..., None, None]
    count = (row.max() + 1) * (column.max() + 1)
    place = (cell + steps * count)[known]
    sizes = [
        np.bincount(place * classes + codes[known], area, count * steps.size * classes)
        for codes in (truth, made)
    ]
    return np.array([np.abs(sizes[0] - sizes[1]).sum() / 2, area.sum()])


def score_texture(pairs: xr.DataArray) -> xr.Dataset:
    """Compute the density of boundaries, and their ratio across and inside of coarse cells.

    Parameters
    ----------
    pairs : DataArray, shape (..., where, kind)
        As :func:`count_neighbours` returns them for one map.

    Returns
    -------
    Dataset
        ``boundary_density`` and ``border_ratio`` (...): 1 where borders of cells leave no trace.

    Examples
    --------
    >>> pairs = xr.DataArray([[8.0, 2.0], [4.0, 2.0]], dims=("where", "kind"))
    >>> found = score_texture(pairs)
    >>> round(float(found.boundary_density), 3), float(found.border_ratio)
    (0.333, 2.0)
    """
    every = pairs.sum("where")
    rates = pairs.isel(kind=1) / pairs.isel(kind=0).where(lambda count: count > 0)
    inside = rates.isel(where=0)
    total = every.isel(kind=0)
    return xr.Dataset(
        {
            "boundary_density": every.isel(kind=1) / total.where(total > 0),
            "border_ratio": rates.isel(where=1) / inside.where(inside > 0),
        }
    )
