"""EOF-ridge: the trend, and a ridge regression on the leading patterns of the last months."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai4land_seasonal.history import Floats, History
from xai4land_seasonal.reference import Reference, by_year, departures
from xai4land_seasonal.seasons import Ints, Season

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
        _, sizes, vectors = np.linalg.svd(flat, full_matrices=False)
        count = min(count, int((sizes > 1e-9 * sizes[:1]).sum()))
        scale = sizes[:count] / np.sqrt(len(flat))
        return cls(weight, vectors[:count].T / scale)

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
        trend = by_year(history, history.trends[1], season)
        found = trend.copy()
        years = history.first_year + np.arange(len(trend))
        for before, served in refits(history):
            # Winters begin in the year before their own: one year less.
            past = months[: max(before - 1, 0)]
            past = past[np.isfinite(past).any((1, 2, 3))]
            if len(past) < self.least:
                continue
            flat = past.reshape(-1, *past.shape[2:])
            patterns = Patterns.of(flat, history.area, self.count)
            told, wanted = self._cases(history, patterns, season, lead, before)
            slopes = self._fit(told, wanted)
            seen = self._see(history, patterns, season, lead, years[served])
            shape = (seen.shape[0], *trend.shape[1:])
            found[served] = trend[served] + (seen @ slopes).reshape(shape)
        return found

    def _cases(
        self, history: History, patterns: Patterns, season: Season, lead: int, before: int
    ) -> tuple[Floats, Floats]:
        """Predictors and departures of this season and of those a month off, of earlier years."""
        told, wanted = [], []
        for shift in (-1, 0, 1):
            beside = Season("", (season.month - 1 + shift) % 12 + 1)
            years = history.first_year + np.arange(beside.crosses, max(before - 1, 1))
            inputs = history.inputs(beside, lead, years)
            some = np.isfinite(inputs.months[:, 0]).any((1, 2))
            told.append(self._see(history, patterns, beside, lead, years)[some])
            wanted.append(inputs.target[some].reshape(int(some.sum()), -1))
        return np.concatenate(told), np.concatenate(wanted)

    def _see(
        self, history: History, patterns: Patterns, season: Season, lead: int, years: Ints
    ) -> Floats:
        months = history.inputs(season, lead, years).months
        last, mean = months[:, 0], np.nan_to_num(months).mean(1)
        return np.concatenate([patterns.project(last), patterns.project(mean)], 1)

    def _fit(self, told: Floats, wanted: Floats) -> Floats:
        """Slopes, (predictors, variables * cells); a missing departure tells nothing."""
        known = np.isfinite(wanted)
        square = told.T @ told + self.ridge * len(told) * np.eye(told.shape[1])
        return np.asarray(np.linalg.solve(square, told.T @ np.where(known, wanted, 0.0)))
