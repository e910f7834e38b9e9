"""Find the nearest cells of any grid to the centres of another.

It needs no engine: xarray-regrid would take values from the rows of means that it adds at the
poles, and ESMF takes minutes for what a tree does in seconds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from xai4land.grids.axis import Axis
from xai4land.regridding.curvilinear import to_xyz
from xai4land.regridding.grids import Curvilinear, Horizontal, Regular
from xai4land.regridding.operators import Lookup
from xai4land.regridding.weights import get_or_make
from xai4land.typing import Booleans, Floats, Ints

__all__ = ["find_nearest"]


def find_nearest(source: Horizontal, target: Horizontal) -> Lookup:
    """Find the nearest cell to each target centre; none beyond the source's cells."""

    def make() -> Lookup:
        if isinstance(source, Regular):
            return Lookup(_nearest_on_axes(source, target))
        return Lookup(_nearest_on_sphere(source, target))

    return get_or_make(("nearest", source.digest, target.digest), make)


def _nearest_on_axes(source: Regular, target: Horizontal) -> Ints:
    """Find nearest rows and columns; of two as near, the northern and the eastern."""
    lat, lon = target.centres
    rows = _nearest_index(source.grid.lat, lat, None)
    columns = _nearest_index(source.grid.lon, lon, 360.0)
    cells = rows * source.shape[1] + columns
    lookup: Ints = np.where(_in_source_cells(source, target), cells, -1)
    return lookup


def _nearest_index(axis: Axis, points: Floats, period: float | None) -> Ints:
    """Find the index of the nearest centre on one axis."""
    values, count = axis.values, np.arange(len(axis))
    if period is not None:
        points = values[0] + (points - values[0]) % period
        # The first cell follows the last one.
        values, count = np.append(values, values[0] + period), np.append(count, 0)
    order = np.argsort(values)
    index = pd.Index(values[order].round(9))
    at = index.get_indexer(pd.Index(points.ravel().round(9)), method="nearest")
    nearest: Ints = count[order][at].reshape(points.shape)
    return nearest


def _in_source_cells(source: Regular, target: Horizontal) -> Booleans:
    """Tell which centres lie in the source's cells."""
    lat, lon = (centres.round(9) for centres in target.centres)
    south, north = source.rows.min().round(9), source.rows.max().round(9)
    west, east = source.columns.min().round(9), source.columns.max().round(9)
    inside = (lon - west) % 360 <= east - west
    within: Booleans = inside & (lat >= south) & (lat <= north)
    return within


def _nearest_on_sphere(source: Curvilinear, target: Horizontal) -> Ints:
    """Find nearest cells on the sphere, if no farther than a cell's farthest corner."""
    from scipy.spatial import KDTree

    centres = to_xyz(source.lat, source.lon)
    vertices = to_xyz(source.lat_corners, source.lon_corners)
    corners = vertices[:-1, :-1], vertices[:-1, 1:], vertices[1:, :-1], vertices[1:, 1:]
    radius = np.max([np.linalg.norm(p - centres, axis=-1) for p in corners], axis=0).ravel()
    distance, cells = KDTree(centres.reshape(-1, 3)).query(to_xyz(*target.centres).reshape(-1, 3))
    lookup: Ints = np.where(distance <= radius[cells] * (1 + 1e-9), cells, -1)
    return lookup.reshape(target.shape)
