"""The card of a seasonal emulator."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from xai4land.emulator import AnyCard
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.regions import Region, describe_region
from xai4land_seasonal.data.trends import Trend
from xai4land_seasonal.data.variables import Variable

__all__ = ["METHODS", "Blend", "SeasonalCard"]

METHODS = ("persistence", "network", "eof-ridge", "past mean", "simulated eof-ridge")
"""Methods that means are blended of; see :mod:`xai4land_seasonal.emulator.means`."""

Blend = tuple[tuple[tuple[Annotated[float, Field(ge=0, le=4)], ...], ...], ...]
"""Weights of the methods, for each lead and target."""


class SeasonalCard(AnyCard):
    """Everything about a seasonal emulator but its weights.

    Attributes
    ----------
    predictors : tuple of Variable
        Variables that it takes of the months before.
    targets : tuple of str
        Names of the predictors whose seasons it forecasts.
    leads : tuple of int
        Whole months between the last month that is known and the season.
    lat, lon : tuple of float
        Centres of its grid.
    region : tuple of float, optional
        Southern, northern, western and eastern edge of what is forecast; by default all cells.
    trend : str
        Which trend departures are from; see
        :func:`xai4land_seasonal.data.trends.past_trend`. Files without it take the line.
    sources : tuple of str
        Sources that it learned from; forecasts are made as of the first.
    blend : tuple of tuple of tuple of float
        For each lead and target: weights of :data:`METHODS` in the mean; chosen on validation
        years, as what follows.
    spread : tuple of float
        For each target: factor on the noise.
    noise_power : float
        Of the noise's patterns; see :meth:`xai4land_seasonal.emulator.noise.ErrorCorrelation`.
    """

    kind: Literal["seasonal"] = "seasonal"
    predictors: Annotated[tuple[Variable, ...], Field(min_length=1)]
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    leads: Annotated[tuple[Annotated[int, Field(ge=0, le=9)], ...], Field(min_length=1)]
    lat: Annotated[tuple[float, ...], Field(min_length=2, max_length=4096)]
    lon: Annotated[tuple[float, ...], Field(min_length=2, max_length=8192)]
    region: Region | None = None
    trend: Trend = "line"
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    blend: Blend
    spread: tuple[Annotated[float, Field(gt=0, le=10)], ...]
    noise_power: Annotated[float, Field(ge=1, le=4)] = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [variable.name for variable in self.predictors]
        if len(set(names)) < len(names):
            raise ValueError("two predictors have one name")
        if unknown := sorted(set(self.targets) - set(names)):
            raise ValueError(f"targets are no predictors: {unknown}")
        if len(set(self.targets)) < len(self.targets) or len(set(self.leads)) < len(self.leads):
            raise ValueError("a target or a lead is named twice")
        if len(self.spread) != len(self.targets):
            raise ValueError("spread needs one number a target")
        if np.shape(self.blend) != (len(self.leads), len(self.targets), len(METHODS)):
            raise ValueError(
                f"blend needs, for each lead and target, the weights of {', '.join(METHODS)}"
            )
        steps = np.diff(self.lat)
        if max(map(abs, self.lat)) > 90 or not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError("latitudes are not sorted, or above 90")
        if (np.diff(self.lon) <= 0).any() or self.lon[-1] - self.lon[0] >= 360:
            raise ValueError("longitudes do not increase, or go around more than once")
        if min(map(len, self.window)) < 2:
            raise ValueError(
                f"the region {self.region} holds {' x '.join(str(len(w)) for w in self.window)} "
                "cells of the grid, expected 2 x 2 at least"
            )
        return self

    @cached_property
    def cells(self) -> Grid:
        """The grid."""
        lon = np.array(self.lon)
        step = (lon[-1] - lon[0]) / (lon.size - 1)
        around = abs(lon[-1] - lon[0] + step - 360) < 0.1 * step
        return Grid(Axis(np.array(self.lat)), Axis(lon, periodic=bool(around), circular=True))

    @cached_property
    def window(self) -> tuple[Ints, Ints]:
        """Positions of the rows and columns whose cells are forecast, columns from the west."""
        lat, lon = np.array(self.lat), np.array(self.lon)
        if self.region is None:
            return np.arange(lat.size), np.arange(lon.size)
        south, north, west, east = self.region
        rows = np.flatnonzero((lat >= south) & (lat <= north))
        offset = (lon - west) % 360
        columns = np.argsort(offset, kind="stable")
        return rows, columns[offset[columns] <= east - west]

    @cached_property
    def target_cells(self) -> Grid:
        """The grid of what is forecast."""
        if self.region is None:
            return self.cells
        rows, columns = self.window
        lon = np.array(self.lon)[columns]
        lon = self.region[2] + (lon - self.region[2]) % 360
        return Grid(Axis(np.array(self.lat)[rows]), Axis(lon, circular=True))

    @property
    def target_index(self) -> list[int]:
        """Position of each target among the predictors."""
        return [[v.name for v in self.predictors].index(name) for name in self.targets]

    def mask(self) -> Floats:
        """Return 1 in cells that are forecast, else 0; flat."""
        mask = np.zeros((len(self.lat), len(self.lon)))
        mask[np.ix_(*self.window)] = 1.0
        return mask.ravel()

    @property
    def arguments(self) -> dict[str, Any]:
        """Sizes of the network."""
        return {
            "rows": len(self.lat),
            "columns": len(self.lon),
            "predictors": len(self.predictors),
            "targets": len(self.targets),
            "leads": len(self.leads),
            "sources": len(self.sources),
        }

    @property
    def gives(self) -> str:
        """The variables whose seasons are forecast."""
        return f"seasonal anomalies: {', '.join(self.targets)}"

    @property
    def grid(self) -> str:
        """Degrees between cells."""
        return f"{self.cells.resolution:g}°"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Predictors, leads, grid and sources."""
        leads = ", ".join(map(str, self.leads))
        facts = [
            ("sees", ", ".join(f"{v.name} ({v.units})" for v in self.predictors)),
            ("lead", f"{leads} month{'s' if leads != '1' else ''}"),
            ("grid", f"{len(self.lat)} x {len(self.lon)} cells of {self.grid}"),
        ]
        if self.region is not None:
            facts.append(("region", describe_region(self.region)))
        return [*facts, ("sources", ", ".join(self.sources))]
