"""Months of any calendar, by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.time import describe_no_dates
from xai4land.typing import Ints

__all__ = ["number_months", "set_time_encoding", "start_of_months"]


def number_months(time: xr.DataArray, what: str = "the data") -> Ints:
    """Return the numbers of the months of a monthly time axis, counted from January of year 0.

    Parameters
    ----------
    time : DataArray of datetime64 or cftime, shape (time,)
        Each month once, in order, none missing.
    what : str
        What to call the data in errors.

    Raises
    ------
    InputError
        If the axis holds no dates, or naming the months that are missing, doubled or unordered.

    Examples
    --------
    >>> import pandas as pd
    >>> time = xr.DataArray(pd.date_range("2000-01-01", periods=3, freq="MS"), dims="time")
    >>> number_months(time) - 24000
    array([0, 1, 2])
    """
    name = str(time.name)
    try:
        months: Ints = 12 * time.dt.year.values + time.dt.month.values - 1
    except (AttributeError, TypeError):
        raise InputError(f"{what}: {describe_no_dates(time)}") from None
    if months.size == 0:
        raise InputError(f"{what}: {name!r} has no step")
    steps = np.diff(months)
    if (steps == 1).all():
        return months
    if (steps == 0).any():
        doubled = _format_months(months[1:][steps == 0])
        raise InputError(
            f"{what}: several steps in {doubled}, expected monthly means; "
            f"run ds.resample({name}='MS').mean()"
        )
    if (steps < 0).any():
        raise InputError(f"{what}: {name!r} runs back; run ds.sortby({name!r})")
    missing = np.setdiff1d(np.arange(months[0], months[-1]), months)
    raise InputError(
        f"{what}: {missing.size} month{'s are' if missing.size > 1 else ' is'} missing "
        f"({_format_months(missing)}); bring them, or insert them as missing values with "
        f"ds.resample({name}='MS').asfreq()"
    )


def _format_months(months: Ints) -> str:
    shown = ", ".join(f"{m // 12:04d}-{m % 12 + 1:02d}" for m in months[:3])
    return shown + (", ..." if months.size > 3 else "")


def start_of_months(months: Ints, like: xr.DataArray) -> npt.NDArray[Any]:
    """Return the first instants of months, in the calendar of a time axis.

    Examples
    --------
    >>> like = xr.DataArray(np.array(["2000-01-16"], "M8[ns]"), dims="time")
    >>> print(start_of_months(np.array([24001]), like)[0])
    2000-02-01T00:00:00.000000000
    """
    months = np.asarray(months)
    if np.issubdtype(like.dtype, np.datetime64):
        return (months - 1970 * 12).astype("M8[M]").astype(like.dtype)
    import cftime

    calendar = like.dt.calendar
    return np.array(
        [
            cftime.datetime(int(m) // 12, int(m) % 12 + 1, 1, calendar=calendar, has_year_zero=True)
            if calendar == "proleptic_gregorian"
            else cftime.datetime(int(m) // 12, int(m) % 12 + 1, 1, calendar=calendar)
            for m in months
        ]
    )


def set_time_encoding(*times: xr.DataArray) -> None:
    """Set the encoding of time coordinates: hours since one epoch."""
    for time in times:
        time.encoding = {"units": "hours since 1850-01-01", "dtype": "float64", "_FillValue": None}
        if np.issubdtype(time.dtype, np.datetime64):
            continue
        time.encoding["calendar"] = time.values.ravel()[0].calendar
