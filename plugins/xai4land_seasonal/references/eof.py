"""EOF-ridge: the trend, and a ridge regression on the leading patterns of the last months."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land_seasonal.data.history import Floats, History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.references.base import Reference, by_year, departures

__all__ = ["EofRidge", "Patterns", "refits"]

EVERY = 5
"""Years between two fits; a forecast uses the last fit before it, whatever else is asked for."""


@dataclass(frozen=True)
class Patterns:
    """Leading empirical orthogonal functions of departures of all variables together.

    Attributes
    ----------
    weight : ndarray, shape (variables, cells)
        What departures are multiplied by first: root of the area over standard deviation.
    vectors : ndarray, shape (variables * cells, count)
        Scaled so that the principal components have unit variance.
    """

    weight: Floats
    vectors: Floats

    @classmethod
    def of(cls, months: Floats, area: Floats, count: int) -> Patterns:
        """From departures of months, (months, variables, cells); missing ones count as none.

        Examples
        --------
        >>> months = np.random.default_rng(0).normal(size=(100, 1, 5))
        >>> patterns = Patterns.of(months, np.ones(5), 2)
        >>> patterns.project(months).std(0).round(6)
        array([1., 1.])
        """
        filled = np.nan_to_num(months)
        spread = filled.std((0, 2), keepdims=True)[0]
        weight = np.sqrt(area / area.mean()) / np.where(spread > 0, spread, 1.0)
        flat = (filled * weight).reshape(len(filled), -1)
        flat = flat - flat.mean(0)
        # Of the smaller of both covariances; only the leading ones are wanted.
        wide = flat.shape[1] > len(flat)
        squares, vectors = np.linalg.eigh(flat @ flat.T if wide else flat.T @ flat)
        squares, vectors = squares[: -count - 1 : -1], vectors[:, : -count - 1 : -1]
        some = squares > 1e-12 * squares[:1]
        squares, vectors = squares[some], vectors[:, some]
        if wide:
            vectors = flat.T @ vectors / np.sqrt(squares)
        return cls(weight, vectors / np.sqrt(squares / len(flat)))

    def project(self, months: Floats) -> Floats:
        """Principal components, shape (cases, count)."""
        flat = (np.nan_to_num(months) * self.weight).reshape(len(months), -1)
        return np.asarray(flat @ self.vectors)


def refits(history: History) -> list[tuple[int, slice]]:
    """Positions of the years before which all may be learned from, and the years it serves."""
    years = history.first_year + np.arange(len(history.values))
    firsts = [i for i, year in enumerate(years) if year % EVERY == 0]
    ends = [*firsts[1:], len(years)]
    return [(first, slice(first, end)) for first, end in zip(firsts, ends, strict=True)]


class EofRidge(Reference):
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
        months, _ = departures(history)
        found = by_year(history, history.trends[1], season).copy()
        own, *others = (_starts(history, season, lead, shift) for shift in (0, -1, 1))
        for before, served in refits(history):
            # Winters begin in the year before their own: one year less.
            past = months[: max(before - 1, 0)]
            past = past[np.isfinite(past).any((1, 2, 3))]
            if len(past) < self.least:
                continue
            flat = past.reshape(-1, *past.shape[2:])
            patterns = history.once(
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
