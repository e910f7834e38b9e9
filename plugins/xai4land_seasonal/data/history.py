"""The past as forecasters use it: trends, and departures from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import Any, TypeVar

import numpy as np

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.precipitation import PrecipitationIndex
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import Trend, extrapolate_trend, sum_before

__all__ = ["SLOW_YEARS", "History", "Inputs", "Rain"]

T = TypeVar("T")
_PICKLED_ATTRIBUTES = ("first_year", "last", "amounts", "days", "area", "trend", "rain")
SLOW_YEARS = 10
"""Years over which the slow input, the mean departure from the trend, is computed."""


@dataclass(frozen=True)
class Rain:
    """Which variables are absolute precipitation, and what its anomalies are against.

    Attributes
    ----------
    at : tuple of int
        Positions of the variables.
    means : ndarray, shape (12, len(at), cells)
        Climatology, which forecasts are anomalies from.
    base : tuple of int, optional
        First and last year that distributions are fitted to; by default all.
    """

    at: tuple[int, ...]
    means: Floats
    base: tuple[int, int] | None = None


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

    Those of precipitation, which is skewed and bounded by zero, are its standardised index in each
    cell and month (or season) of the year: all forecasters work on these, and :meth:`restore`
    returns to anomalies.

    Parameters
    ----------
    values : ndarray, shape (months, variables, cells)
        Anomalies, but precipitation as it is. Missing values are NaN.
    first : int
        Number of the first month, counted from January of year 0.
    days : ndarray, shape (months,), optional
        Days in each month, the weights in seasonal means; equal by default.
    area : ndarray, shape (cells,), optional
        Relative area of the cells; equal by default.
    trend : str
        Which trend departures are from; see :func:`xai4land_seasonal.data.trends.past_trend`.
    rain : Rain, optional
        Which variables are precipitation.

    Attributes
    ----------
    amounts : ndarray, shape (years, 12, variables, cells)
        The values as they were given, from the first January to the last December.

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
        rain: Rain | None = None,
    ) -> None:
        values = np.asarray(values, np.float64)
        ahead, length = first % 12, len(values)
        # Four months more than the data, to hold the season after the last month.
        after = -(ahead + length) % 12 + 12
        self.first_year = first // 12
        self.last = first + length - 1
        shape = ((ahead, after), (0, 0), (0, 0))
        padded = np.pad(values, shape, constant_values=np.nan)
        self.amounts = padded.reshape(-1, 12, *values.shape[1:])
        weights = np.ones(length) if days is None else np.asarray(days, np.float64)
        self.days = np.pad(weights, (ahead, after), constant_values=30.0)
        self.area = np.ones(values.shape[2]) if area is None else np.asarray(area, np.float64)
        self.trend: Trend = trend
        self.rain = rain
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
    def values(self) -> Floats:
        """Anomalies of months, (years, 12, variables, cells); the index of precipitation."""
        if self.rain is None:
            return self.amounts
        values, at = self.amounts.copy(), list(self.rain.at)
        rain = values[:, :, at]
        index = PrecipitationIndex.fit(rain[self._base_years]).normalise(rain)
        # A month that is mostly dry tells nothing.
        values[:, :, at] = np.where(np.isfinite(rain), np.nan_to_num(index), np.nan)
        return values

    @cached_property
    def seasons(self) -> Floats:
        """Mean of the three months that begin at each month, (years, 12, variables, cells).

        Of precipitation its index, missing where seasons are mostly dry.
        """
        means = self._season_means(self.amounts)
        if self.rain is not None:
            at = list(self.rain.at)
            means[:, :, at] = self._season_index.normalise(means[:, :, at])
        return means

    def restore(
        self, members: Floats, season: Season, years: Ints, variables: Sequence[int]
    ) -> Floats:
        """Return members as anomalies in the units of the data; no precipitation is below zero.

        Parameters
        ----------
        members : ndarray, shape (years, members, targets, cells)
        season : Season
        years : ndarray of int
            Of the seasons.
        variables : sequence of int
            Position of each target among the variables.
        """
        if self.rain is None or not set(variables) & set(self.rain.at):
            return members
        members, month = members.copy(), season.month - 1
        rows = season.start(np.asarray(years)) // 12 - self.first_year
        tiled = np.broadcast_to(self.rain.means, (len(self.amounts), *self.rain.means.shape))
        means = self._season_means(tiled)[rows, month]
        for target, variable in enumerate(variables):
            if variable in self.rain.at:
                k = self.rain.at.index(variable)
                amount = self._season_index.take(k).restore(members[:, :, target], month)
                members[:, :, target] = amount - means[:, None, k]
        return members

    @cached_property
    def _season_index(self) -> PrecipitationIndex:
        assert self.rain is not None
        means = self._season_means(self.amounts[:, :, list(self.rain.at)])[self._base_years]
        if self.rain.base is not None:
            means[-1:, 10:] = np.nan  # these seasons end in the year after
        return PrecipitationIndex.fit(means)

    @property
    def _base_years(self) -> slice:
        assert self.rain is not None
        if self.rain.base is None:
            return slice(None)
        first, last = (year - self.first_year for year in self.rain.base)
        return slice(max(first, 0), last + 1)

    def _season_means(self, months: Floats) -> Floats:
        """Compute means of the three months that begin at each month, weighted by days."""
        flat = months.reshape(-1, *months.shape[2:])
        weighted = flat * self.days[:, None, None]
        total = weighted[:-2] + weighted[1:-1] + weighted[2:]
        days = self.days[:-2] + self.days[1:-1] + self.days[2:]
        means = np.full(flat.shape, np.nan)
        means[:-2] = total / days[:, None, None]
        return means.reshape(months.shape)

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
