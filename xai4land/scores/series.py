"""Functions of series, with missing times left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.typing import Floats

__all__ = ["MIN_TIMES", "TimeMean", "apply_over_time", "in_one_chunk", "relative_rounding"]


MIN_TIMES = 3
"""Times that a score needs."""

ROUNDING_STEPS = 4
"""Steps between neighbouring numbers of a type that count as rounding."""


VALUES_AT_ONCE = 150_000
"""Scores of resamples that are computed at once: they stay in the processor's cache."""


@dataclass(frozen=True)
class TimeMean:
    """The mean of valid values over the last axis, times weighted.

    Attributes
    ----------
    weights : ndarray, shape (time,) or (sample, time), optional
        How often each time counts, such as in resamples.

    Examples
    --------
    >>> TimeMean()(np.array([1.0, 2.0, np.nan])), TimeMean(np.array([3, 1, 1]))(np.arange(3.0))
    (array(1.5), array(0.6))
    """

    weights: Floats | None = None

    def sum(self, values: Floats) -> Floats:
        """Compute the weighted sum, shape (...) or (..., sample)."""
        filled = np.where(np.isfinite(values), values, 0.0)
        if self.weights is None:
            return np.asarray(filled.sum(-1))
        # One product of two matrices is faster than many small ones.
        flat = filled.reshape(-1, filled.shape[-1]) @ self.weights.T
        return np.asarray(flat.reshape((*filled.shape[:-1], *self.weights.shape[:-1])))

    def at(self, values: Floats, time: int) -> Floats:
        """Return valid values of one time, times its weight, shape (...) or (..., sample)."""
        if self.weights is None:
            return np.asarray(values[..., time])
        return np.asarray(np.multiply.outer(values[..., time], self.weights[..., time]))

    def __call__(self, values: Floats) -> Floats:
        """Compute the weighted mean, shape (...) or (..., sample)."""
        count = self.count(np.isfinite(values))
        return np.asarray(self.sum(values) / np.where(count > 0, count, 1.0))

    def count(self, known: npt.NDArray[np.bool_]) -> Floats:
        """Compute the sum of the weights of what is known, to be broadcast to that shape."""
        if known.all():
            times = known.shape[-1]
            return np.asarray(times if self.weights is None else self.weights.sum(-1))
        return self.sum(known.astype(np.float64))


def apply_over_time(
    function: Callable[..., Floats],
    *arrays: xr.DataArray,
    dim: str,
    weights: xr.DataArray | None = None,
    **options: Any,
) -> xr.DataArray:
    """Apply a function of series, (..., time) each, at the times that all of them have.

    Parameters
    ----------
    function : callable
        Takes a :class:`TimeMean`, the series and ``options``.
    *arrays : DataArray
    dim : str
    weights : DataArray, optional
        How often each time counts, shape (time,) or (sample, time).

    Returns
    -------
    DataArray, shape (...) or (..., sample)
        Without attributes.
    """
    by_time = None if weights is None else _weights_by_time(weights, dim)

    def means(series: int) -> Iterator[TimeMean]:
        if by_time is None or by_time.ndim == 1:
            yield TimeMean(by_time)
            return
        batch = max(VALUES_AT_ONCE // series, 1)
        for at in range(0, len(by_time), batch):
            yield TimeMean(by_time[at : at + batch])

    def apply_valid(*values: Floats) -> Floats:
        values = np.broadcast_arrays(*values)
        known = np.logical_and.reduce([np.isfinite(v) for v in values])
        valid = [np.where(known, v, np.nan).astype(np.float64) for v in values]
        parts = []
        for mean in means(known.size // known.shape[-1]):
            found = function(mean, *valid, **options)
            parts.append(np.where(mean.count(known) >= MIN_TIMES, found, np.nan))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, -1)

    samples = [] if weights is None else [str(d) for d in weights.dims if d != dim]
    score: xr.DataArray = xr.apply_ufunc(
        apply_valid,
        *(in_one_chunk(array, dim) for array in arrays),
        input_core_dims=[[dim]] * len(arrays),
        output_core_dims=[samples],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": {name: weights.sizes[name] for name in samples}
            if weights is not None
            else {}
        },
        join="exact",
    )
    return score.drop_attrs(deep=False)


def _weights_by_time(weights: xr.DataArray, dim: str) -> Floats:
    return np.asarray(weights.transpose(..., dim).values, np.float64)


def in_one_chunk(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return an array with one chunk along a dimension, if it has chunks."""
    return array.chunk({dim: -1}) if array.chunks is not None else array


def relative_rounding(*arrays: xr.DataArray) -> float:
    """Return the relative difference up to which numbers of the coarsest type are equal.

    Examples
    --------
    >>> single = xr.DataArray(np.zeros(2, np.float32))
    >>> relative_rounding(single, single.astype(float)) == 4 * float(np.finfo(np.float32).eps)
    True
    """
    types = [array.dtype if array.dtype.kind == "f" else np.dtype(float) for array in arrays]
    return float(ROUNDING_STEPS * max(float(np.finfo(dtype).eps) for dtype in types))
