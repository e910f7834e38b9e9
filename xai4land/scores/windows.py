"""Change at several resolutions: what windows of pixels have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.scores.areas import Codes, find_known, spread_weights, sum_over_chunks
from xai4land.typing import Floats, Ints

__all__ = ["align_chunks", "match_in_windows"]


def match_in_windows(
    maps: Sequence[xr.DataArray],
    weights: xr.DataArray,
    windows: tuple[xr.DataArray, xr.DataArray],
    classes: int,
) -> Any:
    """Sum hits, misses, false alarms and wrong hits, wherever in a window they are.

    In each window, the hits of a transition are the smaller of its observed and its simulated
    area. Of what is left of the change from a class, the smaller of the observed and the
    simulated area are wrong hits, the rest misses or false alarms. This is the minimum rule with
    which Pontius et al. (2011, https://doi.org/10.1080/00045608.2010.517742) compare three maps
    in coarse squares, applied to transitions and not to the classes' areas, so that gain and
    loss of a class in one window do not cancel. In windows of one pixel it gives the parts of
    :func:`xai4land.scores.change.change_parts`, and in larger ones their sums by map are the same.

    Parameters
    ----------
    maps : sequence of DataArray, shape (..., lat, lon)
        Codes of prior, truth and map; pixels where one is not below ``classes`` are left out.
    weights : DataArray, shape (lat,) or (lat, lon)
        Area of a pixel, or its weight.
    windows : tuple of DataArray, shapes (lat,) and (lon,)
        Number of the window that a row, and a column, is in, in ascending or descending order.
    classes : int

    Returns
    -------
    array, shape (4,)
        Lazy where the maps are, whose chunks are moved to the edges of windows.

    Examples
    --------
    A field that is expected one pixel from where it appears:

    >>> maps = [xr.DataArray(np.array([row], np.uint8), dims=("lat", "lon"))
    ...         for row in ([0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0])]
    >>> weights, rows = xr.DataArray([1.0], dims="lat"), xr.DataArray([0], dims="lat")
    >>> for size in (1, 2):
    ...     columns = xr.DataArray(np.arange(4) // size, dims="lon")
    ...     print(match_in_windows(maps, weights, (rows, columns), 2))
    [0. 1. 1. 0.]
    [1. 0. 0. 0.]
    """
    aligned = [align_chunks(array, windows) for array in maps]
    match = partial(_match, classes=classes)
    return sum_over_chunks(match, [*aligned, weights, *windows], (4,))


def align_chunks(array: xr.DataArray, windows: tuple[xr.DataArray, xr.DataArray]) -> xr.DataArray:
    """Move the edges of chunks to the next edges of windows."""
    if array.chunks is None:
        return array
    chunks = {}
    for number in windows:
        [dim] = number.dims
        edges = np.append(np.flatnonzero(np.diff(number.values)) + 1, number.size)
        ends = np.cumsum(array.chunksizes[dim])
        moved = np.unique(edges[np.searchsorted(edges, ends)])
        chunks[dim] = tuple(np.diff(moved, prepend=0).tolist())
    return array.chunk(chunks)


def _match(
    prior: Codes,
    truth: Codes,
    made: Codes,
    weights: Floats,
    rows: Ints,
    columns: Ints,
    classes: int,
) -> Floats:
    changed = ((truth != prior) | (made != prior)) & find_known((prior, truth, made), classes)
    *step, row, column = np.nonzero(changed)
    # Windows of different steps are different ones.
    window = (rows[row] - rows.min()) * (np.ptp(columns) + 1) + columns[column] - columns.min()
    if step:
        window += step[0] * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    area = spread_weights(weights, changed.shape)[changed]
    before = window * classes + prior[changed]
    groups, group = np.unique(before, return_inverse=True)
    transitions, sums = _sum_transitions(
        group, (truth[changed], made[changed]), prior[changed], area, classes
    )
    both = sums.min(0)
    left = [np.bincount(transitions // classes, one - both, groups.size) for one in sums]
    wrong = np.minimum(*left)
    return np.array([both.sum(), *(float((one - wrong).sum()) for one in left), wrong.sum()])


def _sum_transitions(
    group: Ints,
    maps: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    prior: npt.NDArray[np.uint8],
    area: Floats,
    classes: int,
) -> tuple[Ints, Floats]:
    """Sum the area of each transition in a group: which ones there are, and by map."""
    places = [(group * classes + codes)[codes != prior] for codes in maps]
    areas = [area[codes != prior] for codes in maps]
    found, index = np.unique(np.concatenate(places), return_inverse=True)
    split = np.split(index, [places[0].size])
    sums = [np.bincount(at, one, found.size) for at, one in zip(split, areas, strict=True)]
    return found, np.stack(sums)
