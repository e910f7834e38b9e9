"""Post-processing: calibration of mean and spread, and several ensembles as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.verification.matching import match, seasonal

__all__ = ["calibrate", "combine"]

Floats = npt.NDArray[np.float64]
LEAST = 8
"""Other years that a calibration needs; with fewer, forecasts stay as they are."""


def calibrate(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    years: Literal["others", "past"] = "others",
    climatology: Climatology = None,
) -> xr.Dataset:
    """Correct bias, amplitude and spread by what was observed in other years.

    In each cell and season the ensemble mean is regressed on the observations (a slope between
    0 and 1 times the ratio of standard deviations, as it follows from the correlation), and
    members' departures are scaled so that their variance is that of the errors that are
    left: the nonhomogeneous regression of Gneiting et al. (2005) in closed form, after
    Doblas-Reyes, Hagedorn and Palmer (2005).

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, ...); several years of each season.
    obs : Dataset
        Monthly, or seasonal anomalies.
    years : {"others", "past"}
        What each year is calibrated on: all other years (leave-one-out), or earlier ones alone.
    climatology
        Of monthly observations; see :func:`xai4land_seasonal.forecast`.

    Returns
    -------
    Dataset
        Same shape, lazy if the forecast is; where fewer than 8 other years are known the
        forecast is as it was.

    Raises
    ------
    InputError
        If ``years`` is none of the two, or observations do not cover the forecast.
    """
    if years not in ("others", "past"):
        raise InputError(f"years={years!r}, expected 'others' or 'past'")
    truth = seasonal(obs, forecast, climatology, "the observations")
    _, truth = match(forecast, truth, "the observations")
    truth = truth.reindex(time=forecast["time"])
    order = xr.DataArray(
        forecast["season_year"].values * 100 + _codes(forecast["season"].values), dims="time"
    )
    made = {}
    for name, array in forecast.data_vars.items():
        if "realization" not in array.dims:
            continue
        lazy = array.chunk({"time": -1, "realization": -1}) if array.chunks else array
        made[name] = xr.apply_ufunc(
            _calibrated,
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
    how = {"others": "all other years", "past": "earlier years"}[years]
    result = forecast.assign(made)
    result.attrs["history"] = cf.extend_history(forecast, f"calibrated on {how}")
    return result


def _codes(seasons: np.ndarray) -> np.ndarray:
    return np.unique(seasons, return_inverse=True)[1]


def _calibrated(members: Floats, truth: Floats, order: npt.NDArray[np.int64], past: bool) -> Floats:
    """Members of all times of one or more cells, (..., time, realization)."""
    made = np.array(members, np.float64)
    mean = np.nanmean(members, -1)
    spread = np.nanvar(members, -1)
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
        slope = np.clip(xy / np.maximum(xx, 1e-12), 0.0, None)
        left = ((dy - slope * dx) ** 2).sum(-1, keepdims=True) / np.maximum(n - 2, 1)
        within = np.where(known, v, 0).sum(-1, keepdims=True) / n
        factor = np.sqrt(left / np.maximum(within, 1e-12))
        centre = y_mean + slope * (mean[..., at : at + 1] - x_mean)
        new = centre + factor * (members[..., at, :] - mean[..., at : at + 1])
        made[..., at, :] = np.where(count >= LEAST, new, members[..., at, :])
    return made.astype(members.dtype)


def combine(
    forecast: xr.Dataset,
    others: Mapping[str, xr.Dataset],
    *,
    weights: Sequence[float] | None = None,
) -> xr.Dataset:
    """Join ensembles into one, at the times that all have.

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, ...). It gives the attributes, and is named by its ``emulator``.
    others : mapping from str to Dataset
        Other forecasts on the same grid, by name; calibrate all of them first.
    weights : sequence of float, optional
        Share of each in the combined ensemble, the forecast's first; equal by default. The
        largest ensemble that keeps these shares is made, of the first members of each.

    Returns
    -------
    Dataset
        On (time, realization, ...), with ``source`` for each realization.

    Raises
    ------
    InputError
        If there is no other forecast, names or grids differ, or weights are no shares.

    Examples
    --------
    >>> from xai4land_seasonal.data.seasons import season_coords
    >>> import pandas as pd
    >>> like = xr.DataArray(pd.date_range("2000-01-01", periods=2), dims="time")
    >>> coords = season_coords(np.array([24002, 24014]), ["MAM", "MAM"], like)
    >>> def ensemble(count):
    ...     return xr.Dataset({"tas": (("time", "realization"), np.zeros((2, count)))}, coords)
    >>> combine(ensemble(100), {"theirs": ensemble(25)}).sizes["realization"]
    50
    """
    label = str(forecast.attrs.get("emulator", "forecast"))
    if not others or label in others:
        raise InputError(
            f"others={list(others)}, expected at least one forecast, none named {label!r} like the "
            "first; give e.g. {'SEAS5': hindcast}"
        )
    forecasts = {label: forecast, **others}
    shares = [1.0] * len(forecasts) if weights is None else list(weights)
    problems = []
    if len(shares) != len(forecasts) or min(shares) < 0 or not sum(shares) > 0:
        problems.append(f"weights={shares}, expected a share for each of {list(forecasts)}")
    for name, other in forecasts.items():
        if "realization" not in other.dims:
            problems.append(f"{name!r} has no dimension 'realization'; expand_dims('realization')")
        if set(other.data_vars) != set(forecast.data_vars):
            problems.append(f"{name!r} has other variables than the first; rename or drop them")
    InputError.raise_if(problems)
    share = dict(zip(forecasts, shares, strict=True))
    total = sum(share.values())
    size = min(
        forecasts[name].sizes["realization"] / (part / total)
        for name, part in share.items()
        if part
    )
    matched = forecast
    for name, other in forecasts.items():
        matched, _ = match(matched, other, f"{name!r}")
    parts, labels = [], []
    for name, other in forecasts.items():
        count = round(size * share[name] / total)
        _, same = match(matched, other, f"{name!r}")
        part = same[list(map(str, forecast.data_vars))].isel(realization=slice(count))
        parts.append(part.drop_vars("realization", errors="ignore"))
        labels += [name] * part.sizes["realization"]
    made = xr.concat(parts, "realization", join="exact", coords="minimal", compat="override")
    made = made.assign_coords(matched.drop_vars("realization", errors="ignore").coords)
    made = made.assign_coords(
        realization=(
            "realization",
            np.arange(len(labels), dtype=np.int32),
            {"standard_name": "realization", "units": "1"},
        ),
        source=("realization", np.array(labels), {"long_name": "forecast that the member is of"}),
    )
    made = made.transpose("time", "realization", ...)
    history = cf.extend_history(forecast, f"combined: {', '.join(forecasts)}")
    made.attrs = {**forecast.attrs, "history": history}
    return made
