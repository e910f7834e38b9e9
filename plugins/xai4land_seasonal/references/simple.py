"""Simple forecasts that skill is compared with: climatology, trend and persistence."""

from __future__ import annotations

import numpy as np

from xai4land.typing import Floats
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.references.base import (
    DressedMean,
    fit_past_slope,
    latest_month,
    select_by_year,
)

__all__ = [
    "Climatology",
    "DampedPersistence",
    "Persistence",
    "RecentClimatology",
    "Trend",
    "TrendDampedPersistence",
]


class Climatology(DressedMean):
    """No anomaly."""

    name = "climatology"
    description = "no anomaly; members depart as the last 60 years did"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Return zero."""
        return np.zeros_like(select_by_year(history, history.seasons, season))


class RecentClimatology(DressedMean):
    """The mean of the same season in the last years.

    Parameters
    ----------
    years : int
        How many; of fewer that are known, the mean of these.
    """

    def __init__(self, years: int = 30) -> None:
        self.years = years
        self.name = f"climatology of {years} years"
        self.description = f"the mean of the same season in the last {years} years"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Compute the mean of the years before each; missing without any."""
        seasons = select_by_year(history, history.seasons, season)
        means = np.full_like(seasons, np.nan)
        for year in range(1, len(seasons)):
            past = seasons[max(year - self.years, 0) : year]
            known = np.isfinite(past)
            total, count = np.where(known, past, 0.0).sum(0), known.sum(0)
            means[year] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return means


class Trend(DressedMean):
    """The line through all earlier years."""

    name = "trend"
    description = "the least-squares line through the same season of all earlier years"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Return the line, extrapolated."""
        return select_by_year(history, history.trends[1], season)


class Persistence(DressedMean):
    """The last month's anomaly."""

    name = "persistence"
    description = "the anomaly of the last known month"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Return the last known month."""
        return latest_month(history, history.values, season, lead)


class DampedPersistence(DressedMean):
    """The last month's anomaly times its regression in earlier years."""

    name = "damped persistence"
    description = "the anomaly of the last known month, times its regression in earlier years"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Regress seasons on their last known month."""
        slope = fit_past_slope(history, history.values, history.seasons, season, lead)
        return slope * latest_month(history, history.values, season, lead)


class TrendDampedPersistence(DressedMean):
    """The trend, and the last month's departure from it times its regression."""

    name = "trend + damped persistence"
    description = (
        "the trend, and the last known month's departure from it times its regression in earlier "
        "years"
    )

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Compute the mean; the trend alone where no departure is known."""
        months, seasons = history.departures
        slope = fit_past_slope(history, months, seasons, season, lead)
        persistent = slope * latest_month(history, months, season, lead)
        return select_by_year(history, history.trends[1], season) + np.nan_to_num(persistent)
