"""EOF-ridge: the trend, and a ridge regression on the leading patterns of the last months."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.typing import Floats
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.references.base import DressedMean, compute_departures, select_by_year
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
    least = 20

    def __init__(self, count: int = 20, ridge: float = 1.0) -> None:
        self.count, self.ridge = count, ridge

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """The trend alone where fewer than 20 years could be learned from."""
        months, _ = compute_departures(history)
        found = select_by_year(history, history.trends[1], season).copy()
        own, *others = (_starts(history, season, lead, shift) for shift in (0, -1, 1))
        for before, served in find_refits(history):
            # Winters begin in the year before their own: one year less.
            past = months[: max(before - 1, 0)]
            past = past[np.isfinite(past).any((1, 2, 3))]
            if len(past) < self.least:
                continue
            flat = past.reshape(-1, *past.shape[2:])
            patterns = history.cached(
                (Patterns, before, self.count),
                partial(Patterns.of, flat, history.area, self.count),
            )
            over = [start.until(before - 1) for start in (own, *others)]
            told = np.concatenate([start.seen(patterns) for start in over])
            slopes = self._fit(told, np.concatenate([start.target for start in over]))
            seen = own.at(served).seen(patterns)
            found[served] += (seen @ slopes).reshape(-1, *found.shape[1:])
        return found

    def _fit(self, told: Floats, wanted: Floats) -> Floats:
        """Slopes, (predictors, variables * cells); a missing departure tells nothing."""
        known = np.isfinite(wanted)
        square = told.T @ told + self.ridge * len(told) * np.eye(told.shape[1])
        return np.asarray(np.linalg.solve(square, told.T @ np.where(known, wanted, 0.0)))


@dataclass(frozen=True)
class _Starts:
    """Starts of one season, a year each.

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
        """Some years."""
        return _Starts(self.last[years], self.mean[years], self.target[years], self.some[years])

    def until(self, end: int) -> _Starts:
        """Those that can be learned from, up to a year's position."""
        return self.at(np.flatnonzero(self.some[: max(end, 1)]))

    def seen(self, patterns: Patterns) -> Floats:
        """Principal components, shape (years, predictors)."""
        return np.concatenate([patterns.project(self.last), patterns.project(self.mean)], 1)


def _starts(history: History, season: Season, lead: int, shift: int) -> _Starts:
    """Of a season, or of those a month off."""
    beside = Season("", (season.month - 1 + shift) % 12 + 1)
    years = history.first_year + np.arange(len(history.values))
    # A first winter has no place: its row would be the last one's.
    inputs = history.inputs(beside, lead, years[beside.crosses :])
    parts = [inputs.months[:, 0], np.nan_to_num(inputs.months).mean(1), inputs.target]
    some = np.isfinite(parts[0]).any((1, 2))
    if beside.crosses:
        parts = [np.concatenate([np.full_like(part[:1], np.nan), part]) for part in parts]
        some = np.concatenate([[False], some])
    return _Starts(parts[0], np.nan_to_num(parts[1]), parts[2].reshape(len(years), -1), some)
