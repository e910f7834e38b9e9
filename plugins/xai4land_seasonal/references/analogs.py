"""Analogs: what followed the most similar starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.forecaster import Forecaster, member_rng
from xai4land_seasonal.references.patterns import REFIT_INTERVAL, Patterns

__all__ = ["Analogs"]

MIN_ANALOGS = 10
"""Analogs that a forecast needs."""


class Analogs(Forecaster):
    """The trend, and the departures that followed the most similar starts (Lorenz 1969).

    Starts are of the same season, or of one a month earlier or later. Their distance is that of
    the leading principal components of the last three months' mean departures.

    Parameters
    ----------
    library : sequence of History
        Simulations to draw from, on the same grid and with the same variables; by default the
        history's own past.
    count : int
        Analogs; members are drawn from them, the closest first.
    leading : int
        Principal components that are compared.
    """

    name = "analogs"
    description = "the trend, and the departures that followed the most similar starts"

    def __init__(self, library: Sequence[History] = (), count: int = 30, leading: int = 10) -> None:
        self.library, self.count, self.leading = tuple(library), count, leading

    def draw_from(self, library: Sequence[History]) -> Analogs:
        """Return the same forecaster, drawing from simulations."""
        return Analogs(library, self.count, self.leading)

    def members(
        self, history: History, season: Season, lead: int, years: Ints, count: int, seed: int
    ) -> Floats:
        """Compute anomalies of members; missing where there are fewer than 10 analogs."""
        inputs = history.inputs(season, lead, years)
        members = np.full((len(years), count, *inputs.trend.shape[1:]), np.nan)
        library = self.library or (history,)
        recent, followed, ends = history.cached(
            (Analogs, id(self.library), season, lead), lambda: _find_starts(library, season, lead)
        )
        fitted: dict[int | None, Patterns | None] = {}
        for i, year in enumerate(years):
            # Only past seasons: a start a month off may end a year later.
            some = slice(None) if self.library else np.flatnonzero(ends < year - 1)
            before = None if self.library else int(year) // REFIT_INTERVAL * REFIT_INTERVAL
            if before not in fitted:
                early = recent if before is None else recent[ends < before - 1]
                fitted[before] = (
                    Patterns.of(early, history.area, self.leading)
                    if len(early) >= MIN_ANALOGS
                    else None
                )
            patterns = fitted[before]
            if patterns is None:
                continue
            now = np.nan_to_num(inputs.months[i]).mean(0)
            difference = patterns.project(recent[some]) - patterns.project(now[None])
            closest = np.argsort((difference**2).sum(1))[: self.count]
            rng = member_rng(seed, season, int(year))
            rounds = -(-count // len(closest))
            order = [closest, *(rng.permutation(closest) for _ in range(rounds - 1))]
            drawn = followed[some][np.concatenate(order)[:count]]
            # A missing value is replaced by the mean of the other analogs.
            valid = np.isfinite(drawn)
            number = valid.sum(0)
            mean = np.where(valid, drawn, 0.0).sum(0) / np.where(number > 0, number, np.nan)
            members[i] = inputs.trend[i] + np.where(valid, drawn, mean)
        return members


def _find_starts(
    histories: Sequence[History], season: Season, lead: int
) -> tuple[Floats, Floats, Ints]:
    """Return the mean departures of the last months, what followed, and its year, of all starts."""
    recent, followed, ends = [], [], []
    for history in histories:
        for shift in (-1, 0, 1):
            beside = Season("", (season.month - 1 + shift) % 12 + 1)
            end = history.first_year + len(history.values)
            years = np.arange(history.first_year + beside.crosses, end)
            inputs = history.inputs(beside, lead, years)
            known = np.isfinite(inputs.months[:, 0]).any((1, 2))
            known &= np.isfinite(inputs.target).any((1, 2))
            recent.append(np.nan_to_num(inputs.months[known]).mean(1))
            followed.append(inputs.target[known])
            ends.append(years[known])
    return np.concatenate(recent), np.concatenate(followed), np.concatenate(ends)
