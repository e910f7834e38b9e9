"""EOF-ridge: the trend, and a ridge regression on the leading patterns of the last months."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.typing import Floats
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.references.base import DressedMean, select_by_year
from xai4land_seasonal.references.patterns import Patterns, find_refits

__all__ = ["EofRidge"]


class EofRidge(DressedMean):
    """The trend, and departures by ridge regression (Hoerl and Kennard 1970).

    Parameters
    ----------
    count : int
        Leading EOFs; their last month and the mean of the last three months are predictors.
    ridge : float
        Added to the variance of each principal component, which is one.
    """

    name = "eof-ridge"
    description = (
        "the trend, and a ridge regression of departures from it on the leading EOFs of the last "
        "months, fitted on earlier years"
    )
    min_years = 20

    def __init__(self, count: int = 20, ridge: float = 1.0) -> None:
        self.count, self.ridge = count, ridge

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Compute the mean; the trend alone where there are fewer than 20 years to learn from."""
        means = select_by_year(history, history.trends[1], season).copy()
        for before, years in find_refits(history):
            found = self.departures(history, season, lead, before, years)
            if found is not None:
                means[years] += found
        return means

    def departures(
        self, history: History, season: Season, lead: int, before: int, years: slice
    ) -> Floats | None:
        """Compute departures from the trend, as they are regressed before a year.

        Parameters
        ----------
        before : int
            Position in the history of the first year that is not learned from.
        years : slice
            Positions of years that are forecast, none of them earlier.

        Returns
        -------
        ndarray, shape (years, variables, cells), or None
            None with fewer than 20 years to learn from.
        """
        starts, *shifted = (_starts(history, season, lead, shift) for shift in (0, -1, 1))
        # Winters begin in the year before their own: leave out one year.
        patterns = self._patterns(history, max(before - 1, 0))
        if patterns is None:
            return None
        training = [start.until(before - 1) for start in (starts, *shifted)]
        predictors = np.concatenate([start.project(patterns) for start in training])
        slopes = self._fit(predictors, np.concatenate([start.target for start in training]))
        served = starts.at(years).project(patterns)
        return np.asarray((served @ slopes).reshape(-1, *history.values.shape[2:]))

    def _patterns(self, history: History, end: int) -> Patterns | None:
        """Return the patterns of the years up to a position, computed once for all seasons."""

        def make() -> Patterns | None:
            past = history.departures[0][:end]
            past = past[np.isfinite(past).any((1, 2, 3))]
            if len(past) < self.min_years:
                return None
            flat = past.reshape(-1, *past.shape[2:])
            return Patterns.of(flat, history.area, self.count)

        return history.cached((Patterns, end, self.count), make)

    def _fit(self, predictors: Floats, target: Floats) -> Floats:
        """Return slopes, (predictors, variables * cells); missing departures count as zero."""
        known = np.isfinite(target)
        square = predictors.T @ predictors
        square = square + self.ridge * len(predictors) * np.eye(predictors.shape[1])
        return np.asarray(np.linalg.solve(square, predictors.T @ np.where(known, target, 0.0)))


@dataclass(frozen=True)
class _Starts:
    """Starts of one season, one for each year.

    Attributes
    ----------
    last, mean : ndarray, shape (years, variables, cells)
        Departures of the last month, and their mean over the last three.
    target : ndarray, shape (years, variables * cells)
    some : ndarray of bool, shape (years,)
        Where the last month is known anywhere, and the season begins within the history.
    """

    last: Floats
    mean: Floats
    target: Floats
    some: npt.NDArray[np.bool_]

    def at(self, years: Any) -> _Starts:
        """Return some years."""
        return _Starts(self.last[years], self.mean[years], self.target[years], self.some[years])

    def until(self, end: int) -> _Starts:
        """Return those that can be learned from, up to a year's position."""
        return self.at(np.flatnonzero(self.some[: max(end, 1)]))

    def project(self, patterns: Patterns) -> Floats:
        """Compute principal components, shape (years, predictors)."""
        return np.concatenate([patterns.project(self.last), patterns.project(self.mean)], 1)


def _starts(history: History, season: Season, lead: int, shift: int) -> _Starts:
    """Return the starts of a season, or of the one some months off."""
    beside = Season("", (season.month - 1 + shift) % 12 + 1)

    def make() -> _Starts:
        years = history.first_year + np.arange(len(history.values))
        # The first winter begins before the history: it has no row.
        inputs = history.inputs(beside, lead, years[beside.crosses :])
        parts = [inputs.months[:, 0], np.nan_to_num(inputs.months).mean(1), inputs.target]
        some = np.isfinite(parts[0]).any((1, 2))
        if beside.crosses:
            parts = [np.concatenate([np.full_like(part[:1], np.nan), part]) for part in parts]
            some = np.concatenate([[False], some])
        return _Starts(parts[0], np.nan_to_num(parts[1]), parts[2].reshape(len(years), -1), some)

    return history.cached((_Starts, beside.month, lead), make)
