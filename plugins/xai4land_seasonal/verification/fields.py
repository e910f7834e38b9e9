"""Fields that metrics are computed from, each computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

import xarray as xr

from xai4land.scores.categories import (
    climatological_rps,
    probabilities,
    quantile_edges,
    rps,
    tercile_edges,
)
from xai4land.scores.ensembles import crps, ensemble_mean, member_variance

__all__ = ["Observations", "SeasonForecast"]


@dataclass(frozen=True)
class Observations:
    """Observations of a season, and the references that all its forecasts are compared with.

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
    def probability(self) -> xr.DataArray:
        """Observed category, as shares of the three: 0 or 1 but for ties with a tercile."""
        return probabilities(self.obs, self.edges)

    @property
    def below(self) -> xr.DataArray:
        """Whether the lower tercile was observed."""
        return self.probability.isel(category=0, drop=True)

    @property
    def above(self) -> xr.DataArray:
        """Whether the upper tercile was observed."""
        return self.probability.isel(category=2, drop=True)

    @cached_property
    def common_edges(self) -> xr.DataArray:
        """Terciles of all observations, the same for each time."""
        return quantile_edges(self.obs)

    @cached_property
    def common_probability(self) -> xr.DataArray:
        """Observed category, by terciles of all observations; missing for ties with one."""
        shares = probabilities(self.obs, self.common_edges)
        return shares.where((shares == 0) | (shares == 1))

    @property
    def low(self) -> xr.DataArray:
        """Whether the lower tercile of all observations was observed."""
        return self.common_probability.isel(category=0, drop=True)

    @property
    def high(self) -> xr.DataArray:
        """Whether the upper tercile of all observations was observed."""
        return self.common_probability.isel(category=2, drop=True)

    @cached_property
    def trend_mean(self) -> xr.DataArray:
        """Mean of the trend's members."""
        return ensemble_mean(self.trend, along="time")

    @cached_property
    def crps(self) -> xr.DataArray:
        """CRPS of the climatology."""
        return crps(self.climatology, self.obs)

    @cached_property
    def rps(self) -> xr.DataArray:
        """RPS of climatological probabilities."""
        return climatological_rps(self.obs, self.edges)


@dataclass(frozen=True)
class SeasonForecast:
    """One forecast of a season, and its observations.

    Attributes
    ----------
    members : DataArray, shape (time, realization, ...)
    truth : Observations
    """

    members: xr.DataArray
    truth: Observations

    @cached_property
    def mean(self) -> xr.DataArray:
        """Mean of the members."""
        return ensemble_mean(self.members, along="time")

    @cached_property
    def variance(self) -> xr.DataArray:
        """Variance of the members."""
        return member_variance(self.members)

    @cached_property
    def crps(self) -> xr.DataArray:
        """Fair CRPS of each time."""
        return crps(self.members, self.truth.obs)

    @cached_property
    def rps(self) -> xr.DataArray:
        """Fair RPS of each time."""
        return rps(self.members, self.truth.obs, self.truth.edges)

    @cached_property
    def probability(self) -> xr.DataArray:
        """Probability of the three categories."""
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
        """Probability of the three categories, by terciles of all observations."""
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
