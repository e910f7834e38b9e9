"""Scores of ensembles against observations, in each cell over time.

Throughout, ``forecast`` has a dimension ``realization`` (otherwise it is one member) and shares
``time`` with ``obs``. Missing members are left out, and fair scores count the others; times without
observation, or without any member, are left out; with fewer than three times the score is missing.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.scores.series import (
    TimeMean,
    apply_over_time,
    in_one_chunk,
    relative_rounding,
)
from xai4land.typing import Floats

__all__ = [
    "crps",
    "crpss",
    "divide",
    "ensemble_mean",
    "mean_square",
    "member_variance",
    "skill",
    "spread_error",
    "spread_ratio",
]


def ensemble_mean(forecast: xr.DataArray, *, along: str | None = None) -> xr.DataArray:
    """Compute the mean of the members that are not missing.

    Parameters
    ----------
    forecast : DataArray
        Without ``realization`` it is returned as it is.
    along : str, optional
        A dimension along which the mean is constant where it varies by no more than the rounding
        of the members, as that of a climatological ensemble does.

    Examples
    --------
    >>> members = np.array([[1.0, 1.0], [-1.0, -1.0 + 1e-8]], np.float32)
    >>> climatology = xr.DataArray(members, dims=("realization", "time"))
    >>> ensemble_mean(climatology, along="time").values.tolist()
    [0.0, 0.0]
    """
    if "realization" not in forecast.dims:
        return forecast
    count = forecast.notnull().sum("realization")
    # Summed in double precision: a constant in single precision would not be its own mean.
    mean: xr.DataArray = forecast.sum("realization", dtype=np.float64) / count.where(count > 0)
    mean = mean.astype(forecast.dtype) if forecast.dtype.kind == "f" else mean
    if along is None:
        return mean
    highest, lowest = forecast.max(["realization", along]), forecast.min(["realization", along])
    # Members may have been stored in single precision, in which they do not cancel.
    stored = 4 * float(np.finfo(np.float32).eps)
    rounding = stored * (highest - lowest) + relative_rounding(forecast) * np.maximum(
        abs(highest), abs(lowest)
    )
    level = mean.mean(along)
    level = level.where(abs(level) > rounding, 0.0)
    varies = mean.max(along) - mean.min(along) > rounding
    return mean.where(varies | mean.isnull(), level)


def spread_error(forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Compute the ratio of spread to error; 1 for members that are like the observations.

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
    """Compute the variance of members, times (m + 1) / m for m of them."""
    count = forecast.notnull().sum("realization")
    square = (forecast - ensemble_mean(forecast)) ** 2
    variance: xr.DataArray = (
        square.sum("realization") * (count + 1) / (count * (count - 1)).where(count > 1)
    )
    return variance


def spread_ratio(
    forecast_mean: xr.DataArray,
    obs: xr.DataArray,
    variance: xr.DataArray,
    *,
    dim: str = "time",
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute :func:`spread_error` from the members' mean and :func:`member_variance`.

    Missing where there is no error beyond rounding.
    """
    rounding = relative_rounding(forecast_mean, obs)

    def ratio(mean: TimeMean, x: Floats, y: Floats, v: Floats) -> Floats:
        return np.sqrt(divide(mean(v), mean_square(mean, x, y, rounding)))

    return apply_over_time(ratio, forecast_mean, obs, variance, dim=dim, weights=weights)


def mean_square(mean: TimeMean, x: Floats, y: Floats, rounding: float) -> Floats:
    """Compute the mean squared difference of series; differences within rounding count as none."""
    difference = x - y
    equal = np.abs(difference) <= rounding * np.maximum(np.abs(x), np.abs(y))
    return mean(np.where(equal, 0.0, difference) ** 2)


def divide(one: Floats, other: Floats) -> Floats:
    """Divide; missing where the divisor is not positive."""
    positive = other > 0
    return np.where(positive, one / np.where(positive, other, 1.0), np.nan)


def crps(forecast: xr.DataArray, obs: xr.DataArray, *, fair: bool = True) -> xr.DataArray:
    """Compute the continuous ranked probability score of each time and cell.

    Mean distance of members from the observation, less half the mean distance between members;
    fair: between different members, so that small ensembles are not penalised
    (Ferro 2014). For one member it is the absolute error. What is within rounding is zero.

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
        in_one_chunk(forecast, "realization"),
        obs,
        kwargs={"fair": fair, "rounding": relative_rounding(forecast, obs)},
        input_core_dims=[["realization"], []],
        dask="parallelized",
        output_dtypes=[np.float64],
        join="exact",
    )
    return found.drop_attrs(deep=False)


def crpss(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    reference: xr.DataArray,
    *,
    dim: str = "time",
    fair: bool = True,
) -> xr.DataArray:
    """Compute the skill score of the CRPS: 1 is perfect, 0 no better than the reference.

    Parameters
    ----------
    reference : DataArray, with or without ``realization``
        Another forecast, or the climatology's ensemble.
    """
    return skill(crps(forecast, obs, fair=fair), crps(reference, obs, fair=fair), dim=dim)


def skill(
    score: xr.DataArray,
    reference: xr.DataArray,
    *,
    dim: str = "time",
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute the skill score of a score whose best value is zero, at times that both have.

    Missing where the reference is perfect, or better (as fair scores of few times can be).

    Parameters
    ----------
    score, reference : DataArray
        Of each time.
    dim : str
    weights : DataArray, optional
        How often each time counts, shape (time,) or (sample, time).

    Examples
    --------
    >>> score = xr.DataArray([1.0, 1.0, 1.0], dims="time")
    >>> float(skill(score, 4 * score)), float(skill(score, 0 * score))
    (0.75, nan)
    """

    def compute(mean: TimeMean, x: Floats, y: Floats) -> Floats:
        return 1 - divide(mean(x), mean(y))

    return apply_over_time(compute, score, reference, dim=dim, weights=weights)


def _crps(members: Floats, obs: Floats, fair: bool, rounding: float) -> Floats:
    """Compute the CRPS over the last axis; sorted, all pairs' distances are a sum over ranks."""
    ordered = np.sort(members.astype(np.float64), -1)  # NaN sorts last
    known = np.isfinite(ordered)
    count = known.sum(-1)
    values = np.where(known, ordered, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(known, np.abs(values - obs[..., None]), 0.0).sum(-1) / count
        rank = np.arange(1, members.shape[-1] + 1)
        between = ((2 * rank - count[..., None] - 1) * values).sum(-1)
        pairs = count * (count - 1) if fair else count * count
        within = np.where(count > 1, between / pairs, 0.0)
    score = error - within
    largest = np.maximum(np.abs(values).max(-1), np.abs(obs))
    score = np.where(np.abs(score) <= rounding * largest, 0.0, score)
    return np.asarray(np.where(count > 0, score, np.nan))
