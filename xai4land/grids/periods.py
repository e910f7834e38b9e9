"""Years, months, dekads and days that the steps of a time axis stand for, in any calendar."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.time import number_of_month
from xai4land.typing import Ints

__all__ = ["DEKAD_DAYS", "Period", "number_of_period", "period_edges"]

Period = Literal["year", "month", "dekad", "day"]
"""What a time step stands for; the three dekads of a month begin on its days 1, 11 and 21."""
DEKAD_DAYS = 10


def number_of_period(dates: xr.DataArray, period: Period) -> Ints:
    """Return the number of the period that holds each date, counted from a fixed one.

    Examples
    --------
    >>> dates = xr.DataArray(np.array(["2000-02-28", "2000-03-01"], "M8[s]"), dims="time")
    >>> [np.diff(number_of_period(dates, p)).item() for p in ("year", "month", "dekad", "day")]
    [0, 1, 1, 2]
    """
    if period == "year":
        return np.asarray(dates.dt.year.values.astype(np.int64))
    if period == "month":
        return number_of_month(dates)
    if period == "dekad":
        return np.asarray(3 * number_of_month(dates) + _dekad_of_month(dates.dt.day.values))
    if dates.dtype.kind == "M":
        return np.asarray(dates.values.astype("M8[D]").astype(np.int64))
    first = dates.values.flat[0].replace(year=1, month=1, day=1)
    return np.array([(date - first).days for date in dates.values], np.int64)


def period_edges(dates: xr.DataArray, period: Period) -> npt.NDArray[Any]:
    """Return the first instants of the period of each date and of the next, shape (dates, 2).

    Examples
    --------
    >>> dates = xr.DataArray(np.array(["2000-02-25"], "M8[s]"), dims="time")
    >>> period_edges(dates, "dekad").astype("M8[D]").astype(str).tolist()
    [['2000-02-21', '2000-03-01']]
    """
    values = dates.values
    if values.dtype.kind != "M":
        return np.array([_edges_of_date(date, period) for date in values])
    months = values.astype("M8[M]")
    if period == "year":
        years = values.astype("M8[Y]")
        low, high = years, years + 1
    elif period == "month":
        low, high = months, months + 1
    elif period == "dekad":
        number = _dekad_of_month(dates.dt.day.values)
        first, last = months.astype("M8[D]"), (months + 1).astype("M8[D]")
        low = first + DEKAD_DAYS * number
        high = np.where(number < 2, low + DEKAD_DAYS, last)
    else:
        low = values.astype("M8[D]")
        high = low + 1
    return np.stack([low.astype(values.dtype), high.astype(values.dtype)], 1)


def _dekad_of_month(day: Any) -> Any:
    """Return 0, 1 or 2; the last one has what is left of the month."""
    return np.minimum((day - 1) // DEKAD_DAYS, 2)


def _edges_of_date(date: Any, period: Period) -> list[Any]:
    low = date.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return [low, low + timedelta(days=1)]
    if period == "dekad":
        number = int(_dekad_of_month(date.day))
        low = low.replace(day=1 + DEKAD_DAYS * number)
        if number < 2:
            return [low, low.replace(day=low.day + DEKAD_DAYS)]
        low_month = low.replace(day=1)
        return [low, _edges_of_date(low_month, "month")[1]]
    if period == "month":
        low = low.replace(day=1)
        year, month = divmod(low.year * 12 + low.month, 12)
        return [low, low.replace(year=year, month=month + 1)]
    low = low.replace(month=1, day=1)
    return [low, low.replace(year=low.year + 1)]
