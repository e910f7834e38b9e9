"""Verify real hindcasts beside forecasts from observations, and combine them.

    python recipes/hindcasts.py FOLDER [OUT [EMULATOR]]

``FOLDER`` is that of ``seasonal.py``, with five hindcasts beside it (``docs/seas5.md`` says
which). Prints the tables of that page, and writes its picture to the folder ``OUT``.
``EMULATOR``, a file fitted to years before 1981, is scored beside, too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from seasonal import read_observations, read_simulations

from xai4land_seasonal import (
    calibrate,
    combine,
    forecast,
    hindcast_seasons,
    plot_skill_by_lead,
    verify,
)
from xai4land_seasonal.data.areas import area_mean, region_mean
from xai4land_seasonal.data.seasons import Season, reference_time, season_coords

IBERIA = (35.0, 45.0, -11.0, 5.0)
SCORES = ("acc", "rmse", "crpss", "spread_error")
PAST = ("trend + damped persistence", "damped persistence", "trend", "eof-ridge")
RESAMPLES = 1000


def main(folder: Path, out: Path, *emulators: str) -> None:
    """Print all tables, draw the picture."""
    show_seas5(folder)
    show_iberia(folder, *emulators)
    show_burrishoole(folder, out)
    show_cfs(folder)
    show_horn(folder)


def show_seas5(folder: Path) -> None:
    """SEAS5's winters around the Mediterranean, from November, beside ERA5."""
    data = xr.open_dataset(folder / "seas5_tas_hindcast_15mem_2000-2005.nc").load()
    data = data.assign_coords(lon=(data.lon + 180) % 360 - 180).sortby("lon")
    data["lat"].attrs, data["lon"].attrs = (
        as_cell(xr.DataArray(0.0)).lat.attrs,
        {"units": "degrees_east"},
    )
    seas5 = leave_out(hindcast_seasons(data[["tas"]], "NDJ", anomalies=False))
    seas5.attrs["emulator"] = "SEAS5"
    seen = hindcast_seasons(data[["tas_obs"]].rename(tas_obs="tas"), "NDJ", anomalies=False)
    truth, climatology = leave_out(seen), climatology_of_others(seen)
    print("\nSEAS5, NDJ 2000/01 to 2005/06, 22 x 53 cells: means over cells")
    show(score(seas5, truth, {"climatology": climatology}, dim=("time", "season", "lat", "lon")))
    mean = {name: average(part) for name, part in zip("fo", (seas5, truth), strict=True)}
    print("\nSEAS5, the mean over the same cells")
    show(score(mean["f"], mean["o"], {"climatology": average(climatology)}))


def show_iberia(folder: Path, *emulators: str) -> None:
    """System 4's summers of Iberia, beside forecasts from GISTEMP alone, and both together."""
    data = xr.open_dataset(folder / "tas_S4-hindcast_15mem_JJA_1981-2010_iberia.nc").load()
    members, seen = (
        average(as_seasons(data[[f"tas_{kind}"]].rename({f"tas_{kind}": "tas"}), "JJA"), IBERIA)
        for kind in ("forecast", "observed")
    )
    print("\nSystem 4, JJA 1981 to 2010 from May, mean over Iberia")
    all_years = leave_out(members).assign_attrs(emulator="System 4")
    show(score(all_years, leave_out(seen), {"climatology": climatology_of_others(seen)}))
    gistemp, grid = read_observations(folder), read_simulations(folder)["piControl"]["tas"]
    years = range(1981, 2001)
    made = {
        Path(name).stem: forecast(gistemp, "JJA", years=years, emulator=name) for name in emulators
    } | {name: forecast(gistemp, "JJA", years=years, emulator=name, grid=grid) for name in PAST}
    members, seen = members.isel(time=slice(20)), seen.isel(time=slice(20))
    ours = {name: leave_out(average(part, IBERIA).compute()) for name, part in made.items()}
    system, truth = leave_out(members), leave_out(seen)
    show_together("System 4", system, truth, ours, climatology_of_others(seen))


def show_together(
    name: str,
    system: xr.Dataset,
    truth: xr.Dataset,
    ours: Mapping[str, xr.Dataset],
    climatology: xr.Dataset,
) -> None:
    """Print scores of a dynamical system, of forecasts from observations, and of both together."""
    first = next(iter(ours))
    both = {
        label: combine(
            one.assign_attrs(emulator="system"),
            {"ours": other},
        )
        for label, one, other in (
            (f"{name} + {first}", system, ours[first]),
            (
                f"{name} + {first}, both calibrated",
                calibrate(system, truth),
                calibrate(ours[first], truth),
            ),
        )
    }
    others = {
        "climatology": climatology,
        **ours,
        f"{name}, calibrated": calibrate(system, truth),
        **both,
    }
    years = truth.season_year.values
    season = str(truth.season.values[0])
    print(f"\n{name} beside forecasts from observations, {season} {years[0]} to {years[-1]}")
    show(score(system.assign_attrs(emulator=name), truth, others))


def show_burrishoole(folder: Path, out: Path) -> None:
    """SEAS5 at a point of Ireland's coast, by lead, beside ERA5's own past."""
    data = xr.open_dataset(folder / "seas5_burrishoole_tas_pr_25mem_1993-2019.nc").load()
    for name in ("tas", "pr"):
        past = join_months(data, name)
        for start, letters in (("feb", "FMAMJJA"), ("jul", "JASOND")):
            hindcast = by_start(data[f"{name}_SEAS5_{start}"], len(letters), name)
            seasons = [letters[k : k + 3] for k in range(len(letters) - 2)]
            by_lead = [score_lead(hindcast, past, name, s, k) for k, s in enumerate(seasons)]
            scores = xr.concat(by_lead, xr.Variable("lead", range(len(seasons))))
            print(f"\nBurrishoole, {name}, starts in {start}, {', '.join(seasons)}")
            for metric in ("acc", "crpss"):
                rows = {
                    label: [format_score(scores.sel(lead=k), metric, label) for k in scores.lead]
                    for label in scores.forecast.values
                }
                print_table([metric, *(f"{s}, lead {k}" for k, s in enumerate(seasons))], rows)
            if (name, start) == ("tas", "feb"):
                out.mkdir(parents=True, exist_ok=True)
                plot_skill_by_lead(scores).savefig(out / "seas5-leads.png", dpi=110)


def score_lead(
    hindcast: xr.Dataset, past: xr.Dataset, name: str, season: str, lead: int
) -> xr.Dataset:
    """Score SEAS5, the past's forecast and both together in one season, 1997 to 2019."""
    truth = as_seasons(season_of(past, season).sel(time=slice("1997", "2019")), season)
    system = hindcast_seasons(hindcast, season, anomalies=False).sel(time=slice("1997", None))
    made = forecast(
        past,
        season,
        lead=lead,
        years=range(1997, 2020),
        emulator="trend + damped persistence",
        climatology=(1982, 1996),
    )
    climatology = climatology_of_others(truth)
    system, made, truth = leave_out(system), leave_out(made.compute()), leave_out(truth)
    both = combine(system.assign_attrs(emulator="SEAS5"), {"past": made})
    others = {"climatology": climatology, "trend + damped persistence": made, "both": both}
    scores = score(system.assign_attrs(emulator="SEAS5"), truth, others, metrics=("acc", "crpss"))
    return scores.isel(season=0, drop=True)


def show_cfs(folder: Path) -> None:
    """CFSv2's winter rain west of Iberia, beside the one point whose ranks are known."""
    data = xr.open_dataset(folder / "pr_CFSv2-hindcast_9mem_DJF_1983-2002_iberia.nc").load()
    rain = data[["pr"]].sel(lat=slice(39, 42), lon=slice(-11, -8)).rename(pr="rain")
    ranks = xr.open_dataset(folder / "tos_pr_global_20deg_197901-200012.nc").pr_transformed
    ranks = as_cell(ranks.sel(lat=40.5, lon=-10.5, drop=True)).to_dataset(name="rain")
    system = leave_out(average(as_seasons(rain, "DJF"))).assign_attrs(emulator="CFSv2")
    truth = leave_out(as_seasons(season_of(ranks, "DJF"), "DJF"))
    for part in (system, truth):
        part["rain"].attrs["units"] = "1"  # of one, only the ranks are known
    scores = score(system, truth, {}, metrics=("acc",))
    print(f"\nCFSv2's rain at 40.5 N, 10.5 W, DJF: {scores.attrs['seasons']}")
    show(scores)


def show_horn(folder: Path) -> None:
    """The official tercile probabilities of rain in the Horn, beside CHIRPS."""
    data = xr.open_dataset(folder / "pr_ECMWF-seasonal_greater-horn_NovDec_2018-2020.nc").load()
    seen = xr.open_dataset(folder / "pr_CHIRPS_greater-horn_NovDec_1991-2020.nc")
    happened = seen.tercile.sel(time=data.time).reindex_like(data, tolerance=1e-3, method="nearest")
    negative = float((data.pr < 0).sum() / data.pr.notnull().sum())
    print(f"\nECMWF's rain in the Horn: {negative:.2%} of the values below 0, "
          f"the lowest {float(data.pr.min()):.2f} mm a month")  # fmt: skip
    total = data.below + data.normal + data.above
    below, near = data.below / total, data.normal / total
    known = happened.notnull() & below.notnull()
    # Ranked probability score of three categories: two cumulative probabilities (Epstein 1969).
    rps, usual = (
        ((one - (happened < 0)) ** 2 + (two - (happened < 1)) ** 2).where(known)
        for one, two in ((below, below + near), (1 / 3, 2 / 3))
    )
    cells = np.cos(np.deg2rad(data.lat))
    skill = 1 - rps.weighted(cells).mean(("lat", "lon")) / usual.weighted(cells).mean(
        ("lat", "lon")
    )
    print_table(
        ["", *skill.time.dt.strftime("%Y-%m").values],
        {"RPSS": [f"{value:.2f}" for value in skill.values]},
    )


def leave_out(seasons: xr.Dataset) -> xr.Dataset:
    """Return departures from the mean of the other years, so that no year corrects itself."""
    every = [d for d in ("time", "realization") if d in seasons.dims]
    own = seasons.mean("realization") if "realization" in seasons.dims else seasons
    size = seasons.sizes["time"]
    made = seasons - (size * seasons.mean(every) - own) / (size - 1)
    made = made.transpose(*seasons.dims)
    for name, array in made.data_vars.items():
        array.attrs = {"units": seasons[name].attrs.get("units", "1")}
    return made.assign_coords(seasons.coords)


def climatology_of_others(seen: xr.Dataset) -> xr.Dataset:
    """Return the other years as members of a forecast of each year."""
    size = seen.sizes["time"]
    parts = []
    for at in range(size):
        others = seen.isel(time=[k for k in range(size) if k != at])
        plain = others.drop_vars([c for c in others.coords if "time" in others[c].dims])
        parts.append((plain - plain.mean("time")).rename(time="realization"))
    made = xr.concat(parts, "time").transpose("time", "realization", ...)
    for name, array in made.data_vars.items():
        array.attrs = {"units": seen[name].attrs.get("units", "1")}
    return made.assign_coords({k: c for k, c in seen.coords.items() if "time" in c.dims})


def as_seasons(data: xr.Dataset, season: str) -> xr.Dataset:
    """Return data of one season with its coordinates: monthly ones become means."""
    months = (data.time.dt.month.values - Season.of(season).month) % 12
    if (months > 0).any():
        days = data.time.dt.days_in_month
        parts = [(data * days).isel(time=months == k).drop_vars("time") for k in range(3)]
        total = sum(days.isel(time=months == k).drop_vars("time") for k in range(3))
        means = (parts[0] + parts[1] + parts[2]) / total
        made = means.assign_coords(time=data.time.values[months == 0])
    else:
        made = data
    starts = 12 * made.time.dt.year.values + made.time.dt.month.values - 1
    coords = season_coords(starts, [season] * starts.size, data.time)
    made = made.assign_coords(
        coords | {"forecast_reference_time": reference_time(starts - 1, data.time)}
    )
    for name in made.data_vars:
        made[name].attrs = data[name].attrs
    return made.transpose("time", ...)


def season_of(monthly: xr.Dataset, season: str) -> xr.Dataset:
    """Select the months of whole seasons."""
    first = Season.of(season).month
    months = monthly.time.dt.month.values
    begins = [k for k in np.flatnonzero(months == first) if k + 2 < months.size]
    return monthly.isel(time=np.concatenate([np.arange(k, k + 3) for k in begins]))


def average(
    seasons: xr.Dataset, region: tuple[float, float, float, float] | None = None
) -> xr.Dataset:
    """Return means over all cells or a region, as one cell."""
    fields = {
        name: as_cell(area_mean(a) if region is None else region_mean(a, region))
        for name, a in seasons.data_vars.items()
        if "time" in a.dims and {"lat", "lon"} <= set(a.dims)
    }
    some = [c for c in ("season", "season_year", "forecast_reference_time") if c in seasons.coords]
    return xr.Dataset(fields).assign_coords(seasons[some].coords).assign_attrs(seasons.attrs)


def as_cell(series: xr.DataArray, lat: float = 40.0, lon: float = -3.0) -> xr.DataArray:
    """Return a series on a grid of one cell."""
    made = series.expand_dims(lat=[lat], lon=[lon], axis=(-2, -1)).assign_attrs(series.attrs)
    made["lat"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
    made["lon"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
    return made


def by_start(series: xr.DataArray, months: int, name: str) -> xr.Dataset:
    """Return months of yearly starts along starts, members and leads."""
    time = str(series.dims[1])
    values = series.values.reshape(series.shape[0], -1, months)
    dims = ("member", "init", "lead")
    coords = {"init": series[time].values[::months], "lead": np.arange(months)}
    return as_cell(xr.DataArray(values, coords, dims, attrs=series.attrs)).to_dataset(name=name)


def join_months(data: xr.Dataset, name: str) -> xr.Dataset:
    """Return ERA5's months of both starts on one axis; January, which neither has, is missing."""
    parts = [
        data[f"{name}_ERA5_{start}"].rename({f"time_ERA5_{start}": "time"})
        for start in ("feb", "jul")
    ]
    joined = xr.concat(parts, "time").sortby("time").drop_duplicates("time")
    months = joined.resample(time="MS").asfreq().assign_attrs(parts[0].attrs)
    return as_cell(months).to_dataset(name=name)


def score(
    made: xr.Dataset,
    truth: xr.Dataset,
    references: Mapping[str, xr.Dataset],
    *,
    metrics: Sequence[str] = SCORES,
    dim: Sequence[str] = ("time", "lat", "lon"),
) -> xr.Dataset:
    """Score forecasts beside others, with intervals."""
    return verify(
        made, truth, references=references, metrics=metrics, dim=dim, intervals=RESAMPLES,
        progress=False,
    ).compute()  # fmt: skip


def show(scores: xr.Dataset) -> None:
    """Print scores as a table, with their intervals."""
    one = scores.isel(season=0) if "season" in scores.dims else scores
    names = [str(name) for name in one if f"{name}_interval" in one]
    labels = [str(label) for label in one.forecast.values]
    print_table(["", *names], {k: [format_score(one, name, k) for name in names] for k in labels})


def format_score(scores: xr.Dataset, name: str, label: str) -> str:
    """Return a score of a forecast with its interval."""
    low, high = scores[f"{name}_interval"].sel(forecast=label).values
    value = float(scores[name].sel(forecast=label))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if np.isfinite(value) else "–"


def print_table(heads: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    """Print a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *([label, *cells] for label, cells in rows.items())]
    print(*(f"| {' | '.join(line)} |" for line in lines), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "hindcasts"), *sys.argv[3:])
