"""The nearest cell of any grid to the centres of another.

No engine is needed for it. Of what there is: xarray-regrid puts a row of means on each pole and
takes from it; ESMF takes minutes for what a tree does in seconds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from xai4land.grids.axis import Axis
from xai4land.regridding.curvilinear import sphere
from xai4land.regridding.grids import Curvilinear, Horizontal, Regular
from xai4land.regridding.operators import Lookup
from xai4land.regridding.weights import remembered
from xai4land.typing import Floats, Ints

__all__ = ["nearest"]


def nearest(source: Horizontal, target: Horizontal) -> Lookup:
    """The cell that each target centre takes; none beyond the source's cells."""

    def make() -> Lookup:
        if isinstance(source, Regular):
            return Lookup(_axes(source, target))
        return Lookup(_tree(source, target))

    return remembered(("nearest", source.digest, target.digest), make)


def _axes(source: Regular, target: Horizontal) -> Ints:
    """Nearest row and nearest column; of two as near, the northern and the eastern."""
    lat, lon = target.centres
    rows = _nearest(source.grid.lat, lat, None)
    columns = _nearest(source.grid.lon, lon, 360.0)
    found: Ints = np.where(_within(source, target), rows * source.shape[1] + columns, -1)
    return found


def _nearest(axis: Axis, points: Floats, period: float | None) -> Ints:
    values, count = axis.values, np.arange(len(axis))
    if period is not None:
        points = values[0] + (points - values[0]) % period
        # The first cell comes again after the last.
        values, count = np.append(values, values[0] + period), np.append(count, 0)
    order = np.argsort(values)
    index = pd.Index(values[order].round(9))
    at = index.get_indexer(pd.Index(points.ravel().round(9)), method="nearest")
    found: Ints = count[order][at].reshape(points.shape)
    return found


def _within(source: Regular, target: Horizontal) -> npt.NDArray[np.bool_]:
    """Which centres lie in the source's cells."""
    lat, lon = (centres.round(9) for centres in target.centres)
    south, north = source.rows.min().round(9), source.rows.max().round(9)
    west, east = source.columns.min().round(9), source.columns.max().round(9)
    inside = (lon - west) % 360 <= east - west
    found: npt.NDArray[np.bool_] = inside & (lat >= south) & (lat <= north)
    return found


def _tree(source: Curvilinear, target: Horizontal) -> Ints:
    """Nearest on the sphere, if no farther than that cell's farthest corner."""
    from scipy.spatial import KDTree

    centres = sphere(source.lat, source.lon)
    points = sphere(source.lat_corners, source.lon_corners)
    four = points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:]
    reach = np.max([np.linalg.norm(p - centres, axis=-1) for p in four], axis=0).ravel()
    apart, cells = KDTree(centres.reshape(-1, 3)).query(sphere(*target.centres).reshape(-1, 3))
    found: Ints = np.where(apart <= reach[cells] * (1 + 1e-9), cells, -1)
    return found.reshape(target.shape)
