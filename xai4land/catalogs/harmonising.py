"""One dataset of a catalog, in the names, units and calendar that all have."""

from __future__ import annotations

from typing import Any, Literal, TypeVar, get_args

import numpy as np
import xarray as xr

from xai4land.catalogs.variables import convert, recognise
from xai4land.errors import InputError
from xai4land.grids.coordinates import coord_names
from xai4land.grids.missing import mask_misspelt_fill_values
from xai4land.grids.time import (
    count_months,
    find_time,
    middle_of_steps,
    move_into_bounds,
    refuse_lost_bounds,
    start_of_months,
)

__all__ = [
    "Calendar",
    "check_calendar",
    "decode_years",
    "get_calendar",
    "harmonise",
    "insert_missing_months",
    "select_years",
    "set_month_times",
    "snap_coordinates",
]

Calendar = Literal["standard", "noleap", "360_day"] | None
Data = TypeVar("Data", xr.DataArray, xr.Dataset)
ENCODING = {"units": "hours since 1850-01-01", "dtype": "float64", "_FillValue": None}
FILL_VALUE_THRESHOLD = 1e15
"""No field here has such values; files that do not declare their fill value do (1e20)."""
YEAR_NAMES = ("year", "years", "yr", "yrs", "common_year", "common_years")


def select_years(data: xr.Dataset, years: tuple[int, int], time: str = "time") -> xr.Dataset:
    """Select what lies between two years, both included; in any calendar, by bounds."""
    found = middle_of_steps(data, time).dt.year.values
    return data.isel({time: (found >= years[0]) & (found <= years[1])})


def decode_years(data: xr.Dataset) -> xr.Dataset:
    """Decode times, also those counted in years since some year, which CF's readers refuse.

    Parameters
    ----------
    data : Dataset
        Opened with ``decode_times=False``.

    Returns
    -------
    Dataset
        Years begin on their first day; ``datetime64[s]``.

    Examples
    --------
    >>> time = xr.DataArray([0.0, 1165.0], dims="time", attrs={"units": "years since 850-01-01"})
    >>> decode_years(xr.Dataset(coords={"time": time})).time.dt.year.values.tolist()
    [850, 2015]
    """
    for name, coord in data.coords.items():
        words = str(coord.attrs.get("units", "")).split()
        if words[1:2] != ["since"] or words[0].lower() not in YEAR_NAMES:
            continue
        first = int(words[2].split("-")[0])
        years = first + np.floor(coord.values + 1e-6).astype(int)
        dates = (years - 1970).astype("M8[Y]").astype("M8[s]")
        attrs = {k: v for k, v in coord.attrs.items() if k not in ("units", "calendar", "bounds")}
        data = data.assign_coords({name: (coord.dims, dates, {"standard_name": "time", **attrs})})
    decoded = xr.decode_cf(
        data,
        decode_times=xr.coders.CFDatetimeCoder(time_unit="s"),
        decode_timedelta=False,
        decode_coords=False,
    )
    return mask_misspelt_fill_values(decoded)


def harmonise(data: xr.Dataset, *, calendar: Calendar = "standard", source: str = "") -> xr.Dataset:
    """Bring monthly or fixed fields to common names, units and times; only times are computed.

    Known variables (``variables.json``) get their CMIP6 names and units, others stay; coordinates
    are called ``time``, ``lat`` and ``lon`` where they are one-dimensional; a month's time is its
    middle, whatever day it was stamped with, by its bounds if there are any. Scalar coordinates,
    such as a height, are dropped.

    Parameters
    ----------
    data : Dataset
        With CF coordinates. Lazy data stay lazy.
    calendar : {"standard", "noleap", "360_day"} or None
        Of the times; months are carried over as months. None leaves times alone.
    source : str
        ``source_id.table_id``, for units that mean something else there.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        Listing units that cannot be converted, names that two variables claim, times that are
        not monthly.

    Examples
    --------
    >>> import pandas as pd
    >>> time = xr.DataArray(pd.date_range("2000-01-01", periods=2, freq="MS"), dims="valid_time",
    ...                     attrs={"standard_name": "time"})
    >>> warm = xr.DataArray([10.0, 11.0], {"valid_time": time}, name="t2m", attrs={"units": "degC"})
    >>> made = harmonise(warm.to_dataset())
    >>> made.tas.values, made.time.dt.day.values
    (array([283.15, 284.15]), array([16, 15]))
    """
    check_calendar(calendar)
    if calendar is not None and (time := find_time(data)) is not None:
        refuse_lost_bounds(data, time)
    data = _rename_coordinates(mask_misspelt_fill_values(data))
    problems: list[str] = []
    made: dict[str, xr.DataArray] = {}
    for key, array in data.data_vars.items():
        name = str(key)
        if (known := recognise(array)) is not None:
            name = known.name
            try:
                array = convert(_mask_fill_values(array), known, source)
            except InputError as error:
                problems += error.problems
        if name in made:
            problems.append(f"two variables are {name!r}, one of them {key!r}; drop one of them")
        made[name] = array.rename(name)
    InputError.raise_if(problems)
    named = xr.Dataset(made, data.coords, data.attrs)
    return (
        named if calendar is None or "time" not in named.dims else set_month_times(named, calendar)
    )


def _rename_coordinates(data: xr.Dataset) -> xr.Dataset:
    """Give one-dimensional coordinates and bounds plain names, and drop scalars."""
    import cf_xarray  # noqa: F401  (registers .cf)

    bounds = {str(n) for names in data.cf.bounds.values() for n in names}
    bounds |= {str(n) for n in data.variables if str(n).endswith(("_bnds", "_bounds", "_vertices"))}
    data = data.set_coords([n for n in bounds if n in data.data_vars])
    names: dict[Any, str] = {}
    found: dict[str, list[str]] = {
        "lat": [n for n in coord_names(data, "latitude") if data[n].dims == (n,)],
        "lon": [n for n in coord_names(data, "longitude") if data[n].dims == (n,)],
        "time": list(filter(None, [find_time(data)])),
    }
    for plain, named in found.items():
        if len(named) == 1 and named[0] != plain and plain not in data.variables:
            names[named[0]] = plain
    data = data.rename(names)
    for coord in data.coords.values():
        if "bounds" in coord.attrs and coord.attrs["bounds"] not in data.variables:
            coord.attrs = {k: v for k, v in coord.attrs.items() if k != "bounds"}
    scalars = [n for n, coord in data.coords.items() if coord.ndim == 0]
    data = data.drop_vars(scalars)
    edges = [n for n in data.coords if str(n).startswith("time_") and data[n].dims[:1] == ("time",)]
    # Read once: selections and months need them.
    data = data.assign_coords({n: data[n].compute() for n in edges})
    return move_into_bounds(data) if "time" in data.dims else data


def _mask_fill_values(array: xr.DataArray) -> xr.DataArray:
    """Set to missing what is a fill value that was not declared as such."""
    return array.where(np.abs(array) < FILL_VALUE_THRESHOLD) if array.dtype.kind == "f" else array


def set_month_times(data: xr.Dataset, calendar: str) -> xr.Dataset:
    """Set times to the middle of their months, in a calendar, with bounds."""
    time, months = data["time"], count_months(data)
    if (np.diff(months) != 1).any():
        at = int(np.flatnonzero(np.diff(months) != 1)[0])
        step = months[at + 1] - months[at]
        mend = "choose years without the gap" if step > 0 else "run ds.sortby('time')"
        mend = mend if step else "average them: ds.resample(time='MS').mean()"
        raise InputError(
            f"times {time.values[at]} and {time.values[at + 1]} are not one month apart, expected "
            f"a monthly axis without gaps; {mend}"
        )
    edges = start_of_months(np.append(months, months[-1] + 1), calendar)
    middle = _middle_of_months(edges)
    attrs = {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}
    if calendar == "standard":
        attrs["units_metadata"] = "leap_seconds: unknown"
    data = data.drop_vars([n for n in ("time_bnds", "time_bounds") if n in data.variables])
    data = data.assign_coords(
        time=("time", middle, attrs),
        time_bnds=(("time", "bnds"), np.stack([edges[:-1], edges[1:]], -1)),
    )
    for name in ("time", "time_bnds"):
        data[name].encoding = {
            **ENCODING,
            **({} if calendar == "standard" else {"calendar": calendar}),
        }
    return data


def snap_coordinates(data: Data, first: xr.DataArray | xr.Dataset) -> Data | None:
    """Take over ``lat`` and ``lon`` of other data, if equal but for rounding; else return None."""
    for name in {"lat", "lon"} & set(data.dims) & set(first.dims):
        own, other = data[name].values, first[name].values
        if own.shape != other.shape or not np.allclose(own, other, rtol=0, atol=1e-4):
            return None
        data = data.assign_coords({name: first[name]})
    return data


def check_calendar(calendar: object) -> None:
    """Refuse a calendar that months are not carried to."""
    if calendar not in (*get_args(get_args(Calendar)[0]), None):
        raise InputError(f"calendar={calendar!r}, expected 'standard', 'noleap', '360_day' or None")


def insert_missing_months(data: xr.Dataset) -> xr.Dataset:
    """Insert the months that lack between the first and the last, with missing values."""
    months = count_months(data)
    whole = np.arange(months[0], months[-1] + 2)
    if len(whole) == len(months) + 1:
        return data
    return data.reindex(time=_middle_of_months(start_of_months(whole, get_calendar(data))))


def get_calendar(data: xr.Dataset) -> str:
    """Return the calendar of the times; ``standard`` for its other names, too."""
    name = str(data["time"].dt.calendar)
    return "standard" if name in ("gregorian", "proleptic_gregorian") else name


def _middle_of_months(edges: np.ndarray) -> np.ndarray:
    middles: np.ndarray = edges[:-1] + (edges[1:] - edges[:-1]) / 2
    return middles
