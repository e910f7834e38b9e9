"""The fields in time that metrics are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

import xarray as xr

from xai4land.scores.categories import (
    category_of,
    climatological_rps,
    probabilities,
    quantile_edges,
    rps,
    tercile_edges,
)
from xai4land.scores.ensembles import crps, ensemble_mean, member_variance

__all__ = ["Case", "Truth"]


@dataclass(frozen=True)
class Truth:
    """What was observed in a season, and the references that all forecasts of it are held to.

    Attributes
    ----------
    obs : DataArray, shape (time, ...)
    climatology, trend : DataArray, shape (time, realization, ...)
        Ensembles of these references.
    """

    obs: xr.DataArray
    climatology: xr.DataArray
    trend: xr.DataArray

    @cached_property
    def edges(self) -> xr.DataArray:
        """Terciles of the observations of other years."""
        return tercile_edges(self.obs)

    @cached_property
    def category(self) -> xr.DataArray:
        """Tercile that was observed."""
        return category_of(self.obs, self.edges)

    @cached_property
    def common_edges(self) -> xr.DataArray:
        """Terciles of all observations, the same for each time."""
        return quantile_edges(self.obs)

    @cached_property
    def common_category(self) -> xr.DataArray:
        """Tercile of all observations that was observed."""
        return category_of(self.obs, self.common_edges)

    @cached_property
    def trend_mean(self) -> xr.DataArray:
        """Mean of the trend's members."""
        return ensemble_mean(self.trend)

    @cached_property
    def crps(self) -> xr.DataArray:
        """Of the climatology."""
        return crps(self.climatology, self.obs)

    @cached_property
    def rps(self) -> xr.DataArray:
        """Of climatological probabilities."""
        return climatological_rps(self.obs, self.edges)


@dataclass(frozen=True)
class Case:
    """One forecast of a season, and what it is judged by; each field is made once.

    Attributes
    ----------
    members : DataArray, shape (time, realization, ...)
    truth : Truth
    """

    members: xr.DataArray
    truth: Truth

    @cached_property
    def mean(self) -> xr.DataArray:
        """Of the members."""
        return ensemble_mean(self.members)

    @cached_property
    def variance(self) -> xr.DataArray:
        """Of the members."""
        return member_variance(self.members)

    @cached_property
    def crps(self) -> xr.DataArray:
        """Fair, of each time."""
        return crps(self.members, self.truth.obs)

    @cached_property
    def rps(self) -> xr.DataArray:
        """Fair, of each time."""
        return rps(self.members, self.truth.obs, self.truth.edges)

    @cached_property
    def probability(self) -> xr.DataArray:
        """Of the three categories."""
        return probabilities(self.members, self.truth.edges)

    @property
    def below(self) -> xr.DataArray:
        """Probability of the lower tercile."""
        return self.probability.isel(category=0, drop=True)

    @property
    def above(self) -> xr.DataArray:
        """Probability of the upper tercile."""
        return self.probability.isel(category=2, drop=True)

    @cached_property
    def common_probability(self) -> xr.DataArray:
        """Of the three categories that are the same for each time."""
        return probabilities(self.members, self.truth.common_edges)

    @property
    def low(self) -> xr.DataArray:
        """Probability of the lower tercile of all observations."""
        return self.common_probability.isel(category=0, drop=True)

    @property
    def high(self) -> xr.DataArray:
        """Probability of the upper tercile of all observations."""
        return self.common_probability.isel(category=2, drop=True)

    def field(self, name: str) -> xr.DataArray:
        """Return a field that metrics need, such as ``"mean"`` or ``"truth.obs"``."""
        found: xr.DataArray = attrgetter(name)(self)
        return found
