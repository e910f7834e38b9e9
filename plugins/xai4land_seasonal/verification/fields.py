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
from xai4land.scores.multivariate import energy_score, pair_products, variogram_score
from xai4land_seasonal.verification.space import Space

__all__ = ["LoadedForecast", "Observations", "SeasonForecast"]


@dataclass(frozen=True)
class Observations:
    """Observations of a season, and the references that all its forecasts are compared with.

    Attributes
    ----------
    obs : DataArray, shape (time, ...)
    climatology, trend : DataArray, shape (time, realization, ...)
        Ensembles of these references.
    space : Space
        Where the values of a field lie.
    """

    obs: xr.DataArray
    climatology: xr.DataArray
    trend: xr.DataArray
    space: Space

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

    @cached_property
    def energy(self) -> xr.DataArray:
        """Energy score of the climatology, shape (time,)."""
        return _energy(self.climatology, self)

    @cached_property
    def variogram(self) -> xr.DataArray:
        """Variogram score of the climatology, shape (time,)."""
        return _variogram(self.climatology, self)


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

    @cached_property
    def square(self) -> xr.DataArray:
        """Squared error of the mean."""
        return (self.mean - self.truth.obs) ** 2

    @cached_property
    def varying_error(self) -> xr.DataArray:
        """Error of the mean, less its mean over time."""
        error = self.mean - self.truth.obs
        return error - error.mean("time")

    @cached_property
    def varying_square(self) -> xr.DataArray:
        """The square of that, times n / (n - 1) for n times: its mean is the variance."""
        count = self.varying_error.notnull().sum("time")
        return self.varying_error**2 * (count / (count - 1).where(count > 1))

    @cached_property
    def energy(self) -> xr.DataArray:
        """Fair energy score of each time, shape (time,)."""
        return _energy(self.members, self.truth)

    @cached_property
    def variogram(self) -> xr.DataArray:
        """Fair variogram score of each time, shape (time,)."""
        return _variogram(self.members, self.truth)

    @cached_property
    def beside(self) -> xr.DataArray:
        """Products of members' departures in neighbouring cells, shape (time,)."""
        return _beside(self.members - ensemble_mean(self.members), self.truth.space)

    @cached_property
    def errors_beside(self) -> xr.DataArray:
        """Products of errors in neighbouring cells, shape (time,)."""
        return _beside(self.varying_error, self.truth.space)

    def field(self, name: str) -> xr.DataArray:
        """Return a field that metrics need, such as ``"mean"`` or ``"truth.obs"``."""
        found: xr.DataArray = attrgetter(name)(self)
        return found


@dataclass(frozen=True)
class LoadedForecast:
    """The same, with the fields that some metrics need computed, and no others.

    Attributes
    ----------
    fields : dict of str to DataArray
        Without coordinates but those of the grid.
    """

    fields: dict[str, xr.DataArray]

    def field(self, name: str) -> xr.DataArray:
        """Return a field that metrics need."""
        return self.fields[name]


def _energy(members: xr.DataArray, truth: Observations) -> xr.DataArray:
    space = truth.space
    return energy_score(members, truth.obs, dims=space.dims, weights=space.weights)


def _variogram(members: xr.DataArray, truth: Observations) -> xr.DataArray:
    space = truth.space
    return variogram_score(members, truth.obs, dims=space.dims, pairs=space.near)


def _beside(departures: xr.DataArray, space: Space) -> xr.DataArray:
    return pair_products(departures, dims=space.dims, pairs=space.beside)
