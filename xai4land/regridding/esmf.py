"""The engine xESMF: weights of ESMF, between regular and curvilinear grids."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.regridding.grids import Curvilinear, Horizontal, Regular
from xai4land.regridding.interpolation import reached
from xai4land.regridding.operators import Sparse
from xai4land.regridding.weights import Weights, kept
from xai4land.typing import Floats, Ints

__all__ = ["esmf_operator"]

METHODS = {"overlap": "conservative", "bilinear": "bilinear"}


def esmf_operator(kind: str, source: Horizontal, target: Horizontal) -> Sparse:
    """An operator from weights that are kept on disk.

    Raises
    ------
    InputError
        If ESMF cannot use a grid: bounds with gaps, or fewer than 2 x 2 cells.
    """
    contents = kind, source.digest, target.digest, version("esmpy"), version("xesmf")
    weights = kept(contents, lambda: _weights(kind, source, target))
    return Sparse(weights, target.shape)


def _weights(kind: str, source: Horizontal, target: Horizontal) -> Weights:
    """What ESMF says, less what it carries on beyond the source or over a tear in a grid."""
    rows, columns, values = _esmf(kind, source, target)
    sizes = int(np.prod(target.shape)), int(np.prod(source.shape))
    if isinstance(source, Curvilinear) and kind == "bilinear":
        columns = _unwrapped(columns, source)
    inside = np.ones(rows.shape, bool)
    if isinstance(source, Curvilinear):
        inside &= source.whole.ravel()[columns]
        if kind == "bilinear":  # between centres on both sides of a tear is nothing
            inside &= ~np.isin(rows, rows[~inside])
    elif kind == "bilinear":
        inside &= reached(source, target).ravel()[rows]
    if isinstance(target, Curvilinear) and kind == "overlap":
        inside &= target.whole.ravel()[rows]
    return Weights(rows[inside], columns[inside], values[inside], sizes)


def _esmf(kind: str, source: Horizontal, target: Horizontal) -> tuple[Ints, Ints, Floats]:
    """Target cells, source cells and weights."""
    import xesmf

    method, corners = METHODS[kind], kind == "overlap"
    around = isinstance(source, Regular) and source.grid.lon.periodic and kind == "bilinear"
    grids = _dataset(source, corners, wrap=kind == "bilinear"), _dataset(target, corners)
    try:
        found = xesmf.Regridder(*grids, method, periodic=around, ignore_degenerate=True)
    except ValueError as error:
        raise InputError(
            f"ESMF makes no weights for these grids ({error}); look at their coordinates and "
            "bounds, or drop the bounds"
        ) from error
    matrix = found.weights.data
    rows, columns = (np.asarray(axis, np.int64) for axis in matrix.coords)
    return rows, columns, np.asarray(matrix.data, np.float64)


def _dataset(cells: Horizontal, corners: bool, wrap: bool = False) -> xr.Dataset:
    """A grid as xESMF takes it."""
    if isinstance(cells, Regular):
        made = xr.Dataset({"lat": ("lat", cells.grid.lat.values)})
        made = made.assign_coords(lon=("lon", cells.grid.lon.values))
        if corners:
            for name, pairs in (("lat", cells.rows), ("lon", cells.columns)):
                made[f"{name}_b"] = (f"{name}_b", _touching(pairs, made[name].values, name))
        return made
    lat, lon = cells.lat, cells.lon
    if wrap and cells.around:
        # ESMF's periodic grids end in a pole at either side; this one may not.
        lat, lon = (np.concatenate([c, c[:, :1]], 1) for c in (lat, lon))
    made = xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})
    if corners:
        made["lat_b"] = (("y_b", "x_b"), cells.lat_corners)
        made["lon_b"] = (("y_b", "x_b"), cells.lon_corners)
    return made


def _touching(pairs: Floats, centres: Floats, name: str) -> Floats:
    """Edges of cells that touch one another, as one row in the order of the centres."""
    low, high = pairs.T if centres[-1] >= centres[0] else pairs.T[::-1]
    if not np.allclose(low[1:], high[:-1], rtol=0, atol=1e-3 * np.abs(high - low).min()):
        raise InputError(
            f"bounds of {name!r} leave gaps between cells, which engine='xesmf' cannot do; use "
            "engine='xarray-regrid'"
        )
    return np.append(low, high[-1])


def _unwrapped(columns: Ints, source: Curvilinear) -> Ints:
    """Cells of the column that was added, as those of the first."""
    if not source.around:
        return columns
    width = source.shape[1]
    row, column = np.divmod(columns, width + 1)
    found: Ints = row * width + column % width
    return found
