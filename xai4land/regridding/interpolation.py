"""Bilinear interpolation between regular grids, by xarray-regrid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.regridding.grids import Horizontal, Regular
from xai4land.typing import Floats

__all__ = ["Bilinear", "reached"]


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
        inside = np.ones(lon.shape, bool)
    else:
        first, last = source.grid.lon.values[[0, -1]].round(9)
        inside = (lon - first) % 360 <= last - first
    found: npt.NDArray[np.bool_] = inside & (lat >= south) & (lat <= north)
    return found
