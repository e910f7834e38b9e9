"""Time axes: found by CF metadata or usual names, and the periods that their steps stand for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.coordinates import BOUNDS_ENDINGS
from xai4land.typing import Ints

__all__ = [
    "count_months",
    "describe_no_dates",
    "find_time",
    "holds_dates",
    "middle_of_steps",
    "move_into_bounds",
    "number_of_month",
    "read_bounds",
    "refuse_lost_bounds",
    "start_of_months",
]

OTHER_NAMES = ("forecast_reference_time", "forecast_period")
"""Standard names of times that are no time axis."""
USUAL_NAMES = ("time", "valid_time")
MAX_DAYS_OF_MONTH = 32
COUNTED_DATES = (
    ("years", "f'{int(n):04d}-01-01'", (1200, 2999)),
    ("months", "f'{int(n) // 100:04d}-{int(n) % 100:02d}-01'", (120001, 299912)),
    (
        "days",
        "f'{int(n) // 10000:04d}-{int(n) // 100 % 100:02d}-{int(n) % 100:02d}'",
        (12000101, 29991231),
    ),
)
"""Dates that are written as one number, how to read them, and between which numbers they lie.

Smaller ones may be counts of years since some year: LUH2's go from 0 to 1165.
"""
ROUNDING = timedelta(hours=1)
"""How far a time may lie outside its bounds, as those in float32 do."""


def holds_dates(coord: xr.DataArray) -> bool:
    """Return whether a coordinate holds dates, in any calendar.

    Examples
    --------
    >>> holds_dates(xr.DataArray(np.array(["2000-01-01"], "M8[s]"), dims="time"))
    True
    """
    if coord.dtype.kind == "M":
        return True
    return coord.dtype == object and coord.size > 0 and hasattr(coord.values.flat[0], "calendar")


def find_time(data: xr.Dataset | xr.DataArray, what: str = "the data") -> str | None:
    """Return the name of the time axis: by its attributes, its name, or because it holds dates.

    Parameters
    ----------
    data : Dataset or DataArray
    what : str
        How to call the data in errors.

    Raises
    ------
    InputError
        If there are several.

    Examples
    --------
    >>> dates = np.array(["2000-01-01", "2000-02-01"], "M8[s]")
    >>> find_time(xr.Dataset(coords={"valid_time": dates}))
    'valid_time'
    """
    axes = {
        str(name): coord
        for name, coord in data.coords.items()
        if coord.dims == (name,) and coord.attrs.get("standard_name") not in OTHER_NAMES
    }
    for found in (
        [n for n, c in axes.items() if c.attrs.get("standard_name") == "time"],
        [n for n, c in axes.items() if c.attrs.get("axis") == "T"],
        [n for n in axes if n in USUAL_NAMES],
        [n for n, c in axes.items() if holds_dates(c)],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"{what}: several time axes ({', '.join(found)}), expected one; give one of them "
                "the standard_name 'time', and rename the others or select from them"
            )
    return None


def read_bounds(data: xr.Dataset | xr.DataArray, name: str = "time") -> xr.DataArray | None:
    """Return the bounds of a time axis, shape (time, 2); None if it has none.

    Raises
    ------
    InputError
        If they have another shape or missing values, or a time lies outside its bounds.

    Examples
    --------
    >>> edges = np.array(["2000-01-01", "2000-02-01"], "M8[s]")
    >>> time = xr.DataArray(edges[1:], dims="time", attrs={"bounds": "time_bnds"})
    >>> data = xr.Dataset(coords={"time": time, "time_bnds": (("time", "bnds"), edges[None])})
    >>> read_bounds(data).shape
    (1, 2)
    """
    time = data[name]
    variables = {**getattr(data, "data_vars", {}), **data.coords}
    named = time.attrs.get("bounds", time.encoding.get("bounds"))
    usual = [f"{name}{ending}" for ending in BOUNDS_ENDINGS]
    bounds = next((variables[n] for n in [named, *usual] if n in variables), None)
    if bounds is None or "climatology" in {**time.attrs, **time.encoding}:
        return None
    hint = f"correct them, or drop them if the times are right: ds.drop_vars({str(bounds.name)!r})"
    if bounds.sizes.get(name) != time.size or bounds.size != 2 * time.size or bounds.ndim != 2:
        raise InputError(
            f"bounds {bounds.name!r} have shape {bounds.shape}, expected {(time.size, 2)}; {hint}"
        )
    bounds = bounds.transpose(name, ...)
    if not holds_dates(bounds):
        bounds = _decode(bounds, time)
    if not holds_dates(bounds) or pd.isnull(bounds.values).any():
        raise InputError(
            f"bounds {bounds.name!r} hold {bounds.dtype}, expected a date for each edge; {hint}"
        )
    values, stamps = np.sort(bounds.values, 1), time.values
    slack = np.timedelta64(ROUNDING) if stamps.dtype.kind == "M" else ROUNDING
    try:
        outside = (stamps < values[:, 0] - slack) | (stamps > values[:, 1] + slack)
    except TypeError:
        raise InputError(
            f"bounds {bounds.name!r} are in another calendar than the times; {hint}"
        ) from None
    if outside.any():
        at = int(np.flatnonzero(outside)[0])
        raise InputError(
            f"time {stamps[at]} lies outside its bounds {bounds.name!r}, {values[at, 0]} to "
            f"{values[at, 1]}; {hint}"
        )
    return bounds.copy(data=values)


def middle_of_steps(data: xr.Dataset | xr.DataArray, name: str = "time") -> xr.DataArray:
    """Return a date within the period of each step: the middle of its bounds, or else its time.

    Means are often stamped at the end of their period, which is the first instant of the next one.

    Raises
    ------
    InputError
        See :func:`read_bounds`.

    Examples
    --------
    >>> edges = np.array(["2000-01-01", "2000-02-01"], "M8[s]")
    >>> time = xr.DataArray(edges[1:], dims="time", attrs={"bounds": "time_bnds"})
    >>> data = xr.Dataset(coords={"time": time, "time_bnds": (("time", "bnds"), edges[None])})
    >>> middle_of_steps(data).dt.month.values
    array([1])
    """
    time = data[name]
    if not time.size or not holds_dates(time):
        return time
    bounds = read_bounds(data, name)
    if bounds is None:
        return time
    low, high = bounds.values[:, 0], bounds.values[:, 1]
    return xr.DataArray(low + (high - low) / 2, dims=name, name=name)


def move_into_bounds(data: xr.Dataset) -> xr.Dataset:
    """Return data whose times lie within the periods that their bounds say.

    Times at the end of their period become its middle, so their year and month are those of the
    period. Others stay as they are, and so do axes without bounds.

    Raises
    ------
    InputError
        Listing what is wrong with bounds; see :func:`read_bounds`.

    Examples
    --------
    >>> edges = np.array(["2000-01-01", "2000-02-01"], "M8[s]")
    >>> time = xr.DataArray(edges[1:], dims="time", attrs={"bounds": "time_bnds"})
    >>> data = xr.Dataset(coords={"time": time, "time_bnds": (("time", "bnds"), edges[None])})
    >>> move_into_bounds(data).time.dt.month.values
    array([1])
    """
    problems: list[str] = []
    moved = {}
    for name, time in data.coords.items():
        if time.dims != (name,) or not holds_dates(time):
            continue
        try:
            if (found := _move_axis(data, str(name))) is not None:
                moved[name] = found
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    return data.assign_coords(moved) if moved else data


def _move_axis(data: xr.Dataset, name: str) -> xr.DataArray | None:
    """Return an axis within its bounds; None if it is, or has none."""
    time, bounds = data[name], read_bounds(data, name)
    if bounds is None:
        return None
    low, high = bounds.values[:, 0], bounds.values[:, 1]
    beyond = ((time.values >= high) | (time.values < low)) & (high > low)
    if not beyond.any():
        return None
    values = np.where(beyond, low + (high - low) / 2, time.values).astype(time.dtype)
    moved = xr.DataArray(values, dims=name, attrs=time.attrs, name=name)
    moved.encoding = time.encoding
    return moved


def describe_no_dates(time: xr.DataArray) -> str:
    """Say what a time axis holds instead of dates, and how to get them.

    Examples
    --------
    >>> print(describe_no_dates(xr.DataArray([1999, 2000], dims="time", name="time")))
    'time' holds int64 (1999, ...), expected dates; if these are years, make dates of them: \
ds.assign_coords(time=[np.datetime64(f'{int(n):04d}-01-01', 's') for n in ds.time.values])
    """
    name = str(time.name)
    first = f" ({time.values.flat[0]:g}, ...)" if time.size and time.dtype.kind in "iuf" else ""
    return f"{name!r} holds {time.dtype}{first}, expected dates; {_advise_dates(time)}"


def _advise_dates(time: xr.DataArray) -> str:
    """Return how to make dates of what a time axis holds."""
    name = str(time.name)
    units = str(time.attrs.get("units"))
    years = units.startswith(("year", "yr"))  # which xarray does not decode
    if time.dtype.kind not in "iuf" or not time.size or ("since" in units and not years):
        return "decode them, xr.decode_cf(ds), or open the data with decode_times=True"
    low, high = float(time.min()), float(time.max())
    for what, text, (least, most) in COUNTED_DATES:
        if least <= low and high <= most and bool((time == np.floor(time)).all()):
            return (
                f"if these are {what}, make dates of them: ds.assign_coords({name}="
                f"[np.datetime64({text}, 's') for n in ds.{name}.values])"
            )
    return (
        f"give them, e.g. for LUH2's years since 850: ds.assign_coords({name}=xr.date_range("
        f"'0850', periods=ds.{name}.size, freq='YS', use_cftime=True))"
    )


def number_of_month(dates: xr.DataArray) -> Ints:
    """Return the number of the month of each date, counted from January of year 0.

    Examples
    --------
    >>> number_of_month(xr.DataArray(np.array(["2000-02-16"], "M8[s]"), dims="time"))
    array([24001])
    """
    months: Ints = dates.dt.year.values.astype(np.int64) * 12 + dates.dt.month.values - 1
    return months


def count_months(data: xr.Dataset | xr.DataArray, name: str = "time") -> Ints:
    """Return the number of the month that each step stands for, by its bounds if there are any.

    Raises
    ------
    InputError
        If the axis holds no dates, the bounds are not of single months, or are named and not
        there where they decide.

    Examples
    --------
    >>> edges = np.array(["2000-01-01", "2000-02-01"], "M8[s]")
    >>> time = xr.DataArray(edges[1:], dims="time", attrs={"bounds": "time_bnds"})
    >>> data = xr.Dataset(coords={"time": time, "time_bnds": (("time", "bnds"), edges[None])})
    >>> count_months(data), count_months(xr.Dataset(coords={"time": edges[1:]}))
    (array([24000]), array([24001]))
    """
    time = data[name]
    if not holds_dates(time):
        raise InputError(f"times {describe_no_dates(time)}")
    bounds = read_bounds(data, name)
    if bounds is None:
        refuse_lost_bounds(data, name)
    else:
        spans = pd.to_timedelta((bounds.values[:, 1] - bounds.values[:, 0]).ravel())
        if (longest := spans.max().days) > MAX_DAYS_OF_MONTH:
            raise InputError(
                f"bounds {bounds.name!r} span up to {longest} days, expected months; bring "
                f"monthly means, or drop wrong bounds: ds.drop_vars({str(bounds.name)!r})"
            )
    return number_of_month(middle_of_steps(data, name))


def refuse_lost_bounds(data: xr.Dataset | xr.DataArray, name: str = "time") -> None:
    """Refuse times at the edges of months whose bounds are named but not there.

    Such a time is the end of one month and the beginning of the next, and the bounds would say
    which is meant: CESM stamps means at the end, others at the beginning. Without a name of
    bounds it is the beginning, as everywhere in pandas and xarray.

    Raises
    ------
    InputError

    Examples
    --------
    >>> edges = np.array(["2000-02-01"], "M8[s]")
    >>> time = xr.DataArray(edges, dims="time", attrs={"bounds": "time_bnds"})
    >>> refuse_lost_bounds(xr.Dataset(coords={"time": time}))
    Traceback (most recent call last):
    ...
    xai4land.errors.InputError: times 'time' are the first instants of months (2000-02-01), and \
their bounds 'time_bnds', which say whether a mean is of the month before or after, are not \
there; give the Dataset that has them, or, if months begin at these times, drop the name: \
del data.time.attrs['bounds']
    """
    time = data[name]
    place = time.attrs if "bounds" in time.attrs else time.encoding
    named = place.get("bounds")
    variables = {**getattr(data, "data_vars", {}), **data.coords}
    if named is None or named in variables or not time.size or not holds_dates(time):
        return
    calendar = "standard" if time.dtype.kind == "M" else time.dt.calendar
    if not (start_of_months(number_of_month(time), calendar) == time.values).all():
        return
    where = "attrs" if place is time.attrs else "encoding"
    raise InputError(
        f"times {name!r} are the first instants of months ({str(time.values[0])[:10]}), and their "
        f"bounds {named!r}, which say whether a mean is of the month before or after, are not "
        "there; give the Dataset that has them, or, if months begin at these times, drop the "
        f"name: del data.{name}.{where}['bounds']"
    )


def start_of_months(months: Ints, calendar: str) -> np.ndarray:
    """Return the first instants of months that are counted from January of year 0.

    Examples
    --------
    >>> start_of_months(np.array([24000]), "standard").astype(str).tolist()
    ['2000-01-01T00:00:00']
    """
    if calendar == "standard":
        return (months - 12 * 1970).astype("M8[M]").astype("M8[s]")
    import cftime

    return np.array([cftime.datetime(m // 12, m % 12 + 1, 1, calendar=calendar) for m in months])


def _decode(bounds: xr.DataArray, time: xr.DataArray) -> xr.DataArray:
    """Decode bounds that were left as numbers, by the units of their times."""
    about: dict[str, Any] = {**time.encoding, **bounds.encoding, **bounds.attrs}
    about = {key: about[key] for key in ("units", "calendar") if key in about}
    if "since" not in str(about.get("units", "")):
        return bounds
    numbers = xr.Dataset({"bounds": (bounds.dims, bounds.values, about)})
    calendar = True if time.dtype == object else None
    coder = xr.coders.CFDatetimeCoder(use_cftime=calendar, time_unit="s")
    decoded = xr.decode_cf(numbers, decode_times=coder)["bounds"]
    return decoded.rename(bounds.name)
