"""Regular latitude-longitude grids: read from a dataset by its CF metadata, or made."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.axis import Axis
from xai4land.grids.spacing import snap_step
from xai4land.typing import Floats, Ints

__all__ = ["Grid", "Target", "global_grid", "target_grid"]

Target = float | xr.Dataset | xr.DataArray | None
Kind = Literal["latitude", "longitude"]


@dataclass(frozen=True)
class Grid:
    """A latitude axis, a longitude axis, and what the data call them.

    Positions on the globe are counted on the *lattice*: rows from the north pole and columns
    from 180°W, in cells of the grid. They follow from the coordinates alone, whatever part of
    the globe the grid covers, whichever way its axes run.
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
            With CF coordinates ``latitude`` and ``longitude`` (by attributes, not by name).
        what : str
            How to call the data in errors.

        Raises
        ------
        InputError
            If the coordinates are missing, ambiguous, 2-D, not monotonic, duplicated or out
            of range; all that is wrong is listed.

        Examples
        --------
        >>> import xai4land
        >>> grid = Grid.of(xai4land.sample("land")["urban"])
        >>> grid.shape, grid.resolution
        ((180, 360), 1.0)
        """
        problems: list[str] = []
        found = [_coordinate(data, kind, what, problems) for kind in ("latitude", "longitude")]
        InputError.raise_if(problems)
        lat, lon = (coord for coord in found if coord is not None)
        axes = _latitudes(lat, what, problems), _longitudes(lon, what, problems)
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
        return _turned(180 / dy - phase) + 1, max(round(360 / dx), 1)

    @cached_property
    def lattice_origin(self) -> tuple[int, int]:
        """Lattice position of the northernmost row and of the first column."""
        dy, dx = self.spacings
        column = ((float(self.lon.centres[0]) + 180) % 360) / dx
        return _turned((90 - self._north) / dy), _turned(column) % max(round(360 / dx), 1)

    @property
    def _north(self) -> float:
        return float(self.lat.centres[0 if not self.ascending else -1])

    @property
    def ascending(self) -> bool:
        """Whether rows run from south to north."""
        return self.lat.ascending

    def lattice_lat(self, rows: Ints) -> Floats:
        """Latitudes of lattice rows, on from the grid's own northernmost one."""
        values: Floats = (
            self._north - (rows - self.lattice_origin[0]).astype(np.float64) * self.spacings[0]
        )
        return values

    def lattice_lon(self, columns: Ints) -> Floats:
        """Longitudes of lattice columns, on from the grid's own first one."""
        values: Floats = self.lon.centres[0] + (columns - self.lattice_origin[1]) * self.spacings[1]
        return values

    def pixel_coords(self) -> tuple[Floats, Floats]:
        """Latitudes, from the north, and longitudes of the grid's own pixels."""
        (top, left), (height, width) = self.lattice_origin, self.shape
        rows, columns = np.arange(top, top + height), np.arange(left, left + width)
        return self.lattice_lat(rows), self.lattice_lon(columns)

    def coords(self) -> dict[str, xr.DataArray]:
        """CF coordinate variables of this grid, without bounds."""
        made = {}
        for name, axis, kind, units, letter in (
            (self.names[0], self.lat, "latitude", "degrees_north", "Y"),
            (self.names[1], self.lon, "longitude", "degrees_east", "X"),
        ):
            attrs = {"standard_name": kind, "long_name": kind, "units": units, "axis": letter}
            made[name] = xr.DataArray(axis.values, dims=name, attrs=attrs, name=name)
        return made


def target_grid(target: Target, states: Grid, finest: Grid) -> Grid:
    """The grid to reconstruct on.

    Parameters
    ----------
    target : float, Dataset, DataArray or None
        Resolution in degrees over the domain of the states, a dataset on the wanted grid, or
        nothing: the finest grid among the inputs.
    states, finest : Grid
        The grids of the coarse states and of the finest input.

    Raises
    ------
    InputError
        If the target is coarser than the states, or not a regular grid.
    """
    grid: Grid | None = None
    if target is None:
        grid = Grid(finest.lat, finest.lon, states.names)
    elif isinstance(target, xr.Dataset | xr.DataArray):
        grid = Grid.of(target, "target")
    if grid is None:
        resolution = _resolution(target)
    else:
        resolution = max((s for s in grid.spacings if np.isfinite(s)), default=np.nan)
    if resolution > max(states.spacings) * 1.001:
        raise InputError(
            f"target is coarser ({resolution:g}°) than the states ({states.resolution:g}°); "
            "give a finer target=, or average the states' fractions instead"
        )
    if grid is None:
        return _at_resolution(resolution, states)
    if min(grid.shape) == 1 or not (grid.lat.regular and grid.lon.regular):
        raise InputError(
            "target is not a regular grid of at least 2 x 2 cells (even but for the rounding of "
            "coordinates); give target= a resolution in degrees, and regrid the result to your grid"
        )
    return grid


def _resolution(target: object) -> float:
    """A number of degrees."""
    if isinstance(target, int | float | np.number) and 0 < float(target) < 90:
        return float(target)
    raise InputError(
        f"target={target!r} is neither a resolution in degrees (e.g. 0.05) nor a dataset on a grid"
    )


def global_grid(resolution: float, like: Grid | None = None) -> Grid:
    """The whole globe at a resolution, its cells between the poles and the date line.

    Parameters
    ----------
    resolution : float
        Degrees.
    like : Grid, optional
        Whose names, direction of rows and first meridian (0 or 180°W) are kept.

    Raises
    ------
    InputError
        If the resolution does not divide the globe evenly.

    Examples
    --------
    >>> grid = global_grid(0.5)
    >>> grid.shape, float(grid.lat.values[0]), float(grid.lon.values[0])
    ((360, 720), -89.75, -179.75)
    """
    resolution = _dividing(_resolution(resolution))
    rows, columns = round(180 / resolution), round(360 / resolution)
    lat = np.round(-90 + (np.arange(rows) + 0.5) * resolution, 10)
    if like is not None and not like.ascending:
        lat = lat[::-1]
    from_zero = like is not None and like.lon.values[0] >= 0 and like.lon.values[-1] > 180
    lon = np.round((0 if from_zero else -180) + (np.arange(columns) + 0.5) * resolution, 10)
    names = ("lat", "lon") if like is None else like.names
    return Grid(Axis(lat), Axis(lon, periodic=True, circular=True), names)


def _dividing(resolution: float) -> float:
    resolution = snap_step(resolution, 360)
    for span, what in ((180, "pole to pole"), (360, "around the globe")):
        count = span / resolution
        if abs(count - round(count)) > 1e-3:
            fits = span / round(count)
            raise InputError(
                f"target={resolution:g}° does not divide {span}° from {what} evenly; "
                f"give e.g. target={fits:.10g}, or a dataset on the grid that you want"
            )
    return resolution


def _at_resolution(resolution: float, states: Grid) -> Grid:
    resolution = _dividing(resolution)
    dy, dx = states.spacings
    ends = states.lat.centres[[0, -1]]
    edges = max(ends.min() - dy / 2, -90), min(ends.max() + dy / 2, 90)
    rows = np.arange(_nearest((90 - edges[1]) / resolution), _nearest((90 - edges[0]) / resolution))
    first = _nearest((states.lon.centres[0] - dx / 2 + 180) / resolution)
    columns = np.arange(first, first + max(_nearest(len(states.lon) * dx / resolution), 1))
    lat = np.round(90 - (rows + 0.5) * resolution, 10)
    lon = np.round(-180 + (columns + 0.5) * resolution, 10)
    if states.ascending:
        lat = lat[::-1]
    return Grid(Axis(lat), Axis(lon, states.lon.periodic, circular=True), states.names)


def _turned(position: float) -> int:
    """The lattice position of a cell's centre.

    Centres half a cell from the pole and the date line, or on them, are both common: rounding
    turns over between the two, and not by noise where a centre lies just there.
    """
    return _nearest(position - 0.25)


def _nearest(position: float) -> int:
    """The nearest whole number; the larger of two, and noise does not decide it."""
    return int(np.floor(np.round(position + 0.5, 6)))


def _coordinate(
    data: xr.DataArray | xr.Dataset, kind: Kind, what: str, problems: list[str]
) -> xr.DataArray | None:
    import cf_xarray  # noqa: F401  (registers .cf)

    named = sorted(set(data.cf.coordinates.get(kind, [])))
    if len(named) > 1 and (own := [n for n in named if data[n].dims == (n,)]):
        named = own
    if len(named) != 1:
        seen = f"{len(named)} ({', '.join(map(str, named))})" if named else "none"
        problems.append(
            f"{what}: expected one CF coordinate of {kind}, found {seen}; "
            "run ds.cf.guess_coord_axis() (import cf_xarray) or set its standard_name and units"
        )
        return None
    coord: xr.DataArray = data[named[0]]
    if coord.ndim != 1:
        problems.append(
            f"{what}: {kind} {coord.name!r} has dimensions {coord.dims}, expected one; "
            "curvilinear and unstructured grids must first be regridded to regular latitudes "
            "and longitudes, e.g. with xESMF"
        )
        return None
    if coord.dims != (coord.name,):
        problems.append(
            f"{what}: {kind} {coord.name!r} lies along {coord.dims[0]!r}; unstructured grids must "
            "first be regridded, and a renamed dimension swapped: "
            f"ds.swap_dims({coord.dims[0]}={coord.name!r})"
        )
        return None
    return coord


def _checked(coord: xr.DataArray, what: str, problems: list[str]) -> Floats:
    values = coord.values.astype(np.float64)
    if not np.isfinite(values).all():
        problems.append(f"{what}: {coord.name!r} has missing values; drop them")
        return np.zeros(0)
    if values.size > 1 and len(np.unique(values)) < values.size:
        problems.append(
            f"{what}: {coord.name!r} has duplicated values; run ds.drop_duplicates({coord.name!r})"
        )
        return np.zeros(0)
    return values


def _latitudes(coord: xr.DataArray, what: str, problems: list[str]) -> Axis:
    values = _checked(coord, what, problems)
    steps = np.diff(values)
    if values.size and np.abs(values).max() > 90 + 1e-6:
        problems.append(
            f"{what}: latitudes reach {values[np.abs(values).argmax()]:g}, expected -90 to 90"
        )
    elif values.size > 1 and not ((steps > 0).all() or (steps < 0).all()):
        problems.append(f"{what}: latitudes are not sorted; run ds.sortby({str(coord.name)!r})")
    return Axis(values)


def _longitudes(coord: xr.DataArray, what: str, problems: list[str]) -> Axis:
    values = _checked(coord, what, problems)
    if values.size < 2:
        return Axis(values)
    # A step across the date line is a step east like the others.
    steps = np.mod(np.diff(values), 360)
    if values.size == 2 and steps[0] > 180:
        problems.append(
            f"{what}: longitudes are two columns {steps[0]:g}° apart, expected neighbours; take "
            f"one of them: ds.isel({coord.name}=[0])"
        )
        return Axis(values)
    if (values.size > 2 and steps.max() > 10 * np.median(steps)) or np.median(steps) > 180:
        problems.append(
            f"{what}: longitudes are not sorted from west to east, or a region is torn in two "
            f"(a step of {steps.max():g}°); run ds.sortby({str(coord.name)!r}), or count from "
            f"another meridian first: ds.assign_coords({coord.name}=(ds.{coord.name} + 180) % 360 "
            "- 180)"
        )
        return Axis(values)
    unwrapped = values[0] + np.concatenate([[0.0], np.cumsum(steps)])
    span = unwrapped[-1] - unwrapped[0] + steps.mean()
    if span > 360 + 0.5 * steps.mean():
        problems.append(
            f"{what}: longitudes cover {span:g}°, more than the globe; drop the repeated columns"
        )
    around = bool(abs(span - 360) < 0.1 * steps.mean())
    if around and not np.allclose(steps, steps.mean(), rtol=1e-2):
        problems.append(f"{what}: longitudes go around the globe with a gap; fill in the columns")
    return Axis(unwrapped, periodic=around, circular=True)
