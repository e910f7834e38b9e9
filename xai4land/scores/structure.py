"""Structure of maps of classes: how often neighbours differ, how large patches are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.scores.areas import UNKNOWN
from xai4land.typing import Floats

__all__ = ["boundary_density", "measure_patches", "variogram"]


def boundary_density(map_: xr.DataArray, dims: tuple[str, str]) -> xr.DataArray:
    """Compute how often neighbouring pixels, in rows and columns, are of different classes.

    Parameters
    ----------
    map_ : DataArray of int, shape (..., rows, columns)
        Codes, :data:`xai4land.scores.areas.UNKNOWN` where missing; pairs with such are left out.
    dims : tuple of str
        Names of rows and columns.

    Returns
    -------
    DataArray, shape (...)
        Lazy where the map is.

    Examples
    --------
    >>> stripes = xr.DataArray(np.array([[0, 0, 1], [0, 0, 1]], np.uint8), dims=("y", "x"))
    >>> round(float(boundary_density(stripes, ("y", "x"))), 3)  # two of seven pairs
    0.286
    """
    return variogram(map_, dims, (1,)).isel(lag=0, drop=True)


def variogram(map_: xr.DataArray, dims: tuple[str, str], lags: Sequence[int]) -> xr.DataArray:
    """Compute how often pixels some way apart, along rows and columns, are of different classes.

    This is the sum over classes of the variogram of their indicators (Journel 1983).

    Parameters
    ----------
    map_, dims
        As of :func:`boundary_density`.
    lags : sequence of int
        Distances in pixels.

    Returns
    -------
    DataArray, shape (..., lag)

    Examples
    --------
    >>> stripes = xr.DataArray(np.array([[0, 1, 0, 1]], np.uint8), dims=("y", "x"))
    >>> variogram(stripes, ("y", "x"), (1, 2)).values
    array([1., 0.])
    """
    found = []
    for lag in lags:
        differing, known = [], []
        for dim in dims:
            one, other = (map_.isel({dim: s}) for s in (slice(None, -lag), slice(lag, None)))
            both = (one != UNKNOWN) & (other.variable != UNKNOWN)
            differing.append(((one != other.variable) & both).sum(dims))
            known.append(both.sum(dims))
        total = sum(known, start=xr.zeros_like(known[0]))
        found.append(sum(differing, start=xr.zeros_like(total)) / total.where(total > 0))
    return xr.concat(found, xr.DataArray(list(lags), dims="lag", name="lag"))


def measure_patches(
    codes: npt.NDArray[np.uint8], classes: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Count the patches of each class in a map, and measure their mean size.

    A patch is all pixels of a class that hang together by their sides.

    Parameters
    ----------
    codes : ndarray of uint8, shape (rows, columns)
    classes : int

    Returns
    -------
    count : ndarray of int, shape (classes,)
    size : ndarray, shape (classes,)
        Mean number of pixels of a patch; missing where there is none.

    Examples
    --------
    >>> count, size = measure_patches(np.array([[0, 1, 0], [0, 1, 1]], np.uint8), 2)
    >>> count, size
    (array([2, 1]), array([1.5, 3. ]))
    """
    from scipy.ndimage import label

    count = np.array([label(codes == k)[1] for k in range(classes)], np.int64)
    pixels = np.bincount(codes.ravel(), minlength=256)[:classes]
    return count, np.where(count > 0, pixels / np.maximum(count, 1), np.nan)
