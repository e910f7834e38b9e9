"""Which seasons can be forecast from the months that are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai4land.errors import InputError
from xai4land.typing import Ints
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import MIN_TREND_YEARS

__all__ = ["find_starts"]


def find_starts(
    months: Ints, seasons: Sequence[Season], lead: int, years: int | Sequence[int] | None
) -> Ints:
    """Return the number of the first month of each season that is forecast, in order.

    Parameters
    ----------
    months : ndarray of int
        Numbers of the months that are known; see
        :func:`xai4land_seasonal.data.months.number_months`.
    seasons : sequence of Season
    lead : int
        Whole months between the last month that is known and the season.
    years : int, sequence of int or None
        Years of the seasons; None for all that can be forecast.

    Raises
    ------
    InputError
        Naming the seasons whose last months are not known, or that have too few years before.

    Examples
    --------
    >>> months = np.arange(12 * 1900, 12 * 1920)
    >>> find_starts(months, [Season.of("JJA")], 1, [1918, 1917]) - 12 * 1900
    array([209, 221])
    """
    earliest = int(months[0]) + 12 * MIN_TREND_YEARS
    latest = int(months[-1]) + lead + 1
    if years is None:
        span = range(earliest // 12, latest // 12 + 2)
        found = [s.start(y) for y in span for s in seasons if earliest <= s.start(y) <= latest]
        if not found:
            raise InputError(
                f"{months.size} months are too few to forecast from: trends need "
                f"{MIN_TREND_YEARS} years"
            )
        return np.array(sorted(found))
    wanted = [years] if isinstance(years, int | np.integer) else [int(y) for y in years]
    problems = [] if wanted else ["years is empty, expected at least one year"]
    for season in seasons:
        for year in wanted:
            start = season.start(year)
            if start < earliest:
                problems.append(
                    f"{season.name} {year} has {(start - int(months[0])) // 12} years before it, "
                    f"expected at least {MIN_TREND_YEARS} to fit a trend on; bring earlier years"
                )
            elif start > latest:
                problems.append(
                    f"{season.name} {year} at lead {lead} needs data up to "
                    f"{_format_month(start - lead - 1)}, and they end in "
                    f"{_format_month(int(months[-1]))}; bring the months between, or leave it out"
                )
    InputError.raise_if(problems)
    return np.array(sorted({s.start(y) for y in wanted for s in seasons}))


def _format_month(number: int) -> str:
    return f"{number // 12}-{number % 12 + 1:02d}"
