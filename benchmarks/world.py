"""Synthetic inputs in Zarr: coarse states and fine static features, of any size."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from xai4land.typing import Floats, Floats32

__all__ = ["STATES", "STATICS", "World", "region"]

STATES = ("water", "wood", "field", "open")
STATICS = ("height", "slope", "clay", "sand")


@dataclass(frozen=True)
class World:
    """A part of the globe, from its north-west corner.

    Attributes
    ----------
    rows, columns : int
        Pixels of the static features, and of the map.
    step : float
        Degrees between pixels.
    ratio : int
        Pixels along a side of a coarse cell.
    north, west : float
    chunk : int
        Pixels along a side of a chunk of the static features.
    sea : float
        Share of water in a cell of the open sea, two thirds of all cells. At zero there is no
        sea, and each cell has some of everything.
    written : bool
        Whether the static features are written to the store. Otherwise the store has only their
        metadata, and they are read as zeros, so that a grid of any size costs nothing.
    """

    rows: int
    columns: int
    step: float
    ratio: int
    north: float = 90
    west: float = -180
    chunk: int = 1024
    sea: float = 0
    written: bool = True

    @property
    def pixels(self) -> float:
        """Millions of pixels."""
        return self.rows * self.columns / 1e6

    def store(self, folder: Path) -> Path:
        """Return the Zarr store in a folder; write it once."""
        path = folder / f"world-{'-'.join(map(str, astuple(self)))}.zarr"
        if not path.exists():
            put: Any = self._make_dataset().to_zarr
            put(path, zarr_format=3, consolidated=False, compute=self.written)
        return path

    def open(self, folder: Path) -> xr.Dataset:
        """Open the inputs lazily, as a user does."""
        data: xr.Dataset = xr.open_zarr(self.store(folder), consolidated=False, chunks={})
        return data

    def _make_dataset(self) -> xr.Dataset:
        coarse = replace(
            self,
            rows=-(-self.rows // self.ratio),
            columns=-(-self.columns // self.ratio),
            step=self.step * self.ratio,
        )
        coords = _coords(coarse, ("lat", "lon")) | _coords(self, ("lat_fine", "lon_fine"))
        coords["time"] = xr.DataArray(
            np.array(["2000-07-01"], "M8[s]"), dims="time", attrs={"standard_name": "time"}
        )
        data = xr.Dataset(coords=coords)
        fraction = {"standard_name": "area_fraction", "units": "1"}
        for name, values in zip(STATES, _states(coarse), strict=True):
            data[name] = ("time", "lat", "lon"), values[None], fraction
            data[name].encoding["chunks"] = (1, *values.shape)
        for k, name in enumerate(STATICS):
            noise = da.random.default_rng(k).standard_normal
            made: Any = noise if self.written else da.zeros
            values = made((self.rows, self.columns), chunks=self.chunk, dtype=np.float32)
            data[name] = ("lat_fine", "lon_fine"), values, {"units": "1"}
        return data


def region(size: int) -> World:
    """Make land of ``size`` pixels a side at 0.02°, with states at 0.1°; all cells are mixed."""
    return World(size, size, 0.02, 5, north=62, west=-20, chunk=min(1024, size // 2))


def _coords(world: World, names: tuple[str, str]) -> dict[str, xr.DataArray]:
    lat = world.north - (np.arange(world.rows) + 0.5) * world.step
    lon = world.west + (np.arange(world.columns) + 0.5) * world.step
    return {
        name: xr.DataArray(values, dims=name, attrs={"standard_name": kind, "units": units})
        for name, values, kind, units in (
            (names[0], lat, "latitude", "degrees_north"),
            (names[1], lon, "longitude", "degrees_east"),
        )
    }


def _states(coarse: World) -> Floats32:
    """Make fractions that add up to one, shape (states, rows, columns)."""
    rng = np.random.default_rng(0)
    shape = (coarse.rows, coarse.columns)
    fractions = rng.dirichlet(np.full(len(STATES), 2.0), shape).transpose(2, 0, 1)
    fractions = 0.9 * fractions + 0.1 / len(STATES)  # no class is absent
    if coarse.sea:
        lat, lon = (c.values for c in _coords(coarse, ("lat", "lon")).values())
        height = _blobs(np.deg2rad(lat)[:, None], np.deg2rad(lon)[None], rng)
        sea = height < np.quantile(height, 2 / 3)
        fractions[:, sea] = (1 - coarse.sea) / (len(STATES) - 1)
        fractions[0, sea] = coarse.sea
    return fractions.astype(np.float32)


def _blobs(lat: Any, lon: Any, rng: np.random.Generator) -> Floats:
    """Add waves in all directions through the sphere, which gives a few continents."""
    axes = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat) + 0 * lon
    waves = (
        np.sin(sum(k * axis for k, axis in zip(direction, axes, strict=True)) + phase)
        for direction, phase in zip(
            rng.normal(0, 2, (12, 3)), rng.uniform(0, 2 * np.pi, 12), strict=True
        )
    )
    total: Floats = np.sum(list(waves), axis=0)
    return total
