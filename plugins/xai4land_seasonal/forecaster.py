"""The interface of forecasters: the trained emulator and the simple references."""

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
    """Anything that turns the past into members of a coming season.

    A forecast must depend neither on the other years that are asked for, nor on anything in the
    history after its reference time. By default a forecaster takes any variables on any grid, and
    forecasts all of them in all cells.
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
        """The trend that departures are from."""
        return "line"

    @property
    def attrs(self) -> Mapping[str, str]:
        """Further attributes of the output."""
        return {}

    def predictors(self, available: Sequence[Variable]) -> tuple[Variable, ...]:
        """Return the variables that it takes, given those of the data."""
        return tuple(available)

    def targets(self, variables: Sequence[str]) -> tuple[str, ...]:
        """Return the names of what is forecast from variables."""
        return tuple(variables)

    def window(self, grid: Grid) -> tuple[Grid, GridIndex | None]:
        """Return the part of a grid that is forecast, with its rows and columns; None for all."""
        return grid, None

    @abstractmethod
    def members(
        self, history: History, season: Season, lead: int, years: Ints, count: int, seed: int
    ) -> Floats:
        """Compute anomalies, (years, count, targets, cells); missing where there is no forecast."""


def member_rng(seed: int, season: Season, year: int) -> np.random.Generator:
    """Return the random generator of one forecast, which does not depend on the others."""
    return np.random.default_rng([seed, season.month, int(year)])
