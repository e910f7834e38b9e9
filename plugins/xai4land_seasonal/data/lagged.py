"""Lagged ensembles: members that start on several days, for one nominal month."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.time import holds_dates, number_of_month
from xai4land.typing import Ints

__all__ = ["find_nominal_months", "gather_starts"]

NOMINAL_TIME = "indexing_time"
"""What ECMWF's archive and cfgrib call the nominal start, which is the first of a month."""


def find_nominal_months(data: xr.Dataset, starts: xr.DataArray, *, counted: str = "") -> Ints:
    """Return the number of the nominal month of each start.

    The coordinate ``indexing_time`` along the starts says it. Otherwise it is the first whole
    month: that of a start on its first day, and the next one of a start on any other, as ECMWF
    counts (`fcmonth <https://confluence.ecmwf.int/x/lo1vBw>`_).

    Parameters
    ----------
    data : Dataset
    starts : DataArray of dates, one-dimensional
    counted : {"", "months", "whole months"}
        How leads are counted: in numbers of months, which begin with the calendar month of the
        start; in whole months after it, as C3S defines ``forecastMonth``; or not, since dates
        say which month a mean is of.

    Raises
    ------
    InputError
        If leads are numbers, and starts within months leave open which month is the first.

    Examples
    --------
    >>> dates = np.array(["2015-12-09", "2015-12-17", "2016-01-01"], "M8[ns]")
    >>> starts = xr.DataArray(dates, dims="time", name="time")
    >>> find_nominal_months(xr.Dataset(), starts) - 12 * 2016
    array([0, 0, 0])
    """
    start = str(starts.name)
    given = data.coords.get(NOMINAL_TIME)
    if given is not None and given.dims == starts.dims and holds_dates(given):
        return number_of_month(given)
    own = number_of_month(starts)
    within = starts.dt.day.values > 1
    whole = own + within
    if not counted or not within.any():
        return whole
    lagged = np.unique(whole).size < whole.size
    if counted == "whole months" and lagged:
        return whole
    if counted == "months" and not lagged:
        return own
    raise InputError(
        f"the starts {start!r} lie within months ({str(starts.values[within][0])[:10]}, ...), and "
        "leads are counted in months: nothing says whether the first is that of the start, or the "
        f"next one; give the nominal starts: ds.assign_coords({NOMINAL_TIME}=({start!r}, dates)), "
        "where the first lead's month is that of the date"
    )


def gather_starts(
    field: xr.DataArray, nominal: Ints, start: str, member: str | None, *, unique: bool
) -> xr.DataArray:
    """Return a field along ``time``, one step for each nominal month, and its members.

    Parameters
    ----------
    field : DataArray
        Along starts and, where there are several, members.
    nominal : ndarray of int
        Nominal month of each start.
    start : str
    member : str or None
    unique : bool
        Whether a number names one member among all starts of a month, as in the archive of
        ECMWF. Otherwise each start has members of its own.

    Returns
    -------
    DataArray
        Along time and ``realization``. Where months have fewer starts than others, members are
        missing.

    Raises
    ------
    InputError
        When computed, if numbers are not unique.

    Examples
    --------
    >>> field = xr.DataArray(np.arange(6.0).reshape(3, 2), dims=("S", "M"))
    >>> made = gather_starts(field, np.array([5, 5, 6]), "S", "M", unique=False)
    >>> made.transpose("time", "realization").values
    array([[ 0.,  1.,  2.,  3.],
           [ 4.,  5., nan, nan]])
    """
    months = np.unique(nominal)
    if months.size == nominal.size:
        field = field.isel({start: np.argsort(nominal)}).rename({start: "time"})
        return field if member is None else field.rename({member: "realization"})
    places = [np.flatnonzero(nominal == month) for month in months]
    at = np.full((months.size, max(map(len, places))), -1)
    for row, found in zip(at, places, strict=True):
        row[: len(found)] = found
    index = xr.DataArray(at, dims=("time", "lag"))
    lagged = field.isel({start: index.clip(0)}).where(index >= 0)
    if member is None:
        return lagged.rename(lag="realization")
    if not unique:
        stacked = lagged.stack(realization=("lag", member), create_index=False)
        return stacked.drop_vars(["lag", member], errors="ignore")
    joined: xr.DataArray = xr.apply_ufunc(
        _join_lags,
        lagged.chunk(lag=-1) if lagged.chunks else lagged,
        input_core_dims=[["lag"]],
        dask="parallelized",
        output_dtypes=[lagged.dtype],
        keep_attrs=True,
    )
    return joined.rename({member: "realization"})


def _join_lags(values: np.ndarray) -> Any:
    """Return the one value that is known among the starts of each member."""
    known = np.isfinite(values)
    if (known.sum(-1) > 1).any():
        raise InputError(
            "several starts of a month have members of one number, expected each number once, as "
            "in GRIB of C3S; number them anew, or drop the attributes GRIB_... so that each start "
            "has members of its own"
        )
    return np.where(known.any(-1), np.where(known, values, 0).sum(-1), np.nan)
