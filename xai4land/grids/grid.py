"""Latitude-longitude grids, read from CF metadata or made at a resolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.axis import Axis
from xai4land.grids.coordinates import find_coord, read_latitudes, read_longitudes
from xai4land.grids.spacing import snap_step
from xai4land.typing import Floats, Ints

__all__ = ["Grid", "Target", "global_grid", "target_grid"]

Target = float | xr.Dataset | xr.DataArray | None


@dataclass(frozen=True)
class Grid:
    """A latitude axis, a longitude axis, and their names in the data.

    Positions on the globe are counted on the *lattice*: rows from the north pole and columns
    from 180°W, in cells of the grid. They follow from the coordinates alone, whatever part of
    the globe the grid covers and whichever way its axes run.

    Parameters
    ----------
    lat, lon : Axis
    names : tuple of str
        Names of the two coordinates.
    """

    lat: Axis
    lon: Axis
    names: tuple[str, str] = field(default=("lat", "lon"), compare=False)

    @classmethod
    def of(cls, data: xr.DataArray | xr.Dataset, what: str = "the grid") -> Grid:
        """Find the grid of a variable, or of a dataset whose variables share one.

        Parameters
        ----------
        data : DataArray or Dataset
            With CF coordinates of latitude and longitude, recognised by their attributes.
        what : str
            How to call the data in errors.

        Raises
        ------
        InputError
            Listing every problem: coordinates missing, ambiguous, 2-D, not monotonic,
            duplicated or out of range.

        Examples
        --------
        >>> import xai4land
        >>> grid = Grid.of(xai4land.sample("land")["urban"])
        >>> grid.shape, grid.resolution
        ((180, 360), 1.0)
        """
        problems: list[str] = []
        coords = [find_coord(data, kind, what, problems) for kind in ("latitude", "longitude")]
        InputError.raise_if(problems)
        lat, lon = (coord for coord in coords if coord is not None)
        axes = read_latitudes(lat, what, problems), read_longitudes(lon, what, problems)
        InputError.raise_if(problems)
        return cls(*axes, names=(str(lat.name), str(lon.name)))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return len(self.lat), len(self.lon)

    @property
    def spacings(self) -> tuple[float, float]:
        """Degrees between rows and between columns."""
        return self.lat.spacing, self.lon.spacing

    @property
    def resolution(self) -> float:
        """Degrees between columns, or between rows where there is one column."""
        return next((s for s in reversed(self.spacings) if np.isfinite(s)), float("nan"))

    @cached_property
    def lattice_shape(self) -> tuple[int, int]:
        """Rows from pole to pole and columns around the globe, at this spacing."""
        dy, dx = self.spacings
        phase = (90 - self._north) / dy - self.lattice_origin[0]
        return _lattice_index(180 / dy - phase) + 1, max(round(360 / dx), 1)

    @cached_property
    def lattice_origin(self) -> tuple[int, int]:
        """Lattice position of the northernmost row and of the first column."""
        dy, dx = self.spacings
        row = (90 - self._north) / dy
        column = ((float(self.lon.centres[0]) + 180) % 360) / dx
        return _lattice_index(row), _lattice_index(column) % max(round(360 / dx), 1)

    @property
    def _north(self) -> float:
        return float(self.lat.centres[0 if not self.ascending else -1])

    @property
    def ascending(self) -> bool:
        """Whether rows run from south to north."""
        return self.lat.ascending

    def lattice_lat(self, rows: Ints) -> Floats:
        """Compute latitudes of lattice rows, counted from the grid's northernmost row."""
        values: Floats = (
            self._north - (rows - self.lattice_origin[0]).astype(np.float64) * self.spacings[0]
        )
        return values

    def lattice_lon(self, columns: Ints) -> Floats:
        """Compute longitudes of lattice columns, counted from the grid's first column."""
        values: Floats = self.lon.centres[0] + (columns - self.lattice_origin[1]) * self.spacings[1]
        return values

    def pixel_coords(self) -> tuple[Floats, Floats]:
        """Compute latitudes, from the north, and longitudes of the grid's own cells."""
        (top, left), (height, width) = self.lattice_origin, self.shape
        rows, columns = np.arange(top, top + height), np.arange(left, left + width)
        return self.lattice_lat(rows), self.lattice_lon(columns)

    def coords(self) -> dict[str, xr.DataArray]:
        """Make CF coordinate variables of this grid, without bounds."""
        coords = {}
        for name, axis, kind, units, letter in (
            (self.names[0], self.lat, "latitude", "degrees_north", "Y"),
            (self.names[1], self.lon, "longitude", "degrees_east", "X"),
        ):
            attrs = {"standard_name": kind, "long_name": kind, "units": units, "axis": letter}
            coords[name] = xr.DataArray(axis.values, dims=name, attrs=attrs, name=name)
        return coords


def target_grid(target: Target, states: Grid, finest: Grid) -> Grid:
    """Choose the grid to reconstruct on.

    Parameters
    ----------
    target : float, Dataset, DataArray or None
        Resolution in degrees over the domain of the states, a dataset on the wanted grid, or
        None for the finest grid among the inputs, over the domain of the states.
    states, finest : Grid
        The grids of the coarse states and of the finest input.

    Raises
    ------
    InputError
        If the target is coarser than the states, or not a regular grid.
    """
    grid: Grid | None = None
    if target is None:
        grid = _cut_to_domain(Grid(finest.lat, finest.lon, states.names), states)
    elif isinstance(target, xr.Dataset | xr.DataArray):
        grid = Grid.of(target, "target")
    if grid is None:
        resolution = _parse_resolution(target)
    else:
        resolution = max((s for s in grid.spacings if np.isfinite(s)), default=np.nan)
    if resolution > max(states.spacings) * 1.001:
        raise InputError(
            f"target is coarser ({resolution:g}°) than the states ({states.resolution:g}°); "
            "give a finer target=, or average the states' fractions instead"
        )
    if grid is None:
        return _grid_at_resolution(resolution, states)
    if min(grid.shape) == 1 or not (grid.lat.regular and grid.lon.regular):
        raise InputError(
            "target is not a regular grid of at least 2 x 2 cells (equally spaced but for the "
            "rounding of coordinates); give target= a resolution in degrees, and regrid the "
            "result to your grid"
        )
    return grid


def _cut_to_domain(grid: Grid, states: Grid) -> Grid:
    """Return the part of a grid whose cells have their centres in cells of the states."""
    pairs = (grid.lat, states.lat), (grid.lon, states.lon)
    lat, lon = (axis.select(other.contains_points(axis.centres)) for axis, other in pairs)
    # Where they do not meet, the whole grid tells best what is wrong.
    return Grid(lat, lon, grid.names) if len(lat) and len(lon) else grid


def _parse_resolution(target: object) -> float:
    """Return a target as a number of degrees."""
    if isinstance(target, int | float | np.number) and 0 < float(target) < 90:
        return float(target)
    raise InputError(
        f"target={target!r} is neither a resolution in degrees (e.g. 0.05) nor a dataset on a grid"
    )


def global_grid(resolution: float | tuple[float, float], like: Grid | None = None) -> Grid:
    """Make a grid of the whole globe, with edges at the poles and the date line.

    Parameters
    ----------
    resolution : float or tuple of float
        Degrees, or degrees of latitude and of longitude.
    like : Grid, optional
        Grid whose names, direction of rows and first meridian (0 or 180°W) are used.

    Raises
    ------
    InputError
        If the resolution does not divide the globe.

    Examples
    --------
    >>> grid = global_grid(0.5)
    >>> grid.shape, float(grid.lat.values[0]), float(grid.lon.values[0])
    ((360, 720), -89.75, -179.75)
    >>> global_grid((2.0, 2.5)).shape
    (90, 144)
    """
    if isinstance(resolution, tuple):
        dy, dx = (
            _snap_resolution(_parse_resolution(step), (span,))
            for step, span in zip(resolution, (180, 360), strict=True)
        )
    else:
        dy = dx = _snap_resolution(_parse_resolution(resolution))
    rows, columns = round(180 / dy), round(360 / dx)
    lat = np.round(-90 + (np.arange(rows) + 0.5) * dy, 10)
    if like is not None and not like.ascending:
        lat = lat[::-1]
    from_zero = like is not None and like.lon.values[0] >= 0 and like.lon.values[-1] > 180
    lon = np.round((0 if from_zero else -180) + (np.arange(columns) + 0.5) * dx, 10)
    names = ("lat", "lon") if like is None else like.names
    return Grid(Axis(lat), Axis(lon, periodic=True, circular=True), names)


def _snap_resolution(resolution: float, spans: tuple[int, ...] = (180, 360)) -> float:
    """Return the resolution that divides the globe exactly, or raise."""
    resolution = snap_step(resolution, 360)
    for span in spans:
        what = "pole to pole" if span == 180 else "around the globe"
        count = span / resolution
        if abs(count - round(count)) > 1e-3:
            fits = span / round(count)
            raise InputError(
                f"target={resolution:g}° does not divide {span}° from {what} evenly; "
                f"give e.g. target={fits:.10g}, or a dataset on the grid that you want"
            )
    return resolution


def _grid_at_resolution(resolution: float, states: Grid) -> Grid:
    """Make a grid at a resolution over the domain of the states."""
    resolution = _snap_resolution(resolution)
    dy, dx = states.spacings
    ends = states.lat.centres[[0, -1]]
    south, north = max(ends.min() - dy / 2, -90), min(ends.max() + dy / 2, 90)
    top, bottom = (_round_half_up((90 - edge) / resolution) for edge in (north, south))
    rows = np.arange(top, bottom)
    first = _round_half_up((states.lon.centres[0] - dx / 2 + 180) / resolution)
    columns = np.arange(first, first + max(_round_half_up(len(states.lon) * dx / resolution), 1))
    lat = np.round(90 - (rows + 0.5) * resolution, 10)
    lon = np.round(-180 + (columns + 0.5) * resolution, 10)
    if states.ascending:
        lat = lat[::-1]
    return Grid(Axis(lat), Axis(lon, states.lon.periodic, circular=True), states.names)


def _lattice_index(position: float) -> int:
    """Return the lattice index of a cell's centre.

    Centres half a cell from the pole and the date line, or on them, are both common. Rounding
    changes midway between the two, so rounding errors of coordinates do not decide it.
    """
    return _round_half_up(position - 0.25)


def _round_half_up(position: float) -> int:
    """Round to the nearest integer, halves up, also those that are off by rounding errors."""
    return int(np.floor(np.round(position + 0.5, 6)))
