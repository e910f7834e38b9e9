"""Find the grid of a variable or of a target by its CF metadata."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_edges
from xai4land.grids.coordinates import Coordinate, coord_names, describe_units
from xai4land.grids.grid import global_grid
from xai4land.regridding.curvilinear import read_curvilinear
from xai4land.regridding.grids import Horizontal, Regular
from xai4land.regridding.projected import find_projected, read_projected
from xai4land.regridding.rotated import read_rotated, rotated_axes

__all__ = [
    "Target",
    "find_horizontal_coords",
    "no_grid_error",
    "read_grid",
    "read_target",
    "westward_dim",
]

Data = xr.Dataset | xr.DataArray
Target = float | tuple[float, float] | Data
COORDINATES: tuple[Coordinate, Coordinate] = ("latitude", "longitude")


def find_horizontal_coords(data: Data) -> dict[str, list[xr.DataArray]]:
    """Find coordinates of latitude and of longitude, no scalars; of several those with an axis."""
    coords: dict[str, list[xr.DataArray]] = {}
    for kind in COORDINATES:
        named = [data[n] for n in coord_names(data, kind)]
        named = [c for c in named if c.ndim]
        InputError.raise_if(filter(None, (describe_units(c, kind) for c in named)))
        axes = [c for c in named if c.dims == (c.name,)]
        coords[kind] = axes if len(named) > 1 and axes else named
    return coords


def read_grid(array: Data, data: Data, what: str) -> Horizontal | None:
    """Read the grid of a variable; None if it has none.

    Parameters
    ----------
    array : DataArray or Dataset
        Data on the grid.
    data : Dataset or DataArray
        Data with the bounds and grid mappings.
    what : str
        Name of the variable in errors.

    Raises
    ------
    InputError
        If the grid is unstructured, incomplete or broken.
    """
    if (rotated := rotated_axes(array, data)) is not None:
        return read_rotated(*rotated, data, what)
    coords = find_horizontal_coords(array)
    if not any(coords.values()):
        if (projected := find_projected(array, data)) is not None:
            return read_projected(*projected, array, data, what)
        return None
    if all(len(some) == 1 for some in coords.values()):
        lat, lon = (coords[kind][0] for kind in COORDINATES)
        if lat.ndim == lon.ndim == 1 and lat.dims == lon.dims:
            raise InputError(_mesh_message(lat.dims[0]))
        if lat.ndim == lon.ndim == 2 and set(lat.dims) == set(lon.dims):
            return read_curvilinear(lat, lon, data, what)
    elif min(len(some) for some in coords.values()) == 0:
        seen = next(kind for kind in COORDINATES if coords[kind])
        raise InputError(
            f"{what} has a {seen} and not the other coordinate; drop it, or regrid it by itself"
        )
    return Regular.of(array, what, bounds=data)


def _mesh_message(dim: Hashable) -> str:
    """Say that data on a mesh cannot be regridded."""
    return (
        f"the data lie on an unstructured mesh (latitude and longitude along {dim!r}), expected "
        "rows and columns; bring it to a grid first: cdo remapdis,global_1 in.nc out.nc"
    )


def no_grid_error(data: xr.Dataset) -> InputError:
    """Make the error for a dataset without any grid."""
    units = {"latitude": "degrees_north", "longitude": "degrees_east"}
    data_variables = {
        kind: [
            str(name)
            for name, array in data.data_vars.items()
            if array.attrs.get("standard_name") == kind or array.attrs.get("units") == units[kind]
        ]
        for kind in COORDINATES
    }
    if all(data_variables.values()):
        lat, lon = (data[data_variables[kind][0]] for kind in COORDINATES)
        if lat.dims == lon.dims and lat.ndim == 1:
            return InputError(_mesh_message(lat.dims[0]))
        names = [str(lat.name), str(lon.name)]
        return InputError(f"{names} are no coordinates; make them: ds.set_coords({names})")
    return InputError(
        "no variable has coordinates of latitude and longitude; rename yours to 'lat' and 'lon', "
        "or set their standard_name and units"
    )


def read_target(target: Target, like: Horizontal) -> Horizontal:
    """Read the grid to regrid to.

    Parameters
    ----------
    target : float, tuple of float, Dataset or DataArray
        Degrees (of latitude and longitude), for a grid of the whole globe; or data on the grid.
    like : Regular or Curvilinear
        The source, whose names and order a grid of the whole globe takes over.

    Raises
    ------
    InputError
        If there is no such grid.
    """
    if isinstance(target, xr.Dataset | xr.DataArray):
        cells = read_grid(target, target, "target")
        return Regular.of(target, "target") if cells is None else cells
    steps = target if isinstance(target, tuple) and len(target) == 2 else (target,)
    if all(isinstance(step, int | float | np.number) for step in steps):
        names = like.grid if isinstance(like, Regular) else None
        grid = global_grid(target if isinstance(target, tuple) else float(target), names)
        return Regular(grid, *cell_edges(grid))
    raise InputError(
        f"target={target!r} is neither a resolution in degrees (e.g. 1.0, or 1.0, 1.25 of latitude "
        "and longitude) nor a dataset on a grid"
    )


def westward_dim(target: Target) -> Hashable | None:
    """Return the dimension of longitudes that run from east to west; None if there is none."""
    if not isinstance(target, xr.Dataset | xr.DataArray):
        return None
    for coord in find_horizontal_coords(target)["longitude"]:
        steps = np.diff(coord.values) if coord.dims == (coord.name,) else np.zeros(0)
        if steps.size and ((steps < 0) & (steps > -180)).all():
            return coord.name
    return None
