"""Seasons: their names, years and coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.typing import Ints
from xai4land_seasonal.data.months import set_time_encoding, start_of_months

__all__ = [
    "STANDARD_SEASONS",
    "Season",
    "find_seasons",
    "reference_time",
    "season_coords",
]

STANDARD_SEASONS = ("DJF", "MAM", "JJA", "SON")
_LETTERS = "JFMAMJJASONDJFMAMJJASOND"


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
        """Return the number of the first month of a year's season; see ``number_months``."""
        return 12 * (year - self.crosses) + self.month - 1

    @classmethod
    def of(cls, name: str) -> Season:
        """Return the season with a name.

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


SEASON_OF_MONTH = tuple(Season(_LETTERS[m : m + 3], m + 1) for m in range(12))
"""The season that begins in each month, from January's."""


def find_seasons(names: str | Sequence[str]) -> tuple[Season, ...]:
    """Return seasons by one name or several.

    Examples
    --------
    >>> [season.month for season in find_seasons(("DJF", "MAM"))]
    [12, 3]
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names or len(set(names)) < len(names):
        raise InputError(f"seasons {names!r}, expected each once and at least one, as ('DJF',)")
    return tuple(Season.of(name) for name in names)


def reference_time(months: Ints, like: xr.DataArray) -> xr.DataArray:
    """Return the coordinate ``forecast_reference_time`` at the first instants of months."""
    reference = xr.DataArray(
        start_of_months(months, like),
        dims="time",
        attrs={"standard_name": "forecast_reference_time"},
    )
    set_time_encoding(reference)
    return reference


def season_coords(starts: Ints, names: Sequence[str], like: xr.DataArray) -> dict[str, Any]:
    """Return coordinates of seasons: their middle, bounds, name and year.

    Parameters
    ----------
    starts : ndarray of int
        Number of the first month of each season.
    names : sequence of str
    like : DataArray
        A time axis in the wanted calendar.
    """
    first, last = (start_of_months(np.asarray(starts) + k, like) for k in (0, 3))
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
    set_time_encoding(made["time"], made["time_bnds"])
    return made
