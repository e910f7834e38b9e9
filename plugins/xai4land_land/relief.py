"""Static features of the relief: slope, aspect and roughness, on the sphere."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.typing import Floats
from xai4land.units import convert_units
from xai4land_land.truth import drop_single

__all__ = ["EARTH_RADIUS", "terrain"]

EARTH_RADIUS = 6_371_000.0
"""Metres."""
NAMES = ("elevation", "orog", "topo", "height", "z", "dem")
STANDARD_NAMES = ("surface_altitude", "height_above_mean_sea_level", "altitude")
POLE = 1e-6
"""Degrees from a pole within which a row is on the pole itself."""
FEATURES: dict[str, tuple[str, str, dict[str, str]]] = {
    "slope": ("slope", "degree", {"standard_name": "ground_slope_angle"}),
    "aspect_cosine": ("cosine of the direction that the slope faces (1: north)", "1", {}),
    "aspect_sine": ("sine of the direction that the slope faces (1: east)", "1", {}),
    "roughness": ("largest less smallest elevation of a cell and those around it", "m", {}),
}
"""What is made: long name, units and standard name, as CF has it."""
SMOOTHING = (1.0, 2.0, 1.0)
"""Weights of a line of cells and of the two beside it (Horn 1981)."""


def terrain(data: xr.Dataset | xr.DataArray, /, elevation: str | None = None) -> xr.Dataset:
    """Compute slope, aspect and roughness from elevation; lazily where it is lazy.

    Gradients are those of Horn (1981), as ``gdaldem`` and others have them, but in metres of the
    sphere: a degree of longitude is as long as it is at the latitude of each row. Around the globe
    columns go on across the date line, and rows across the poles. Where a neighbour is missing
    (sea, the edge of the domain), the gradient is that towards the other one.

    Parameters
    ----------
    data : Dataset or DataArray
        With elevation in units of length, (rows, columns) on latitudes and longitudes, missing
        where there is none.
    elevation : str, optional
        Name of the variable. By default the only one, or the one of standard name
        ``surface_altitude`` or of a usual name.

    Returns
    -------
    Dataset
        On the grid of the elevation, missing where it is: ``slope`` in degrees; ``aspect_cosine``
        and ``aspect_sine``, of the direction that the slope faces (down), clockwise from north,
        both 0 where it is flat; ``roughness`` in metres, the largest less the smallest elevation
        of the cell and the eight around it (Wilson et al. 2007). Slope and aspect are missing in
        a row on a pole itself, where there is no direction.

    Raises
    ------
    InputError
        If there is no elevation, it has other dimensions, or its units are unknown.

    Examples
    --------
    >>> import xai4land
    >>> lat, lon = np.arange(-5, 6) / 10, np.arange(-5, 6) / 10
    >>> metres = EARTH_RADIUS * np.deg2rad(lat)
    >>> rising = xr.DataArray(0.01 * metres[:, None] + 0 * lon, {"lat": lat, "lon": lon},
    ...                       ("lat", "lon"), "elevation", {"units": "m"})
    >>> found = terrain(rising.to_dataset())  # one metre in a hundred, facing south
    >>> [round(float(found[name][5, 5]), 3) for name in found.data_vars]
    [0.573, -1.0, 0.0, 222.39]
    """
    height = _find_elevation(data, elevation)
    grid = Grid.of(height, "the elevation")
    if min(height.shape) < 2:
        raise InputError(
            f"the elevation has {len(grid.lat)} rows and {len(grid.lon)} columns, expected at "
            "least 2 of each: a slope needs neighbours; take a larger region"
        )
    height = convert_units(height.transpose(*grid.names), "m", standard_name="surface_altitude")
    around = _extend(height.data.astype(np.float64), grid)
    lat, lon = _extend_latitudes(grid), _extend_longitudes(grid)
    if height.chunks is None:
        layers = _measure(around, lat, lon)
    else:
        layers = _measure_blocks(around, lat, lon, height.chunks)
    return xr.Dataset(
        {
            name: (grid.names, layers[k], {"long_name": text, "units": units, **names})
            for k, (name, (text, units, names)) in enumerate(FEATURES.items())
        },
        {name: height[name] for name in grid.names},
        {"title": "Slope, aspect and roughness of the relief"},
    )


def _measure(around: Floats, lat: Floats, lon: Floats) -> npt.NDArray[np.float32]:
    """Measure the features of a map, from it and a row and column more at each side.

    Parameters
    ----------
    around : ndarray, shape (rows + 2, columns + 2)
    lat, lon : ndarray, shapes (rows + 2,) and (columns + 2,)
        Degrees; latitudes go on over the poles, longitudes across the date line.
    """
    on_pole = np.abs(np.abs(lat) - 90) < POLE
    width = np.where(on_pole, np.nan, np.cos(np.deg2rad(lat)))[:, None]
    down, across = (EARTH_RADIUS * np.deg2rad(np.diff(line)) for line in (lat, lon))
    # Beyond a pole, where the cosine is negative, west and east are the other way round.
    east = _smooth((_differentiate(around, across) / width).T).T
    north = _smooth(_differentiate(around.T, down).T)
    own = around[1:-1, 1:-1]
    steep = np.where(np.isfinite(own) & ~on_pole[1:-1, None], np.hypot(east, north), np.nan)
    divisor = np.where(steep == 0, 1.0, steep)
    windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(around, nan=np.inf), (3, 3))
    lowest = windows.min((-2, -1))
    windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(around, nan=-np.inf), (3, 3))
    rough = np.where(np.isfinite(own), windows.max((-2, -1)) - lowest, np.nan)
    layers = np.rad2deg(np.arctan(steep)), -north / divisor, -east / divisor, rough
    # Adding zero makes no negative zeros.
    return np.stack(layers).astype(np.float32) + np.float32(0)


def _measure_blocks(around: Any, lat: Floats, lon: Floats, chunks: Any) -> Any:
    """Measure block by block of a lazy map; see :func:`_measure`."""
    import dask.array as da

    rows, columns = (np.cumsum([0, *sizes]).tolist() for sizes in chunks)
    lines = []
    for top, bottom in itertools.pairwise(rows):
        line = []
        for left, right in itertools.pairwise(columns):
            down, across = slice(top, bottom + 2), slice(left, right + 2)
            line.append(
                da.map_blocks(
                    _measure,
                    around[down, across].rechunk(-1),
                    lat[down],
                    lon[across],
                    new_axis=0,
                    chunks=((len(FEATURES),), (bottom - top,), (right - left,)),
                    dtype=np.float32,
                )
            )
        lines.append(line)
    return da.block(lines)


def _find_elevation(data: xr.Dataset | xr.DataArray, name: str | None) -> xr.DataArray:
    """Find the elevation of a dataset, (rows, columns)."""
    if isinstance(data, xr.DataArray):
        return _check_shape(data)
    maps = {str(n): v for n, v in data.data_vars.items() if v.ndim >= 2}
    if name is not None:
        if name not in data.data_vars:
            there = ", ".join(maps) or "none"
            raise InputError(f"elevation={name!r} is no variable; there are {there}")
        return _check_shape(data[name])
    found = [n for n, v in maps.items() if v.attrs.get("standard_name") in STANDARD_NAMES]
    found = found or [n for n in maps if n.lower() in NAMES] or list(maps)
    if len(found) != 1:
        raise InputError(
            f"elevation could be any of {', '.join(found)}; give elevation= its name"
            if found
            else "the dataset has no maps, expected one of elevation (m)"
        )
    return _check_shape(data[found[0]])


def _check_shape(height: xr.DataArray) -> xr.DataArray:
    height = drop_single(height, "the elevation")
    if height.ndim != 2:
        raise InputError(
            f"the elevation has dimensions {height.dims}, expected rows and columns; select a step"
        )
    return height


def _extend(values: Any, grid: Grid) -> Any:
    """Put a row and a column around a map: across the date line and the poles, else missing."""
    if grid.lon.periodic:
        values = np.concatenate([values[:, -1:], values, values[:, :1]], 1)
    else:
        values = np.concatenate([_missing(values[:, :1]), values, _missing(values[:, :1])], 1)
    first, last = (_row_beyond(values, grid, end) for end in (0, -1))
    return np.concatenate([first, values, last], 0)


def _row_beyond(values: Any, grid: Grid, end: int) -> Any:
    """Return the row beyond the first or last one: half around the globe, or missing."""
    row = values[:1] if end == 0 else values[-1:]
    step = _beyond_pole(grid, end)
    if step is None:
        return _missing(row)
    inner = values[step : step + 1] if end == 0 else values[-1 - step : values.shape[0] - step]
    inner, half = inner[:, 1:-1], len(grid.lon) // 2
    turned = np.concatenate([inner[:, half:], inner[:, :half]], 1)
    return np.concatenate([turned[:, -1:], turned, turned[:, :1]], 1)


def _beyond_pole(grid: Grid, end: int) -> int | None:
    """Return how many rows from the end the one across the pole is; None if there is none."""
    lat = grid.lat.centres
    if not grid.lon.periodic or len(grid.lon) % 2 or lat.size < 2:
        return None
    outer, inner = (lat[0], lat[1]) if end == 0 else (lat[-1], lat[-2])
    if 90 - abs(outer) < POLE:
        return 1
    near = 90 - abs(outer) < 0.75 * abs(outer - inner) and abs(outer) > abs(inner)
    return 0 if near else None


def _extend_latitudes(grid: Grid) -> Floats:
    """Return latitudes of rows and of those beyond, which go on over the poles beyond 90."""
    lat = grid.lat.centres
    ends = []
    for end, (outer, inner) in ((0, lat[:2]), (-1, lat[::-1][:2])):
        step = _beyond_pole(grid, end)
        across = None if step is None else np.sign(outer) * 180 - (outer, inner)[step]
        ends.append(2 * outer - inner if across is None else across)
    return np.array([ends[0], *lat, ends[1]])


def _extend_longitudes(grid: Grid) -> Floats:
    """Return longitudes of columns and of those beyond."""
    lon = grid.lon.centres
    first, last = 2 * lon[0] - lon[1], 2 * lon[-1] - lon[-2]
    if grid.lon.periodic:
        first, last = lon[-1] - 360, lon[0] + 360
    return np.array([first, *lon, last])


def _missing(values: Any) -> Any:
    return values * np.nan


def _differentiate(values: Floats, distances: Floats) -> Floats:
    """Return differences per distance along the last axis, from both neighbours or from one.

    Without neighbours the difference is 0, and without the cell's own value it is missing.
    """
    steps = np.diff(values) / distances
    before, after = steps[:, :-1], steps[:, 1:]
    short, long = distances[:-1], distances[1:]
    both = (before * long + after * short) / (short + long)
    one = np.where(np.isfinite(before), before, np.where(np.isfinite(after), after, 0.0))
    found = np.where(np.isfinite(both), both, one)
    return np.where(np.isfinite(values[:, 1:-1]), found, np.nan)


def _smooth(values: Floats) -> Floats:
    """Return means of three neighbours along the last axis, of those there are."""
    total: Any = 0.0
    weight: Any = 0.0
    for k, share in enumerate(SMOOTHING):
        line = values[:, k : values.shape[1] - 2 + k]
        there = np.isfinite(line)
        total = total + share * np.where(there, line, 0.0)
        weight = weight + share * there
    return np.asarray(total / np.where(weight > 0, weight, np.nan))
