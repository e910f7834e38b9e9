"""Dates of a model's steps, in any calendar."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import scalar_dates, time_name
from xai4land.errors import InputError
from xai4land.grids.time import move_into_bounds, refuse_lost_bounds

__all__ = ["Date", "find_date", "move_step_into_bounds", "read_date"]

ISO = re.compile(r"([+-]?\d{1,6})(?:-(\d{1,2}))?(?:-(\d{1,2}))?(?:[T ].*)?")


class Date(NamedTuple):
    """A year, a month and a day; dates are compared without a calendar."""

    year: int
    month: int = 7
    day: int = 1

    @property
    def months(self) -> int:
        """Months since January of year 0."""
        return 12 * self.year + self.month - 1

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}-{self.day:02d}"


def read_date(time: Any) -> Date:
    """Return a date that is given as a year, as ISO text, or as a date of any library.

    Parameters
    ----------
    time : int, str, datetime64 or object with year, month and day
        A year alone means its middle.

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> read_date(1850), str(read_date("1850-03"))
    (Date(year=1850, month=7, day=1), '1850-03-01')
    >>> read_date(np.datetime64("1850-12-31T18:00"))
    Date(year=1850, month=12, day=31)
    """
    if getattr(time, "shape", None) == () and not isinstance(time, np.generic):
        time = np.asarray(time)[()]  # an array of one date, of numpy or xarray
    if isinstance(time, np.datetime64):
        time = str(time)
    if isinstance(time, int | np.integer) and not isinstance(time, bool):
        return Date(int(time))
    if isinstance(time, str) and (match := ISO.fullmatch(time.strip())):
        year, month, day = match.groups()
        date = Date(int(year)) if month is None else Date(int(year), int(month), int(day or 1))
    elif all(hasattr(time, part) for part in Date._fields):
        date = Date(int(time.year), int(time.month), int(time.day))
    else:
        raise InputError(
            f"time={time!r}, expected a year, a date, or ISO text such as '1850-07-01'"
        )
    if not (1 <= date.month <= 12 and 1 <= date.day <= 31):
        raise InputError(f"time={time!r} is no date; months are 1 to 12, days 1 to 31")
    return date


def move_step_into_bounds(fields: xr.Dataset) -> xr.Dataset:
    """Return a dataset of one step whose date lies within the period that its bounds say."""
    for name in scalar_dates(fields):
        bounds = fields[name].attrs.get("bounds")
        if bounds is not None:
            fields = fields.reset_coords(bounds if bounds in fields.coords else [])
            fields = fields.expand_dims(name)
    moved = move_into_bounds(fields)
    for name, time in moved.coords.items():
        if time.dims == (name,) and "bounds" in time.attrs and hasattr(time, "dt"):
            refuse_lost_bounds(moved, str(name))
    return moved


def find_date(fields: xr.Dataset) -> Any:
    """Return the date of a dataset of one step, or None."""
    for name in scalar_dates(fields):
        return fields[name].values[()]
    for array in fields.data_vars.values():
        name = time_name(array)
        if name is not None and array.sizes[name] == 1:
            return array[name].values[0]
    return None
