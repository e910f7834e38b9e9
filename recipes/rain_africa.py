"""Fit an emulator of Africa's rain to observations alone, and report on years that were not used.

    python recipes/rain_africa.py FOLDER [OUT] [--epochs 12] [--networks 1] [--test]

``FOLDER`` holds GPCC's standardised anomalies over Africa (20 EOFs, 1891-1990), GISTEMP, COBE-SST2
and Kaplan's equatorial Pacific. Predictors are rain, surface temperature and sea temperature of
the whole globe on 5 degrees, the target is Africa's rain (55 cells). Learned from years up to 1960,
chosen on 1961-1975, tested on 1976-1990.

The EOFs of the rain are shipped with signs of their own: the second, half of the variance of the
Horn of Africa, is reversed, so that the flood of 1961 appears as a drought. ``find_signs`` finds
reversed ones from the precipitation of ERA5 at single points (correlation below -0.25 over 144
months, where an EOF has a fifth of a point's variance). Signs of the others are not known, so
forecasts of single cells are those of this data set and not of real rain: the emulator is not
bundled.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cf_xarray  # noqa: F401  (registers .cf)
import numpy as np
import pandas as pd
import xarray as xr

from xai4land.grids.grid import Grid, global_grid
from xai4land.regridding import cell_means
from xai4land_seasonal import SeasonalEmulator, fit, forecast, summarise, verify

RAIN = "pr-anom_GPCCv2020-eof20_africa_189101-199012.nc"
POINTS = "tos_pr_global_20deg_197901-200012.nc"
FIELDS = {
    "tas": ("gistemp_2deg_188001-200012.nc", "tas_anomaly"),
    "cobe": ("tos_Omon_COBE-SST2_195001-200012.nc", "tos"),
    "kaplan": ("tos_kaplan_equatorial-pacific_185601.nc", "tos"),
}
SEASONS = ("DJF", "MAM", "JJA", "SON", "OND")
REGION = (-37.5, 25.0, 12.5, 55.0)
BOXES = {
    "africa": REGION,
    "greater_horn": (-7.5, 10.0, 32.5, 52.5),
    "southern_africa": (-35.0, -15.0, 15.0, 40.0),
}
EOFS, MIN_SHARE, MAX_CORRELATION = 20, 0.2, -0.25
METRICS = ("acc", "msess", "crpss", "rpss", "spread_error")


def find_signs(patterns: np.ndarray, series: np.ndarray, rain: xr.DataArray, folder: Path) -> Any:
    """Return -1 for EOFs that contradict the precipitation of single points, else 1.

    Parameters
    ----------
    patterns : ndarray, shape (eofs, cells)
    series : ndarray, shape (months, eofs)
    rain : DataArray, shape (time, cell)
        With coordinates lat and lon.
    folder : Path
    """
    points = xr.open_dataset(folder / POINTS)["pr_transformed"]
    points = points.sel(time=slice(None, "1990")).stack(point=("lat", "lon"))
    common = np.isin(rain["time"].values, points["time"].values)
    signs = np.ones(len(patterns))
    for lat, lon, values in zip(
        points["lat"].values, points["lon"].values, points.values.T, strict=True
    ):
        apart = (rain["lat"].values - lat) ** 2 + (rain["lon"].values - lon) ** 2
        cell = int(np.argmin(apart))
        if apart[cell] > 25:
            continue
        years = values.reshape(-1, 12)
        departures = (years - years.mean(0)).ravel()
        parts = patterns[:, cell] * series[common]
        share = parts.var(0) / parts.var(0).sum()
        for k in np.flatnonzero(share > MIN_SHARE):
            if np.corrcoef(parts[:, k], departures)[0, 1] < MAX_CORRELATION:
                signs[k] = -1.0
    return signs


def read_rain(folder: Path) -> xr.DataArray:
    """Return GPCC's standardised anomalies, with the signs of reversed EOFs corrected."""
    rain = xr.open_dataset(folder / RAIN).cf.guess_coord_axis()["pr_anom"].load()
    flat = rain.stack(cell=("lat", "lon")).dropna("cell")
    mean = flat.mean("time")
    left, size, patterns = np.linalg.svd((flat - mean).values, full_matrices=False)
    series, patterns = (left * size)[:, :EOFS], patterns[:EOFS]
    signs = find_signs(patterns, series, flat, folder)
    print(f"reversed EOFs: {(np.flatnonzero(signs < 0) + 1).tolist()}")
    corrected = flat.copy(data=(series * signs) @ patterns)
    field: xr.DataArray = corrected.unstack("cell").reindex_like(rain)
    return field.assign_attrs(rain.attrs)


def read_data(folder: Path) -> xr.Dataset:
    """Return rain, temperature and sea temperature, anomalies on one grid of 5 degrees."""
    fields = {
        name: xr.open_dataset(folder / file).cf.guess_coord_axis()[variable].load()
        for name, (file, variable) in FIELDS.items()
    }
    fields["pr_anom"] = read_rain(folder)
    grid = global_grid(5, Grid.of(fields["tas"]))
    time = pd.date_range("1880-01", "1990-12", freq="MS")
    made = {}
    for name, field in fields.items():
        months = pd.to_datetime(field["time"].values).to_period("M").to_timestamp()
        coarse = cell_means(field.assign_coords(time=months).transpose("time", ...), grid, field)
        made[name] = coarse.reindex(time=time)
    for name in ("cobe", "kaplan"):
        base = made[name].sel(time=slice("1951", "1970")).groupby("time.month").mean()
        made[name] = (made[name].groupby("time.month") - base).drop_vars("month")
    tos = made["cobe"].where(made["cobe"].notnull(), made["kaplan"])
    anomaly = {"units": "K", "standard_name": "surface_temperature_anomaly"}
    return xr.Dataset(
        {
            "pr_anom": made["pr_anom"].assign_attrs(units="1", long_name="anomaly of rain"),
            "tas": made["tas"].assign_attrs(units="K", standard_name="air_temperature_anomaly"),
            "tos": tos.assign_attrs(anomaly),
        }
    )


def report(emulator: SeasonalEmulator, data: xr.Dataset, years: range) -> None:
    """Print scores of cells and of boxes, with intervals; references know all predictors."""
    how: dict[str, Any] = {"years": years, "members": 50}
    made = forecast(data, SEASONS, emulator=emulator, **how).compute()
    references = {
        name: forecast(data, SEASONS, emulator=name, grid=made, **how)[["pr_anom"]].compute()
        for name in ("climatology", "persistence", "trend + damped persistence", "analogs")
    }
    ridge = forecast(data, SEASONS, emulator="eof-ridge", **how)[["pr_anom"]]
    references["eof-ridge"] = ridge.sel(lat=made.lat, lon=made.lon).compute()
    seen = data[["pr_anom"]]
    with_intervals: dict[str, Any] = {"metrics": METRICS, "intervals": 300, "progress": False}
    cells = verify(
        made, seen, references=references, dim=("time", "season", "lat", "lon"), **with_intervals
    )
    print(f"{years[0]}-{years[-1]}, cells and seasons")
    print(summarise(cells.compute()).round(3).to_string())
    for name in ("acc", "crpss", "rpss"):
        print(cells[f"{name}_interval"].to_pandas().round(3).to_string())
    boxes = verify(made, seen, references=references, regions=BOXES, **with_intervals).compute()
    ours = {"forecast": boxes.forecast.values[0]}
    for name in ("acc", "rpss"):
        print(f"{name} of the means over boxes, and of the best-known reference")
        print(boxes[name].sel(ours).to_pandas().round(2).to_string())
        print(boxes[name].sel(forecast="eof-ridge").to_pandas().round(2).to_string())
        print(boxes[f"{name}_interval"].sel(ours).to_dataframe()[f"{name}_interval"].unstack())


def main(folder: Path, out: Path | None, epochs: int, networks: int, test: bool) -> None:
    """Choose blend and spread, then test once."""
    data = read_data(folder)
    options: dict[str, Any] = {
        "targets": ["pr_anom"],
        "region": REGION,
        "parameters": {"networks": networks, "patch": 6, "width": 32, "heads": 4, "depth": 1},
        "settings": {"epochs": epochs, "effective_dof": 20.0},
        "name": "rain-africa",
        "title": "Standardised anomalies of Africa's rain one month ahead, on 5°",
        "licence": "weights: CC-BY-4.0, as GPCC's data; GISTEMP: public domain; COBE-SST2 and "
        "Kaplan's: free with citation",
        "command": "python recipes/rain_africa.py FOLDER",
    }
    until = data.sel(time=slice(None, "1975"))
    emulator = fit(until, validation=15, **options)
    card = emulator.card
    print(f"blend {card.blend}, spread {card.spread}")
    report(emulator, data, range(1961, 1976))
    if test:
        emulator = fit(until, validation=0, chosen=emulator, **options)
        report(emulator, data, range(1976, 1991))
    if out is not None:
        emulator.save(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--epochs", type=int, default=12, help="of each network")
    parser.add_argument("--networks", type=int, default=1)
    parser.add_argument("--test", action="store_true", help="report on 1976-1990, once")
    main(**vars(parser.parse_args()))
