"""Source and target grids: regular ones, and those with 2-D coordinates."""

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
from xai4land.typing import Booleans, Floats

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
        """Read a grid from CF coordinates, with their bounds or those in another dataset."""
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
        """Sines of the edges of the rows, whose differences are proportional to area."""
        sines: Floats = np.sin(np.deg2rad(self.rows))
        return sines

    @property
    def centres(self) -> tuple[Floats, Floats]:
        """Latitudes and longitudes, shapes (rows, 1) and (1, columns)."""
        return self.grid.lat.values[:, None], self.grid.lon.values[None, :]

    def coords(self) -> dict[str, xr.DataArray]:
        """Make CF coordinates with bounds."""
        return grid_coords(self.grid, (self.rows, self.columns))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that weights depend on."""
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
    connected : ndarray of bool, shape (rows, columns)
        Whether a cell's corners are shared with its neighbours: not at a gap in the grid.
    periodic : bool
        Whether the last column touches the first.
    """

    dims: tuple[str, str]
    names: tuple[str, str]
    lat: Floats
    lon: Floats
    lat_corners: Floats
    lon_corners: Floats
    connected: Booleans
    periodic: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.lat.shape[0], self.lat.shape[1]

    @property
    def centres(self) -> tuple[Floats, Floats]:
        """Latitudes and longitudes, shape (rows, columns)."""
        return self.lat, self.lon

    def coords(self) -> dict[str, xr.DataArray]:
        """Make CF coordinates with bounds of four vertices."""
        return dict(self._coords())

    def _coords(self) -> Iterator[tuple[str, xr.DataArray]]:
        kinds = ("latitude", "degrees_north"), ("longitude", "degrees_east")
        corners = self.lat_corners, self.lon_corners
        for name, (kind, units), centre, corner in zip(
            self.names, kinds, self.centres, corners, strict=True
        ):
            attrs = {"standard_name": kind, "long_name": kind, "units": units}
            coord = xr.DataArray(centre, dims=self.dims, attrs=attrs | {"bounds": f"{name}_bnds"})
            vertices = (corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1])
            bounds = xr.DataArray(np.stack(vertices, -1), dims=(*self.dims, "vertices"))
            for key, variable in ((name, coord), (f"{name}_bnds", bounds)):
                variable.encoding["_FillValue"] = None  # CF has none on coordinates
                yield key, variable

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that weights depend on."""
        corners = self.lat_corners, self.lon_corners
        return _digest(f"curvilinear {self.periodic}", self.lat, self.lon, *corners, self.connected)


Horizontal = Regular | Curvilinear


def _digest(what: str, *arrays: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(what.encode())
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, "<f8").tobytes())
    return digest.hexdigest()
