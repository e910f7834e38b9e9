"""Scores of ensembles against observations, per cell, over time.

Everywhere: ``forecast`` has a dimension ``realization`` (without it, it is one member) and shares
``time`` with ``obs``. A missing member is left out, and fair scores count the members that are
there; a time without observation, or without any member, is left out; with fewer than three
times left the score is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

__all__ = [
    "acc",
    "bias",
    "crps",
    "crpss",
    "ensemble_mean",
    "member_variance",
    "msess",
    "residual_correlation",
    "rmse",
    "skill",
    "spread_error",
    "spread_ratio",
]

LEAST = 3
Floats = npt.NDArray[np.float64]


def ensemble_mean(forecast: xr.DataArray) -> xr.DataArray:
    """Mean of the members that are there."""
    if "realization" not in forecast.dims:
        return forecast
    count = forecast.notnull().sum("realization")
    made: xr.DataArray = forecast.sum("realization") / count.where(count > 0)
    return made


def acc(
    forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time", centred: bool = True
) -> xr.DataArray:
    """Anomaly correlation of the ensemble mean.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    dim : str
        What is correlated along.
    centred : bool
        Whether means over ``dim`` are subtracted (Pearson's correlation), or anomalies taken as
        they are.

    Returns
    -------
    DataArray, shape (...)

    Examples
    --------
    >>> obs = xr.DataArray([0.0, 1.0, 2.0], dims="time")
    >>> float(acc(2 * obs + 1, obs))
    1.0
    """
    return _pairs(_correlated, ensemble_mean(forecast), obs, dim=dim, centred=centred)


def residual_correlation(
    forecast: xr.DataArray, obs: xr.DataArray, reference: xr.DataArray, *, dim: str = "time"
) -> xr.DataArray:
    """Correlation of what a reference leaves of both (Smith et al. 2019).

    The reference's ensemble mean is regressed out of the observations and out of the ensemble
    mean.

    Examples
    --------
    >>> trend = xr.DataArray(np.arange(50.0), dims="time")
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=50), dims="time")
    >>> round(float(residual_correlation(trend - noise, trend + noise, trend)), 6)
    -1.0
    """
    parts = (ensemble_mean(forecast), obs, ensemble_mean(reference))
    return _pairs(_residual, *parts, dim=dim)


def rmse(forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Root of the mean squared error of the ensemble mean.

    Examples
    --------
    >>> float(rmse(xr.DataArray([3.0, 0, 0], dims="time"), xr.DataArray([0.0, 0, 0], dims="time")))
    1.7320508075688772
    """
    return _pairs(lambda x, y: np.sqrt(_mean((x - y) ** 2)), ensemble_mean(forecast), obs, dim=dim)


def bias(forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Mean error of the ensemble mean."""
    return _pairs(lambda x, y: _mean(x - y), ensemble_mean(forecast), obs, dim=dim)


def msess(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    reference: xr.DataArray | None = None,
    *,
    dim: str = "time",
) -> xr.DataArray:
    """Skill score of the mean squared error: 1 is perfect, 0 no better than the reference.

    Parameters
    ----------
    reference : DataArray, optional
        By default no anomaly.

    Examples
    --------
    >>> obs = xr.DataArray([-1.0, 0.0, 1.0], dims="time")
    >>> float(msess(0.5 * obs, obs))
    0.75
    """
    other = xr.zeros_like(obs) if reference is None else ensemble_mean(reference)

    def score(x: Floats, y: Floats, r: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1 - _mean((x - y) ** 2) / _mean((r - y) ** 2))

    return _pairs(score, ensemble_mean(forecast), obs, other, dim=dim)


def spread_error(forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Ratio of spread to error; one for members that are like the observations.

    The root of the mean ensemble variance, times (m + 1) / m for m members, over the RMSE of the
    ensemble mean (Fortin et al. 2014).

    Examples
    --------
    >>> draw = np.random.default_rng(0).normal(size=(10, 2000))
    >>> members = xr.DataArray(draw[:9], dims=("realization", "time"))
    >>> round(float(spread_error(members, xr.DataArray(draw[9], dims="time"))), 1)
    1.0
    """
    return spread_ratio(ensemble_mean(forecast), obs, member_variance(forecast), dim=dim)


def member_variance(forecast: xr.DataArray) -> xr.DataArray:
    """Variance of members, times (m + 1) / m for m of them."""
    count = forecast.notnull().sum("realization")
    apart = (forecast - ensemble_mean(forecast)) ** 2
    made: xr.DataArray = (
        apart.sum("realization") * (count + 1) / (count * (count - 1)).where(count > 1)
    )
    return made


def spread_ratio(
    mean: xr.DataArray, obs: xr.DataArray, variance: xr.DataArray, *, dim: str = "time"
) -> xr.DataArray:
    """As :func:`spread_error`, from the mean of the members and :func:`member_variance`."""

    def ratio(x: Floats, y: Floats, v: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt(_mean(v) / _mean((x - y) ** 2)))

    return _pairs(ratio, mean, obs, variance, dim=dim)


def crps(forecast: xr.DataArray, obs: xr.DataArray, *, fair: bool = True) -> xr.DataArray:
    """Continuous ranked probability score of each time and cell.

    Mean distance of members from the observation, less half the mean distance between members;
    fair: between different members, so that small ensembles are not punished for their size
    (Ferro 2014). For one member it is the absolute error.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    fair : bool

    Returns
    -------
    DataArray, shape (time, ...)
        In the units of the data.

    Examples
    --------
    >>> members = xr.DataArray([[0.0, 2.0]], dims=("time", "realization"))
    >>> crps(members, xr.DataArray([1.0], dims="time")).values
    array([0.])
    >>> crps(members, xr.DataArray([1.0], dims="time"), fair=False).values
    array([0.5])
    """
    if "realization" not in forecast.dims:
        forecast = forecast.expand_dims(realization=1)
    found: xr.DataArray = xr.apply_ufunc(
        _crps,
        _whole(forecast, "realization"),
        obs,
        kwargs={"fair": fair},
        input_core_dims=[["realization"], []],
        dask="parallelized",
        output_dtypes=[np.float64],
        join="exact",
    )
    return found


def crpss(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    reference: xr.DataArray,
    *,
    dim: str = "time",
    fair: bool = True,
) -> xr.DataArray:
    """Skill score of the CRPS: 1 is perfect, 0 no better than the reference.

    Parameters
    ----------
    reference : DataArray, with or without ``realization``
        Another forecast, or the climatology's ensemble.
    """
    return skill(crps(forecast, obs, fair=fair), crps(reference, obs, fair=fair), dim=dim)


def skill(own: xr.DataArray, reference: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Skill score of a score whose best value is nought, at times that both have.

    Examples
    --------
    >>> own = xr.DataArray([1.0, 1.0, 1.0], dims="time")
    >>> float(skill(own, 4 * own))
    0.75
    """

    def score(x: Floats, y: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1 - _mean(x) / _mean(y))

    return _pairs(score, own, reference, dim=dim)


def _crps(members: Floats, obs: Floats, fair: bool) -> Floats:
    """Over the last axis; sorting makes all pairs' distances a sum over ranks."""
    ordered = np.sort(members.astype(np.float64), -1)  # missing ones come last
    known = np.isfinite(ordered)
    count = known.sum(-1)
    values = np.where(known, ordered, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.where(known, np.abs(values - obs[..., None]), 0.0).sum(-1) / count
        rank = np.arange(1, members.shape[-1] + 1)
        between = ((2 * rank - count[..., None] - 1) * values).sum(-1)
        pairs = count * (count - 1) if fair else count * count
        within = np.where(count > 1, between / pairs, 0.0)
        return np.asarray(np.where(count > 0, apart - within, np.nan))


def _pairs(
    function: Callable[..., Floats], *arrays: xr.DataArray, dim: str, **options: Any
) -> xr.DataArray:
    """Apply a function of series, (..., time) each, with times that lack anything left out."""

    def over(*values: Floats) -> Floats:
        values = np.broadcast_arrays(*values)
        known = np.logical_and.reduce([np.isfinite(v) for v in values])
        cleared = [np.where(known, v, np.nan).astype(np.float64) for v in values]
        found = function(*cleared, **options)
        return np.where(known.sum(-1) >= LEAST, found, np.nan)

    made: xr.DataArray = xr.apply_ufunc(
        over,
        *(_whole(array, dim) for array in arrays),
        input_core_dims=[[dim]] * len(arrays),
        dask="parallelized",
        output_dtypes=[np.float64],
        join="exact",
    )
    return made


def _whole(array: xr.DataArray, dim: str) -> xr.DataArray:
    return array.chunk({dim: -1}) if array.chunks is not None else array


def _mean(values: Floats) -> Floats:
    """Mean over the last axis of what is known."""
    known = np.isfinite(values)
    count = np.maximum(known.sum(-1), 1)
    return np.asarray(np.where(known, values, 0.0).sum(-1) / count)


def _correlated(x: Floats, y: Floats, centred: bool = True) -> Floats:
    if centred:
        x, y = x - _mean(x)[..., None], y - _mean(y)[..., None]
    xy, xx, yy = _mean(x * y), _mean(x * x), _mean(y * y)
    # Constant series have no correlation, whatever rounding makes of them.
    size = np.sqrt(xx * yy)
    varies = (xx > 1e-24) & (yy > 1e-24)
    return np.where(varies, xy / np.where(varies, size, 1.0), np.nan)


def _residual(x: Floats, y: Floats, reference: Floats) -> Floats:
    r = reference - _mean(reference)[..., None]
    square = _mean(r * r)[..., None]
    left: list[Floats] = []
    for series in (x, y):
        centred = series - _mean(series)[..., None]
        slope = _mean(centred * r)[..., None] / np.where(square > 1e-24, square, 1.0)
        left.append(centred - np.where(square > 1e-24, slope, 0.0) * r)
    return _correlated(left[0], left[1])
