"""Areas of the combinations of classes in maps of one grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.typing import Booleans, Floats

__all__ = ["UNKNOWN", "Codes", "find_known", "joint_areas", "spread_weights", "sum_over_chunks"]

Codes = npt.NDArray[np.uint8]

UNKNOWN = 255
"""Code of a pixel whose class is not known."""


def joint_areas(maps: Sequence[xr.DataArray], weights: xr.DataArray, classes: int) -> Any:
    """Sum the area of each combination of classes, over pixels that all maps know.

    Parameters
    ----------
    maps : sequence of DataArray, shape (..., lat, lon)
        Codes from 0 to ``classes`` - 1, or :data:`UNKNOWN`, on one grid.
    weights : DataArray, shape (lat,) or (lat, lon)
        Area of a pixel, or its weight.
    classes : int

    Returns
    -------
    array, one axis of length ``classes`` a map
        Lazy where the maps are.

    Examples
    --------
    >>> maps = [xr.DataArray(np.array([row], np.uint8), dims=("lat", "lon"))
    ...         for row in ([0, 0, 1, 1], [0, 1, 1, 255])]
    >>> joint_areas(maps, xr.DataArray([2.0], dims="lat"), 2)
    array([[2., 2.],
           [0., 2.]])
    """
    count = partial(_count_areas, classes=classes)
    return sum_over_chunks(count, [*maps, weights], (classes,) * len(maps))


def _count_areas(*arrays: npt.NDArray[Any], classes: int) -> Floats:
    *maps, weights = arrays
    known = find_known(maps, UNKNOWN)
    place = np.zeros(np.count_nonzero(known), np.int64)
    for codes in maps:
        place = place * classes + codes[known]
    area = spread_weights(weights, known.shape)[known]
    found = np.bincount(place, weights=area, minlength=classes ** len(maps))
    return found.astype(np.float64).reshape((classes,) * len(maps))


def spread_weights(weights: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the weight of each pixel, from those of rows, or of rows and columns."""
    return np.broadcast_to(weights[:, None] if weights.ndim == 1 else weights, shape)


def find_known(maps: Sequence[npt.NDArray[Any]], limit: int) -> Booleans:
    """Tell for each pixel whether all maps have codes below ``limit``."""
    return np.asarray(np.logical_and.reduce([codes < limit for codes in maps]))


def sum_over_chunks(
    function: Callable[..., Floats], arrays: Sequence[xr.DataArray], shape: tuple[int, ...]
) -> Any:
    """Sum what a function gives for the parts of arrays, chunk by chunk where they are lazy.

    Parameters
    ----------
    function : callable
        Takes one NumPy array for each of ``arrays``, and returns one of ``shape``.
    arrays : sequence of DataArray
        The first has all dimensions, and where it is lazy, the chunks.
    shape : tuple of int

    Returns
    -------
    ndarray or dask array
        Of ``shape``.
    """
    if all(array.chunks is None for array in arrays):
        return function(*(array.values for array in arrays))
    import dask.array as da

    chunked = next(array for array in arrays if array.chunks is not None)
    dims = arrays[0].dims
    axis = {dim: number for number, dim in enumerate(dims)}
    added = range(len(dims), len(dims) + len(shape))
    pairs: list[Any] = []
    for array in arrays:
        chunks = {dim: chunked.chunksizes[dim] for dim in array.dims if dim in chunked.chunksizes}
        pairs += [array.chunk(chunks).data, tuple(axis[dim] for dim in array.dims)]
    parts = da.blockwise(
        partial(_keep_axes, function, len(dims)),
        (*axis.values(), *added),
        *pairs,
        new_axes=dict(zip(added, shape, strict=True)),
        adjust_chunks=dict.fromkeys(axis.values(), lambda size: 1),
        dtype=np.float64,
        meta=np.empty((0,) * (len(dims) + len(shape))),
    )
    return parts.sum(tuple(range(len(dims))))


def _keep_axes(function: Callable[..., Floats], axes: int, *arrays: npt.NDArray[Any]) -> Floats:
    found = function(*arrays)
    return found.reshape((1,) * axes + found.shape)
