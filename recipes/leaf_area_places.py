"""Places with monthly leaf area, and the Earth's leaf area of 2014, in one form.

``read_places`` gives a dataset a place, on a regular grid:

- ``leaf_area_index`` (month, lat, lon): the mean month of all years there are, missing where it
  was not observed;
- the fractions of the eight classes of ``modis-landcover-0p05`` (lat, lon);
- ``elevation`` (lat, lon), m, where the file has it.

``read_earth`` gives cells of half a degree with the mean leaf area index of four months of 2014.
``temperature_at`` gives the climate of any of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

CLASSES = (
    *("forest", "nonforest_natural", "cropland", "crop_mosaic"),
    *("urban", "ice", "barren", "water"),
)
IGBP = {
    "forest": (1, 2, 3, 4, 5),
    "nonforest_natural": (6, 7, 8, 9, 10, 11),
    "cropland": (12,),
    "urban": (13,),
    "crop_mosaic": (14,),
    "ice": (15,),
    "barren": (16,),
    "water": (0, 17),
}
WRF = {
    **IGBP,
    "nonforest_natural": (*IGBP["nonforest_natural"], 18, 19),  # wooded and mixed tundra
    "barren": (16, 20),  # and barren tundra
    "water": (17, 21),  # and lakes
}
"""Noah's classes: IGBP's, three kinds of tundra, and lakes."""
GLOBCOVER = {
    "cropland": (11, 14),
    "crop_mosaic": (20, 30),
    "forest": (40, 50, 60, 70, 90, 100),
    "nonforest_natural": (110, 120, 130, 140, 150, 160, 170, 180),
    "urban": (190,),
    "barren": (200,),
    "water": (210,),
    "ice": (220,),
}
"""GlobCover's classes (Arino et al. 2009)."""
MAX_WATER = 0.1
"""Leaf area in the files is filled in over lakes, and is 0 over the sea of a coastal pixel."""
LAPSE_RATE = 6.5e-3
"""K/m (International Standard Atmosphere)."""


@dataclass(frozen=True)
class Place:
    """A file with monthly leaf area.

    Attributes
    ----------
    file : str
    read : callable
        From the file to a place.
    step : float
        Spacing of the regular grid, degrees: about that of the file.
    ships : bool
        Whether its licence allows to ship what is learned from it.
    source : str
    """

    file: str
    read: Callable[[xr.Dataset, float], xr.Dataset]
    step: float
    ships: bool
    source: str


def read_wrf(data: xr.Dataset, step: float) -> xr.Dataset:
    """Read a domain of WRF's preprocessing: months and fractions on a projected grid."""
    fractions = _sum_codes(data.land_cover_fraction, "land_cat", WRF)
    lai = data.lai.where(data.land_mask == 1)
    layers = xr.Dataset({"leaf_area_index": lai, "elevation": data.elevation, **fractions})
    return bin_to_grid(layers.where(data.land_mask <= 1), data.latitude, data.longitude, step)


def read_arcachon(data: xr.Dataset, step: float) -> xr.Dataset:
    """Read eight-day leaf area of a year, and a map of IGBP's classes."""
    months = data.lai.groupby("time.month").mean()
    fractions = _sum_codes(data.land_cover, None, IGBP)
    latitude = data.latitude.broadcast_like(data.longitude)
    layers = xr.Dataset({"leaf_area_index": months, **fractions})
    return bin_to_grid(layers, latitude, data.longitude, step)


def read_piave(data: xr.Dataset, step: float) -> xr.Dataset:
    """Read months with a map of GlobCover's classes, already on a regular grid."""
    fractions = _sum_codes(data.land_cover, None, GLOBCOVER)
    return xr.Dataset({"leaf_area_index": data.lai, "elevation": data.elevation, **fractions})


def read_fraser(data: xr.Dataset, step: float) -> xr.Dataset:
    """Read ten-day leaf area of land that is not forest, whose leaf area is a constant."""
    dekads = data.lai_other.assign_coords(month=("dekad", np.arange(36) // 3 + 1))
    months = dekads.groupby("month").mean()
    known = data.fraction_other > 0.05
    fractions = {name: xr.zeros_like(data.fraction_other) for name in CLASSES}
    fractions["nonforest_natural"] = fractions["nonforest_natural"] + 1
    return xr.Dataset({"leaf_area_index": months.where(known), **fractions})


PLACES: Mapping[str, Place] = {
    "Sweden": Place("wrf_lai12m_sweden_3km.nc", read_wrf, 0.05, True, "MODIS, WRF's"),
    "Japan": Place("wrf_lai12m_japan_30km.nc", read_wrf, 0.3, True, "MODIS, WRF's"),
    "Kansai": Place("wrf_lai12m_kansai_6km.nc", read_wrf, 0.06, True, "MODIS, WRF's"),
    "southwest China": Place("wrf_lai12m_southwest_china.nc", read_wrf, 0.25, True, "MODIS, WRF's"),
    "Arcachon": Place(
        "arcachon_modis_lai_8day_2004_463m.nc", read_arcachon, 0.01, True, "MOD15A2H 2004"
    ),
    "Piave": Place("piave_lai_monthly.nc", read_piave, 1 / 60, False, "MCD15A3H"),
    "Fraser": Place("fraser_lai_dekad_by_class.nc", read_fraser, 0.1, False, "CGLS"),
}


def read_places(folder: Path, names: tuple[str, ...] = tuple(PLACES)) -> dict[str, xr.Dataset]:
    """Read places with monthly leaf area.

    Parameters
    ----------
    folder : Path
        With ``lai/`` and ``land/``.
    names : tuple of str

    Returns
    -------
    dict of str to Dataset
    """
    height = read_elevation(folder)
    return {name: _read_place(folder, PLACES[name], height) for name in names}


def read_elevation(folder: Path) -> xr.DataArray:
    """Read the elevation of land at 1/6 degree, m; 0 at sea."""
    data = xr.open_dataset(folder / "land" / "global_elevation_etopo5_0p17.nc")
    return data.elevation.load().clip(min=0)


def _read_place(folder: Path, place: Place, height: xr.DataArray) -> xr.Dataset:
    data = xr.open_dataset(folder / "lai" / place.file).load()
    found = place.read(data, place.step)
    if "elevation" not in found:
        found["elevation"] = _interpolate(height, found)
    dry = found.water <= MAX_WATER
    found["leaf_area_index"] = found.leaf_area_index.where(dry).assign_attrs(units="1")
    found = found.transpose("month", "lat", "lon")
    for name in CLASSES:
        found[name] = found[name].astype("float32").assign_attrs(units="1")
    found["elevation"] = found.elevation.astype("float32").assign_attrs(units="m")
    return found.assign_attrs(source=place.source, title=str(data.attrs.get("title", "")))


def bin_to_grid(
    layers: xr.Dataset, latitude: xr.DataArray, longitude: xr.DataArray, step: float
) -> xr.Dataset:
    """Average layers on a projected grid, (..., y, x), in the cells of a regular grid.

    Cells without the middle of a pixel are missing.
    """
    rows = np.floor((latitude.values + 90) / step).astype(int).ravel()
    columns = np.floor((longitude.values + 180) / step).astype(int).ravel()
    rows, columns = rows - (south := rows.min()), columns - (west := columns.min())
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    cell = rows * shape[1] + columns

    def average(values: np.ndarray) -> np.ndarray:
        known = np.isfinite(values)
        count = np.bincount(cell[known], minlength=shape[0] * shape[1])
        total = np.bincount(cell[known], values[known], minlength=count.size)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan).reshape(shape)

    coords = {
        "lat": -90 + step * (south + np.arange(shape[0]) + 0.5),
        "lon": -180 + step * (west + np.arange(shape[1]) + 0.5),
    }
    binned = {}
    for name, array in layers.items():
        ordered = array.transpose(..., "y", "x")
        flat = ordered.values.reshape(-1, cell.size).astype(float)
        means = np.stack([average(one) for one in flat])
        dims = (*ordered.dims[:-2], "lat", "lon")
        binned[name] = (dims, means.reshape(*ordered.shape[:-2], *shape))
    return xr.Dataset(binned, {**coords, "month": layers.month.values})


def _sum_codes(
    data: xr.DataArray, dim: str | None, legend: Mapping[str, tuple[int, ...]]
) -> dict[str, xr.DataArray]:
    """Return the fraction of each class, from fractions of codes or from a map of codes."""
    if dim is None:
        return {n: data.isin(codes).where(data.notnull()) * 1.0 for n, codes in legend.items()}
    total = data.sum(dim)
    shares = data / total.where(total > 0.5)
    return {
        n: shares.sel({dim: shares[dim].isin(codes)}).sum(dim, skipna=False)
        for n, codes in legend.items()
    }


def read_temperature(folder: Path) -> xr.DataArray:
    """Read the mean months of near-surface temperature of 1971 to 2000 (NCEP/NCAR), K."""
    data = xr.open_dataset(folder / "climate" / "tas_Amon_NCEP-R1_194801-200012.nc")
    return data.tas.sel(time=slice("1971", "2000")).groupby("time.month").mean().load()


def temperature_at(place: xr.Dataset, folder: Path, lapse: bool = True) -> xr.DataArray:
    """Interpolate the mean months of temperature to a place, at its elevation.

    Parameters
    ----------
    place : Dataset
        With ``elevation``, and coordinates ``lat`` and ``lon``.
    folder : Path
    lapse : bool
        Whether to move it from the mean elevation of the reanalysis' cells to that of the place.

    Returns
    -------
    DataArray
        (month, ...), K.
    """
    tas = read_temperature(folder)
    found = _interpolate(tas, place)
    if lapse:
        height = _mean_in_cells(read_elevation(folder), tas)
        found = found - LAPSE_RATE * (place.elevation - _interpolate(height, place))
    return found.transpose("month", ...).astype("float32").assign_attrs(units="K")


def _interpolate(field: xr.DataArray, place: xr.Dataset) -> xr.DataArray:
    """Interpolate a global field bilinearly, around the globe."""
    wrapped = field.assign_coords(lon=field.lon % 360).sortby("lon")
    wrapped = wrapped.pad(lon=1, mode="wrap")
    lon = wrapped.lon.values.copy()
    lon[0], lon[-1] = lon[0] - 360, lon[-1] + 360
    wrapped = wrapped.assign_coords(lon=lon)
    found = wrapped.interp(lat=place.lat, lon=place.lon % 360)
    return found.assign_coords(lon=place.lon)


def _mean_in_cells(fine: xr.DataArray, coarse: xr.DataArray) -> xr.DataArray:
    """Average a fine global field around the points of a coarse one."""
    step = abs(float(coarse.lat[1] - coarse.lat[0]))
    rows = np.rint((90 - fine.lat.values) / step).astype(int)
    columns = np.rint((fine.lon.values % 360) / step).astype(int) % coarse.sizes["lon"]
    cell = (rows[:, None] * coarse.sizes["lon"] + columns).ravel()
    size = coarse.sizes["lat"] * coarse.sizes["lon"]
    total = np.bincount(cell, fine.values.ravel(), minlength=size)
    means = total / np.maximum(np.bincount(cell, minlength=size), 1)
    north_up = coarse.sortby("lat", ascending=False)
    values = means.reshape(coarse.sizes["lat"], coarse.sizes["lon"])
    coords = {"lat": north_up.lat, "lon": coarse.lon}
    return xr.DataArray(values, coords, ("lat", "lon")).reindex_like(coarse)


SEASONS = (1, 4, 7, 10)
"""The months of which the map of 2014 is the mean."""
FULL_SCALE = 7.0
"""Leaf area index of the brightest value of the images."""
WARM = 278.15
"""K: where the coldest month is warmer, no image is missing for snow."""


def read_earth(folder: Path) -> xr.Dataset:
    """Read cells of half a degree with the mean leaf area index of four months of 2014.

    The file holds bytes that overflowed: the mean of four images times seven, of which the last
    eight bits are kept. Times 183, the inverse of seven modulo 256, they give the mean back. An
    image without a value, under snow or in the polar night, counts as 255 in it: the map says 5 in
    the tundra. Hence only cells with warm winters are known here.

    Returns
    -------
    Dataset
        ``leaf_area_mean`` (lat, lon), missing where winters are cold; fractions, ``elevation``,
        ``koppen``.
    """
    land = folder / "land"
    data = xr.open_dataset(land / "global_lai_2014_0p1.nc").lai.load()
    image = (np.rint(data * 255) * 183 % 256).where(data.notnull())
    states = xr.open_dataset(land / "global_states_2019_0p25.nc").isel(time=0, drop=True).load()
    koppen = xr.open_dataset(land / "global_static_0p1.nc").koppen
    cells = states[list(CLASSES)].coarsen(lat=2, lon=2).mean()

    def place(array: xr.DataArray) -> xr.DataArray:
        return array.reindex_like(cells, method="nearest", tolerance=0.01)

    cells["elevation"] = _interpolate(read_elevation(folder).coarsen(lat=3, lon=3).mean(), cells)
    cells["koppen"] = place(koppen.isel(lat=slice(2, None, 5), lon=slice(2, None, 5)))
    parts = image.coarsen(lat=5, lon=5)
    mean = place(parts.mean().where(parts.count() > 20)) * FULL_SCALE / 255
    warm = temperature_at(cells, folder).min("month") > WARM
    cells["leaf_area_mean"] = mean.where(warm & (cells.water <= MAX_WATER))
    return cells
