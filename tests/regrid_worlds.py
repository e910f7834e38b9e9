"""Fields whose regridded values are known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from conftest import coordinate
from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid
from xai4land.regridding.engines import choose_engine


def _needs_esmf() -> list[pytest.MarkDecorator]:
    try:
        choose_engine("xesmf")
    except InputError as error:
        return [pytest.mark.skip(reason=f"{error}")]
    return []


XESMF = _needs_esmf()
ENGINES = [pytest.param("xarray-regrid"), pytest.param("xesmf", marks=XESMF)]


def cells(lat: np.ndarray, lon: np.ndarray, /, **bounds: np.ndarray) -> xr.Dataset:
    """Make a grid; bounds are given by the name of their coordinate."""
    made = xr.Dataset(coords={"lat": coordinate("lat", lat), "lon": coordinate("lon", lon)})
    for name, values in bounds.items():
        made[name].attrs["bounds"] = f"{name}_bnds"
        made = made.assign_coords({f"{name}_bnds": ((name, "bnds"), values)})
    return made


def regular(degrees: float, west: float = -180.0, descending: bool = False) -> xr.Dataset:
    lat = -90 + degrees * (np.arange(round(180 / degrees)) + 0.5)
    lon = west + degrees * (np.arange(round(360 / degrees)) + 0.5)
    return cells(lat[::-1] if descending else lat, lon)


def with_poles(rows: int, columns: int) -> xr.Dataset:
    """Make a grid with half cells at the poles."""
    return cells(np.linspace(90, -90, rows), np.arange(columns) * 360 / columns)


def gaussian(rows: int, bounds: bool) -> xr.Dataset:
    """Make a Gaussian grid; its bounds follow from the quadrature weights, not midway."""
    sines, weights = np.polynomial.legendre.leggauss(rows)
    lat, lon = np.rad2deg(np.arcsin(sines)), np.arange(2 * rows) * 180 / rows
    if not bounds:
        return cells(lat, lon)
    ends = np.append(-1, np.cumsum(weights) - 1).clip(-1, 1)
    ends = np.rad2deg(np.arcsin(ends))
    return cells(lat, lon, lat=np.stack([ends[:-1], ends[1:]], -1))


def smooth(grid: xr.Dataset) -> xr.Dataset:
    """Add a field like temperature, of spherical harmonics up to degree 2."""
    lat, lon = np.deg2rad(grid.lat), np.deg2rad(grid.lon)
    field = 288 + 20 * np.sin(lat) - 40 * np.sin(lat) ** 2 + harmonic(lat, lon)
    attrs = {"units": "K", "units_metadata": "temperature: on_scale"}
    attrs |= {"standard_name": "air_temperature", "cell_methods": "time: mean"}
    return grid.assign(tas=field.transpose("lat", "lon").assign_attrs(attrs))


def harmonic(lat: xr.DataArray, lon: xr.DataArray) -> xr.DataArray:
    """Compute the spherical harmonic Y_2^2, times 30."""
    return 30 * np.cos(lat) ** 2 * np.cos(2 * lon)


def noise(grid: xr.Dataset, seed: int = 0, **sizes: int) -> xr.Dataset:
    shape = (*sizes.values(), grid.sizes["lat"], grid.sizes["lon"])
    values = np.random.default_rng(seed).normal(size=shape)
    return grid.assign(x=((*sizes, "lat", "lon"), values))


def total(data: xr.Dataset, name: str) -> float:
    """Compute the integral over the sphere, whose area is one."""
    return float((data[name] * cell_areas(Grid.of(data[name]), data).values).sum())
