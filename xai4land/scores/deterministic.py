"""Scores of the ensemble mean."""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr

from xai4land.scores.ensembles import divide, ensemble_mean, mean_square
from xai4land.scores.series import TimeMean, apply_over_time, relative_rounding
from xai4land.typing import Floats

__all__ = ["acc", "bias", "centre", "msess", "residual_correlation", "rmse"]


NO_VARIANCE = 1e-12
"""Share of a variance that is rounding, where the rest was subtracted."""

NO_RESIDUAL = 1e-8
"""Share of a variance that single precision leaves where all was regressed out."""


def acc(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    *,
    dim: str = "time",
    centred: bool = True,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute the anomaly correlation of the ensemble mean.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    dim : str
        Dimension to correlate along.
    centred : bool
        Whether means over ``dim`` are subtracted (Pearson's correlation), or anomalies taken as
        they are.
    weights : DataArray, optional
        How often each time counts, shape (time,) or (sample, time).

    Returns
    -------
    DataArray, shape (...)
        Missing where one of the two varies by no more than rounding.

    Examples
    --------
    >>> obs = xr.DataArray([0.0, 1.0, 2.0], dims="time")
    >>> float(acc(2 * obs + 1, obs)), float(acc(0 * obs + 0.1, obs))
    (1.0, nan)
    """
    mean = ensemble_mean(forecast, along=dim)
    rounding = relative_rounding(mean, obs)
    return apply_over_time(
        _correlate, mean, obs, dim=dim, weights=weights, centred=centred, rounding=rounding
    )


def residual_correlation(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    reference: xr.DataArray,
    *,
    dim: str = "time",
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute the correlation with a reference regressed out of both (Smith et al. 2019).

    The reference's ensemble mean is regressed out of the observations and out of the ensemble
    mean. Missing where nothing but rounding is left of one of them.

    Examples
    --------
    >>> trend = xr.DataArray(np.arange(50.0), dims="time")
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=50), dims="time")
    >>> round(float(residual_correlation(trend - noise, trend + noise, trend)), 6)
    -1.0
    """
    parts = [ensemble_mean(part, along=dim) for part in (forecast, obs, reference)]
    rounding = relative_rounding(*parts)
    return apply_over_time(
        _correlate_residuals, *parts, dim=dim, weights=weights, rounding=rounding
    )


def rmse(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    *,
    dim: str = "time",
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute the root mean squared error of the ensemble mean.

    Examples
    --------
    >>> float(rmse(xr.DataArray([3.0, 0, 0], dims="time"), xr.DataArray([0.0, 0, 0], dims="time")))
    1.7320508075688772
    """

    def score(mean: TimeMean, x: Floats, y: Floats) -> Floats:
        return np.sqrt(mean((x - y) ** 2))

    return apply_over_time(score, ensemble_mean(forecast), obs, dim=dim, weights=weights)


def bias(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    *,
    dim: str = "time",
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute the mean error of the ensemble mean."""

    def score(mean: TimeMean, x: Floats, y: Floats) -> Floats:
        return mean(x - y)

    return apply_over_time(score, ensemble_mean(forecast), obs, dim=dim, weights=weights)


def msess(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    reference: xr.DataArray | None = None,
    *,
    dim: str = "time",
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute the skill score of the mean squared error: 1 is perfect, 0 as the reference.

    Missing where the reference has no error beyond rounding.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    reference : DataArray, optional
        By default no anomaly.
    dim : str
    weights : DataArray, optional
        How often each time counts, shape (time,) or (sample, time).

    Examples
    --------
    >>> obs = xr.DataArray([-1.0, 0.0, 1.0], dims="time")
    >>> float(msess(0.5 * obs, obs))
    0.75
    """
    other = xr.zeros_like(obs) if reference is None else ensemble_mean(reference)
    rounding = relative_rounding(forecast, obs, other)

    def score(mean: TimeMean, x: Floats, y: Floats, r: Floats) -> Floats:
        return 1 - divide(mean_square(mean, x, y, rounding), mean_square(mean, r, y, rounding))

    return apply_over_time(score, ensemble_mean(forecast), obs, other, dim=dim, weights=weights)


def _correlate(mean: TimeMean, x: Floats, y: Floats, centred: bool, rounding: float) -> Floats:
    if not centred:
        x, y = _scale(x), _scale(y)
        return divide(mean(x * y), np.sqrt(mean(x * x) * mean(y * y)))
    (xx, xy), (_, yy) = _covariances(mean, centre(x, rounding), centre(y, rounding))
    return divide(xy, np.sqrt(xx * yy))


def _correlate_residuals(
    mean: TimeMean, x: Floats, y: Floats, reference: Floats, rounding: float
) -> Floats:
    series = (centre(one, rounding) for one in (x, y, reference))
    (xx, xy, xz), (_, yy, yz), (*_, zz) = _covariances(mean, *series)
    # A constant reference explains nothing.
    explains = zz > 0
    slope_x, slope_y = (
        np.where(explains, cross / np.where(explains, zz, 1.0), 0.0) for cross in (xz, yz)
    )
    rest_x, rest_y = xx - slope_x * xz, yy - slope_y * yz
    varies = (rest_x > NO_RESIDUAL * xx) & (rest_y > NO_RESIDUAL * yy)
    rest = np.where(varies, rest_x * rest_y, 0.0)
    return divide(xy - slope_x * yz, np.sqrt(rest))


def centre(series: Floats, rounding: float) -> Floats:
    """Subtract means over the last axis, and scale series to similar size.

    Series that vary by no more than ``rounding`` times their size become zero.

    Examples
    --------
    >>> centre(np.array([[1e-12, 3e-12], [0.3, 0.1 + 0.2]]), 1e-15)[1]
    array([0., 0.])
    """
    series = _scale(series)
    known = np.isfinite(series)
    highest = np.where(known, series, -np.inf).max(-1, keepdims=True)
    lowest = np.where(known, series, np.inf).min(-1, keepdims=True)
    varies = highest - lowest > rounding * np.maximum(np.abs(highest), np.abs(lowest))
    departures = series - TimeMean()(series)[..., None]
    return np.where(varies, _scale(departures), np.where(known, 0.0, np.nan))


def _scale(series: Floats) -> Floats:
    """Multiply series by powers of two, exactly, so that squares neither vanish nor overflow."""
    size = np.where(np.isfinite(series), np.abs(series), 0.0).max(-1, keepdims=True)
    return np.asarray(np.ldexp(series, -np.frexp(size)[1]))


def _covariances(mean: TimeMean, *series: Floats) -> list[list[Floats]]:
    """Compute covariances of series that are about centred, zero within rounding; upper half."""
    means = [mean(one) for one in series]
    found: list[list[Floats]] = [[np.zeros(())] * len(series) for _ in series]
    for i, j in itertools.combinations_with_replacement(range(len(series)), 2):
        product = mean(series[i] * series[j])
        covariance = product - means[i] * means[j]
        found[i][j] = np.where(np.abs(covariance) > NO_VARIANCE * np.abs(product), covariance, 0.0)
    return found
