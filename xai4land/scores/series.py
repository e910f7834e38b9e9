"""Functions of series, with missing times left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from xai4land.typing import Floats

__all__ = ["MIN_TIMES", "apply_over_time", "in_one_chunk", "mean_of_known"]


MIN_TIMES = 3


def apply_over_time(
    function: Callable[..., Floats], *arrays: xr.DataArray, dim: str, **options: Any
) -> xr.DataArray:
    """Apply a function of series, (..., time) each, at the times that all of them have."""

    def apply_valid(*values: Floats) -> Floats:
        values = np.broadcast_arrays(*values)
        known = np.logical_and.reduce([np.isfinite(v) for v in values])
        valid = [np.where(known, v, np.nan).astype(np.float64) for v in values]
        found = function(*valid, **options)
        return np.where(known.sum(-1) >= MIN_TIMES, found, np.nan)

    score: xr.DataArray = xr.apply_ufunc(
        apply_valid,
        *(in_one_chunk(array, dim) for array in arrays),
        input_core_dims=[[dim]] * len(arrays),
        dask="parallelized",
        output_dtypes=[np.float64],
        join="exact",
    )
    return score


def in_one_chunk(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return an array with one chunk along a dimension, if it has chunks."""
    return array.chunk({dim: -1}) if array.chunks is not None else array


def mean_of_known(values: Floats) -> Floats:
    """Compute the mean of valid values over the last axis."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(-1), 1)
    return np.asarray(np.where(known, values, 0.0).sum(-1) / count)
