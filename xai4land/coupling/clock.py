"""The steps of a coupled run in a calendar."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Literal, get_args

import cftime

from xai4land.coupling.dates import Date, read_date
from xai4land.errors import CouplingError, InputError

__all__ = ["Calendar", "Clock", "Unit"]

Unit = Literal["year", "month", "day"]
Calendar = Literal["standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day"]
GAP = Date(1582, 10, 10)
"""Within the days that the change from the Julian to the Gregorian calendar leaves out."""
ALIASES = {"365_day": "noleap", "366_day": "all_leap", "gregorian": "standard"}


@dataclass(frozen=True)
class Clock:
    """Steps of a year, a month or a day, counted in a calendar, so that none drifts.

    Parameters
    ----------
    start, end : Date
        The first step begins at ``start``; the last one ends at ``end`` or before.
    unit : {"year", "month", "day"}
        Length of a step.
    calendar : str
        As CF names it.

    Examples
    --------
    >>> clock = Clock.of("2003-12-01", "2005-01-01", "month", "standard")
    >>> [str(clock.date(n)) for n in (0, 3)], clock.days(3), clock.steps
    (['2003-12-01', '2004-03-01'], 91.0, 13)
    >>> Clock.of("2003-12-01", "2005-01-01", "month", "noleap").days(3)
    90.0
    """

    start: Date
    end: Date
    unit: Unit = "year"
    calendar: str = "standard"

    @classmethod
    def of(
        cls, start: object, end: object, unit: str = "year", calendar: str = "standard"
    ) -> Clock:
        """Return a clock from dates in any form; a year alone begins in January.

        Raises
        ------
        InputError
            Listing what is no date, unit or calendar, and an end before the start.
        """
        calendar = ALIASES.get(calendar, calendar)
        problems = []
        if unit not in get_args(Unit):
            problems.append(f"step={unit!r}, expected one of {', '.join(get_args(Unit))}")
        if calendar not in get_args(Calendar):
            problems.append(
                f"calendar={calendar!r}, expected one of {', '.join(get_args(Calendar))}"
            )
        dates = []
        for name, value in (("start", start), ("end", end)):
            try:
                date = read_date(value)
                dates.append(Date(date.year, 1, 1) if _is_year(value) else date)
                if calendar in get_args(Calendar):
                    _count_from_year_zero(dates[-1], calendar)
            except (InputError, ValueError) as error:
                problems.append(f"{name}: {error}")
        if len(dates) == 2 and dates[1] <= dates[0]:
            problems.append(f"end={dates[1]} is not after start={dates[0]}")
        spans_gap = len(dates) == 2 and dates[0] < GAP < dates[1] and 5 <= dates[0].day <= 14
        if unit != "day" and calendar == "standard" and spans_gap:
            problems.append(
                f"start={dates[0]} with steps of a {unit} meets days that the standard calendar "
                "lacks in October 1582; begin on day 1 to 4, or name another calendar"
            )
        if unit != "day" and dates and dates[0].day > 28:
            problems.append(f"start={dates[0]} with steps of a {unit}; begin on day 1 to 28")
        InputError.raise_if(problems)
        return cls(dates[0], dates[1], unit, calendar)  # type: ignore[arg-type]

    def date(self, step: int) -> Date:
        """Return the date at which a step begins, counted from 0."""
        if self.unit == "year":
            return self.start._replace(year=self.start.year + step)
        if self.unit == "month":
            year, month = divmod(self.start.months + step, 12)
            return self.start._replace(year=year, month=month + 1)
        then = self._origin + timedelta(days=step)
        return Date(then.year, then.month, then.day)

    def days(self, step: int) -> float:
        """Return the days from the start of the run to that of a step."""
        then = _count_from_year_zero(self.date(step), self.calendar)
        return float((then - self._origin).total_seconds() / 86400)

    @cached_property
    def steps(self) -> int:
        """Number of whole steps until the end."""
        return self._count_begun(self.end) - 1

    def count_done(self, last: Date | None) -> int:
        """Return how many steps are done when the last one was of a date; None before the first."""
        return 0 if last is None or last < self.start else self._count_begun(last)

    def _count_begun(self, date: Date) -> int:
        """Count the steps that begin at a date or before it, which is not before the start."""
        low, high = 0, 1
        while self.date(high) <= date:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.date(middle) <= date else (low, middle)
        return high

    def check(self, step: int) -> None:
        """Refuse a step beyond the end.

        Raises
        ------
        CouplingError
        """
        if step >= self.steps:
            raise CouplingError(
                f"the run ended at {self.end}; there is no step from {self.date(step)}, set a "
                "later end="
            )

    @property
    def _origin(self) -> cftime.datetime:
        return _count_from_year_zero(self.start, self.calendar)


def _is_year(value: object) -> bool:
    return str(value).lstrip("+-").isdigit()


def _count_from_year_zero(date: Date, calendar: str) -> cftime.datetime:
    """Return a date of a calendar in which the year 0 is the one before the year 1."""
    with warnings.catch_warnings():
        # CF has no such calendars; these dates are for counting days alone.
        warnings.simplefilter("ignore", cftime.CFWarning)
        return cftime.datetime(*date, calendar=calendar, has_year_zero=True)
