"""Score ``leaf-area`` where there are years: anomalies at two places, and four months in space.

    python recipes/leaf_area_years.py FOLDER

None of these places has leaf area: NDVI (Bale Mountains; Horn of Africa) and the share of light
that is absorbed (Puéchabon) stand for it. Anomalies are those from the pixel's climatology of all
other years; a year is left out, and everything that is fitted knows the others. Those of the
emulator and of references are from their own mean in these years, and the emulator's are scaled to
those of the stand-in. Skill is 1 - the sum of squared errors
/ that of the pixel's climatology, whose skill is 0.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from leaf_area_places import CLASSES, IGBP, read_elevation
from leaf_area_references import score

from xai4land_land import leaf_area, leaf_area_reference

ANOMALIES = ("zone_climatology", "regression", "persistence", "persistence_of_year", "boosting")
SPACE = ("zone_climatology", "regression", "boosting")
KELVIN = {"units": "K", "standard_name": "air_temperature"}
FLUX = {"units": "kg m-2 s-1", "standard_name": "precipitation_flux"}
BLOCK = 2.0
"""Degrees: every other block of the Horn of Africa is learned from."""


def on_grid(series: pd.DataFrame, lat: np.ndarray, lon: np.ndarray, truth: np.ndarray) -> tuple:
    """Return climate and stand-in of a place on a grid, all pixels under one climate."""
    coords = {
        "time": series.index.values + np.timedelta64(14, "D"),
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    dims = ("time", "lat", "lon")
    shape = (len(series), lat.size, lon.size)

    def spread(name: str) -> np.ndarray:
        return np.broadcast_to(series[name].values[:, None, None], shape).astype("f4")

    climate = xr.Dataset(
        {"tas": (dims, spread("tas"), KELVIN), "pr": (dims, spread("pr"), FLUX)}, coords
    )
    known = np.broadcast_to(truth, shape).astype("f4")
    return climate, xr.DataArray(known, coords, dims, attrs={"units": "1"})


def read_bale(folder: Path) -> tuple[xr.Dataset, xr.DataArray, dict[str, float], float]:
    """Read half-months of the Bale Mountains as months."""
    ndvi = xr.open_dataset(folder / "land" / "bale_ndvi3g_1981_2012.nc").ndvi.load()
    drivers = xr.open_dataset(folder / "land" / "bale_drivers_2008_2018.nc").load()
    months = drivers[["T", "P"]].resample(time="MS").mean().sel(time=slice("2008", "2012"))
    series = months.to_dataframe()[["T", "P"]].rename(columns={"T": "tas", "P": "pr"})
    truth = ndvi.resample(time="MS").mean().sel(time=slice("2008", "2012"))
    states = xr.open_dataset(folder / "land" / "global_states_2019_0p25.nc").isel(time=0).load()
    here = states.sel(lat=float(ndvi.lat.mean()), lon=float(ndvi.lon.mean()), method="nearest")
    cover = {name: float(here[name]) for name in CLASSES}
    height = read_elevation(folder).sel(lat=7.0, lon=39.67, method="nearest")
    climate, known = on_grid(series, ndvi.lat.values, ndvi.lon.values, truth.values)
    return climate, known, cover, float(height)


def read_puechabon(folder: Path) -> tuple[xr.Dataset, xr.DataArray, dict[str, float], float]:
    """Read days of an evergreen oak forest as months."""
    days = pd.read_csv(
        folder / "land" / "puechabon_daily_fapar_2007_2012.csv", index_col="date", parse_dates=True
    )
    months = days.resample("MS").mean()
    series = pd.DataFrame({"tas": months.temp + 273.15, "pr": months.rain + months.snow})
    cover = dict.fromkeys(CLASSES, 0.0) | {"forest": 1.0}
    lat, lon = np.array([43.75, 43.70]), np.array([3.55, 3.60])
    climate, known = on_grid(series, lat, lon, months.fapar.values[:, None, None])
    return climate, known, cover, 270.0


def cover_like(known: xr.DataArray, fractions: Mapping[str, float]) -> xr.Dataset:
    """Return fractions that are the same everywhere."""
    like = xr.full_like(known.isel(time=0, drop=True), 0.0)
    about = {"units": "1", "standard_name": "area_fraction"}
    return xr.Dataset({n: (like + v).assign_attrs(about) for n, v in fractions.items()})


def score_years(
    name: str, climate: xr.Dataset, known: xr.DataArray, fractions: dict, height: float
) -> None:
    """Print skill against the pixel's climatology, and the correlation of anomalies."""
    cover = cover_like(known, fractions)
    elevation = (xr.zeros_like(cover.forest) + height).assign_attrs(units="m")
    leaves = leaf_area(cover, climate, static=elevation.to_dataset(name="elevation"))
    leaves = leaves.leaf_area_index.compute()
    known = known.sel(time=leaves.time)
    full = np.unique(known.time.dt.year.values, return_counts=True)
    years = full[0][full[1] == 12]
    made: dict[str, list[np.ndarray]] = {n: [] for n in ("leaf-area", *ANOMALIES)}
    truth = []
    for year in years:
        own = known.time.dt.year == year
        others = known.where(~own)

        def depart(values: xr.DataArray, others: xr.DataArray = others) -> xr.DataArray:
            usual = values.where(others.notnull()).groupby("time.month").mean()
            return values.groupby("time.month") - usual

        anomaly, ours = depart(known), depart(leaves)
        learned = anomaly.where(others.notnull())
        slope = float((learned * ours).sum() / (ours.where(learned.notnull()) ** 2).sum())
        usual = known - anomaly
        truth.append(anomaly.isel(time=own.values).values)
        made["leaf-area"].append(slope * ours.isel(time=own.values).values)
        for reference in ANOMALIES:
            rule = leaf_area_reference(reference, cover, climate, others)
            values = rule.leaf_area(cover, climate, known).leaf_area_index
            goes_on = reference.startswith("persistence")  # from anomalies, as they were seen
            values = values - usual if goes_on else depart(values)
            made[reference].append(values.isel(time=own.values).values)
    target = np.concatenate(truth)
    print(f"{name}: {years[0]} to {years[-1]}")
    for source, parts in made.items():
        values = np.concatenate(parts)
        both = np.isfinite(values) & np.isfinite(target)
        x, y = values[both], target[both]
        skill = 1 - ((x - y) ** 2).sum() / (y**2).sum()
        r = np.corrcoef(x, y)[0, 1] if x.std() > 0 else np.nan
        pairs = zip(parts, truth, strict=True)
        by_year = [1 - ((v - t) ** 2).sum() / (t**2).sum() for v, t in pairs]
        spread = " ".join(f"{v:+.2f}" for v in by_year)
        print(f"  {source:20s} skill {skill:+.2f} (years {spread}), correlation {r:+.2f}")


def score_space(folder: Path) -> None:
    """Print scores of four months in every other block of the Horn of Africa.

    There is climate from July 2013 to June 2014: February to June of 2013 are those of 2014.
    """
    data = xr.open_dataset(folder / "land" / "horn_of_africa_ndvi_2014.nc").load()
    shares = {
        name: data.land_cover.isin(codes).where(data.ndvi.notnull().any("time")) * 1.0
        for name, codes in IGBP.items()
    }
    part = {"lat": 4, "lon": 4, "boundary": "trim"}
    cover = xr.Dataset(shares).coarsen(**part).mean()
    for name in CLASSES:
        cover[name].attrs = {"units": "1", "standard_name": "area_fraction"}
    months = data[["tas", "pr"]].coarsen(**part).mean().rename(driver_time="time")
    early = months.sel(time=slice("2014-02", "2014-06"))
    early = early.assign_coords(time=pd.date_range("2013-02-01", periods=5, freq="MS"))
    climate = xr.concat([early, months], "time").sel(time=slice(None, "2014-04"))
    climate["tas"].attrs, climate["pr"].attrs = KELVIN, FLUX
    height = data[["elevation"]].coarsen(**part).mean()
    height["elevation"].attrs = {"units": "m"}
    known = data.ndvi.coarsen(**part).mean().assign_attrs(units="1")
    known = known.where(cover.water < 0.1)
    leaves = leaf_area(cover, climate, static=height).leaf_area_index.compute()
    rows, columns = np.floor(known.lat / BLOCK), np.floor(known.lon / BLOCK)
    learned = known.where((rows + columns) % 2 == 0)
    held = known.where((rows + columns) % 2 != 0)
    leaves = leaves.sel(time=known.time)
    both = learned.notnull() & leaves.notnull()
    slope, offset = np.polyfit(leaves.values[both], learned.values[both], 1)
    made = {"leaf-area": slope * leaves + offset}
    for name in SPACE:
        rule = leaf_area_reference(name, cover, climate, learned)
        made[name] = rule.leaf_area(cover, climate).leaf_area_index.sel(time=known.time)
    lat, lon = (a.values.ravel() for a in xr.broadcast(known.lat, known.lon))
    ok = np.isfinite(held.values).all(0).ravel()
    ok &= np.all([np.isfinite(m.values).all(0).ravel() for m in made.values()], 0)
    print("Horn of Africa: January to April 2014, every other block of 2°")
    for name, values in made.items():
        pairs = (a.values.reshape(4, -1).T[ok] for a in (values, held))
        print(f"  {name:20s} {score(*pairs, lat[ok], lon[ok])}")


def main(folder: Path) -> None:
    """Print all scores."""
    score_years("Bale Mountains (NDVI)", *read_bale(folder))
    score_years("Puéchabon (absorbed light)", *read_puechabon(folder))
    score_space(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
