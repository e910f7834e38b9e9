"""Means over areas: the globe, regions, and the boxes of indices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas, cell_edges, overlap_matrix
from xai4land.grids.grid import Grid

__all__ = [
    "REGIONS",
    "Box",
    "area_mean",
    "box_text",
    "covers",
    "find_box",
    "region_mean",
    "region_weights",
]

Box = tuple[float, float, float, float]
"""Southern, northern, western and eastern edge in degrees; east of the western one."""

REGIONS: Mapping[str, Box] = {
    "globe": (-90, 90, -180, 180),
    "tropics": (-20, 20, -180, 180),
    "northern_extratropics": (20, 90, -180, 180),
    "southern_extratropics": (-90, -20, -180, 180),
    "europe": (35, 72, -12, 45),
    "mediterranean": (30, 45, -10, 40),
    "north_america": (15, 72, -168, -52),
    "south_america": (-56, 13, -82, -34),
    "africa": (-35, 35, -18, 52),
    "asia": (5, 78, 45, 180),
    "australia": (-45, -10, 112, 155),
    "north_atlantic": (0, 60, -80, 0),
    "nino3": (-5, 5, -150, -90),
    "nino34": (-5, 5, -170, -120),
    "nino4": (-5, 5, 160, 210),
    "indian_ocean_west": (-10, 10, 50, 70),
    "indian_ocean_east": (-10, 0, 90, 110),
}
"""Niño boxes as NOAA has them, the poles of the Indian Ocean dipole as Saji et al. (1999), the
rest ours."""


def find_box(region: str | Box) -> Box:
    """The box of a region's name, or a box that was checked.

    Raises
    ------
    InputError
        If the name is unknown, or edges are out of order.
    """
    if isinstance(region, str) and region not in REGIONS:
        raise InputError(
            f"region {region!r}, expected one of {', '.join(REGIONS)}, or (south, north, west, "
            "east)"
        )
    box = REGIONS[region] if isinstance(region, str) else region
    south, north, west, east = box
    if not (-90 <= south < north <= 90 and west < east <= west + 360):
        raise InputError(f"box {box}, expected (south, north, west, east) with east beyond west")
    return box


def box_text(box: Box) -> str:
    """A box in words.

    Examples
    --------
    >>> box_text(REGIONS["nino34"])
    '-5 to 5°N, -170 to -120°E'
    """
    return "{:g} to {:g}°N, {:g} to {:g}°E".format(*box)


def area_mean(data: xr.DataArray, weights: xr.DataArray | None = None) -> xr.DataArray:
    """Mean over a grid, weighted by the area of the cells that are known.

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


def covers(data: xr.DataArray | xr.Dataset, region: str | Box) -> bool:
    """Whether a grid holds most of a region.

    Examples
    --------
    >>> import xai4land
    >>> tas = xai4land.sample("climate", years=[2000]).tas
    >>> covers(tas, "europe"), covers(tas.sel(lon=slice(-180, 0)), "europe")
    (True, False)
    """
    south, north, west, east = find_box(region)
    height = np.diff(np.sin(np.deg2rad([south, north])))[0]
    return bool(_shared(data, region).sum() > 0.5 * height * (east - west))


def region_weights(data: xr.DataArray | xr.Dataset, region: str | Box) -> xr.DataArray:
    """Area that each cell shares with a box, so that small boxes mean something on coarse grids.

    Raises
    ------
    InputError
        If the region is unknown, or lies beyond the grid.
    """
    weights = _shared(data, region)
    if not weights.any():
        raise InputError(f"region {region!r} lies beyond the grid")
    return weights


def _shared(data: xr.DataArray | xr.Dataset, region: str | Box) -> xr.DataArray:
    """Sine of latitude times degrees of longitude that cells and a box share."""
    south, north, west, east = find_box(region)
    grid = Grid.of(data)
    rows, columns = cell_edges(grid, data)
    sines = np.sin(np.deg2rad(rows)), np.sin(np.deg2rad([[south, north]]))
    height = overlap_matrix(*sines).toarray()[0]
    width = overlap_matrix(columns, np.array([[west, east]]), 360.0).toarray()[0]
    weights = height[:, None] * width
    return xr.DataArray(weights, {n: data[n] for n in grid.names}, grid.names)


def region_mean(data: xr.DataArray, region: str | Box) -> xr.DataArray:
    """Mean over a named region or a box.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> lat = xr.zeros_like(planet.urban).isel(time=0) + planet.lat
    >>> round(float(region_mean(lat, "nino34")), 6)
    0.0
    """
    return area_mean(data, region_weights(data, region))
