"""Small files laid out and named like those of LUH2 and HILDA+, to try ``hilda_1km.py`` with.

As odd as these are: LUH2 counts years since 850 and misspells its fill value; HILDA+ has thirteen
codes, no date in its GeoTIFF files, and a coast that does not end where cells do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter, zoom

__all__ = ["write_sample"]

CELLS, RATIO, FIRST, LAST = (64, 96), 25, 1998, 2003
NORTH, WEST, CELL = 60.0, -10.0, 0.25
CODES = np.array([0, 11, 22, 33, 40, 41, 42, 43, 44, 45, 55, 66, 77], np.uint8)
FILL = 1e20
PARTS = {
    "urban": {11: 1.0},
    "c3ann": {22: 0.6},
    "c3per": {22: 0.1},
    "c4ann": {22: 0.2},
    "c4per": {22: 0.05},
    "c3nfx": {22: 0.05},
    "pastr": {33: 0.7},
    "range": {33: 0.3},
    "primf": dict.fromkeys(range(40, 46), 0.3),
    "secdf": dict.fromkeys(range(40, 46), 0.7),
    "primn": {55: 0.5, 66: 0.5},
    "secdn": {55: 0.5, 66: 0.5},
}


def write_sample(folder: Path) -> None:
    """Write ``states_v2h.nc`` and a GeoTIFF a year (NetCDF without rasterio) into a folder."""
    maps = make_maps()
    write_states(folder / "states_v2h.nc", maps)
    for year, codes in zip(range(FIRST, LAST + 1), maps, strict=True):
        write_map(folder, year, codes)


def make_maps(seed: int = 0) -> np.ndarray:
    """Make codes of all years, in which cropland spreads into what lies beside it."""
    rng = np.random.default_rng(seed)
    shape = tuple(n * RATIO for n in CELLS)
    smooth = [
        zoom(
            gaussian_filter(rng.standard_normal(tuple(n // 10 + 2 for n in shape)), 3), 10, order=1
        )
        for _ in range(3)
    ]
    land, wet, used = (10 * part[: shape[0], : shape[1]] for part in smooth)
    used = used + 0.2 * rng.standard_normal(shape)
    found = np.empty((LAST - FIRST + 1, *shape), np.uint8)
    for year, codes in enumerate(found):
        codes[:] = 55
        forest = wet > 0
        codes[forest] = 40 + (np.abs(8 * land[forest]).astype(int) % 6)
        codes[wet < -1] = 66
        codes[used > 0.6 - 0.05 * year] = 33
        codes[used > 1.0 - 0.05 * year] = 22
        codes[used > 2.2 - 0.02 * year] = 11
        codes[(wet > 1.6) & (used < 0)] = 77
        codes[land < -0.7] = 0
    return found


def write_states(path: Path, maps: np.ndarray) -> None:
    (rows, columns), years = CELLS, maps.shape[0]
    fields = {}
    cells = maps.reshape(years, rows, RATIO, columns, RATIO)
    for name, parts in PARTS.items():
        share = sum(weight * (cells == code).mean((2, 4)) for code, weight in parts.items())
        sea = (cells == 0).all((2, 4))
        values = np.where(sea, FILL, share).astype("f4")
        # As in LUH2's own files, which spell _FillValue otherwise.
        about = {"units": "1", "_fillValue": np.float32(FILL), "long_name": name}
        fields[name] = (("time", "lat", "lon"), values, about)
    lat = NORTH - CELL * (np.arange(rows) + 0.5)
    lon = WEST + CELL * (np.arange(columns) + 0.5)
    time = np.arange(FIRST - 850, LAST - 850 + 1, dtype="f8")
    coords = {
        "time": ("time", time, {"units": "years since 850-01-01 0:0:0", "calendar": "365_day"}),
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    data = xr.Dataset(fields, coords)
    data.to_netcdf(path, encoding={name: {"_FillValue": None} for name in data.variables})


def write_map(folder: Path, year: int, codes: np.ndarray) -> None:
    """Write a year as HILDA+ names its files."""
    stem = folder / f"hilda_plus_{year}_states_GLOB-v1-0_wgs84-nn"
    step = CELL / RATIO
    try:
        import rasterio
        from rasterio.transform import from_origin
    except ImportError:
        lat, lon = (
            sign * step * (np.arange(n) + 0.5) + start
            for n, sign, start in zip(codes.shape, (-1, 1), (NORTH, WEST), strict=True)
        )
        array = xr.DataArray(codes, {"latitude": lat, "longitude": lon}, name="LULC_states")
        array.to_netcdf(f"{stem}.nc")
        return
    about = {"driver": "GTiff", "height": codes.shape[0], "width": codes.shape[1], "count": 1}
    about |= {"dtype": "uint8", "crs": "EPSG:4326", "tiled": True, "compress": "lzw"}
    with rasterio.open(
        f"{stem}.tif", "w", transform=from_origin(WEST, NORTH, step, step), **about
    ) as f:
        f.write(codes, 1)
