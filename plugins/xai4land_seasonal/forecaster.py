"""What can be asked for a forecast: the trained emulator and the simple references alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from xai4land_seasonal.history import Floats, History
from xai4land_seasonal.seasons import Ints, Season

__all__ = ["Forecaster", "generator"]


class Forecaster(Protocol):
    """Anything that turns the past into members of a season to come.

    A forecast must not depend on what else is asked for at once: not on the other years, nor on
    anything in the history from the season's ``lead`` on.

    """

    @property
    def name(self) -> str:
        """A short name."""
        ...

    @property
    def description(self) -> str:
        """One sentence for the output's attributes."""
        ...

    def targets(self, variables: Sequence[str]) -> tuple[str, ...]:
        """Names of what is forecast from variables."""
        ...

    def members(
        self, history: History, season: Season, lead: int, years: Ints, count: int, seed: int
    ) -> Floats:
        """Anomalies, shape (years, count, targets, cells); missing where nothing can be said."""
        ...


def generator(seed: int, season: Season, year: int) -> np.random.Generator:
    """The source of chance of one forecast, whatever else is forecast."""
    return np.random.default_rng([seed, season.month, int(year)])
