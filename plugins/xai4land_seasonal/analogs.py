"""Analogs: what followed the most similar starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xai4land_seasonal.eof import Patterns
from xai4land_seasonal.forecaster import Forecaster, generator
from xai4land_seasonal.history import Floats, History
from xai4land_seasonal.seasons import Ints, Season

__all__ = ["Analogs"]


class Analogs(Forecaster):
    """The trend, and the departures that followed the most similar starts (Lorenz 1969).

    Similar are starts of the same season, or a month off, whose leading principal components of
    the mean of the last three months' departures are close.

    Parameters
    ----------
    library : sequence of History
        Simulations to draw from, on the same grid and with the same variables. Without them, the
        history's own past is drawn from.
    count : int
        Analogs; members are drawn from them, the closest first.
    leading : int
        Principal components that are compared.
    """

    name = "analogs"
    description = "the trend, and the departures that followed the most similar starts"

    def __init__(self, library: Sequence[History] = (), count: int = 30, leading: int = 10) -> None:
        self.library, self.count, self.leading = tuple(library), count, leading

    def drawing(self, library: Sequence[History]) -> Analogs:
        """The same, drawn from simulations."""
        return Analogs(library, self.count, self.leading)

    def members(
        self, history: History, season: Season, lead: int, years: Ints, count: int, seed: int
    ) -> Floats:
        """Anomalies of members; missing where fewer than 10 analogs are to be had."""
        inputs = history.inputs(season, lead, years)
        found = np.full((len(years), count, *inputs.trend.shape[1:]), np.nan)
        fixed = _starts(self.library, season, lead, None) if self.library else None
        for i, year in enumerate(years):
            starts = fixed or _starts([history], season, lead, int(year))
            recent, followed = starts
            if len(recent) < 10:
                continue
            patterns = Patterns.of(recent, history.area, self.leading)
            now = np.nan_to_num(inputs.months[i]).mean(0)
            apart = patterns.project(recent) - patterns.project(now[None])
            closest = np.argsort((apart**2).sum(1))[: self.count]
            chance = generator(seed, season, int(year))
            rounds = -(-count // len(closest))
            order = [closest, *(chance.permutation(closest) for _ in range(rounds - 1))]
            drawn = followed[np.concatenate(order)[:count]]
            # Where an analog is missing the others stand in.
            known = np.isfinite(drawn)
            told = known.sum(0)
            middle = np.where(known, drawn, 0.0).sum(0) / np.where(told > 0, told, np.nan)
            found[i] = inputs.trend[i] + np.where(known, drawn, middle)
        return found


def _starts(
    histories: Sequence[History], season: Season, lead: int, before: int | None
) -> tuple[Floats, Floats]:
    """Mean departures of the last months, and what followed, of all starts (before a year)."""
    recent, followed = [], []
    for history in histories:
        for shift in (-1, 0, 1):
            beside = Season("", (season.month - 1 + shift) % 12 + 1)
            end = history.first_year + len(history.values) if before is None else before - 1
            years = np.arange(history.first_year + beside.crosses, end)
            inputs = history.inputs(beside, lead, years)
            known = np.isfinite(inputs.months[:, 0]).any((1, 2))
            known &= np.isfinite(inputs.target).any((1, 2))
            recent.append(np.nan_to_num(inputs.months[known]).mean(1))
            followed.append(inputs.target[known])
    return np.concatenate(recent), np.concatenate(followed)
