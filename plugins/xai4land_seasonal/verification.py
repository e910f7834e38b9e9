"""Verification: a forecast and its references on the same seasons and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.base import compute

from xai4land import cf
from xai4land.cells import areas
from xai4land.errors import InputError
from xai4land.grid import Grid
from xai4land.tables import Table
from xai4land_seasonal.areas import Box, region_mean
from xai4land_seasonal.climatology import Climatology
from xai4land_seasonal.forecasting import forecast as make_forecast
from xai4land_seasonal.matching import match, seasonal
from xai4land_seasonal.metrics import METRICS, Case, Truth, mean_over
from xai4land_seasonal.references import REFERENCES
from xai4land_seasonal.seasons import Season

__all__ = ["METRICS", "summary", "verify"]

BASE = "climatology"
BATCH = 50
"""Resamples at once."""
RESAMPLED = 2
"""Years that a resample keeps together."""
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
    intervals: int = 0,
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
        ``"time"`` for a score in each cell and season; with latitude and longitude added, their
        area-weighted means; with ``"season"`` added, their means over seasons.
    regions : sequence of str or mapping from str to box, optional
        Scores of means over named regions (:data:`xai4land_seasonal.areas.REGIONS`) or boxes,
        instead of in each cell.
    intervals : int
        Resamples of the years, two in a row together (Künsch 1989), for 90 % intervals of area
        means or regions: ``<metric>_interval``, and ``<metric>_gain_interval`` for the first
        forecast's score less each other's. 1,000 are usual; 0 for none.
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
        the forecast first, then the references. Reliability and rank histograms count over all
        cells (or each region's means), on ``bin``. Intervals are on ``bound``, and computed.

    Raises
    ------
    InputError
        If observations do not cover the forecast, or a metric, reference, region or dimension is
        unknown.

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
    wide = set([dim] if isinstance(dim, str) else dim) - {"time"}
    grid = Grid.of(forecast)
    cells = set(grid.names) if regions is None else set()
    if wide - {"season"} not in (set(), cells):
        problems.append(
            f"dim={sorted(wide | {'time'})}, expected 'time', with all or none of "
            f"{sorted(cells)}, with or without 'season'"
        )
    if intervals and regions is None and not wide & cells:
        problems.append(
            f"intervals of single cells are not made; add {', '.join(grid.names)} to dim=, or name "
            "regions="
        )
    InputError.raise_if(problems)
    own = forecast[[name]]
    truth = seasonal(obs, own, climatology, "the observations")
    own, truth = match(own, truth, "the observations")
    pool = dict(references) if isinstance(references, Mapping) else {}
    names = list(named)
    if "season_year" not in obs.coords:
        names += [judge for judge in (BASE, "trend") if judge not in references]
    if names or not isinstance(references, Mapping):
        pool |= _made(names, own, obs, climatology, seed)
    pool = {k: seasonal(v, own, None, f"{k!r}") for k, v in pool.items()}
    for k, other in pool.items():
        own, _ = match(own, other, f"{k!r}")
    truth = match(own, truth, "the observations")[1]
    label = str(forecast.attrs.get("emulator", "forecast"))
    label = label if label not in references else f"{label} (forecast)"
    fields = {label: own[name]} | {
        k: match(own, other, f"{k!r}")[1][name] for k, other in pool.items()
    }
    if regions is not None:
        fields = {k: _regional(v, regions) for k, v in fields.items()}
        truth = truth.assign({name: _regional(truth[name], regions)})
    area = areas(grid, truth[name]) if regions is None else None
    cases = _cases(fields, truth[name], [label, *references])
    found = _scored(cases, metrics, wide, area, str(truth[name].attrs.get("units", "1")))
    if intervals:
        found = found.merge(_intervals(cases, metrics, wide, intervals, seed))
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
    if "forecast_reference_time" not in own.coords:
        raise InputError(
            "the forecast has no coordinate 'forecast_reference_time' that tells the lead of "
            "references by name; give references={name: forecast}"
        )
    reference = own["forecast_reference_time"]
    months = 12 * reference.dt.year.values + reference.dt.month.values - 1
    starts = [
        Season.of(str(season)).start(int(year))
        for season, year in zip(own["season"].values, own["season_year"].values, strict=True)
    ]
    leads = np.unique(starts - months)
    if leads.size != 1:
        raise InputError(f"the forecast has leads {leads.tolist()}; verify one at a time")
    return int(leads[0])


Cases = dict[str, dict[str, tuple[Case, npt.NDArray[np.int64]]]]
"""Of each forecast and season, with the seasons' years."""


def _cases(fields: Mapping[str, xr.DataArray], truth: xr.DataArray, names: Sequence[str]) -> Cases:
    made: Cases = {name: {} for name in names}
    for season in dict.fromkeys(truth["season"].values.tolist()):
        at = np.flatnonzero(truth["season"].values == season)
        obs = _plain(truth.isel(time=at))
        years = truth["season_year"].values[at]
        nothing = _ensemble(xr.zeros_like(obs))
        parts = {k: _ensemble(_plain(field.isel(time=at))) for k, field in fields.items()}
        judge = Truth(obs, parts.get(BASE, nothing), parts.get("trend", nothing))
        for name in names:
            made[name][season] = Case(parts[name], judge), years
    return made


def _scored(
    cases: Cases, metrics: Sequence[str], wide: set[str], area: xr.DataArray | None, units: str
) -> xr.Dataset:
    """Scores on (forecast, season, ...)."""
    made = []
    origin: dict[str, str] = {}
    for seasons in cases.values():
        parts = []
        for case, _ in seasons.values():
            scores: dict[str, xr.DataArray] = {}
            for name in metrics:
                metric = METRICS[name]
                needs = [case.field(need) for need in metric.needs]
                found = metric.score(*needs, *([area] if metric.pooled else []))
                if isinstance(found, xr.Dataset):
                    new = {f"{name}_{k}": part for k, part in found.items()}
                else:
                    new = {name: found}
                scores |= new
                origin |= dict.fromkeys(new, name)
            parts.append(xr.Dataset(scores))
        made.append(_joined(parts, "season"))
    every = _joined(made, "forecast")
    every = every.assign_coords(forecast=list(cases), season=list(next(iter(cases.values()))))
    every = xr.Dataset({k: mean_over(v, wide) for k, v in every.items()})
    for key, name in origin.items():
        every[key].attrs = {
            "long_name": METRICS[name].long_name,
            "units": units if METRICS[name].has_units else "1",
        }
    return every


def _intervals(
    cases: Cases, metrics: Sequence[str], wide: set[str], samples: int, seed: int
) -> xr.Dataset:
    """Scores and gains of resampled years; all forecasts and seasons are drawn alike."""
    names = [m for m in metrics if not METRICS[m].pooled and not m.endswith("pvalue")]
    needs = sorted({need for name in names for need in METRICS[name].needs})
    lazy = {
        name: {
            season: (xr.Dataset({need: case.field(need) for need in needs}), years)
            for season, (case, years) in seasons.items()
        }
        for name, seasons in cases.items()
    }
    # At once: they share observations and references.
    fields: dict[str, dict[str, tuple[xr.Dataset, npt.NDArray[np.int64]]]] = compute(lazy)[0]
    rng = np.random.default_rng(seed)
    years = np.unique(np.concatenate([y for _, y in next(iter(fields.values())).values()]))
    drawn = []
    for start in range(0, samples, BATCH):
        size = min(BATCH, samples - start), -(-years.size // RESAMPLED), 1
        first = rng.integers(0, years.size, size)
        at = (first + np.arange(RESAMPLED)).reshape(size[0], -1)[:, : years.size] % years.size
        one = [
            _joined(
                [_resampled(*part, years[at], names, wide) for part in seasons.values()], "season"
            )
            for seasons in fields.values()
        ]
        drawn.append(_joined(one, "forecast"))
    every = _joined(drawn, "sample")
    every = every.mean("season") if "season" in wide else every
    made = {}
    for name in names:
        gain = every[name].isel(forecast=0) - every[name]
        for key, values in (("interval", every[name]), ("gain_interval", gain)):
            bounds = values.quantile([0.05, 0.95], "sample").rename(quantile="bound")
            long_name = METRICS[name].long_name
            what = "90 % interval" + (" of the gain over" if key == "gain_interval" else "")
            made[f"{name}_{key}"] = bounds.assign_attrs(long_name=f"{long_name}: {what}")
    found = xr.Dataset(made).transpose("forecast", ..., "bound")
    found = found.assign_coords(bound=["lower", "upper"], forecast=list(cases))
    labels = list(next(iter(cases.values())))
    return found.assign_coords(season=labels) if "season" in found.dims else found


def _resampled(
    values: xr.Dataset,
    own: npt.NDArray[np.int64],
    years: npt.NDArray[np.int64],
    names: Sequence[str],
    wide: set[str],
) -> xr.Dataset:
    """Scores over (sample, time) years; a year that a season lacks tells nothing."""
    place = {year: k for k, year in enumerate(own.tolist())}
    at = np.vectorize(lambda year: place.get(year, -1), otypes=[int])(years)
    times = xr.DataArray(at, dims=("sample", "time"))
    drawn = values.isel(time=times).where(times >= 0)
    made = {}
    for name in names:
        score = METRICS[name].score(*(drawn[need] for need in METRICS[name].needs))
        assert isinstance(score, xr.DataArray)
        made[name] = mean_over(score, wide)
    return xr.Dataset(made)


def _joined(parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    return xr.concat(parts, dim, coords="minimal", compat="override")


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
    extra = {"bin", "bound"}
    plain = {k: v for k, v in scores.data_vars.items() if not extra & set(map(str, v.dims))}
    means = {
        k: mean_over(v, set(map(str, v.dims)) - {"forecast", "region"}) for k, v in plain.items()
    }
    computed = xr.Dataset(means).compute()
    rows: list[dict[str, Any]] = []
    for label in computed["forecast"].values:
        one = computed.sel(forecast=label)
        for region in computed["region"].values if "region" in computed.dims else [None]:
            part = one if region is None else one.sel(region=region)
            row: dict[str, Any] = {"forecast": str(label)}
            row |= {} if region is None else {"region": str(region)}
            rows.append(row | {str(k): float(v) for k, v in part.data_vars.items()})
    return Table(rows)
