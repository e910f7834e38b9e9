"""Verification: a forecast and its references on the same seasons and cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xai4land import cf
from xai4land.errors import InputError
from xai4land.grid import Grid
from xai4land.tables import Table
from xai4land_seasonal.areas import Box, area_mean, region_mean
from xai4land_seasonal.categories import (
    category_of,
    probabilities,
    roc_area,
    rpss,
    tercile_edges,
)
from xai4land_seasonal.climatology import Climatology
from xai4land_seasonal.forecasting import forecast as make_forecast
from xai4land_seasonal.matching import match, seasonal
from xai4land_seasonal.references import REFERENCES
from xai4land_seasonal.scores import (
    acc,
    bias,
    crps,
    crpss,
    msess,
    residual_correlation,
    rmse,
    spread_error,
)
from xai4land_seasonal.significance import correlation_pvalue, effective_size, random_walk

__all__ = ["METRICS", "summary", "verify"]

BASE = "climatology"


class Case(NamedTuple):
    """One forecast of one season, with what it is judged by.

    Attributes
    ----------
    forecast, obs : DataArray
    base, trend : DataArray
        The climatology's ensemble, and the trend's.
    edges : DataArray
        Terciles from other years.
    """

    forecast: xr.DataArray
    obs: xr.DataArray
    base: xr.DataArray
    trend: xr.DataArray
    edges: xr.DataArray


def _roc(case: Case, category: int) -> xr.DataArray:
    """Of one tercile."""
    chance = probabilities(case.forecast, case.edges).isel(category=category, drop=True)
    truth = category_of(case.obs, case.edges)
    return roc_area(chance, (truth == category).where(truth.notnull()))


def _acc_pvalue(case: Case) -> xr.DataArray:
    mean = case.forecast.mean("realization")
    return correlation_pvalue(acc(mean, case.obs), effective_size(mean, case.obs))


def _walk(case: Case) -> xr.DataArray:
    """Sign test of the CRPS against the climatology's."""
    gain = crps(case.base, case.obs) - crps(case.forecast, case.obs)
    return random_walk(gain)["pvalue"]


METRICS: Mapping[str, Callable[[Case], xr.DataArray]] = {
    "acc": lambda c: acc(c.forecast, c.obs),
    "acc_pvalue": _acc_pvalue,
    "residual_correlation": lambda c: residual_correlation(c.forecast, c.obs, c.trend),
    "rmse": lambda c: rmse(c.forecast, c.obs),
    "bias": lambda c: bias(c.forecast, c.obs),
    "msess": lambda c: msess(c.forecast, c.obs),
    "spread_error": lambda c: spread_error(c.forecast, c.obs),
    "crps": lambda c: crps(c.forecast, c.obs).mean("time"),
    "crpss": lambda c: crpss(c.forecast, c.obs, c.base),
    "rpss": lambda c: rpss(c.forecast, c.obs, c.edges),
    "roc_below": lambda c: _roc(c, 0),
    "roc_above": lambda c: _roc(c, 2),
    "walk_pvalue": _walk,
}
"""Scores by name, of a :class:`Case`."""

LONG = {
    "acc": "anomaly correlation of the ensemble mean",
    "acc_pvalue": "one-sided p-value of the anomaly correlation, with effective sample size",
    "residual_correlation": "correlation with the trend regressed out of both",
    "rmse": "root mean squared error of the ensemble mean",
    "bias": "mean error of the ensemble mean",
    "msess": "skill score of the mean squared error against no anomaly",
    "spread_error": "ratio of ensemble spread to error",
    "crps": "fair continuous ranked probability score",
    "crpss": "skill of the fair CRPS against the climatological ensemble",
    "rpss": "skill of the fair RPS of terciles against climatological probabilities",
    "roc_below": "ROC area of the lower tercile",
    "roc_above": "ROC area of the upper tercile",
    "walk_pvalue": "p-value of the sign test of the CRPS against the climatological ensemble",
}
DEFAULT = ("acc", "residual_correlation", "rmse", "msess", "spread_error", "crpss", "rpss")


def verify(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    references: Sequence[str] | Mapping[str, xr.Dataset] = (
        "climatology",
        "trend",
        "persistence",
    ),
    metrics: Sequence[str] = DEFAULT,
    dim: str | Sequence[str] = "time",
    regions: Sequence[str] | Mapping[str, Box] | None = None,
    climatology: Climatology = None,
    variable: str | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Scores of a forecast beside its references', on the seasons that all have.

    Parameters
    ----------
    forecast : Dataset
        As :func:`xai4land_seasonal.forecast` or :func:`xai4land_seasonal.hindcast_seasons`
        gives it.
    obs : Dataset
        Monthly (references by name need the years before, too), or seasonal anomalies.
    references : sequence of str, or mapping from str to Dataset
        Names of references that are made from ``obs`` with the forecast's lead and members, or
        other forecasts, such as a dynamical hindcast.
    metrics : sequence of str
        Among :data:`METRICS`.
    dim : str or sequence of str
        ``"time"`` for a score in each cell; with the latitude and longitude added, their
        area-weighted means.
    regions : sequence of str or mapping from str to box, optional
        Scores of means over named regions (:data:`xai4land_seasonal.areas.REGIONS`) or boxes,
        instead of in each cell.
    climatology : tuple of int, Dataset, DataArray or None
        Of monthly observations, if they are absolute: that of the forecast.
    variable : str, optional
        By default the forecast's first.
    seed : int
        Of the references' members.

    Returns
    -------
    Dataset
        One variable a metric, on (forecast, season, ...), lazy if the data are. ``forecast`` names
        the forecast first, then the references.

    Raises
    ------
    InputError
        If observations do not cover the forecast, or a metric, reference or region is unknown.

    Examples
    --------
    >>> import xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]]
    >>> made = xai4land_seasonal.forecast(
    ...     climate, "DJF", members=10, years=range(1940, 1960), climatology=(1900, 1929),
    ...     emulator="damped persistence")
    >>> scores = verify(made, climate, metrics=["acc"], climatology=(1900, 1929),
    ...                 dim=("time", "lat", "lon"))
    >>> scores.acc.sizes["forecast"]
    4
    """
    name = variable or next(str(n) for n, a in forecast.data_vars.items() if "time" in a.dims)
    problems = [
        f"metric {m!r}, expected one of {', '.join(METRICS)}" for m in metrics if m not in METRICS
    ]
    if name not in forecast:
        problems.append(f"variable {name!r} is not in the forecast ({list(forecast.data_vars)})")
    named = [] if isinstance(references, Mapping) else list(references)
    problems += [
        f"reference {r!r}, expected one of {', '.join(REFERENCES)}"
        for r in named
        if r not in REFERENCES
    ]
    if named and "season_year" in obs.coords:
        problems.append(
            "references by name are made from monthly observations, and these are seasonal; give "
            "the monthly ones, or references={name: forecast}"
        )
    InputError.raise_if(problems)
    own = forecast[[name]]
    truth = seasonal(obs, own, climatology, "the observations")
    own, truth = match(own, truth, "the observations")
    others = (
        dict(references)
        if isinstance(references, Mapping)
        else _made(named, own, obs, climatology, seed)
    )
    judges = {BASE, "trend"} - set(others)
    if judges and "season_year" not in obs.coords:
        extra = _made(sorted(judges), own, obs, climatology, seed)
    else:
        extra = {}
    pool = {**others, **extra}
    for label, other in pool.items():
        own, _ = match(own, seasonal(other, own, None, f"{label!r}"), f"{label!r}")
    truth = match(own, truth, "the observations")[1]
    label = str(forecast.attrs.get("emulator", "forecast"))
    label = label if label not in others else f"{label} (forecast)"
    fields = {label: own[name]} | {
        k: match(own, seasonal(v, own, None, f"{k!r}"), f"{k!r}")[1][name] for k, v in pool.items()
    }
    found = _scored(fields, truth[name], [label, *others], metrics, regions)
    wide = set([dim] if isinstance(dim, str) else dim) - {"time"}
    if wide and regions is None:
        found = xr.Dataset({k: area_mean(v) for k, v in found.items()})
    found.attrs = {
        "title": f"verification of {label}",
        "history": cf.history(forecast, "verified"),
        "seasons": f"{own.sizes['time']} seasons, {int(own['season_year'].min())}-"
        f"{int(own['season_year'].max())}",
    }
    return found


def _made(
    names: Sequence[str],
    own: xr.Dataset,
    obs: xr.Dataset,
    climatology: Climatology,
    seed: int,
) -> dict[str, xr.Dataset]:
    """References from the observations, as the forecast was made."""
    lead = _lead(own)
    seasons = np.unique(own["season"].values).tolist()
    years = np.unique(own["season_year"].values).tolist()
    grid = Grid.of(own)
    members = own.sizes.get("realization", 1)
    made = {}
    for name in names:
        made[name] = make_forecast(
            obs,
            seasons,
            members=max(members, 2),
            lead=lead,
            years=years,
            emulator=REFERENCES[name],
            climatology=climatology,
            seed=seed,
            grid=grid,
            variables=[str(n) for n in own.data_vars],
        )
    return made


def _lead(own: xr.Dataset) -> int:
    """Whole months between the reference time and the season."""
    reference = own["forecast_reference_time"]
    months = 12 * reference.dt.year.values + reference.dt.month.values - 1
    bounds = own["time_bnds"].isel(bnds=0) if "time_bnds" in own.coords else own["time"]
    starts = 12 * bounds.dt.year.values + bounds.dt.month.values - 1
    leads = np.unique(starts - months)
    if leads.size != 1:
        raise InputError(f"the forecast has leads {leads.tolist()}; verify one at a time")
    return int(leads[0])


def _scored(
    fields: Mapping[str, xr.DataArray],
    truth: xr.DataArray,
    names: Sequence[str],
    metrics: Sequence[str],
    regions: Sequence[str] | Mapping[str, Box] | None,
) -> xr.Dataset:
    """Scores on (forecast, season, ...)."""
    if regions is not None:
        fields = {k: _regional(v, regions) for k, v in fields.items()}
        truth = _regional(truth, regions)
    seasons = list(dict.fromkeys(truth["season"].values.tolist()))
    made = []
    for name in names:
        parts = []
        for season in seasons:
            at = np.flatnonzero(truth["season"].values == season)
            obs = _plain(truth.isel(time=at))
            one, base, trend = (
                _ensemble(_plain(fields[k].isel(time=at))) if k in fields else None
                for k in (name, BASE, "trend")
            )
            assert one is not None
            nothing = _ensemble(xr.zeros_like(obs))
            case = Case(
                one,
                obs,
                nothing if base is None else base,
                nothing if trend is None else trend,
                tercile_edges(obs),
            )
            parts.append(xr.Dataset({m: METRICS[m](case) for m in metrics}))
        made.append(xr.concat(parts, "season", coords="minimal", compat="override"))
    found = xr.concat(made, "forecast", coords="minimal", compat="override")
    found = found.assign_coords(forecast=list(names), season=seasons)
    for metric in metrics:
        units = str(truth.attrs.get("units", "1")) if metric in ("rmse", "bias", "crps") else "1"
        found[metric].attrs = {"long_name": LONG[metric], "units": units}
    return found


def _plain(array: xr.DataArray) -> xr.DataArray:
    keep = {"realization", *map(str, array.dims)} - {"time"}
    return array.drop_vars([c for c in array.coords if str(c) not in keep])


def _ensemble(array: xr.DataArray) -> xr.DataArray:
    return array if "realization" in array.dims else array.expand_dims(realization=1)


def _regional(array: xr.DataArray, regions: Sequence[str] | Mapping[str, Box]) -> xr.DataArray:
    boxes: dict[str, str | Box] = (
        dict(regions) if isinstance(regions, Mapping) else {name: name for name in regions}
    )
    parts = [region_mean(array, box) for box in boxes.values()]
    made = xr.concat(parts, "region", coords="minimal", compat="override")
    return made.assign_coords(region=list(boxes)).transpose("time", ...)


def summary(scores: xr.Dataset) -> Table:
    """Scores as a table: a row a forecast, area-weighted means over cells, means over seasons.

    Parameters
    ----------
    scores : Dataset
        As :func:`verify` gives it; computed here.

    Examples
    --------
    >>> scores = xr.Dataset({"acc": (("forecast", "season"), [[0.25, 0.75]])}, {"forecast": ["a"]})
    >>> summary(scores)
    forecast    acc
    a         0.500
    """
    rows = []
    means = {}
    for name, values in scores.data_vars.items():
        cells = [d for d in values.dims if d not in ("forecast", "season", "region")]
        mean = area_mean(values) if cells else values
        means[str(name)] = mean.mean("season") if "season" in mean.dims else mean
    computed = xr.Dataset(means).compute()
    for label in computed["forecast"].values:
        one = computed.sel(forecast=label)
        for region in computed["region"].values if "region" in computed.dims else [None]:
            part = one if region is None else one.sel(region=region)
            row: dict[str, Any] = {"forecast": str(label)}
            row |= {} if region is None else {"region": str(region)}
            rows.append(row | {k: float(v) for k, v in part.data_vars.items()})
    return Table(rows)
