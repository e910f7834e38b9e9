"""A user's monthly fields, as anomalies on an emulator's grid and in its units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas, cell_edges, overlap_matrix
from xai4land.grids.grid import Grid, Target, global_grid
from xai4land.regridding import cell_means
from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.climatology import Climatology, describe, subtract_climatology
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.monthly import drop_single_dims, read_monthly
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.data.trends import Trend
from xai4land_seasonal.data.variables import Variable, find_variable

__all__ = ["State", "find_grid", "read_state", "read_states"]

MIN_COVERAGE = 0.5
"""Share of the grid's area that the data must cover."""


@dataclass(frozen=True)
class State:
    """Monthly anomalies on a grid.

    Attributes
    ----------
    data : DataArray, shape (time, variable, rows, columns)
        Lazy if the source is.
    months : ndarray of int
        Number of each month, counted from January of year 0.
    grid : Grid
    climatology : str
        Reference period of the anomalies, as text.
    """

    data: xr.DataArray
    months: Ints
    grid: Grid
    climatology: str

    @property
    def time(self) -> xr.DataArray:
        """The time axis."""
        return self.data["time"]

    def days(self) -> Floats:
        """Return the days of each month."""
        return self.time.dt.days_in_month.values.astype(np.float64)

    def area(self) -> Floats:
        """Return the share of the globe that each cell covers, flat."""
        return cell_areas(self.grid).values.ravel()

    def history(self, trend: Trend = "line", months: int | None = None) -> History:
        """Compute the anomalies that emulators take, of all months or the first ones."""
        values = self.data.values[:months]
        flat = values.reshape(*values.shape[:2], -1)
        return History(flat, int(self.months[0]), self.days()[:months], self.area(), trend)


def find_grid(target: Target, data: xr.Dataset | xr.DataArray) -> Grid | None:
    """Return the requested grid, or None for the data's own.

    Parameters
    ----------
    target : float, Dataset, DataArray or None
        Degrees, for a grid of the whole globe; or data on the grid.
    data : Dataset or DataArray
        Whose names and order a grid of the globe keeps.

    Raises
    ------
    InputError
        If there is no such grid.
    """
    if target is None:
        return None
    if isinstance(target, xr.Dataset | xr.DataArray):
        return Grid.of(target, "grid=")
    return global_grid(target, Grid.of(data))


def read_state(
    data: xr.Dataset,
    variables: Sequence[Variable],
    grid: Grid | None,
    climatology: Climatology = None,
    before: int | None = None,
    absolute: bool = False,
) -> State:
    """Find, check and bring variables to a grid; nothing is computed.

    Parameters
    ----------
    data : Dataset
        Monthly fields on a regular grid.
    variables : sequence of Variable
    grid : Grid or None
        None for the data's own.
    climatology
        See :func:`xai4land_seasonal.anomalies`.
    before : int, optional
        First year of the forecasts, which the climatology must not reach.
    absolute : bool
        Whether values are kept as they are, anomalies or not.

    Raises
    ------
    InputError
        Listing variables that are missing, units that cannot be converted, missing months, a
        grid that does not cover the emulator's.
    """
    data = read_monthly(data)
    problems: list[str] = []
    found: list[xr.DataArray] = []
    differences = absolute or climatology is None
    for variable in variables:
        try:
            found.append(find_variable(data, variable, differences=differences))
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    grids = [Grid.of(array, f"variable {array.name!r}") for array in found]
    months = number_months(data["time"])
    for k, (array, source) in enumerate(zip(found, grids, strict=True)):
        if "time" not in array.dims:
            problems.append(f"variable {array.name!r} has no dimension 'time'; drop or rename it")
        try:
            found[k] = drop_single_dims(array, source)
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    target = grids[0] if grid is None else grid
    for array, source in zip(found, grids, strict=True):
        problems += _check_grid(str(array.name), source, target)
    InputError.raise_if(problems)
    parts = []
    for array, source in zip(found, grids, strict=True):
        plain = array.transpose("time", *source.names)
        plain = plain.assign_coords(time=plain["time"].variable)
        plain = plain if source == target and grid is None else cell_means(plain, target, data)
        if not absolute:
            plain = subtract_climatology(plain, climatology, before=before)
        parts.append(plain)
    names = [variable.name for variable in variables]
    parts = [p.drop_vars([c for c in p.coords if c not in p.dims]) for p in parts]
    parts[1:] = [p.assign_coords(time=parts[0]["time"]) for p in parts[1:]]
    joined = xr.concat(parts, "variable", coords="minimal", compat="override", join="override")
    joined = joined.assign_coords(variable=names).transpose("time", "variable", *target.names)
    return State(joined, months, target, describe(climatology, found[0]))


def read_states(
    sources: Sequence[tuple[str, xr.Dataset]], variables: Sequence[Variable], grid: Grid | None
) -> list[State]:
    """Read several sources on one grid, by default that of the first; values stay as they are.

    Raises
    ------
    InputError
        Listing the problems of all sources, each with its name.
    """
    states: list[State] = []
    problems: list[str] = []
    for number, (label, data) in enumerate(sources):
        try:
            states.append(read_state(data, variables, grid, absolute=True))
            grid = grid or states[0].grid
        except InputError as error:
            problems += [f"{label}: {problem}" for problem in error.problems]
            if number == 0 and grid is None:
                break
    InputError.raise_if(problems)
    return states


def _check_grid(name: str, source: Grid, target: Grid) -> list[str]:
    (rows, columns), (new_rows, new_columns) = cell_edges(source), cell_edges(target)
    height = overlap_matrix(np.sin(np.deg2rad(rows)), np.sin(np.deg2rad(new_rows))).sum(1)
    width = overlap_matrix(columns, new_columns, 360.0).sum(1).clip(max=np.diff(new_columns)[:, 0])
    total = np.diff(np.sin(np.deg2rad(new_rows))).sum() * np.diff(new_columns).sum()
    share = height.sum() * width.sum() / total
    problems = []
    if share < MIN_COVERAGE:
        problems.append(
            f"variable {name!r} lies on {share:.0%} of the emulator's grid, expected at least "
            f"{MIN_COVERAGE:.0%}; bring global fields"
        )
    if source.resolution > 2.01 * target.resolution:
        problems.append(
            f"variable {name!r} at {source.resolution:g}° is coarser than twice the emulator's "
            f"{target.resolution:g}°; bring finer fields, or fit an emulator on this grid"
        )
    return problems
