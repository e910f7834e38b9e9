"""A user's monthly fields, as anomalies on an emulator's grid and in its units."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas, cell_edges, overlap_matrix
from xai4land.grids.grid import Grid, Target, global_grid
from xai4land.regridding import cell_means
from xai4land.typing import Floats, Ints
from xai4land.units import is_difference
from xai4land_seasonal.data.climatology import (
    Climatology,
    describe,
    find_means,
    subtract_climatology,
)
from xai4land_seasonal.data.history import History, Rain
from xai4land_seasonal.data.monthly import drop_single_dims, read_monthly
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.data.precipitation import clip_dry
from xai4land_seasonal.data.trends import Trend
from xai4land_seasonal.data.variables import Variable, find_variable, is_there

__all__ = ["State", "find_grid", "read_state", "read_states"]

MIN_COVERAGE = 0.5
"""Share of the grid's area that the data must cover."""


@dataclass(frozen=True)
class State:
    """Monthly anomalies on a grid.

    Attributes
    ----------
    data : DataArray, shape (time, variable, rows, columns)
        Lazy if the source is. Precipitation of which the index is forecast is as it is.
    months : ndarray of int
        Number of each month, counted from January of year 0.
    grid : Grid
    climatology : str
        Reference period of the anomalies, as text.
    rain : Rain, optional
        Which variables are such precipitation; its means are perhaps lazy.
    """

    data: xr.DataArray
    months: Ints
    grid: Grid
    climatology: str
    rain: Rain | None = None

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

    def history(
        self,
        trend: Trend = "line",
        months: int | None = None,
        base: tuple[int, int] | None = None,
    ) -> History:
        """Compute the anomalies that emulators take, of all months or the first ones.

        Distributions of precipitation are fitted to the years of the base, by default all.
        """
        values = self.data.values[:months]
        flat = values.reshape(*values.shape[:2], -1)
        rain = self.rain
        if rain is not None:
            rain = Rain(rain.at, np.asarray(rain.means), base or rain.base)
        days = self.days()[:months]
        return History(flat, int(self.months[0]), days, self.area(), trend, rain)


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
    optional: Collection[str] = (),
    coarse: bool = False,
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
    optional : collection of str
        Names of variables that may be missing; they are NaN then.
    coarse : bool
        Whether fields may be coarser than twice the grid.

    Raises
    ------
    InputError
        Listing variables that are missing, precipitation that is negative or given as anomalies
        where its index is forecast, units that cannot be converted, missing months, a
        grid that does not cover the emulator's.
    """
    data = read_monthly(data)
    problems: list[str] = []
    found: dict[str, xr.DataArray] = {}
    differences = absolute or climatology is None
    for variable in variables:
        try:
            array = find_variable(data, variable, differences=differences)
            problems += _find_level_problems(array, variable, absolute or climatology is not None)
            found[variable.name] = array
        except InputError as error:
            if variable.name not in optional or is_there(data, variable):
                problems += error.problems
    InputError.raise_if(problems)
    grids = {name: Grid.of(array, f"variable {array.name!r}") for name, array in found.items()}
    months = number_months(data["time"])
    for name, array in found.items():
        if "time" not in array.dims:
            problems.append(f"variable {array.name!r} has no dimension 'time'; drop or rename it")
        try:
            found[name] = drop_single_dims(array, grids[name])
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    target = next(iter(grids.values())) if grid is None else grid
    for name, array in found.items():
        problems += _check_grid(str(array.name), grids[name], target, coarse)
    InputError.raise_if(problems)
    first = next(iter(found.values()))
    parts: dict[str, xr.DataArray] = {}
    means: dict[str, xr.DataArray] = {}
    for variable in variables:
        if variable.name not in found:
            continue
        array, source = found[variable.name], grids[variable.name]
        plain = array.transpose("time", *source.names)
        plain = plain.assign_coords(time=plain["time"].variable)
        plain = plain if source == target and grid is None else cell_means(plain, target, data)
        if variable.transform == "spi":
            plain = clip_dry(plain)
            means[variable.name] = _find_rain_means(plain, climatology, before, absolute)
        elif not absolute:
            plain = subtract_climatology(plain, climatology, before=before)
        parts[variable.name] = plain
    joined = _join(parts, [variable.name for variable in variables], target)
    base = climatology if isinstance(climatology, tuple) else None
    if base is None and before is not None:
        base = (int(months[0]) // 12, before - 1)
    rain = _describe_rain(variables, means, base, target)
    return State(joined, months, target, describe(climatology, first), rain)


def _find_level_problems(array: xr.DataArray, variable: Variable, absolute: bool) -> list[str]:
    """Return the problem that precipitation is given as anomalies where it must be absolute."""
    if variable.transform == "none" or (absolute and not is_difference(array)):
        return []
    return [
        f"variable {array.name!r} holds anomalies, and its distribution is needed; bring "
        "precipitation as it is, with climatology=(first year, last year)"
    ]


def _find_rain_means(
    data: xr.DataArray, climatology: Climatology, before: int | None, absolute: bool
) -> xr.DataArray:
    """Return the climatology of precipitation, on (month, rows, columns); 0 if none is wanted."""
    if absolute or climatology is None:
        zero = xr.zeros_like(data.isel(time=0, drop=True))
        return zero.expand_dims(month=np.arange(1, 13))
    return find_means(data, climatology, before).transpose("month", ...)


def _describe_rain(
    variables: Sequence[Variable],
    means: Mapping[str, xr.DataArray],
    base: tuple[int, int] | None,
    grid: Grid,
) -> Rain | None:
    """Return which variables are precipitation; one that is missing has a climatology of zero."""
    at = tuple(k for k, variable in enumerate(variables) if variable.name in means)
    if not at:
        return None
    cells = grid.shape[0] * grid.shape[1]
    flat = [means[variables[k].name].data.reshape(12, 1, cells) for k in at]
    # An array of dask where one of them is.
    whole = flat[0] if len(flat) == 1 else np.concatenate(flat, 1)
    return Rain(at, whole, base)


def _join(parts: Mapping[str, xr.DataArray], names: Sequence[str], grid: Grid) -> xr.DataArray:
    """Return variables in one array, (time, variable, rows, columns); missing ones are NaN."""
    first = next(iter(parts.values()))
    fields = [parts[n] if n in parts else xr.full_like(first, np.nan, float) for n in names]
    fields = [f.drop_vars([c for c in f.coords if c not in f.dims]) for f in fields]
    fields[1:] = [f.assign_coords(time=fields[0]["time"]) for f in fields[1:]]
    joined = xr.concat(fields, "variable", coords="minimal", compat="override", join="override")
    return joined.assign_coords(variable=list(names)).transpose("time", "variable", *grid.names)


def read_states(
    sources: Sequence[tuple[str, xr.Dataset]],
    variables: Sequence[Variable],
    grid: Grid | None,
    targets: Collection[str] | None = None,
    smooth: Collection[str] = (),
) -> list[State]:
    """Read several sources on one grid, by default that of the first; values stay as they are.

    With targets, a source may lack variables as long as it has one target. Sources that are named
    smooth may be coarser than twice the grid.

    Raises
    ------
    InputError
        Listing the problems of all sources, each with its name.
    """
    states: list[State] = []
    problems: list[str] = []
    for number, (label, data) in enumerate(sources):
        try:
            missing = [] if targets is None else _find_missing(data, variables, targets)
            coarse = label in smooth
            states.append(
                read_state(data, variables, grid, absolute=True, optional=missing, coarse=coarse)
            )
            grid = grid or states[0].grid
        except InputError as error:
            problems += [f"{label}: {problem}" for problem in error.problems]
            if number == 0 and grid is None:
                break
    InputError.raise_if(problems)
    return states


def _find_missing(
    data: xr.Dataset, variables: Sequence[Variable], targets: Collection[str]
) -> list[str]:
    """Return the variables that a source lacks, if it has a target."""
    missing = [variable.name for variable in variables if not is_there(data, variable)]
    return [] if set(targets) <= set(missing) else missing


def _check_grid(name: str, source: Grid, target: Grid, coarse: bool) -> list[str]:
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
    if source.resolution > 2.01 * target.resolution and not coarse:
        problems.append(
            f"variable {name!r} at {source.resolution:g}° is coarser than twice the emulator's "
            f"{target.resolution:g}°; bring finer fields, or fit an emulator on this grid"
        )
    return problems
