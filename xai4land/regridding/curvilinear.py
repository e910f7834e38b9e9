"""Grids with 2-D coordinates, read from a dataset: tripolar oceans, rotated poles, swaths."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.regridding.grids import Curvilinear
from xai4land.typing import Floats

__all__ = ["read_curvilinear", "read_rotated", "rotated_axes", "sphere"]

Booleans = npt.NDArray[np.bool_]
ROTATED = "rotated_latitude_longitude"


def read_curvilinear(
    lat: xr.DataArray, lon: xr.DataArray, data: xr.Dataset | xr.DataArray, what: str
) -> Curvilinear:
    """Centres and corners from 2-D coordinates; corners from CF bounds, or halfway.

    Raises
    ------
    InputError
        If coordinates or bounds are missing, out of range, or do not fit one another.
    """
    lon = lon.transpose(*lat.dims)
    if _around(lat.values.T, lon.values.T) and not _around(lat.values, lon.values):
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
    around = _around(*centres)
    corners = _corners(lat, lon, data, what)
    if corners is None:
        corners = *_halfway(*centres, around), _untorn(*centres)
    names = str(lat.name), str(lon.name)
    return Curvilinear(dims, names, *centres, *corners[:2], corners[2], around)


def _corners(
    lat: xr.DataArray, lon: xr.DataArray, data: xr.Dataset | xr.DataArray, what: str
) -> tuple[Floats, Floats, Booleans] | None:
    """Corners from bounds of four vertices, if there are any, and which cells they are right for.

    Files have the vertices either way around; the right one is where neighbours share theirs.
    """
    from cf_xarray.helpers import bounds_to_vertices

    pairs = [_vertices(coord, data, what) for coord in (lat, lon)]
    if pairs[0] is None or pairs[1] is None:
        return None
    known = [pair for pair in pairs if pair is not None]
    four = sphere(known[0].values, known[1].values)
    width = np.linalg.norm(four[..., 2, :] - four[..., 0, :], axis=-1)
    best = None
    for order in ("counterclockwise", "clockwise"):
        corners = [bounds_to_vertices(p, p.dims[-1], order=order).values for p in known]
        at = sphere(*corners)
        turn = (at[:-1, :-1], at[:-1, 1:], at[1:, 1:], at[1:, :-1])
        turn = turn if order == "counterclockwise" else (turn[0], *turn[:0:-1])
        off = np.linalg.norm(np.stack(turn, -2) - four, axis=-1).max(-1)
        whole: Booleans = off <= 0.05 * width
        if best is None or whole.sum() > best[2].sum():
            best = corners[0].clip(-90, 90), corners[1], whole
    assert best is not None
    if best[2].mean() < 0.5:
        names = [coord.attrs["bounds"] for coord in (lat, lon)]
        raise InputError(
            f"{what}: bounds {names} are not shared by neighbours, expected vertices in turn "
            f"around each cell; drop them: ds.drop_vars({names})"
        )
    return best


def _untorn(lat: Floats, lon: Floats) -> Booleans:
    """Cells that lie by their neighbours: some ocean grids have a sea cut out and put elsewhere."""
    points = sphere(lat, lon)
    whole = np.ones(lat.shape, bool)
    for axis in (0, 1):
        steps = np.linalg.norm(np.diff(points, axis=axis), axis=-1)
        sides = [(1, 1) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(steps, sides, mode="edge")
        before, after = (np.take(padded, range(k, k + steps.shape[axis]), axis) for k in (0, 2))
        gap = np.pad(steps > 5 * np.maximum(before, after), sides)
        for k in (0, 1):
            whole &= ~np.take(gap, range(k, k + lat.shape[axis]), axis)
    # Corners are made of four cells.
    rim = np.pad(whole, 1, constant_values=True)
    around = [rim[i : i + lat.shape[0], j : j + lat.shape[1]] for i in range(3) for j in range(3)]
    found: Booleans = np.logical_and.reduce(around)
    return found


def _vertices(
    coord: xr.DataArray, data: xr.Dataset | xr.DataArray, what: str
) -> xr.DataArray | None:
    """Bounds of a coordinate, shape (rows, columns, 4)."""
    known = {**getattr(data, "data_vars", {}), **data.coords}
    called = coord.attrs.get("bounds")
    if called not in known:
        return None
    bounds: xr.DataArray = known[called].compute()
    vertex = [dim for dim in bounds.dims if dim not in coord.dims]
    fits = bounds.ndim == 3 and len(vertex) == 1 and bounds.sizes[vertex[0]] == 4
    if not fits or not bounds.notnull().all():
        raise InputError(
            f"{what}: bounds {called!r} have shape {bounds.shape}, expected four vertices of "
            f"{coord.shape} cells and no missing values; drop them: ds.drop_vars({called!r})"
        )
    return bounds.transpose(*coord.dims, *vertex).astype(np.float64)


def _halfway(lat: Floats, lon: Floats, around: bool) -> tuple[Floats, Floats]:
    """Corners in the middle of four centres, on the sphere; the rim is carried on straight."""
    points = sphere(lat, lon)
    sides = {"mode": "wrap"} if around else {"mode": "reflect", "reflect_type": "odd"}
    points = np.pad(points, ((0, 0), (1, 1), (0, 0)), **sides)  # type: ignore[call-overload]
    points = np.pad(points, ((1, 1), (0, 0), (0, 0)), mode="reflect", reflect_type="odd")
    middle = points[:-1, :-1] + points[:-1, 1:] + points[1:, :-1] + points[1:, 1:]
    x, y, z = np.moveaxis(middle, -1, 0)
    return np.rad2deg(np.arctan2(z, np.hypot(x, y))), np.rad2deg(np.arctan2(y, x))


def sphere(lat: Floats, lon: Floats) -> Floats:
    """Points on the unit sphere, shape (..., 3)."""
    lat, lon = np.broadcast_arrays(np.deg2rad(lat), np.deg2rad(lon))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def _around(lat: Floats, lon: Floats) -> bool:
    """Whether the last column is the first one's neighbour in most rows, and not the same."""
    if lat.shape[1] < 3:
        return False
    points = sphere(lat, lon)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    gap = np.linalg.norm(points[:, 0] - points[:, -1], axis=-1)
    near = (gap < 1.5 * steps.max(1)) & (gap > 0.5 * np.median(steps, 1))
    return bool(np.median(near) == 1)


def rotated_axes(
    array: xr.Dataset | xr.DataArray, data: xr.Dataset | xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray, dict[str, float]] | None:
    """The axes and the pole of a grid with a rotated pole, if it has one (CF 5.6)."""
    named = {str(c.attrs.get("standard_name")): c for c in array.coords.values() if c.ndim == 1}
    axes = named.get("grid_latitude"), named.get("grid_longitude")
    known = {**getattr(data, "variables", {}), **data.coords}
    poles = [v.attrs for v in known.values() if v.attrs.get("grid_mapping_name") == ROTATED]
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
    """A grid that is regular about another pole, at its true latitudes and longitudes."""
    from xai4land.grids.axis import Axis
    from xai4land.grids.cells import cell_edges
    from xai4land.grids.grid import Grid

    names = str(rows.name), str(columns.name)
    values = rows.values.astype(np.float64), columns.values.astype(np.float64)
    for name, axis in zip(names, values, strict=True):
        steps = np.diff(axis)
        if axis.size < 2 or not ((steps > 0).all() or (steps < 0).all()):
            raise InputError(f"{what}: {name!r} is not sorted; run ds.sortby({name!r})")
    pairs = cell_edges(Grid(Axis(values[0]), Axis(values[1]), names), data)
    corners = [_joined(pair, axis) for pair, axis in zip(pairs, values, strict=True)]
    centres = _unrotated(*values, pole)
    vertices = _unrotated(corners[0], corners[1], pole)
    whole = np.ones(centres[0].shape, bool)
    return Curvilinear(names, ("lat", "lon"), *centres, *vertices, whole, _around(*centres))


def _joined(pairs: Floats, axis: Floats) -> Floats:
    """Edges of neighbours as one row of corners, in the order of the axis."""
    upward = axis[-1] > axis[0]
    low, high = pairs.T if upward else pairs.T[::-1]
    return np.append(low, high[-1])


def _unrotated(rows: Floats, columns: Floats, pole: dict[str, float]) -> tuple[Floats, Floats]:
    """True places of rows and columns that count from a rotated pole (CF appendix F)."""
    lat, lon = np.meshgrid(rows, columns, indexing="ij")
    turn = np.deg2rad(lon - float(pole.get("north_pole_grid_longitude", 0.0)))
    tilt, height = np.deg2rad(float(pole["grid_north_pole_latitude"])), np.deg2rad(lat)
    x = np.sin(height) * np.cos(tilt) - np.cos(height) * np.cos(turn) * np.sin(tilt)
    y = -np.cos(height) * np.sin(turn)
    z = np.sin(height) * np.sin(tilt) + np.cos(height) * np.cos(turn) * np.cos(tilt)
    east = np.rad2deg(np.arctan2(y, x)) + float(pole["grid_north_pole_longitude"])
    return np.rad2deg(np.arcsin(z.clip(-1, 1))), (east + 180) % 360 - 180
