"""Read grids with 2-D coordinates from a dataset: tripolar ocean grids, swaths."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.regridding.grids import Curvilinear
from xai4land.typing import Booleans, Floats

__all__ = ["is_periodic", "read_curvilinear", "to_xyz"]


def read_curvilinear(
    lat: xr.DataArray, lon: xr.DataArray, data: xr.Dataset | xr.DataArray, what: str
) -> Curvilinear:
    """Read centres and corners; corners from CF bounds, or midway between centres.

    Raises
    ------
    InputError
        If coordinates or bounds are missing, out of range, or do not fit one another.
    """
    lon = lon.transpose(*lat.dims)
    if is_periodic(lat.values.T, lon.values.T) and not is_periodic(lat.values, lon.values):
        lat, lon = lat.T, lon.T
    dims = str(lat.dims[0]), str(lat.dims[1])
    centres = lat.values.astype(np.float64), lon.values.astype(np.float64)
    problems = [
        f"{what}: {coord.name!r} has missing values; drop these rows and columns: "
        f"ds.dropna({dims[0]!r})"
        for coord, values in zip((lat, lon), centres, strict=True)
        if not np.isfinite(values).all()
    ]
    if np.nanmax(np.abs(centres[0])) > 90 + 1e-6:
        seen = centres[0].flat[np.nanargmax(np.abs(centres[0]))]
        problems.append(f"{what}: latitudes reach {seen:g}, expected -90 to 90")
    if min(lat.shape) < 2:
        problems.append(f"{what}: has {lat.shape} cells, expected at least 2 x 2")
    InputError.raise_if(problems)
    periodic = is_periodic(*centres)
    corners = _read_corners(lat, lon, data, what)
    if corners is None:
        corners = *_midpoint_corners(*centres, periodic), _connected_cells(*centres)
    names = str(lat.name), str(lon.name)
    return Curvilinear(dims, names, *centres, *corners[:2], corners[2], periodic)


def _read_corners(
    lat: xr.DataArray, lon: xr.DataArray, data: xr.Dataset | xr.DataArray, what: str
) -> tuple[Floats, Floats, Booleans] | None:
    """Read corners from bounds of four vertices, if there are any, and tell whose they are.

    Files list the vertices clockwise or counterclockwise: in the right order neighbours share them.
    """
    from cf_xarray.helpers import bounds_to_vertices

    pairs = [_read_vertices(coord, data, what) for coord in (lat, lon)]
    if pairs[0] is None or pairs[1] is None:
        return None
    bounds = [pair for pair in pairs if pair is not None]
    vertices = to_xyz(bounds[0].values, bounds[1].values)
    width = np.linalg.norm(vertices[..., 2, :] - vertices[..., 0, :], axis=-1)
    best = None
    for order in ("counterclockwise", "clockwise"):
        corners = [bounds_to_vertices(p, p.dims[-1], order=order).values for p in bounds]
        points = to_xyz(*corners)
        turn = (points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1])
        turn = turn if order == "counterclockwise" else (turn[0], *turn[:0:-1])
        distance = np.linalg.norm(np.stack(turn, -2) - vertices, axis=-1).max(-1)
        shared: Booleans = distance <= 0.05 * width
        if best is None or shared.sum() > best[2].sum():
            best = corners[0].clip(-90, 90), corners[1], shared
    assert best is not None
    if best[2].mean() < 0.5:
        names = [coord.attrs["bounds"] for coord in (lat, lon)]
        raise InputError(
            f"{what}: bounds {names} are not shared by neighbours, expected vertices in order "
            f"around each cell; drop them: ds.drop_vars({names})"
        )
    return best


def _connected_cells(lat: Floats, lon: Floats) -> Booleans:
    """Find cells next to their neighbours; some ocean grids store a sea in another place."""
    points = to_xyz(lat, lon)
    connected = np.ones(lat.shape, bool)
    for axis in (0, 1):
        steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1)
        sides = [(1, 1) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(steps, sides, mode="edge")
        before, after = (np.take(padded, range(k, k + steps.shape[axis]), axis) for k in (0, 2))
        gap = np.pad(steps > 5 * np.maximum(before, after), sides)
        for k in (0, 1):
            connected &= ~np.take(gap, range(k, k + lat.shape[axis]), axis)
    # A corner is made of four cells, so that all around a gap are affected.
    rim = np.pad(connected, 1, constant_values=True)
    around = [rim[i : i + lat.shape[0], j : j + lat.shape[1]] for i in range(3) for j in range(3)]
    result: Booleans = np.logical_and.reduce(around)
    return result


def _read_vertices(
    coord: xr.DataArray, data: xr.Dataset | xr.DataArray, what: str
) -> xr.DataArray | None:
    """Read the bounds of a coordinate, shape (rows, columns, 4); None if it has none."""
    variables = {**getattr(data, "data_vars", {}), **data.coords}
    name = coord.attrs.get("bounds")
    if name not in variables:
        return None
    bounds: xr.DataArray = variables[name].compute()
    vertex = [dim for dim in bounds.dims if dim not in coord.dims]
    fits = bounds.ndim == 3 and len(vertex) == 1 and bounds.sizes[vertex[0]] == 4
    if not fits or not bounds.notnull().all():
        raise InputError(
            f"{what}: bounds {name!r} have shape {bounds.shape}, expected four vertices of "
            f"{coord.shape} cells and no missing values; drop them: ds.drop_vars({name!r})"
        )
    return bounds.transpose(*coord.dims, *vertex).astype(np.float64)


def _midpoint_corners(lat: Floats, lon: Floats, periodic: bool) -> tuple[Floats, Floats]:
    """Put corners midway between four centres, on the sphere; extrapolate at the edges."""
    points = to_xyz(lat, lon)
    sides = {"mode": "wrap"} if periodic else {"mode": "reflect", "reflect_type": "odd"}
    points = np.pad(points, ((0, 0), (1, 1), (0, 0)), **sides)  # type: ignore[call-overload]
    points = np.pad(points, ((1, 1), (0, 0), (0, 0)), mode="reflect", reflect_type="odd")
    middle = points[:-1, :-1] + points[:-1, 1:] + points[1:, :-1] + points[1:, 1:]
    x, y, z = np.moveaxis(middle, -1, 0)
    return np.rad2deg(np.arctan2(z, np.hypot(x, y))), np.rad2deg(np.arctan2(y, x))


def to_xyz(lat: Floats, lon: Floats) -> Floats:
    """Compute points on the unit sphere, shape (..., 3)."""
    lat, lon = np.broadcast_arrays(np.deg2rad(lat), np.deg2rad(lon))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def is_periodic(lat: Floats, lon: Floats) -> bool:
    """Tell whether the last column is next to the first in most rows, and not the same."""
    if lat.shape[1] < 3:
        return False
    points = to_xyz(lat, lon)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    gap = np.linalg.norm(points[:, 0] - points[:, -1], axis=-1)
    adjacent = (gap < 1.5 * steps.max(1)) & (gap > 0.5 * np.median(steps, 1))
    return bool(np.median(adjacent) == 1)
