"""Interpolation between the centres of regular grids: bilinear by xarray-regrid, and nearest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from xai4land.axis import Axis, Floats, Ints
from xai4land.regridding.grids import Horizontal, Regular
from xai4land.regridding.operators import Lookup

__all__ = ["Bilinear", "nearest", "reached", "within"]


@dataclass(frozen=True, eq=False)
class Bilinear:
    """What xarray-regrid interpolates, as an operator."""

    source: Regular
    target: Regular

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the target."""
        return self.target.shape

    def __call__(self, values: Floats) -> Floats:
        """Linear along both axes; beyond the last row toward a pole, to the mean of that row."""
        from xarray_regrid import Regridder

        field = xr.DataArray(values, _axes(self.source), ("layer", "lat", "lon"))
        made = Regridder(field).linear(xr.Dataset(coords=_axes(self.target)))
        found = np.nan_to_num(made.transpose("layer", "lat", "lon").to_numpy())
        return np.where(reached(self.source, self.target), found, 0.0)


def _axes(cells: Regular) -> dict[str, Floats]:
    """Coordinates under the names that xarray-regrid knows."""
    return {"lat": cells.grid.lat.values, "lon": cells.grid.lon.values}


def reached(source: Regular, target: Horizontal) -> npt.NDArray[np.bool_]:
    """Which centres lie between the source's centres, or between its last row and a pole."""
    lat, lon = (centres.round(9) for centres in target.centres)
    axis = source.grid.lat.values
    south, north = axis.min().round(9), axis.max().round(9)
    if source.grid.lon.periodic:
        step = np.abs(np.diff(axis)).max()
        south, north = -90 if south + 90 <= step else south, 90 if 90 - north <= step else north
        inside = np.ones(lat.shape, bool)
    else:
        first, last = source.grid.lon.values[[0, -1]].round(9)
        inside = (lon - first) % 360 <= last - first
    found: npt.NDArray[np.bool_] = inside & (lat >= south) & (lat <= north)
    return found


def within(source: Regular, target: Horizontal) -> npt.NDArray[np.bool_]:
    """Which centres lie in the source's cells."""
    lat, lon = (centres.round(9) for centres in target.centres)
    south, north = source.rows.min().round(9), source.rows.max().round(9)
    west, east = source.columns.min().round(9), source.columns.max().round(9)
    inside = (lon - west) % 360 <= east - west
    found: npt.NDArray[np.bool_] = inside & (lat >= south) & (lat <= north)
    return found


def nearest(source: Regular, target: Regular) -> Lookup:
    """The nearest row and the nearest column; of two as near, the northern and the eastern.

    xarray-regrid is of no use here: it puts a row of means on each pole and would take from it.
    """
    rows = _nearest(source.grid.lat, target.grid.lat.values, None)
    columns = _nearest(source.grid.lon, target.grid.lon.values, 360.0)
    cells = rows[:, None] * source.shape[1] + columns
    return Lookup(np.where(within(source, target), cells, -1))


def _nearest(axis: Axis, points: Floats, period: float | None) -> Ints:
    values, count = axis.values, np.arange(len(axis))
    if period is not None:
        points = values[0] + (points - values[0]) % period
        # The first cell comes again after the last.
        values, count = np.append(values, values[0] + period), np.append(count, 0)
    order = np.argsort(values)
    index = pd.Index(values[order].round(9))
    found: Ints = count[order][index.get_indexer(pd.Index(points.round(9)), method="nearest")]
    return found
