"""Read grids on the x and y of a map projection, and make their area means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.coordinates import is_projected
from xai4land.regridding.curvilinear import to_xyz
from xai4land.regridding.grids import Curvilinear, Regular
from xai4land.regridding.operators import Sparse
from xai4land.regridding.weights import Weights
from xai4land.typing import Floats

__all__ = ["Projected", "find_projected", "make_projected_operator", "read_projected"]

Data = xr.Dataset | xr.DataArray
CRS_ATTRS = ("crs_wkt", "spatial_ref", "grid_mapping_name")
POINTS_ACROSS_TARGET = 8
"""Points across a target cell, at least, that decide which part of a source cell lies in it."""
MIN_POINTS, MAX_POINTS = 4, 64
"""Points across a source cell."""
MAX_POINTS_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class Projected(Curvilinear):
    """Cells between lines of equal x and of equal y of a map projection.

    Attributes
    ----------
    x, y : ndarray
        Edges of the columns and of the rows, one more than there are cells.
    crs : str
        The coordinate reference system, as WKT.
    """

    x: Floats
    y: Floats
    crs: str


def find_projected(array: Data, data: Data) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Find the coordinates y and x of a map projection; None if there are none."""
    if not is_projected(array):
        return None
    found = []
    for letter in ("y", "x"):
        named = [
            coord
            for name, coord in array.coords.items()
            if coord.dims == (name,)
            and coord.attrs.get("standard_name", f"projection_{name}_coordinate")
            == f"projection_{letter}_coordinate"
        ]
        if len(named) != 1:
            return None
        found.append(named[0])
    return found[0], found[1]


def read_projected(
    y: xr.DataArray, x: xr.DataArray, array: Data, data: Data, what: str
) -> Projected:
    """Read a grid that is regular in x and y, in geographic coordinates.

    Raises
    ------
    InputError
        If pyproj is not installed, the projection is unknown, or axes are not sorted or reach
        beyond the projection.
    """
    try:
        import pyproj
    except ImportError:
        raise InputError(
            f"{what} is on a map projection, which needs pyproj; run: pip install pyproj "
            "(part of xai4land[projected])"
        ) from None
    crs = _find_crs(array, data, what)
    edges = [_edges(coord, data, what) for coord in (y, x)]
    to_globe = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    corners = to_globe.transform(*np.meshgrid(edges[1], edges[0]))[::-1]
    centres = to_globe.transform(*np.meshgrid(x.values, y.values))[::-1]
    if not all(np.isfinite(part).all() for part in (*corners, *centres)):
        raise InputError(
            f"{what}: some cells lie beyond the projection; select the part that lies on "
            f"the globe: ds.isel({x.name}=slice(...), {y.name}=slice(...))"
        )
    connected = np.ones(centres[0].shape, bool)
    names = str(y.name), str(x.name)
    return Projected(
        names,
        ("lat", "lon"),
        *centres,
        *corners,
        connected,
        False,
        edges[1],
        edges[0],
        crs.to_wkt(),
    )


def _find_crs(array: Data, data: Data, what: str) -> Any:
    """Return the coordinate reference system that CF's grid mapping or GDAL's attributes give."""
    import pyproj
    from pyproj.exceptions import CRSError

    variables = {**getattr(data, "variables", {}), **data.coords, **array.coords}
    places = [array.attrs, array.encoding] if isinstance(array, xr.DataArray) else []
    named = [str(place.get("grid_mapping", "")).split(":")[0] for place in places]
    known = [n for n, v in variables.items() if v.ndim == 0 and set(CRS_ATTRS) & set(v.attrs)]
    name = next((n for n in [*named, *(known if len(known) == 1 else [])] if n in variables), None)
    if name is not None:
        attrs = dict(variables[name].attrs)
        wkt = attrs.get("crs_wkt") or attrs.get("spatial_ref")
        try:
            return pyproj.CRS.from_wkt(wkt) if wkt else pyproj.CRS.from_cf(attrs)
        except (CRSError, KeyError) as error:
            raise InputError(
                f"{what}: {name!r} is no projection that pyproj knows ({error}); correct it"
            ) from None
    raise InputError(
        f"{what} is on a map projection, and nothing says which; give it, as in "
        "ds.assign_coords(crs=((), 0, pyproj.CRS(3035).to_cf()))"
    )


def _edges(coord: xr.DataArray, data: Data, what: str) -> Floats:
    """Return the edges of cells along an axis, in its order."""
    values = coord.values.astype(np.float64)
    steps = np.diff(values)
    if values.size < 2 or not ((steps > 0).all() or (steps < 0).all()):
        raise InputError(f"{what}: {coord.name!r} is not sorted; run ds.sortby({coord.name!r})")
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def make_projected_operator(source: Projected, target: Regular) -> Sparse:
    """Make the operator of area means from a projected grid to a regular one.

    Each source cell is divided into equal parts in x and y, fine enough for the target, and each
    part's area counts where its centre lies. The grid is continued beyond its edges, so that the
    covered part of a target cell is a ratio of such sums, and one where it is covered wholly.
    """
    import pyproj
    from scipy.sparse import coo_array

    to_globe = pyproj.Transformer.from_crs(pyproj.CRS.from_wkt(source.crs), 4326, always_xy=True)
    beyond = _cells_beyond(source, target)
    y, x = (_continue(edges, beyond) for edges in (source.y, source.x))
    areas = _areas(*to_globe.transform(*np.meshgrid(x, y))[::-1])
    count = _points_across(source, target)
    offsets = (np.arange(count) + 0.5) / count
    x_points = (x[:-1, None] + np.diff(x)[:, None] * offsets).ravel()
    y_points = y[:-1, None] + np.diff(y)[:, None] * offsets
    (height, width), size = source.shape, int(np.prod(target.shape))
    column = np.arange(x_points.size) // count - beyond
    rows_at_once = max(1, MAX_POINTS_AT_ONCE // (count * x_points.size))
    covered, whole = coo_array((size, height * width)).tocsr(), np.zeros(size)
    for first in range(0, len(y_points), rows_at_once):
        part = y_points[first : first + rows_at_once].ravel()
        lon, lat = to_globe.transform(*np.meshgrid(x_points, part))
        cell = _target_cells(lat, lon, target)
        row = (first + np.arange(part.size) // count)[:, None] - beyond
        weight = np.repeat(areas[row[:, 0] + beyond], count, axis=1)
        found = (cell >= 0) & (weight > 0)
        whole += np.bincount(cell[found], weight[found], size)
        found &= (row >= 0) & (row < height) & (column >= 0) & (column < width)
        own = (row * width + column)[found]
        covered += coo_array((weight[found], (cell[found], own)), shape=covered.shape).tocsr()
    made = covered.tocoo()
    rows, columns = made.row.astype(np.int64), made.col.astype(np.int64)
    return Sparse(Weights(rows, columns, made.data / whole[rows], covered.shape), target.shape)


def _cells_beyond(source: Projected, target: Regular) -> int:
    """Return how many cells a target cell may reach beyond the edges of the source."""
    largest = np.deg2rad(max(np.diff(e).max() for e in (target.rows, target.columns)))
    return int(np.clip(np.ceil(largest / _sides(source).min()), 1, 2 * max(source.shape)))


def _continue(edges: Floats, count: int) -> Floats:
    """Continue edges by some cells on both sides."""
    steps = np.arange(1, count + 1)
    before = edges[0] - steps[::-1] * (edges[1] - edges[0])
    return np.concatenate([before, edges, edges[-1] + steps * (edges[-1] - edges[-2])])


def _sides(source: Projected) -> Floats:
    """Return lengths of the sides of the source's cells on the unit sphere."""
    points = to_xyz(source.lat_corners, source.lon_corners)
    found = [np.linalg.norm(np.diff(points, axis=k), axis=-1).ravel() for k in (0, 1)]
    return np.concatenate(found)


def _points_across(source: Projected, target: Regular) -> int:
    """Return into how many parts a side of a source cell is divided."""
    side = _sides(source).max()
    nearest = np.cos(np.deg2rad(np.abs(source.lat).max()))
    heights, widths = (np.deg2rad(np.diff(e)).min() for e in (target.rows, target.columns))
    narrow = min(heights, widths * max(nearest, 0.05))
    return int(np.clip(np.ceil(POINTS_ACROSS_TARGET * side / narrow), MIN_POINTS, MAX_POINTS))


def _target_cells(lat: Floats, lon: Floats, target: Regular) -> Any:
    """Return the number of the target cell that contains each point; -1 for none."""
    known = np.isfinite(lat) & np.isfinite(lon)
    west = target.columns.min()
    row = _place(np.where(known, lat, 0.0), target.rows)
    column = _place((np.where(known, lon, 0.0) - west) % 360 + west, target.columns)
    return np.where(known & (row >= 0) & (column >= 0), row * target.shape[1] + column, -1)


def _place(points: Floats, pairs: Floats) -> Any:
    """Return the interval that contains each point; -1 for none."""
    order = np.argsort(pairs[:, 0])
    at = np.searchsorted(pairs[order, 0], points, side="right") - 1
    inside = (at >= 0) & (points <= pairs[order, 1][at.clip(0)])
    return np.where(inside, order[at.clip(0)], -1)


def _areas(lat: Floats, lon: Floats) -> Floats:
    """Return areas of cells with corners on the unit sphere; 0 where these are not on it."""
    known = np.isfinite(lat) & np.isfinite(lon)
    points = to_xyz(np.where(known, lat, np.nan), np.where(known, lon, np.nan))
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]
    areas: Floats = np.nan_to_num(_triangle(a, b, c) + _triangle(a, c, d))
    return areas


def _triangle(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return the area of triangles on the unit sphere (Van Oosterom and Strackee 1983)."""
    volume = np.abs((a * np.cross(b, c)).sum(-1))
    scale = 1 + (a * b).sum(-1) + (b * c).sum(-1) + (c * a).sum(-1)
    area: Floats = 2 * np.arctan2(volume, scale)
    return area
