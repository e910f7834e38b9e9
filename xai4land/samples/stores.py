"""The sample catalog: small stores on disk, with the peculiarities of real archives."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import StoreError
from xai4land.files import file_url
from xai4land.options import get_options
from xai4land.samples import sample

__all__ = ["sample_catalog"]

CATALOG_VERSION = 2
"""Increased whenever the contents change."""
COLUMNS = (
    "activity_id",
    "institution_id",
    "source_id",
    "experiment_id",
    "member_id",
    "table_id",
    "variable_id",
    "grid_label",
    "version",
    "path",
    "format",
)
FINE_COORDS = ["lat_fine", "lon_fine", "lat_fine_bnds", "lon_fine_bnds"]
COARSE_COORDS = ["lat", "lon", "lat_bnds", "lon_bnds"]
HISTORICAL_YEARS, SCENARIO_YEARS = range(1950, 1990), range(1990, 2000)


def sample_catalog() -> Path:
    """Return the JSON of the sample catalog; make its stores in the cache folder if needed.

    Raises
    ------
    StoreError
        If the stores cannot be written.
    """
    folder = get_options().cache / f"sample-{CATALOG_VERSION}"
    if not (folder / "sample.json").exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        except OSError as error:
            raise StoreError(
                f"cannot write the sample catalog into {folder.parent}: {error.strerror}; set "
                "XAI4LAND_CACHE to a folder that you can write to"
            ) from error
        try:
            _write_catalog(temporary, folder)
            _publish(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder / "sample.json"


def _publish(temporary: Path, folder: Path) -> None:
    """Rename the complete folder; another process may have been faster."""
    temporary.chmod(0o755)
    try:
        os.rename(temporary, folder)
    except OSError:
        if not (folder / "sample.json").exists():
            raise


def _write_catalog(temporary: Path, folder: Path) -> None:
    """Write stores, table and JSON to a temporary folder, with the addresses of the final one."""
    rows: list[dict[str, str]] = []
    for row, data, file_format in [*_climate_stores(), *_land_stores()]:
        label = "_".join([*(row[c] for c in COLUMNS[2:6]), str(next(iter(data.data_vars)))])
        path = temporary / f"{label}.{'nc' if file_format == 'netcdf' else 'zarr'}"
        if file_format == "netcdf":
            data.to_netcdf(path)
        else:
            # As in real archives, most stores have Zarr format 2.
            zarr_format = 2 if row["source_id"] == "SAMPLE-A" else 3
            data.to_zarr(path, zarr_format=zarr_format, consolidated=zarr_format == 2)
        address = file_url(folder / path.name)
        variables = repr([str(name) for name in data.data_vars])
        rows.append({**row, "variable_id": variables, "path": address, "format": file_format})
    with (temporary / "sample.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (temporary / "sample.json").write_text(json.dumps(_description(), indent=2) + "\n", "utf-8")


def _description() -> dict[str, Any]:
    """Return the contents of the catalog's JSON (esmcat)."""
    return {
        "esmcat_version": "0.1.0",
        "id": "sample",
        "title": "Sample",
        "description": "Small stores of synthetic data, as odd as those of real archives.",
        "catalog_file": "sample.csv",
        "attributes": [{"column_name": name, "vocabulary": ""} for name in COLUMNS[:-2]],
        "assets": {"column_name": "path", "format_column_name": "format"},
        "aggregation_control": {
            "variable_column_name": "variable_id",
            "groupby_attrs": [
                "activity_id",
                "institution_id",
                "source_id",
                "experiment_id",
                "table_id",
                "grid_label",
            ],
            "aggregations": [
                {"type": "union", "attribute_name": "variable_id"},
                {
                    "type": "join_new",
                    "attribute_name": "member_id",
                    "options": {"coords": "minimal", "compat": "override"},
                },
            ],
        },
    }


def _row(source: str, experiment: str, member: str, table: str) -> dict[str, str]:
    """Return the columns that identify a dataset."""
    activity = {"ssp245": "ScenarioMIP", "reanalysis": "OBS", "landuse": "LUH"}
    return {
        "activity_id": activity.get(experiment, "CMIP"),
        "institution_id": "xai4land",
        "source_id": source,
        "experiment_id": experiment,
        "member_id": member,
        "table_id": table,
        "grid_label": "gn",
        "version": "20260101",
    }


Stores = list[tuple[dict[str, str], xr.Dataset, str]]
"""Rows of the catalog, contents and file formats."""


def _climate_stores() -> Stores:
    """Make three models with grids and calendars of their own, and a reanalysis."""
    stores: Stores = []
    models = {
        ("SAMPLE-A", "r1i1p1f1"): (1, "zarr"),
        ("SAMPLE-A", "r2i1p1f1"): (2, "zarr"),
        ("SAMPLE-B", "r1i1p1f1"): (3, "zarr"),
        ("SAMPLE-C", "r1i1p1f1"): (4, "netcdf"),
    }
    for (source, member), (seed, file_format) in models.items():
        world = _convert_to_source(source, sample("climate", seed=seed, years=range(1950, 2000)))
        for experiment, years in (("historical", HISTORICAL_YEARS), ("ssp245", SCENARIO_YEARS)):
            part = world.isel(time=slice(12 * (years[0] - 1950), 12 * (years[-1] - 1949)))
            for name in ("tas", "psl", "pr"):
                row = _row(source, experiment, member, "Amon")
                stores.append((row, part[[name]], file_format))
        if member == "r1i1p1f1":
            row = _row(source, "historical", member, "fx")
            stores.append((row, _land_fraction(world), "zarr"))
    return stores + _reanalysis_stores()


def _reanalysis_stores() -> Stores:
    """Make a reanalysis with the names and coordinates of ERA5."""
    stores: Stores = []
    era = sample("climate", seed=5, years=range(1950, 2000))
    era = _count_eastward(era).drop_vars(["lat_bnds", "lon_bnds", "time_bnds"])
    # Metres a day, in ERA5's monthly means.
    metres = 86.4 * era.pr.astype(np.float64)
    era["pr"] = metres.astype(np.float32).assign_attrs(units="m", long_name="Total precipitation")
    names = {"tas": "t2m", "psl": "msl", "pr": "tp", "lat": "latitude", "lon": "longitude"}
    era = era.rename({**names, "time": "valid_time"})
    era = era.assign_coords(valid_time=era.valid_time.astype("M8[M]").astype("M8[s]"))
    for coord in ("latitude", "longitude", "valid_time"):
        era[coord].attrs.pop("bounds", None)
    era["valid_time"].attrs = {"standard_name": "time", "long_name": "time"}
    for name in ("t2m", "msl", "tp"):
        row = _row("SAMPLE-ERA5", "reanalysis", "r1i1p1f1", "mon")
        stores.append((row, era[[name]], "zarr"))
    return stores


def _convert_to_source(source: str, world: xr.Dataset) -> xr.Dataset:
    """Convert a climate to a model's own grid, calendar and units."""
    if source == "SAMPLE-B":
        world = world.drop_vars(["lat_bnds", "lon_bnds", "time_bnds"])
        world = world.coarsen(lat=2, lon=2).mean(keep_attrs=True).isel(lat=slice(None, None, -1))
        for coord in ("lat", "lon", "time"):
            world[coord].attrs.pop("bounds", None)
        world = _count_eastward(world).convert_calendar("noleap", use_cftime=True)
        world["tas"] = (world.tas - 273.15).assign_attrs({**world.tas.attrs, "units": "degC"})
        world["psl"] = (world.psl / 100).assign_attrs({**world.psl.attrs, "units": "hPa"})
        world["pr"] = (86400 * world.pr).assign_attrs({**world.pr.attrs, "units": "mm day-1"})
        world["height"] = ((), 2.0, {"units": "m", "standard_name": "height"})
        world = world.set_coords("height")
    if source == "SAMPLE-C":
        world = world.drop_vars("time_bnds").convert_calendar(
            "360_day", align_on="date", use_cftime=True
        )
        world["time"].attrs.pop("bounds", None)
    # The encodings before the conversion do not fit any more.
    for name in ("time", "time_bnds"):
        if name in world.variables:
            world[name].encoding = {"units": "days since 1850-01-01", "dtype": "float64"}
    return world.assign_attrs(source_id=source, title=f"{source}, synthetic", license="CC0-1.0")


def _count_eastward(world: xr.Dataset) -> xr.Dataset:
    """Count longitudes from 0 to 360."""
    attrs = world.lon.attrs
    world = world.assign_coords(lon=world.lon % 360).sortby("lon")
    world["lon"].attrs = attrs
    return world


def _land_fraction(world: xr.Dataset) -> xr.Dataset:
    """Compute the land fraction of each cell in percent, as in CMIP6."""
    from xai4land.samples.climate import GRID, model_parameters

    land = xr.DataArray(model_parameters().land.reshape(GRID.shape), GRID.coords(), GRID.names)
    padded = land.pad(lon=1, mode="wrap")
    padded["lon"] = np.r_[land.lon[0] - 10, land.lon, land.lon[-1] + 10]
    lon = (world.lon + 180) % 360 - 180
    values = padded.interp(lat=world.lat, lon=lon.drop_vars("lon"))
    values = (100 * values).astype(np.float32)
    values.attrs = {"standard_name": "land_area_fraction", "units": "%", "long_name": "land"}
    fixed = xr.Dataset({"sftlf": (("lat", "lon"), values.values, values.attrs)})
    names = [n for n in ("lat", "lon", "lat_bnds", "lon_bnds") if n in world.coords]
    return fixed.assign_coords({n: world[n] for n in names}).assign_attrs(world.attrs)


def _land_stores() -> Stores:
    """Make states as in LUH2's files, static features, and the truth in the groups of HILDA+."""
    planet = sample("land", years=[2000, 2001])
    names = [n for n in planet.data_vars if planet[n].dims == ("time", "lat", "lon")]
    states = planet[names].drop_vars(FINE_COORDS, errors="ignore")
    states = states.drop_vars(["lat_bnds", "lon_bnds"], errors="ignore").fillna(np.float32(1e20))
    for coord in ("lat", "lon"):
        bounds = planet[f"{coord}_bnds"].values
        states = states.assign_coords({f"{coord}_bounds": ((coord, "bnds"), bounds)})
        states[coord].attrs["bounds"] = f"{coord}_bounds"
    years = xr.DataArray(np.array([1150.0, 1151.0]), dims="time")
    states = states.assign_coords(time=years)
    states["time"].attrs = {"units": "years since 850-01-01 0:0:0", "calendar": "noleap"}
    for name in names:
        states[name].attrs |= {"_fillvalue": np.float32(1e20), "missing_value": np.float32(1e20)}
        states[name].encoding = {"_FillValue": None}
    fine = ("lat_fine", "lon_fine")
    static = planet[[n for n in planet.data_vars if planet[n].dims == fine]]
    static = static.drop_vars(["time", *COARSE_COORDS], errors="ignore")
    truth = planet[["land_cover"]].drop_vars(COARSE_COORDS, errors="ignore")
    return [
        (_row("SAMPLE-LUH2", "landuse", "r1i1p1f1", "states"), states, "netcdf"),
        (_row("SAMPLE-STATIC", "landuse", "r1i1p1f1", "static"), static, "zarr"),
        (_row("SAMPLE-HILDA", "landuse", "r1i1p1f1", "cover"), truth, "zarr"),
    ]
