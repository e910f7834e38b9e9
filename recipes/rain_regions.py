"""Forecast rain of Australia and of the Horn of Africa from the tropical Pacific, left out by year.

    python recipes/rain_regions.py FOLDER [OUT]

``FOLDER`` holds GPCP over Australia with OISST of the tropical Pacific (1982-2000), and CHIRPS of
November and December over the Horn of Africa (1991-2020) with Kaplan's equatorial Pacific (to
2014). These are too few years for trends of the years before, which ``forecast`` needs. So each
year is forecast from all others (Wilks 2011, 7.4.4): the standardised index of rain, by a ridge
regression on the leading patterns of sea temperature and by analogs, one whole month ahead. Where
the regression does not predict these other years (each left out once more) better than their mean,
the forecast is the climatology.

Prints scores of means over areas with 90 % intervals, and draws maps of the fair RPSS; dots are
significantly above climatology at a false discovery rate of 10 % (Wilks 2016), crosses below.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cf_xarray  # noqa: F401  (registers .cf)
import numpy as np
import xarray as xr

from xai4land.scores.significance import control_fdr
from xai4land_seasonal import plot_scores, verify
from xai4land_seasonal.data.areas import area_mean
from xai4land_seasonal.data.precipitation import DRY, PrecipitationIndex
from xai4land_seasonal.data.seasons import season_coords
from xai4land_seasonal.references.patterns import Patterns

PATTERNS, RIDGE, ANALOGS, MEMBERS = 3, 1.0, 6, 100
LEAD = 1
METRICS = ("rpss", "acc")


class Rain(NamedTuple):
    """Seasons of rain, with what was known of the sea one whole month before each.

    Attributes
    ----------
    seasons : DataArray, shape (time, lat, lon)
        In kg m-2 s-1, with the coordinates of seasons.
    sea : ndarray, shape (time, 2, cells)
        Temperature of the last month, and the mean of the last three.
    """

    seasons: xr.DataArray
    sea: np.ndarray


def main(folder: Path, out: Path) -> None:
    """Forecast both regions, print tables, draw maps."""
    out.mkdir(parents=True, exist_ok=True)
    rain = open_field(folder, "pr_Amon_GPCP_australia_198201-200012.nc", "pr")
    sea = open_field(folder, "tos_Omon_OISST_tropical-pacific_198201-200012.nc", "tos")
    names = {"DJF": 12, "MAM": 3, "JJA": 6, "SON": 9}
    parts = [read(rain, sea, name, month, 3) for name, month in names.items()]
    eastern = {"australia": (-44, -10, 112, 154), "eastern australia": (-40, -10, 140, 154)}
    show("Australia", parts, eastern, out / "rain-australia.png")
    rain = open_field(folder, "pr_CHIRPS_greater-horn_NovDec_1991-2020.nc", "pr")
    rain = rain.coarsen(lat=4, lon=4, boundary="trim").mean()
    sea = open_field(folder, "tos_kaplan_equatorial-pacific_185601.nc", "tos")
    horn = {"horn": (-12, 23, 22, 52), "eastern horn": (-5, 10, 38, 52)}
    show("Horn of Africa", [read(rain, sea, "ND", 11, 2)], horn, out / "rain-horn.png")


def open_field(folder: Path, file: str, name: str) -> xr.DataArray:
    """Return a monthly field; rain in kg m-2 s-1."""
    with xr.open_dataset(folder / file) as data:
        field = data.cf.guess_coord_axis()[name].load()
    if name != "pr":
        return field
    seconds = 86400.0
    if field.attrs["units"] == "mm month-1":
        seconds = seconds * field["time"].dt.days_in_month
    return (field / seconds).transpose(*field.dims).assign_attrs(units="kg m-2 s-1")


def read(rain: xr.DataArray, sea: xr.DataArray, name: str, month: int, length: int) -> Rain:
    """Return the seasons that begin in a month whose three months of the sea are known."""
    at, known = (number(part) for part in (rain, sea))
    starts = [s for s in at[at % 12 == month - 1] if np.isin(s + np.arange(length), at).all()]
    last = [s - 1 - LEAD for s in starts]
    some = [k for k, end in enumerate(last) if np.isin(end - np.arange(3), known).all()]
    starts, last = np.array(starts)[some], np.array(last)[some]
    cells = sea.values.reshape(len(known), -1)
    months = np.stack([cells[np.searchsorted(known, last - k)] for k in range(3)], 1)
    values = np.stack([rain.values[np.searchsorted(at, starts + k)] for k in range(length)])
    field = xr.DataArray(
        values.mean(0),
        {d: rain[d] for d in ("lat", "lon")},
        ("time", "lat", "lon"),
        attrs=rain.attrs,
    )
    coords = season_coords(starts, [name] * len(starts), rain["time"])
    plain = {k: c for k, c in coords.items() if k != "time_bnds"}
    return Rain(field.assign_coords(plain), np.stack([months[:, 0], months.mean(1)], 1))


def number(field: xr.DataArray) -> np.ndarray:
    """Return the number of each month, counted from January of year 0."""
    time = field["time"].dt
    return np.asarray(12 * time.year.values + time.month.values - 1)


def forecast_others(rain: Rain) -> dict[str, xr.Dataset]:
    """Forecast each year from the others by three methods."""
    flat = rain.seasons.stack(cell=("lat", "lon"))
    years = np.arange(len(flat))
    area = np.ones(rain.sea.shape[-1])
    made: dict[str, list[np.ndarray]] = {"eof-ridge": [], "analogs": [], "climatology": []}
    for year in years:
        others = years != year
        past = flat.values[others]
        index = PrecipitationIndex.fit(past[:, None])
        normal = index.normalise(past[:, None])[:, 0]
        sea = rain.sea - rain.sea[others].mean(0)
        patterns = Patterns.of(sea[others].reshape(-1, 1, area.size), area, PATTERNS)
        found = [patterns.project(sea[:, k, None]) for k in range(2)]
        components = np.concatenate(found, 1)
        # Drawn with replacement: fair scores take members for a sample.
        drawn = np.random.default_rng(int(year)).integers(len(past), size=MEMBERS)
        members = regress(components[others], normal, components[year])[drawn]
        made["eof-ridge"].append(index.restore(members[:, None], 0)[:, 0])
        distance = ((components[others] - components[year]) ** 2).sum(1)
        closest = np.argsort(distance)[:ANALOGS]
        made["analogs"].append(past[closest[drawn % ANALOGS]])
        made["climatology"].append(past[drawn])
    usual = flat.mean("time")
    terciles = np.isfinite(PrecipitationIndex.fit(flat.values[:, None]).shape[0])
    return {
        name: to_dataset(np.stack(members) - usual.values, flat, terciles)
        for name, members in made.items()
    }


def regress(x: np.ndarray, y: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return a ridge regression with the errors of each year left out, (years, cells).

    Parameters
    ----------
    x : ndarray, shape (years, components)
    y : ndarray, shape (years, cells)
    now : ndarray, shape (components,)
    """
    mean = y.mean(0)
    square = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
    slopes = np.linalg.solve(square, x.T @ (y - mean))
    # Errors of a linear fit without a year follow from the fit with it (Allen 1974).
    own = (x * np.linalg.solve(square, x.T).T).sum(1) + 1 / len(x)
    errors = (y - mean - x @ slopes) / (1 - own)[:, None]
    usual = (y - mean) / (1 - 1 / len(x))
    better = (errors**2).sum(0) < (usual**2).sum(0)
    return np.where(better, mean + now @ slopes + errors - errors.mean(0), y)


def to_dataset(members: np.ndarray, like: xr.DataArray, some: np.ndarray) -> xr.Dataset:
    """Return members on (time, realization, lat, lon); missing where seasons are mostly dry."""
    values = np.where(some, members, np.nan)
    dims = ("time", "realization", "cell")
    coords = {"realization": np.arange(values.shape[1])}
    made = xr.DataArray(values, coords | {d: like[d] for d in ("time", "cell")}, dims)
    field = made.unstack("cell").assign_attrs(units="kg m-2 s-1")
    kept = {k: like[k] for k in ("season", "season_year")}
    return field.to_dataset(name="rain").assign_coords(kept)


def show(
    name: str, parts: Sequence[Rain], boxes: Mapping[str, tuple[int, ...]], picture: Path
) -> None:
    """Print and draw scores of all seasons of a region."""
    forecasts = [forecast_others(part) for part in parts]
    seasons = [part.seasons - part.seasons.mean("time") for part in parts]
    seen = xr.concat(seasons, "time").assign_attrs(units="kg m-2 s-1").to_dataset(name="rain")
    made = {
        label: xr.concat([one[label] for one in forecasts], "time", join="outer")
        for label in forecasts[0]
    }
    first, *rest = made
    made[first].attrs["emulator"] = first
    references = {label: made[label] for label in rest}
    how: dict[str, Any] = {"references": references, "progress": False}
    tests = ["rpss", "rpss_pvalue", "effective_size"]
    cells = verify(made[first], seen, metrics=tests, **how).compute()
    plot_scores(cells, metric="rpss").savefig(picture, dpi=110)
    years = seen["season_year"].values
    dry = float((xr.concat([p.seasons for p in parts], "time") < DRY).mean())
    some = float(made[first].rain.isel(time=0, realization=0).notnull().mean())
    print(f"\n{name}, {years.min()} to {years.max()}: {dry:.0%} of the values dry, "
          f"{some:.0%} of the cells have terciles")  # fmt: skip
    for season in cells["season"].values:
        for label in (first, "analogs"):
            one = cells.sel(season=season, forecast=label)
            found, known = one["rpss_pvalue"], one["rpss"].notnull().sum()
            above, below = (
                float(control_fdr(part, alpha=0.1).sum() / known)
                for part in (found, (1 - found).where(found < 1))
            )
            mean = float(area_mean(one["rpss"]))
            print(f"{season} {label}: RPSS of cells {mean:.2f}, significant: "
                  f"{above:.0%} above, {below:.0%} below")  # fmt: skip
    means = verify(
        made[first], seen, metrics=METRICS, regions=dict(boxes), intervals=1000, **how
    ).compute()
    for season in means["season"].values:
        for box in boxes:
            for label in made:
                one = means.sel(season=season, region=box, forecast=label)
                print(season, box, label, *(describe(one, metric) for metric in METRICS))


def describe(scores: xr.Dataset, metric: str) -> str:
    """Return a score with its interval."""
    low, high = scores[f"{metric}_interval"].values
    return f"{metric} {float(scores[metric]):.2f} [{low:.2f}, {high:.2f}]"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "rain"))
