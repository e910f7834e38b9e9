"""Bilinear interpolation between regular grids, by xarray-regrid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from xai4land.regridding.grids import Horizontal, Regular
from xai4land.typing import Booleans, Floats

__all__ = ["Bilinear", "interpolation_mask"]


@dataclass(frozen=True, eq=False)
class Bilinear:
    """Interpolation by xarray-regrid, as an operator."""

    source: Regular
    target: Regular

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the target."""
        return self.target.shape

    def __call__(self, values: Floats) -> Floats:
        """Interpolate linearly along both axes; toward a pole, to the mean of the last row."""
        from xarray_regrid import Regridder

        field = xr.DataArray(values, _coords(self.source), ("layer", "lat", "lon"))
        result = Regridder(field).linear(xr.Dataset(coords=_coords(self.target)))
        filled = np.nan_to_num(result.transpose("layer", "lat", "lon").to_numpy())
        return np.where(interpolation_mask(self.source, self.target), filled, 0.0)


def _coords(cells: Regular) -> dict[str, Floats]:
    """Return coordinates under the names that xarray-regrid expects."""
    return {"lat": cells.grid.lat.values, "lon": cells.grid.lon.values}


def interpolation_mask(source: Regular, target: Horizontal) -> Booleans:
    """Tell which centres lie between the source's, or between its last row and a pole."""
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
    mask: Booleans = inside & (lat >= south) & (lat <= north)
    return mask
