"""Read grids with a rotated pole, as regional climate models have them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.axis import Axis
from xai4land.grids.cells import cell_edges
from xai4land.grids.grid import Grid
from xai4land.regridding.curvilinear import is_periodic
from xai4land.regridding.grids import Curvilinear
from xai4land.typing import Floats

__all__ = ["read_rotated", "rotated_axes", "to_geographic"]

ROTATED_POLE = "rotated_latitude_longitude"
"""CF's name of the grid mapping."""


def rotated_axes(
    array: xr.Dataset | xr.DataArray, data: xr.Dataset | xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray, dict[str, float]] | None:
    """Find the axes and the pole of a grid with a rotated pole, if there is one (CF 5.6)."""
    named = {str(c.attrs.get("standard_name")): c for c in array.coords.values() if c.ndim == 1}
    axes = named.get("grid_latitude"), named.get("grid_longitude")
    known = {**getattr(data, "variables", {}), **data.coords}
    poles = [v.attrs for v in known.values() if v.attrs.get("grid_mapping_name") == ROTATED_POLE]
    if axes[0] is None or axes[1] is None or not poles:
        return None
    return axes[0], axes[1], poles[0]


def read_rotated(
    rows: xr.DataArray,
    columns: xr.DataArray,
    pole: dict[str, float],
    data: xr.Dataset | xr.DataArray,
    what: str,
) -> Curvilinear:
    """Read a grid that is regular about another pole, in geographic coordinates."""
    names = str(rows.name), str(columns.name)
    values = rows.values.astype(np.float64), columns.values.astype(np.float64)
    for name, axis in zip(names, values, strict=True):
        steps = np.diff(axis)
        if axis.size < 2 or not ((steps > 0).all() or (steps < 0).all()):
            raise InputError(f"{what}: {name!r} is not sorted; run ds.sortby({name!r})")
    pairs = cell_edges(Grid(Axis(values[0]), Axis(values[1]), names), data)
    corners = [_join_edges(pair, axis) for pair, axis in zip(pairs, values, strict=True)]
    centres = to_geographic(*values, pole)
    vertices = to_geographic(corners[0], corners[1], pole)
    connected = np.ones(centres[0].shape, bool)
    return Curvilinear(names, ("lat", "lon"), *centres, *vertices, connected, is_periodic(*centres))


def _join_edges(pairs: Floats, axis: Floats) -> Floats:
    """Join the edges of neighbours to one array, in the order of the axis."""
    ascending = axis[-1] > axis[0]
    low, high = pairs.T if ascending else pairs.T[::-1]
    return np.append(low, high[-1])


def to_geographic(rows: Floats, columns: Floats, pole: dict[str, float]) -> tuple[Floats, Floats]:
    """Compute latitudes and longitudes of rotated rows and columns (CF appendix F)."""
    lat, lon = np.meshgrid(rows, columns, indexing="ij")
    turn = np.deg2rad(lon - float(pole.get("north_pole_grid_longitude", 0.0)))
    tilt, height = np.deg2rad(float(pole["grid_north_pole_latitude"])), np.deg2rad(lat)
    x = np.sin(height) * np.cos(tilt) - np.cos(height) * np.cos(turn) * np.sin(tilt)
    y = -np.cos(height) * np.sin(turn)
    z = np.sin(height) * np.sin(tilt) + np.cos(height) * np.cos(turn) * np.cos(tilt)
    east = np.rad2deg(np.arctan2(y, x)) + float(pole["grid_north_pole_longitude"])
    return np.rad2deg(np.arcsin(z.clip(-1, 1))), (east + 180) % 360 - 180
