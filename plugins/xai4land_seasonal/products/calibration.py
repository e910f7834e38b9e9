"""Calibration of the mean and spread of forecasts."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.typing import Floats
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.products.distributions import (
    draw_from_past,
    fit_gaussian,
    fit_logistic,
    has_skill,
    quantile_of,
)
from xai4land_seasonal.verification.matching import match, to_seasons

__all__ = ["METHODS", "calibrate"]

Method = Literal["regression", "crps", "logistic"]
METHODS = ("regression", "crps", "logistic")

MIN_CALIBRATION_YEARS = 8
"""Other years that a calibration needs; with fewer, forecasts are not changed."""


def calibrate(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    method: Method = "regression",
    years: Literal["others", "past"] = "others",
    climatology: Climatology = None,
) -> xr.Dataset:
    """Correct bias, amplitude and spread by the observations of other years.

    All in each cell and season by itself. Methods:

    ``"regression"``
        The ensemble mean is regressed on the observations (a slope that is not negative), and
        members' departures are scaled so that their variance is that of the remaining errors,
        after Doblas-Reyes, Hagedorn and Palmer (2005).
    ``"crps"``
        A Gaussian whose mean is linear in the ensemble's mean, and whose variance is linear in
        the ensemble's, with the smallest mean CRPS (Gneiting et al. 2005).
    ``"logistic"``
        Logistic regression of the terciles on the ensemble mean, one for both terciles (Wilks
        2009), which is a logistic distribution: for what is far from Gaussian, such as rain.

    The last two keep the members' order, in which they are quantiles of the distribution, and so
    their patterns (Schefzik et al. 2013). Where the mean, left out year by year, predicts the other
    years no better than their mean does, they find no skill: members become quantiles of these
    years, that is the climatology.

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, ...); several years of each season.
    obs : Dataset
        Monthly, or seasonal anomalies.
    method : {"regression", "crps", "logistic"}
    years : {"others", "past"}
        Years that each year is calibrated on: all others (leave-one-out), or earlier ones.
    climatology
        Of monthly observations; see :func:`xai4land_seasonal.forecast`.

    Returns
    -------
    Dataset
        Same shape, lazy if the forecast is; not changed where fewer than 8 other years
        are known.

    Raises
    ------
    InputError
        If ``method`` or ``years`` is unknown, or observations do not cover the forecast.
    """
    InputError.raise_if(
        f"{name}={value!r}, expected {', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
        for name, value, known in (
            ("method", method, METHODS),
            ("years", years, ("others", "past")),
        )
        if value not in known
    )
    truth = to_seasons(obs, forecast, climatology, "the observations")
    _, truth = match(forecast, truth, "the observations")
    truth = truth.reindex(time=forecast["time"])
    order = xr.DataArray(
        forecast["season_year"].values * 100 + _number_seasons(forecast["season"].values),
        dims="time",
    )
    calibrated = {}
    for name, array in forecast.data_vars.items():
        if "realization" not in array.dims:
            continue
        lazy = array.chunk({"time": -1, "realization": -1}) if array.chunks else array
        calibrated[name] = xr.apply_ufunc(
            _calibrate_cells,
            lazy,
            truth[name],
            order,
            kwargs={"past": years == "past", "method": method},
            input_core_dims=[["time", "realization"], ["time"], ["time"]],
            output_core_dims=[["time", "realization"]],
            dask="parallelized",
            output_dtypes=[array.dtype],
            dask_gufunc_kwargs={"allow_rechunk": True},
            keep_attrs=True,
        ).transpose(*array.dims)
    label = {"others": "all other years", "past": "earlier years"}[years]
    result = forecast.assign(calibrated)
    result.attrs = cf.extend_attrs(forecast, f"calibrated on {label} by {method}")
    return result


def _number_seasons(seasons: np.ndarray) -> np.ndarray:
    """Return a number for each season's name."""
    return np.unique(seasons, return_inverse=True)[1]


def _calibrate_cells(
    members: Floats, truth: Floats, order: npt.NDArray[np.int64], past: bool, method: Method
) -> Floats:
    """Calibrate members of all times of one or more cells, (..., time, realization)."""
    cells = members.reshape(-1, *members.shape[-2:])
    seen = np.broadcast_to(truth, members.shape[:-1]).reshape(cells.shape[:-1])
    calibrated = np.array(cells, np.float64)
    # Where all members are missing, so are mean and spread, without a warning of numpy's.
    count = np.isfinite(calibrated).sum(-1)
    count = np.where(count > 0, count, np.nan)
    mean = np.nansum(calibrated, -1) / count
    spread = np.nansum((calibrated - mean[..., None]) ** 2, -1) / count
    # What varies by less is rounding, in any units.
    rounding = 4 * float(np.finfo(np.result_type(members.dtype, np.float32)).eps)
    for at in range(len(order)):
        same = order % 100 == order[at] % 100
        others = same & (order < order[at] if past else order != order[at])
        x, y, v = mean[:, others], seen[:, others], spread[:, others]
        known = np.isfinite(x) & np.isfinite(y)
        enough = known.sum(-1) >= MIN_CALIBRATION_YEARS
        if not enough.any():
            continue
        one = cells[enough, at].astype(np.float64)
        some = x[enough], y[enough], v[enough], known[enough]
        calibrate_year = _regress if method == "regression" else _redistribute
        calibrated[enough, at] = calibrate_year(one, *some, rounding, method)
    return calibrated.astype(members.dtype).reshape(members.shape)


def _regress(
    members: Floats,
    x: Floats,
    y: Floats,
    v: Floats,
    known: npt.NDArray[np.bool_],
    rounding: float,
    method: Method,
) -> Floats:
    """Regress the mean, and scale departures to the variance of the rest, (cells, members)."""
    n = np.maximum(known.sum(-1, keepdims=True), 1)
    x_mean, y_mean = (np.where(known, a, 0).sum(-1, keepdims=True) / n for a in (x, y))
    dx, dy = (np.where(known, a - m, 0) for a, m in ((x, x_mean), (y, y_mean)))
    xx, xy = (dx * dx).sum(-1, keepdims=True), (dx * dy).sum(-1, keepdims=True)
    within = np.where(known, v, 0).sum(-1, keepdims=True) / n
    noise = (rounding * np.where(known, np.abs(x), 0).max(-1, keepdims=True, initial=0)) ** 2
    varies = xx > n * (noise + rounding**2 * within)
    slope = np.where(varies, np.clip(xy / np.where(varies, xx, 1.0), 0.0, None), 0.0)
    residual = ((dy - slope * dx) ** 2).sum(-1, keepdims=True) / np.maximum(n - 2, 1)
    spreads = within > noise
    factor = np.where(spreads, np.sqrt(residual / np.where(spreads, within, 1.0)), 0.0)
    mean = np.nanmean(members, -1, keepdims=True)
    return np.asarray(y_mean + slope * (mean - x_mean) + factor * (members - mean))


def _redistribute(
    members: Floats,
    x: Floats,
    y: Floats,
    v: Floats,
    known: npt.NDArray[np.bool_],
    rounding: float,
    method: Method,
) -> Floats:
    """Make members quantiles of a fitted distribution, or of the past, (cells, members)."""
    rank = quantile_of(members)
    x, y, v = (np.where(known, a, np.nan) for a in (x, y, v))
    made = draw_from_past(rank, y)
    skilful = has_skill(x, y, rounding) & np.isfinite(members).any(-1)
    if skilful.any():
        fit = fit_gaussian if method == "crps" else fit_logistic
        drawn = fit(x[skilful], y[skilful], v[skilful]).draw(members[skilful], rank[skilful])
        made[skilful] = np.where(np.isfinite(drawn), drawn, made[skilful])
    return made
