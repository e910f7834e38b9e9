"""Seasons: their names, their months in any calendar, and means over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError

__all__ = ["FOUR", "Season", "find_seasons", "month_numbers", "months_at", "season_coords"]

FOUR = ("DJF", "MAM", "JJA", "SON")
_LETTERS = "JFMAMJJASONDJFMAMJJASOND"

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Season:
    """Three months in a row, named by their first letters.

    A season belongs to the year of its last month: DJF to January's year.

    Parameters
    ----------
    name : str
        As ``"DJF"``.
    month : int
        The first month, 1 to 12.
    """

    name: str
    month: int

    @property
    def crosses(self) -> int:
        """1 if the season begins in the year before its own, else 0."""
        return int(self.month > 10)

    def start(self, year: int | Ints) -> Any:
        """Number of the first month of a year's season; months count from January of year 0."""
        return 12 * (year - self.crosses) + self.month - 1

    @classmethod
    def of(cls, name: str) -> Season:
        """The season with a name.

        Examples
        --------
        >>> Season.of("DJF"), Season.of("DJF").start(2001) - Season.of("JJA").start(2000)
        (Season(name='DJF', month=12), 6)
        """
        at = _LETTERS.find(name.upper()) if isinstance(name, str) and len(name) == 3 else -1
        if at < 0:
            raise InputError(
                f"season {name!r}, expected the first letters of three months in a row, as 'DJF'"
            )
        return cls(name.upper(), at + 1)


def find_seasons(names: str | Sequence[str]) -> tuple[Season, ...]:
    """Seasons by one name or several.

    Examples
    --------
    >>> [season.month for season in find_seasons(("DJF", "MAM"))]
    [12, 3]
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names or len(set(names)) < len(names):
        raise InputError(f"seasons {names!r}, expected each once and at least one, as ('DJF',)")
    return tuple(Season.of(name) for name in names)


def month_numbers(time: xr.DataArray, what: str = "the data") -> Ints:
    """Numbers of the months of a monthly time axis, counted from January of year 0.

    Parameters
    ----------
    time : DataArray of datetime64 or cftime, shape (time,)
        Each month once, in order, none missing.
    what : str
        How to call the data in errors.

    Raises
    ------
    InputError
        If the axis is not of dates, or months are missing, doubled or out of order; which.

    Examples
    --------
    >>> import pandas as pd
    >>> time = xr.DataArray(pd.date_range("2000-01-01", periods=3, freq="MS"), dims="time")
    >>> month_numbers(time) - 24000
    array([0, 1, 2])
    """
    name = str(time.name)
    try:
        months: Ints = 12 * time.dt.year.values + time.dt.month.values - 1
    except (AttributeError, TypeError):
        raise InputError(
            f"{what}: {name!r} holds {time.dtype}, expected dates; run xr.decode_cf(ds)"
        ) from None
    if months.size == 0:
        raise InputError(f"{what}: {name!r} has no step")
    steps = np.diff(months)
    if (steps == 1).all():
        return months
    if (steps == 0).any():
        few = _named(months[1:][steps == 0])
        raise InputError(
            f"{what}: several steps in {few}, expected monthly means; "
            f"run ds.resample({name}='MS').mean()"
        )
    if (steps < 0).any():
        raise InputError(f"{what}: {name!r} runs back; run ds.sortby({name!r})")
    missing = np.setdiff1d(np.arange(months[0], months[-1]), months)
    raise InputError(
        f"{what}: {missing.size} month{'s are' if missing.size > 1 else ' is'} missing "
        f"({_named(missing)}); bring them, or insert them as missing values with "
        f"ds.resample({name}='MS').asfreq()"
    )


def _named(months: Ints) -> str:
    few = ", ".join(f"{m // 12:04d}-{m % 12 + 1:02d}" for m in months[:3])
    return few + (", ..." if months.size > 3 else "")


def months_at(months: Ints, like: xr.DataArray) -> npt.NDArray[Any]:
    """The first instants of months, in the calendar of a time axis.

    Examples
    --------
    >>> like = xr.DataArray(np.array(["2000-01-16"], "M8[ns]"), dims="time")
    >>> print(months_at(np.array([24001]), like)[0])
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


def season_coords(starts: Ints, names: Sequence[str], like: xr.DataArray) -> dict[str, Any]:
    """Coordinates of seasons: their middle, bounds, name and year.

    Parameters
    ----------
    starts : ndarray of int
        Number of the first month of each season.
    names : sequence of str
    like : DataArray
        A time axis in the calendar that is wanted.
    """
    first, last = (months_at(np.asarray(starts) + k, like) for k in (0, 3))
    years = (np.asarray(starts) + 2) // 12
    made: dict[str, Any] = {
        "time": xr.DataArray(
            first + (last - first) / 2,
            dims="time",
            attrs={"standard_name": "time", "axis": "T", "bounds": "time_bnds"},
        ),
        "time_bnds": xr.DataArray(np.stack([first, last], -1), dims=("time", "bnds")),
        "season": xr.DataArray(
            np.array(names, dtype="<U3"), dims="time", attrs={"long_name": "season"}
        ),
        "season_year": xr.DataArray(
            years.astype(np.int32),
            dims="time",
            attrs={"long_name": "year of the season's last month", "units": "1"},
        ),
    }
    encode(made["time"], made["time_bnds"])
    return made


def encode(*times: xr.DataArray) -> None:
    """How time coordinates are written: one epoch, whole numbers of hours where they are."""
    for time in times:
        time.encoding = {"units": "hours since 1850-01-01", "dtype": "float64", "_FillValue": None}
        if np.issubdtype(time.dtype, np.datetime64):
            continue
        time.encoding["calendar"] = time.values.ravel()[0].calendar
