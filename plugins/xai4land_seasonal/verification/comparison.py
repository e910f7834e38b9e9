"""A forecast, its references and the observations, on the same seasons and cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid
from xai4land_seasonal.data.areas import region_mean
from xai4land_seasonal.data.climatology import Climatology, anomalies
from xai4land_seasonal.data.regions import Region
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.variables import default_variable
from xai4land_seasonal.forecasting import forecast as make_forecast
from xai4land_seasonal.references import REFERENCES
from xai4land_seasonal.verification.fields import LoadedForecast, Observations, SeasonForecast
from xai4land_seasonal.verification.matching import check_same_level, match, to_seasons
from xai4land_seasonal.verification.rebasing import rebase as rebase_anomalies
from xai4land_seasonal.verification.space import Space

__all__ = ["Comparison", "ForecastsBySeason", "compare", "find_problems"]

References = Sequence[str] | Mapping[str, xr.Dataset]
Regions = Sequence[str] | Mapping[str, Region] | None
Scored = SeasonForecast | LoadedForecast
ForecastsBySeason = dict[str, dict[str, tuple[Scored, npt.NDArray[np.int64]]]]
"""By forecast and season, each with the years of the season."""


@dataclass(frozen=True)
class Comparison:
    """Forecasts and observations that scores are computed from.

    Attributes
    ----------
    forecasts : dict
        The forecast first, then its references.
    area : DataArray or None
        Area of the cells; None if fields are means over regions.
    units : str
        Units of the data.
    attrs : dict
        Attributes of scores.
    """

    forecasts: ForecastsBySeason
    area: xr.DataArray | None
    units: str
    attrs: dict[str, str]


def find_problems(forecast: xr.Dataset, obs: xr.Dataset, references: References) -> list[str]:
    """Return the reasons why a comparison cannot be made."""
    named = [] if isinstance(references, Mapping) else list(references)
    found = [
        f"reference {r!r}, expected one of {', '.join(REFERENCES)}"
        for r in named
        if r not in REFERENCES
    ]
    if named and "season_year" in obs.coords:
        found.append(
            "references by name are made from monthly observations, and these are seasonal; give "
            "the monthly ones, or references={name: forecast}"
        )
    return found


def compare(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    references: References,
    *,
    climatology: Climatology = None,
    regions: Regions = None,
    variable: str | None = None,
    seed: int = 0,
    rebase: tuple[int, int] | None = None,
) -> Comparison:
    """Make references, and select the seasons that all forecasts and the observations have.

    Parameters
    ----------
    forecast, obs, references, climatology, regions, variable, seed, rebase
        See :func:`xai4land_seasonal.verify`.

    Raises
    ------
    InputError
        If a reference is unknown, or observations do not cover the forecast.
    """
    InputError.raise_if(find_problems(forecast, obs, references))
    name = variable or default_variable(forecast)
    ours = forecast[[name]]
    if rebase is not None:
        ours, obs, references = _rebase(ours, obs, references, climatology, rebase)
        climatology = None
    truth = to_seasons(obs, ours, climatology, "the observations")
    ours, truth = match(ours, truth, "the observations")
    pool = dict(references) if isinstance(references, Mapping) else {}
    names = [] if isinstance(references, Mapping) else list(references)
    if "season_year" not in obs.coords:
        names += [base for base in ("climatology", "trend") if base not in references]
    if names or not isinstance(references, Mapping):
        pool |= _make_references(names, ours, obs, climatology, seed)
    pool = {k: to_seasons(v, ours, None, f"{k!r}", members=True) for k, v in pool.items()}
    for k, other in pool.items():
        ours, _ = match(ours, other, f"{k!r}")
    truth = match(ours, truth, "the observations")[1]
    label = str(forecast.attrs.get("emulator", "forecast"))
    label = label if label not in references else f"{label} (forecast)"
    fields = {label: ours[name]} | {
        k: match(ours, other, f"{k!r}")[1][name] for k, other in pool.items()
    }
    fields = {k: check_same_level(field, truth[name], f"{k!r}") for k, field in fields.items()}
    if regions is not None:
        fields = {k: _average_regions(v, regions) for k, v in fields.items()}
        truth = truth.assign({name: _average_regions(truth[name], regions)})
    observed = truth[name]
    area = None
    if regions is None:
        area = cell_areas(Grid.of(ours), observed)
        space = Space.of_cells(Grid.of(ours), area)
    else:
        space = Space.of_regions("region", len(regions))
    return Comparison(
        _group_by_season(fields, observed, [label, *references], space),
        area,
        str(observed.attrs.get("units", "1")),
        {
            "title": f"verification of {label}",
            "seasons": f"{ours.sizes['time']} seasons, {int(ours['season_year'].min())}-"
            f"{int(ours['season_year'].max())}",
        },
    )


def _rebase(
    ours: xr.Dataset,
    obs: xr.Dataset,
    references: References,
    climatology: Climatology,
    period: tuple[int, int],
) -> tuple[xr.Dataset, xr.Dataset, References]:
    """Bring all to another base, by what was observed in it."""
    if climatology is not None and "season_year" not in obs.coords:
        obs = anomalies(obs, climatology)
    if isinstance(references, Mapping):
        references = {k: rebase_anomalies(v, period, obs=obs) for k, v in references.items()}
    return rebase_anomalies(ours, period, obs=obs), rebase_anomalies(obs, period), references


def _make_references(
    names: Sequence[str],
    ours: xr.Dataset,
    obs: xr.Dataset,
    climatology: Climatology,
    seed: int,
) -> dict[str, xr.Dataset]:
    """Make references from the observations, with the forecast's lead, seasons and grid."""
    lead = _find_lead(ours)
    seasons = np.unique(ours["season"].values).tolist()
    years = np.unique(ours["season_year"].values).tolist()
    members = ours.sizes.get("realization", 1)
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
            grid=ours,
            variables=[str(n) for n in ours.data_vars],
        )
    return made


def _find_lead(ours: xr.Dataset) -> int:
    """Return the whole months between the reference time and the season."""
    if "forecast_reference_time" not in ours.coords:
        raise InputError(
            "the forecast has no coordinate 'forecast_reference_time', which gives the lead of "
            "references by name; give references={name: forecast}"
        )
    reference = ours["forecast_reference_time"]
    months = 12 * reference.dt.year.values + reference.dt.month.values - 1
    starts = [
        Season.of(str(season)).start(int(year))
        for season, year in zip(ours["season"].values, ours["season_year"].values, strict=True)
    ]
    leads = np.unique(starts - months)
    if leads.size != 1:
        raise InputError(f"the forecast has leads {leads.tolist()}; verify one at a time")
    return int(leads[0])


def _group_by_season(
    fields: Mapping[str, xr.DataArray], truth: xr.DataArray, names: Sequence[str], space: Space
) -> ForecastsBySeason:
    """Return the forecasts of each season beside its observations."""
    forecasts: ForecastsBySeason = {name: {} for name in names}
    for season in dict.fromkeys(truth["season"].values.tolist()):
        at = np.flatnonzero(truth["season"].values == season)
        obs = _drop_coords(truth.isel(time=at))
        years = truth["season_year"].values[at]
        no_anomaly = _with_realization(xr.zeros_like(obs))
        parts = {
            k: _with_realization(_drop_coords(field.isel(time=at))) for k, field in fields.items()
        }
        observed = Observations(
            obs, parts.get("climatology", no_anomaly), parts.get("trend", no_anomaly), space
        )
        for name in names:
            forecasts[name][season] = SeasonForecast(parts[name], observed), years
    return forecasts


def _drop_coords(array: xr.DataArray) -> xr.DataArray:
    keep = {"realization", *map(str, array.dims)} - {"time"}
    return array.drop_vars([c for c in array.coords if str(c) not in keep])


def _with_realization(array: xr.DataArray) -> xr.DataArray:
    return array if "realization" in array.dims else array.expand_dims(realization=1)


def _average_regions(
    array: xr.DataArray, regions: Sequence[str] | Mapping[str, Region]
) -> xr.DataArray:
    boxes: dict[str, str | Region] = (
        dict(regions) if isinstance(regions, Mapping) else {name: name for name in regions}
    )
    parts = [region_mean(array, box) for box in boxes.values()]
    made = xr.concat(parts, "region", coords="minimal", compat="override")
    return made.assign_coords(region=list(boxes)).transpose("time", ...)
