"""Scores of the ensemble mean."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.scores.ensembles import ensemble_mean
from xai4land.scores.series import apply_over_time, mean_of_known
from xai4land.typing import Floats

__all__ = ["acc", "bias", "msess", "residual_correlation", "rmse"]


def acc(
    forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time", centred: bool = True
) -> xr.DataArray:
    """Compute the anomaly correlation of the ensemble mean.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    dim : str
        Dimension of the series.
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
    return apply_over_time(_correlate, ensemble_mean(forecast), obs, dim=dim, centred=centred)


def residual_correlation(
    forecast: xr.DataArray, obs: xr.DataArray, reference: xr.DataArray, *, dim: str = "time"
) -> xr.DataArray:
    """Compute the correlation with a reference regressed out of both (Smith et al. 2019).

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
    return apply_over_time(_correlate_residuals, *parts, dim=dim)


def rmse(forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Compute the root mean squared error of the ensemble mean.

    Examples
    --------
    >>> float(rmse(xr.DataArray([3.0, 0, 0], dims="time"), xr.DataArray([0.0, 0, 0], dims="time")))
    1.7320508075688772
    """
    return apply_over_time(
        lambda x, y: np.sqrt(mean_of_known((x - y) ** 2)), ensemble_mean(forecast), obs, dim=dim
    )


def bias(forecast: xr.DataArray, obs: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Compute the mean error of the ensemble mean."""
    return apply_over_time(lambda x, y: mean_of_known(x - y), ensemble_mean(forecast), obs, dim=dim)


def msess(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    reference: xr.DataArray | None = None,
    *,
    dim: str = "time",
) -> xr.DataArray:
    """Compute the skill score of the mean squared error: 1 is perfect, 0 as the reference.

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
            return np.asarray(1 - mean_of_known((x - y) ** 2) / mean_of_known((r - y) ** 2))

    return apply_over_time(score, ensemble_mean(forecast), obs, other, dim=dim)


def _correlate(x: Floats, y: Floats, centred: bool = True) -> Floats:
    if centred:
        x, y = x - mean_of_known(x)[..., None], y - mean_of_known(y)[..., None]
    xy, xx, yy = mean_of_known(x * y), mean_of_known(x * x), mean_of_known(y * y)
    # Constant series have no correlation, even if rounding gives one.
    size = np.sqrt(xx * yy)
    varies = (xx > 1e-24) & (yy > 1e-24)
    return np.where(varies, xy / np.where(varies, size, 1.0), np.nan)


def _correlate_residuals(x: Floats, y: Floats, reference: Floats) -> Floats:
    r = reference - mean_of_known(reference)[..., None]
    square = mean_of_known(r * r)[..., None]
    residuals: list[Floats] = []
    for series in (x, y):
        centred = series - mean_of_known(series)[..., None]
        slope = mean_of_known(centred * r)[..., None] / np.where(square > 1e-24, square, 1.0)
        residuals.append(centred - np.where(square > 1e-24, slope, 0.0) * r)
    return _correlate(residuals[0], residuals[1])
