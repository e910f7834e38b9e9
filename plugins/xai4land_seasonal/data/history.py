"""The past as forecasters use it: trends, and departures from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Any, TypeVar

import numpy as np

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import Trend, extrapolate_trend, sum_before

__all__ = ["SLOW_YEARS", "History", "Inputs"]

T = TypeVar("T")
_PICKLED_ATTRIBUTES = ("first_year", "last", "values", "days", "area", "trend")
SLOW_YEARS = 10
"""Years over which the slow input, the mean departure from the trend, is computed."""


@dataclass(frozen=True)
class Inputs:
    """Predictors and targets of forecasts.

    All are departures from trends that were fitted on the years before alone.

    Attributes
    ----------
    months : ndarray, shape (years, recent months, variables, cells)
        The last months before the forecast, the newest first.
    slow : ndarray, shape (years, variables, cells)
        Mean of the same season over the last ten years.
    trend : ndarray, shape (years, variables, cells)
        The trend's continuation to the season.
    target : ndarray, shape (years, variables, cells)
        The season itself; missing where it is not known yet.
    """

    months: Floats
    slow: Floats
    trend: Floats
    target: Floats

    def take(self, number: int) -> Inputs:
        """Return one case."""
        at = slice(number, number + 1)
        return Inputs(self.months[at], self.slow[at], self.trend[at], self.target[at])


class History:
    """Monthly anomalies of one simulation or of the observations.

    Parameters
    ----------
    values : ndarray, shape (months, variables, cells)
        Missing values are NaN.
    first : int
        Number of the first month, counted from January of year 0.
    days : ndarray, shape (months,), optional
        Days in each month, the weights in seasonal means; equal by default.
    area : ndarray, shape (cells,), optional
        Relative area of the cells; equal by default.
    trend : str
        Which trend departures are from; see :func:`xai4land_seasonal.data.trends.past_trend`.

    Examples
    --------
    A constant anomaly is its own trend:

    >>> history = History(np.ones((12 * 40, 1, 3)), first=12 * 1900)
    >>> inputs = history.inputs(Season.of("DJF"), lead=1, years=np.array([1930]))
    >>> inputs.trend.squeeze(), inputs.target.squeeze()
    (array([1., 1., 1.]), array([0., 0., 0.]))
    """

    def __init__(
        self,
        values: Floats,
        first: int,
        days: Floats | None = None,
        area: Floats | None = None,
        trend: Trend = "line",
    ) -> None:
        values = np.asarray(values, np.float64)
        ahead, length = first % 12, len(values)
        # Four months more than the data, to hold the season after the last month.
        after = -(ahead + length) % 12 + 12
        self.first_year = first // 12
        self.last = first + length - 1
        shape = ((ahead, after), (0, 0), (0, 0))
        padded = np.pad(values, shape, constant_values=np.nan)
        self.values = padded.reshape(-1, 12, *values.shape[1:])
        weights = np.ones(length) if days is None else np.asarray(days, np.float64)
        self.days = np.pad(weights, (ahead, after), constant_values=30.0)
        self.area = np.ones(values.shape[2]) if area is None else np.asarray(area, np.float64)
        self.trend: Trend = trend
        self._cache: dict[Hashable, Any] = {}
        self._lock = RLock()

    @property
    def last_year(self) -> int:
        """The calendar year of the last month."""
        return self.first_year + (self.last - 12 * self.first_year) // 12

    def cached(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returns, computed once for each key.

        Many forecasts, perhaps of several threads, share one history.
        """
        with self._lock:
            if key not in self._cache:
                self._cache[key] = make()
            found: T = self._cache[key]
            return found

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what can be computed again."""
        return {k: v for k, v in vars(self).items() if k in _PICKLED_ATTRIBUTES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _cache={}, _lock=RLock())

    @cached_property
    def seasons(self) -> Floats:
        """Mean of the three months that begin at each month, (years, 12, variables, cells)."""
        flat = self.values.reshape(-1, *self.values.shape[2:])
        weighted = flat * self.days[:, None, None]
        total = weighted[:-2] + weighted[1:-1] + weighted[2:]
        days = self.days[:-2] + self.days[1:-1] + self.days[2:]
        means = np.full_like(flat, np.nan)
        means[:-2] = total / days[:, None, None]
        return means.reshape(self.values.shape)

    @cached_property
    def trends(self) -> tuple[Floats, Floats]:
        """The trend's continuation to each month, and to each season, from years before alone."""
        months, seasons = (
            extrapolate_trend(values, self.trend, self.area)
            for values in (self.values, self.seasons)
        )
        return months, seasons

    @cached_property
    def departures(self) -> tuple[Floats, Floats]:
        """Months and seasons as departures from their past trends."""
        return self.values - self.trends[0], self.seasons - self.trends[1]

    def inputs(self, season: Season, lead: int, years: Ints, recent: int = 3) -> Inputs:
        """Return what is known when a season's forecast is made, for several years.

        Parameters
        ----------
        season : Season
        lead : int
            Whole months between the last month that is known and the season.
        years : ndarray of int
            Of the seasons.
        recent : int
            How many of the last months.
        """
        starts = season.start(np.asarray(years)) - 12 * self.first_year
        rows, month = starts // 12, season.month - 1
        departures = self.departures[0]
        flat = departures.reshape(-1, *departures.shape[2:])
        latest = starts - 1 - lead
        known = latest[:, None] - np.arange(recent)
        inside = (known >= 0) & (known < len(flat))
        months = np.where(inside[..., None, None], flat[known.clip(0, len(flat) - 1)], np.nan)
        trend = self.trends[1][:, month]
        target = self.departures[1][:, month]
        slow = _running_mean(target)
        return Inputs(months, slow[rows], trend[rows], target[rows])


def _running_mean(values: Floats) -> Floats:
    """Compute the mean over the valid years of the ten before each; missing without any."""
    known = np.isfinite(values)
    total, count = sum_before(np.where(known, values, 0.0)), sum_before(known * 1.0)
    recent_total, recent_count = total.copy(), count.copy()
    recent_total[SLOW_YEARS:] -= total[:-SLOW_YEARS]
    recent_count[SLOW_YEARS:] -= count[:-SLOW_YEARS]
    return np.where(recent_count > 0, recent_total / np.maximum(recent_count, 1), np.nan)
