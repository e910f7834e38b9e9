"""Probabilities of the terciles of the observations."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.scores.categories import probabilities, quantile_edges
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.verification.matching import to_seasons

__all__ = ["CATEGORIES", "tercile_probabilities"]

CATEGORIES = ("below", "near", "above")
TIES = (
    "missing where the terciles coincide, as in dry seasons; members equal to a tercile are "
    "divided so that the observed seasons have one third in each category"
)
MIN_THRESHOLD_YEARS = 10
"""Years that terciles need."""


def tercile_probabilities(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    climatology: Climatology = None,
    period: tuple[int, int] | None = None,
) -> xr.Dataset:
    """Compute the share of members in each tercile of the observations.

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, ...).
    obs : Dataset
        Monthly, or seasonal anomalies; the forecast's own years need not be among them.
    climatology
        Of monthly observations; see :func:`xai4land_seasonal.forecast`.
    period : tuple of int, optional
        First and last year of the seasons that terciles come from; by default all. A forecast's
        own year is left out.

    Returns
    -------
    Dataset
        For each variable ``<name>_probability`` on (time, category, rows, columns), lazy if the
        data are. Missing where the terciles coincide, as in dry seasons: there are no such
        categories. Members equal to a tercile (zeros where a third of the years is dry) are
        divided so that observed seasons have one third in each category.

    Raises
    ------
    InputError
        If there is no member, or fewer than 10 years of a season are known.

    Examples
    --------
    >>> import xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]]
    >>> made = xai4land_seasonal.forecast(
    ...     climate, "DJF", members=30, years=1959, emulator="trend", climatology=(1900, 1929))
    >>> terciles = tercile_probabilities(made, climate, climatology=(1900, 1929))
    >>> bool(abs(terciles.tas_probability.sum("category") - 1).max() < 1e-6)
    True
    """
    truth = to_seasons(obs, forecast, climatology, "the observations")
    if period is not None:
        years = truth["season_year"]
        truth = truth.isel(time=np.flatnonzero((years >= period[0]) & (years <= period[1])))
    fields = {}
    for name, members in forecast.data_vars.items():
        if "realization" not in members.dims:
            continue
        edges = _thresholds(forecast, truth[name])
        plain = members.drop_vars([c for c in members.coords if c not in members.dims])
        probability = probabilities(plain, edges).assign_coords(time=forecast["time"])
        probability = probability.assign_coords(category=list(CATEGORIES))
        probability = probability.astype(np.float32)
        probability.attrs = {
            "long_name": f"probability of the terciles of {name}",
            "units": "1",
            "comment": TIES,
            **{k: members.attrs[k] for k in ("grid_mapping",) if k in members.attrs},
        }
        probability.encoding = {"_FillValue": np.float32(np.nan)}
        fields[f"{name}_probability"] = probability
    if not fields:
        raise InputError("the forecast has no dimension 'realization'")
    keep = [c for c in forecast.coords if c != "realization"]
    found = xr.Dataset(fields).assign_coords({c: forecast[c] for c in keep})
    found["category"].attrs = {"long_name": "part of the observed seasons"}
    found.attrs = cf.extend_attrs(forecast, "tercile probabilities")
    return found


def _thresholds(forecast: xr.Dataset, truth: xr.DataArray) -> xr.DataArray:
    """Return terciles for each time of the forecast, shape (time, quantile, ...)."""
    parts, problems = [], []
    names, years = truth["season"].values, truth["season_year"].values
    for season, year in zip(
        forecast["season"].values, forecast["season_year"].values.tolist(), strict=True
    ):
        at = np.flatnonzero((names == season) & (years != year))
        if at.size < MIN_THRESHOLD_YEARS:
            problems.append(
                f"{season} {year}: {at.size} other years observed, expected at least "
                f"{MIN_THRESHOLD_YEARS} to find terciles; bring more years"
            )
            continue
        some = truth.isel(time=at)
        some = some.drop_vars([c for c in some.coords if c not in some.dims or c == "time"])
        parts.append(quantile_edges(some).to_dataset(name="edges").reset_coords("tied_below"))
    InputError.raise_if(problems)
    stacked = xr.concat(parts, "time", coords="minimal", compat="override")
    return stacked.set_coords("tied_below")["edges"]
