"""Pieces of one simulation as one dataset: its variables, its experiments one after another."""

from __future__ import annotations

from itertools import pairwise

import xarray as xr

from xai4land.catalogs.harmonising import (
    Calendar,
    get_calendar,
    set_month_times,
    snap_coordinates,
)
from xai4land.catalogs.reading import COLUMN_PREFIX
from xai4land.errors import InputError
from xai4land.grids.time import count_months

__all__ = ["join_pieces"]


def join_pieces(
    pieces: list[xr.Dataset], fixed: list[xr.Dataset], calendar: Calendar
) -> xr.Dataset:
    """Join all variables of a simulation, over all its experiments."""
    made: dict[str, xr.DataArray] = {}
    problems: list[str] = []
    for name in dict.fromkeys(str(n) for piece in pieces for n in piece.data_vars):
        try:
            made[name] = _join_experiments(
                name, [piece for piece in pieces if name in piece.data_vars]
            )
        except InputError as error:
            problems += error.problems
    for piece in fixed:
        for key, field in piece.data_vars.items():
            made.setdefault(str(key), field)
    calendars = {a.time.dt.calendar for a in made.values() if "time" in a.dims}
    if len(calendars) > 1:
        problems.append(
            f"variables are in several calendars, {', '.join(sorted(calendars))}; leave "
            "calendar=None out"
        )
    for name, array in made.items():
        try:
            first = next(a for a in made.values() if ("lat" in a.dims) == ("lat" in array.dims))
            made[name] = _snap_to_first(name, array, first)
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    plain = {n: a.drop_vars([c for c in a.coords if c not in a.dims]) for n, a in made.items()}
    data = xr.merge([a.rename(n) for n, a in plain.items()], compat="override", join="outer")
    # Bounds, and 2-D coordinates, of the grid.
    for piece in [*fixed, *pieces]:
        own = {n: c for n, c in piece.coords.items() if "time" not in c.dims}
        data = data.assign_coords({n: c for n, c in own.items() if n not in data.dims})
        for coord in ("lat", "lon"):
            if coord in own and coord in data.dims:
                data[coord].attrs = own[coord].attrs
    return data if calendar is None or "time" not in data.dims else set_month_times(data, calendar)


def _join_experiments(name: str, pieces: list[xr.Dataset]) -> xr.DataArray:
    """Join one variable over its experiments, which follow one another."""
    for earlier, later in pairwise(pieces):
        if problem := _describe_conflict(name, earlier, later):
            raise InputError(problem)
    arrays = [_snap_to_first(name, piece[name], pieces[0][name]) for piece in pieces]
    if len(arrays) == 1:
        return arrays[0]
    whole: xr.DataArray = xr.concat(
        arrays, "time", coords="minimal", compat="override", join="override"
    )
    return whole


def _describe_conflict(name: str, earlier: xr.Dataset, later: xr.Dataset) -> str:
    """Describe what keeps one piece from following another; empty if nothing does."""

    def both(column: str) -> tuple[str, str]:
        of = f"{COLUMN_PREFIX}{column}"
        return str(earlier.attrs.get(of, "?")), str(later.attrs.get(of, "?"))

    experiments, grids, tables = (both(c) for c in ("experiment_id", "grid_label", "table_id"))
    calendars = (get_calendar(earlier), get_calendar(later))
    if grids[0] != grids[1]:
        return f"{name!r} is there on two grids, {' and '.join(grids)}; search with grid_label="
    if calendars[0] != calendars[1]:
        return (
            f"{name!r} is there in two calendars, {' and '.join(calendars)}; leave calendar=None "
            "out"
        )
    if count_months(earlier)[-1] < count_months(later)[0]:
        return ""
    if tables[0] != tables[1]:
        return f"{name!r} is there in two tables, {' and '.join(tables)}; search with one table_id="
    return (
        f"{name!r} of {experiments[0]} (until {earlier.time.dt.year.values[-1]}) and of "
        f"{experiments[1]} (from {later.time.dt.year.values[0]}) overlap; search with one "
        "experiment_id=, or open them one by one"
    )


def _snap_to_first(name: str, array: xr.DataArray, first: xr.DataArray) -> xr.DataArray:
    """Take over the coordinates of another field, which must be equal but for rounding."""
    if (made := snap_coordinates(array, first)) is None:
        raise InputError(
            f"{name!r} is there on two grids, or on another than {str(first.name)!r}; search "
            "with one grid_label=, or open them apart"
        )
    return made
