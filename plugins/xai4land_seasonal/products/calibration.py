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
from xai4land_seasonal.verification.matching import match, to_seasons

__all__ = ["calibrate"]

MIN_CALIBRATION_YEARS = 8
"""Other years that a calibration needs; with fewer, forecasts are not changed."""


def calibrate(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    years: Literal["others", "past"] = "others",
    climatology: Climatology = None,
) -> xr.Dataset:
    """Correct bias, amplitude and spread by the observations of other years.

    In each cell and season the ensemble mean is regressed on the observations (a slope that
    is not negative), and members' departures are scaled so that their variance is that of the
    remaining errors: the nonhomogeneous regression of Gneiting et al. (2005) in closed form, after
    Doblas-Reyes, Hagedorn and Palmer (2005).

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, ...); several years of each season.
    obs : Dataset
        Monthly, or seasonal anomalies.
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
        If ``years`` is neither of the two, or observations do not cover the forecast.
    """
    if years not in ("others", "past"):
        raise InputError(f"years={years!r}, expected 'others' or 'past'")
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
            kwargs={"past": years == "past"},
            input_core_dims=[["time", "realization"], ["time"], ["time"]],
            output_core_dims=[["time", "realization"]],
            dask="parallelized",
            output_dtypes=[array.dtype],
            dask_gufunc_kwargs={"allow_rechunk": True},
            keep_attrs=True,
        ).transpose(*array.dims)
    label = {"others": "all other years", "past": "earlier years"}[years]
    result = forecast.assign(calibrated)
    result.attrs = cf.extend_attrs(forecast, f"calibrated on {label}")
    return result


def _number_seasons(seasons: np.ndarray) -> np.ndarray:
    """Return a number for each season's name."""
    return np.unique(seasons, return_inverse=True)[1]


def _calibrate_cells(
    members: Floats, truth: Floats, order: npt.NDArray[np.int64], past: bool
) -> Floats:
    """Calibrate members of all times of one or more cells, (..., time, realization)."""
    calibrated = np.array(members, np.float64)
    mean = np.nanmean(calibrated, -1)
    spread = np.nanvar(calibrated, -1)
    # What varies by less is rounding, in any units.
    rounding = 4 * float(np.finfo(np.result_type(members.dtype, np.float32)).eps)
    for at in range(len(order)):
        same = order % 100 == order[at] % 100
        others = same & (order < order[at] if past else order != order[at])
        x, y, v = mean[..., others], truth[..., others], spread[..., others]
        known = np.isfinite(x) & np.isfinite(y)
        count = known.sum(-1, keepdims=True)
        n = np.maximum(count, 1)
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
        centre = y_mean + slope * (mean[..., at : at + 1] - x_mean)
        new = centre + factor * (members[..., at, :] - mean[..., at : at + 1])
        calibrated[..., at, :] = np.where(count >= MIN_CALIBRATION_YEARS, new, members[..., at, :])
    return calibrated.astype(members.dtype)
