"""Metrics by name, and what each needs of a forecast.

A forecast is first brought to a few fields in time (its mean, its CRPS, ...), which metrics then
take means and correlations of; resampling times draws from these fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import xarray as xr

from xai4land.scores.categories import (
    category_of,
    climatological_rps,
    probabilities,
    quantile_edges,
    rank_histogram,
    reliability,
    roc_area,
    rps,
    tercile_edges,
)
from xai4land.scores.ensembles import (
    acc,
    bias,
    crps,
    ensemble_mean,
    member_variance,
    msess,
    residual_correlation,
    rmse,
    skill,
    spread_ratio,
)
from xai4land.scores.significance import correlation_pvalue, effective_size, random_walk
from xai4land_seasonal.data.areas import area_mean

__all__ = ["METRICS", "Case", "Metric", "Truth", "mean_over"]


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
        """One of the fields in time that metrics need, as ``"mean"`` or ``"truth.obs"``."""
        found: xr.DataArray = attrgetter(name)(self)
        return found


class Metric(NamedTuple):
    """A score over time.

    Attributes
    ----------
    long_name : str
    needs : tuple of str
        Fields of a :class:`Case` that ``score`` takes.
    score : callable
    has_units : bool
        Whether it is in the units of the data; else a plain number.
    pooled : bool
        Whether it counts over all cells together, whose areas are its last argument.
    """

    long_name: str
    needs: tuple[str, ...]
    score: Callable[..., xr.DataArray | xr.Dataset]
    has_units: bool = False
    pooled: bool = False


def _acc_pvalue(mean: xr.DataArray, obs: xr.DataArray) -> xr.DataArray:
    return correlation_pvalue(acc(mean, obs), effective_size(mean, obs))


def _walk(own: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    return random_walk(other - own)["pvalue"]


def _roc(category: int) -> Callable[[xr.DataArray, xr.DataArray], xr.DataArray]:
    return lambda chance, truth: roc_area(chance, _happened(truth, category))


def _happened(truth: xr.DataArray, category: int) -> xr.DataArray:
    return (truth == category).astype(np.float64).where(truth.notnull())


def _reliability(category: int) -> Callable[..., xr.Dataset]:
    def score(chance: xr.DataArray, truth: xr.DataArray, area: xr.DataArray | None) -> xr.Dataset:
        return reliability(chance, _happened(truth, category), dim=_all(area), weights=area)

    return score


def _ranks(members: xr.DataArray, obs: xr.DataArray, area: xr.DataArray | None) -> xr.DataArray:
    return rank_histogram(members, obs, dim=_all(area), weights=area)


def _all(area: xr.DataArray | None) -> list[str]:
    """Time, and the grid where there is one."""
    return ["time", *([] if area is None else map(str, area.dims))]


METRICS: Mapping[str, Metric] = {
    "acc": Metric("anomaly correlation of the ensemble mean", ("mean", "truth.obs"), acc),
    "acc_pvalue": Metric(
        "one-sided p-value of the anomaly correlation, with effective sample size",
        ("mean", "truth.obs"),
        _acc_pvalue,
    ),
    "residual_correlation": Metric(
        "correlation with the trend regressed out of both",
        ("mean", "truth.obs", "truth.trend_mean"),
        residual_correlation,
    ),
    "rmse": Metric(
        "root mean squared error of the ensemble mean", ("mean", "truth.obs"), rmse, has_units=True
    ),
    "bias": Metric("mean error of the ensemble mean", ("mean", "truth.obs"), bias, has_units=True),
    "msess": Metric(
        "skill score of the mean squared error against no anomaly", ("mean", "truth.obs"), msess
    ),
    "spread_error": Metric(
        "ratio of ensemble spread to error", ("mean", "truth.obs", "variance"), spread_ratio
    ),
    "crps": Metric(
        "fair continuous ranked probability score",
        ("crps",),
        lambda own: own.mean("time"),
        has_units=True,
    ),
    "crpss": Metric(
        "skill of the fair CRPS against the climatological ensemble",
        ("crps", "truth.crps"),
        skill,
    ),
    "rpss": Metric(
        "skill of the fair RPS of terciles against climatological probabilities",
        ("rps", "truth.rps"),
        skill,
    ),
    # Forecasts of different years are ranked: thresholds that leave out each its own year would
    # move against it, and tell a forecast that never changes apart.
    "roc_below": Metric(
        "ROC area of the lower tercile of all years", ("low", "truth.common_category"), _roc(0)
    ),
    "roc_above": Metric(
        "ROC area of the upper tercile of all years", ("high", "truth.common_category"), _roc(2)
    ),
    "walk_pvalue": Metric(
        "p-value of the sign test of the CRPS against the climatological ensemble",
        ("crps", "truth.crps"),
        _walk,
    ),
    "reliability_below": Metric(
        "reliability of the lower tercile's probability",
        ("below", "truth.category"),
        _reliability(0),
        pooled=True,
    ),
    "reliability_above": Metric(
        "reliability of the upper tercile's probability",
        ("above", "truth.category"),
        _reliability(2),
        pooled=True,
    ),
    "rank_histogram": Metric(
        "share of the observations in each part of the ensemble",
        ("members", "truth.obs"),
        _ranks,
        pooled=True,
    ),
}
"""Scores by name."""


def mean_over(values: xr.DataArray, dims: set[str]) -> xr.DataArray:
    """Mean of scores over the grid (by area) and seasons, if these are among the dimensions."""
    rest = dims & set(map(str, values.dims))
    values = area_mean(values) if rest - {"season"} else values
    return values.mean("season") if "season" in rest else values
