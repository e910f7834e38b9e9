"""What can be asked for a forecast: the trained emulator and the simple references alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import Trend
from xai4land_seasonal.data.variables import Variable

__all__ = ["Forecaster", "GridIndex", "member_rng"]

GridIndex = tuple[Ints, Ints]
"""Positions of rows and of columns."""


class Forecaster(ABC):
    """Anything that turns the past into members of a season to come.

    A forecast must not depend on what else is asked for at once: not on the other years, nor on
    anything in the history from the season's ``lead`` on. By default it takes any variables on any
    grid, and forecasts all of them in all cells.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name."""

    @property
    @abstractmethod
    def description(self) -> str:
        """One sentence for the output's attributes."""

    @property
    def native_grid(self) -> Grid | None:
        """The only grid that it takes; None if it takes any."""
        return None

    @property
    def trend(self) -> Trend:
        """What it takes departures from."""
        return "line"

    @property
    def attrs(self) -> Mapping[str, str]:
        """What else the output's attributes say of it."""
        return {}

    def predictors(self, found: Sequence[Variable]) -> tuple[Variable, ...]:
        """What it takes, among variables that are there or beside them."""
        return tuple(found)

    def targets(self, variables: Sequence[str]) -> tuple[str, ...]:
        """Names of what is forecast from variables."""
        return tuple(variables)

    def window(self, grid: Grid) -> tuple[Grid, GridIndex | None]:
        """Where on a grid it forecasts, and which rows and columns these are; None if all."""
        return grid, None

    @abstractmethod
    def members(
        self, history: History, season: Season, lead: int, years: Ints, count: int, seed: int
    ) -> Floats:
        """Anomalies, shape (years, count, targets, cells); missing where nothing can be said."""


def member_rng(seed: int, season: Season, year: int) -> np.random.Generator:
    """The source of chance of one forecast, whatever else is forecast."""
    return np.random.default_rng([seed, season.month, int(year)])
