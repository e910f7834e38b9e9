"""Grids that fields are brought from and to: regular ones, and those with 2-D coordinates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.cells import cell_edges
from xai4land.grids.cf import grid_coords
from xai4land.grids.grid import Grid
from xai4land.typing import Floats

__all__ = ["Curvilinear", "Horizontal", "Regular"]


@dataclass(frozen=True, eq=False)
class Regular:
    """Cells between parallels and meridians.

    Attributes
    ----------
    grid : Grid
        The centres.
    rows, columns : ndarray, shapes (rows, 2) and (columns, 2)
        Lower and upper edges in degrees.
    """

    grid: Grid
    rows: Floats
    columns: Floats

    @classmethod
    def of(
        cls,
        data: xr.Dataset | xr.DataArray,
        what: str = "the grid",
        bounds: xr.Dataset | xr.DataArray | None = None,
    ) -> Regular:
        """Read from CF coordinates, with the bounds that they or another dataset have."""
        grid = Grid.of(data, what)
        return cls(grid, *cell_edges(grid, data if bounds is None else bounds))

    @property
    def dims(self) -> tuple[str, str]:
        """Names of the rows' and the columns' dimension."""
        return self.grid.names

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.grid.shape

    @property
    def sines(self) -> Floats:
        """Edges of the rows, as area counts them."""
        found: Floats = np.sin(np.deg2rad(self.rows))
        return found

    @property
    def centres(self) -> tuple[Floats, Floats]:
        """Latitudes and longitudes, shapes (rows, 1) and (1, columns)."""
        return self.grid.lat.values[:, None], self.grid.lon.values[None, :]

    def coords(self) -> dict[str, xr.DataArray]:
        """CF coordinates with bounds."""
        return grid_coords(self.grid, (self.rows, self.columns))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that weights depend on."""
        axes = self.grid.lat.values, self.grid.lon.values
        return _digest(f"regular {self.grid.lon.periodic}", *axes, self.rows, self.columns)


@dataclass(frozen=True, eq=False)
class Curvilinear:
    """Cells in rows and columns that need not follow parallels or meridians.

    Attributes
    ----------
    dims : tuple of str
        Names of the rows' and the columns' dimension.
    names : tuple of str
        Names of latitude and longitude.
    lat, lon : ndarray, shape (rows, columns)
        Centres in degrees.
    lat_corners, lon_corners : ndarray, shape (rows + 1, columns + 1)
    whole : ndarray of bool, shape (rows, columns)
        Whether the corners are the cell's: not at a tear in the grid.
    around : bool
        Whether the last column touches the first.
    """

    dims: tuple[str, str]
    names: tuple[str, str]
    lat: Floats
    lon: Floats
    lat_corners: Floats
    lon_corners: Floats
    whole: npt.NDArray[np.bool_]
    around: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.lat.shape[0], self.lat.shape[1]

    @property
    def centres(self) -> tuple[Floats, Floats]:
        """Latitudes and longitudes, shape (rows, columns)."""
        return self.lat, self.lon

    def coords(self) -> dict[str, xr.DataArray]:
        """CF coordinates with bounds of four vertices."""
        return dict(self._coords())

    def _coords(self) -> Iterator[tuple[str, xr.DataArray]]:
        kinds = ("latitude", "degrees_north"), ("longitude", "degrees_east")
        corners = self.lat_corners, self.lon_corners
        for name, (kind, units), centre, corner in zip(
            self.names, kinds, self.centres, corners, strict=True
        ):
            attrs = {"standard_name": kind, "long_name": kind, "units": units}
            made = xr.DataArray(centre, dims=self.dims, attrs=attrs | {"bounds": f"{name}_bnds"})
            four = (corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1])
            bounds = xr.DataArray(np.stack(four, -1), dims=(*self.dims, "vertices"))
            for key, variable in ((name, made), (f"{name}_bnds", bounds)):
                variable.encoding["_FillValue"] = None  # CF has none on coordinates
                yield key, variable

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that weights depend on."""
        corners = self.lat_corners, self.lon_corners
        return _digest(f"curvilinear {self.around}", self.lat, self.lon, *corners, self.whole)


Horizontal = Regular | Curvilinear


def _digest(what: str, *arrays: npt.NDArray[Any]) -> str:
    found = hashlib.sha256(what.encode())
    for array in arrays:
        found.update(repr(array.shape).encode())
        found.update(np.ascontiguousarray(array, "<f8").tobytes())
    return found.hexdigest()
