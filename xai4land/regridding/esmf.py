"""The engine xESMF: weights by ESMF, between regular and curvilinear grids."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.regridding.grids import Curvilinear, Horizontal, Regular
from xai4land.regridding.interpolation import interpolation_mask
from xai4land.regridding.operators import Sparse
from xai4land.regridding.weights import Weights, load_or_make
from xai4land.typing import Floats, Ints

__all__ = ["make_esmf_operator"]

METHODS = {"overlap": "conservative", "bilinear": "bilinear"}


def make_esmf_operator(kind: str, source: Horizontal, target: Horizontal) -> Sparse:
    """Make an operator from weights that are kept on disk.

    Raises
    ------
    InputError
        If ESMF cannot use a grid: bounds with gaps, or fewer than 2 x 2 cells.
    """
    contents = kind, source.digest, target.digest, version("esmpy"), version("xesmf")
    weights = load_or_make(contents, lambda: _make_weights(kind, source, target))
    return Sparse(weights, target.shape)


def _make_weights(kind: str, source: Horizontal, target: Horizontal) -> Weights:
    """Make ESMF's weights, without those beyond the source or across a gap in a grid."""
    rows, columns, values = _call_esmf(kind, source, target)
    sizes = int(np.prod(target.shape)), int(np.prod(source.shape))
    if isinstance(source, Curvilinear) and kind == "bilinear":
        columns = _drop_added_column(columns, source)
    inside = np.ones(rows.shape, bool)
    if isinstance(source, Curvilinear):
        inside &= source.connected.ravel()[columns]
        if kind == "bilinear":  # no interpolation between the two sides of a gap
            inside &= ~np.isin(rows, rows[~inside])
    elif kind == "bilinear":
        inside &= interpolation_mask(source, target).ravel()[rows]
    if isinstance(target, Curvilinear) and kind == "overlap":
        inside &= target.connected.ravel()[rows]
    return Weights(rows[inside], columns[inside], values[inside], sizes)


def _call_esmf(kind: str, source: Horizontal, target: Horizontal) -> tuple[Ints, Ints, Floats]:
    """Let ESMF compute target cells, source cells and weights."""
    import xesmf

    method, corners = METHODS[kind], kind == "overlap"
    periodic = isinstance(source, Regular) and source.grid.lon.periodic and kind == "bilinear"
    grids = _to_dataset(source, corners, wrap=kind == "bilinear"), _to_dataset(target, corners)
    try:
        regridder = xesmf.Regridder(*grids, method, periodic=periodic, ignore_degenerate=True)
    except ValueError as error:
        raise InputError(
            f"ESMF makes no weights for these grids ({error}); check their coordinates and "
            "bounds, or drop the bounds"
        ) from error
    matrix = regridder.weights.data
    rows, columns = (np.asarray(axis, np.int64) for axis in matrix.coords)
    return rows, columns, np.asarray(matrix.data, np.float64)


def _to_dataset(cells: Horizontal, corners: bool, wrap: bool = False) -> xr.Dataset:
    """Make the dataset that xESMF reads a grid from."""
    if isinstance(cells, Regular):
        dataset = xr.Dataset({"lat": ("lat", cells.grid.lat.values)})
        dataset = dataset.assign_coords(lon=("lon", cells.grid.lon.values))
        if corners:
            for name, pairs in (("lat", cells.rows), ("lon", cells.columns)):
                dataset[f"{name}_b"] = (f"{name}_b", _join_edges(pairs, dataset[name].values, name))
        return dataset
    lat, lon = cells.lat, cells.lon
    if wrap and cells.periodic:
        # ESMF closes periodic grids with poles, which this one may not have: repeat a column.
        lat, lon = (np.concatenate([c, c[:, :1]], 1) for c in (lat, lon))
    dataset = xr.Dataset(coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)})
    if corners:
        dataset["lat_b"] = (("y_b", "x_b"), cells.lat_corners)
        dataset["lon_b"] = (("y_b", "x_b"), cells.lon_corners)
    return dataset


def _join_edges(pairs: Floats, centres: Floats, name: str) -> Floats:
    """Join the edges of adjacent cells to one array, in the order of the centres."""
    low, high = pairs.T if centres[-1] >= centres[0] else pairs.T[::-1]
    if not np.allclose(low[1:], high[:-1], rtol=0, atol=1e-3 * np.abs(high - low).min()):
        raise InputError(
            f"bounds of {name!r} leave gaps between cells, which engine='xesmf' cannot do; use "
            "engine='xarray-regrid'"
        )
    return np.append(low, high[-1])


def _drop_added_column(columns: Ints, source: Curvilinear) -> Ints:
    """Count cells as if the repeated column were the first one."""
    if not source.periodic:
        return columns
    width = source.shape[1]
    row, column = np.divmod(columns, width + 1)
    cells: Ints = row * width + column % width
    return cells
