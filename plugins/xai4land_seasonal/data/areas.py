"""Means over areas: the globe and regions."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas, cell_edges, overlap_matrix
from xai4land.grids.grid import Grid
from xai4land_seasonal.data.regions import Region, find_region

__all__ = ["area_mean", "covers", "region_mean", "region_weights"]


def area_mean(data: xr.DataArray, weights: xr.DataArray | None = None) -> xr.DataArray:
    """Compute the mean over a grid, weighted by the area of the valid cells.

    Parameters
    ----------
    data : DataArray, shape (..., rows, columns)
    weights : DataArray, optional
        By default :func:`xai4land.grids.cells.cell_areas`.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> float(area_mean(xr.ones_like(planet.urban).isel(time=0)))
    1.0
    """
    grid = Grid.of(data)
    if weights is None:
        weights = cell_areas(grid, data)
    weights = weights.rename(dict(zip(weights.dims, grid.names, strict=True)))
    weights = weights.assign_coords({name: data[name] for name in grid.names})
    return data.weighted(weights).mean(grid.names)


def covers(data: xr.DataArray | xr.Dataset, region: str | Region) -> bool:
    """Return whether a grid covers most of a region.

    Examples
    --------
    >>> import xai4land
    >>> tas = xai4land.sample("climate", years=[2000]).tas
    >>> covers(tas, "europe"), covers(tas.sel(lon=slice(-180, 0)), "europe")
    (True, False)
    """
    south, north, west, east = find_region(region)
    height = np.diff(np.sin(np.deg2rad([south, north])))[0]
    return bool(_shared_areas(data, region).sum() > 0.5 * height * (east - west))


def region_weights(data: xr.DataArray | xr.Dataset, region: str | Region) -> xr.DataArray:
    """Compute the area that each cell shares with a region, however small that is.

    Raises
    ------
    InputError
        If the region is unknown, or lies outside the grid.
    """
    weights = _shared_areas(data, region)
    if not weights.any():
        raise InputError(f"region {region!r} lies outside the grid")
    return weights


def _shared_areas(data: xr.DataArray | xr.Dataset, region: str | Region) -> xr.DataArray:
    """Return sine of latitude times degrees of longitude that each cell and a region share."""
    south, north, west, east = find_region(region)
    grid = Grid.of(data)
    rows, columns = cell_edges(grid, data)
    sines = np.sin(np.deg2rad(rows)), np.sin(np.deg2rad([[south, north]]))
    height = overlap_matrix(*sines).toarray()[0]
    width = overlap_matrix(columns, np.array([[west, east]]), 360.0).toarray()[0]
    weights = height[:, None] * width
    return xr.DataArray(weights, {n: data[n] for n in grid.names}, grid.names)


def region_mean(data: xr.DataArray, region: str | Region) -> xr.DataArray:
    """Compute the mean over a region.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> lat = xr.zeros_like(planet.urban).isel(time=0) + planet.lat
    >>> round(float(region_mean(lat, "nino34")), 6)
    0.0
    """
    return area_mean(data, region_weights(data, region))
