"""Simple forecasts that any skill must stand beside: climatology, trend and persistence."""

from __future__ import annotations

import numpy as np

from xai4land_seasonal.data.history import Floats, History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.references.base import Reference, by_year, departures, latest, past_slope

__all__ = ["Climatology", "DampedPersistence", "Persistence", "Trend", "TrendDampedPersistence"]


class Climatology(Reference):
    """No anomaly."""

    name = "climatology"
    description = "no anomaly; members depart as the last 60 years did"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Zero."""
        return np.zeros_like(by_year(history, history.seasons, season))


class Trend(Reference):
    """The line through all earlier years."""

    name = "trend"
    description = "the least-squares line through the same season of all earlier years"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """The line, continued."""
        return by_year(history, history.trends[1], season)


class Persistence(Reference):
    """The last month's anomaly."""

    name = "persistence"
    description = "the anomaly of the last known month"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """The last month that is known."""
        return latest(history, history.values, season, lead)


class DampedPersistence(Reference):
    """Part of the last month's anomaly, as much as stayed in earlier years."""

    name = "damped persistence"
    description = "the anomaly of the last known month, times its regression in earlier years"

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """The regression of seasons on their last known month."""
        slope = past_slope(history, history.values, history.seasons, season, lead)
        return slope * latest(history, history.values, season, lead)


class TrendDampedPersistence(Reference):
    """The trend, and part of the last month's departure from it."""

    name = "trend + damped persistence"
    description = (
        "the trend, and the last known month's departure from it times its regression in earlier "
        "years"
    )

    def means(self, history: History, season: Season, lead: int) -> Floats:
        """The trend where no departure is known."""
        months, seasons = departures(history)
        slope = past_slope(history, months, seasons, season, lead)
        stays = slope * latest(history, months, season, lead)
        return by_year(history, history.trends[1], season) + np.nan_to_num(stays)
