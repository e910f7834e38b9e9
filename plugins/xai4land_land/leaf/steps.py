"""Steps of leaf area: months, dekads or days, and where in the year they are."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.periods import number_of_period
from xai4land.grids.time import (
    count_months,
    describe_no_dates,
    holds_dates,
    middle_of_steps,
    refuse_lost_bounds,
)
from xai4land.typing import Floats, Ints

__all__ = [
    "MONTH_STEPS",
    "Step",
    "count_steps",
    "find_step",
    "follow_on",
    "middle_of_years",
    "step_of_year",
]

Step = Literal["month", "dekad", "day"]
MONTH_STEPS = {"month": 1, "dekad": 3, "day": 30}
"""Steps that make about a month."""
SEVERAL = 0.5
"""Share of the steps in the month of the one before from which on these are no months."""
A_YEAR = {"month": 12, "dekad": 36}


def count_steps(data: xr.Dataset | xr.DataArray, step: Step, name: str = "time") -> Ints:
    """Return the number of the month, dekad or day that each step stands for.

    Examples
    --------
    >>> time = np.array(["2000-02-25", "2000-03-05"], "M8[s]")
    >>> count_steps(xr.Dataset(coords={"time": time}), "dekad")
    array([72005, 72006])
    """
    if step == "month":
        return count_months(data, name)
    refuse_lost_bounds(data, name)
    return number_of_period(middle_of_steps(data, name), step)


def find_step(data: xr.Dataset | xr.DataArray, name: str = "time") -> Step:
    """Return the coarsest of months, dekads and days of which few hold several steps.

    Raises
    ------
    InputError
        If the axis holds no dates.

    Examples
    --------
    >>> time = np.array(["2000-02-15", "2000-02-25", "2000-03-05"], "M8[s]")
    >>> find_step(xr.Dataset(coords={"time": time}))
    'dekad'
    """
    if not holds_dates(data[name]):
        raise InputError(f"times {describe_no_dates(data[name])}")
    middle = middle_of_steps(data, name)
    coarse: tuple[Step, ...] = ("month", "dekad")
    for step in coarse:
        apart = np.diff(number_of_period(middle, step))
        if not apart.size or np.mean(apart == 0) < SEVERAL:
            return step
    return "day"


def middle_of_years(numbers: Ints, step: Step, dates: xr.DataArray) -> Floats:
    """Return the middle of steps as decimal years, each year as long as all others.

    Parameters
    ----------
    numbers : ndarray of int
        As :func:`count_steps` gives them.
    step : {"month", "dekad", "day"}
    dates : DataArray
        Of the steps; the year and day of the year of days are taken from these.

    Examples
    --------
    >>> dates = xr.DataArray(np.array(["2000-07-16"], "M8[s]"), dims="time")
    >>> middle_of_years(np.array([24006]), "month", dates).round(3).tolist()
    [2000.542]
    """
    if step == "day":
        share = (dates.dt.dayofyear.values - 0.5) / 366
        return np.asarray(dates.dt.year.values + share)
    return (numbers + 0.5) / A_YEAR[step]


def step_of_year(numbers: Ints, step: Step, dates: xr.DataArray) -> Ints:
    """Return the number of each step in its year, from 0.

    Examples
    --------
    >>> dates = xr.DataArray(np.array(["2000-01-16"], "M8[s]"), dims="time")
    >>> step_of_year(np.array([24000]), "month", dates)
    array([0])
    """
    if step == "day":
        return np.asarray(dates.dt.dayofyear.values - 1)
    return np.asarray(numbers % A_YEAR[step])


def follow_on(
    array: xr.DataArray, step: Step, needed: int, what: str = "the climate"
) -> tuple[str, Ints]:
    """Return the time axis and the number of each step; none may be missing.

    Parameters
    ----------
    array : DataArray
    step : {"month", "dekad", "day"}
    needed : int
        Steps, at least.
    what : str
        How to call it in errors.

    Raises
    ------
    InputError
        If steps are missing, come twice, or are too few.
    """
    dim = str(time_name(array))
    numbers = count_steps(array, step, dim)
    apart = np.diff(numbers)
    if (apart != 1).any():
        at = int(np.flatnonzero(apart != 1)[0])
        date = str(middle_of_steps(array, dim).values[at])[: 7 if step == "month" else 10]
        raise InputError(
            f"{what} goes on {int(apart[at])} {step}s after {date}, expected every {step} once; "
            f"bring the missing {step}s, or resample to {step}s"
        )
    if len(numbers) < needed:
        raise InputError(
            f"{what} has {len(numbers)} {step}s, expected at least {needed}: the {step} itself and "
            f"the {needed - 1} before it; bring earlier {step}s"
        )
    return dim, numbers
