"""Metrics by name, and what each needs of a forecast.

A forecast is first brought to a few fields in time (its mean, its CRPS, ...), which metrics then
take means and correlations of; resampling times draws from these fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from xai4land_seasonal.areas import area_mean
from xai4land_seasonal.categories import (
    category_of,
    climatological_rps,
    probabilities,
    rank_histogram,
    reliability,
    roc_area,
    rps,
    tercile_edges,
)
from xai4land_seasonal.scores import (
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
from xai4land_seasonal.significance import correlation_pvalue, effective_size, random_walk

__all__ = ["METRICS", "Case", "Metric"]


@dataclass(frozen=True)
class Case:
    """One forecast of one season, and what it is judged by.

    Attributes
    ----------
    members : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    climatology, trend : DataArray, shape (time, realization, ...)
        Ensembles of these references.
    """

    members: xr.DataArray
    obs: xr.DataArray
    climatology: xr.DataArray
    trend: xr.DataArray

    @cached_property
    def edges(self) -> xr.DataArray:
        """Terciles of the observations of other years."""
        return tercile_edges(self.obs)

    @cached_property
    def probability(self) -> xr.DataArray:
        """Of the three categories."""
        return probabilities(self.members, self.edges)

    def field(self, name: str) -> xr.DataArray:
        """One of the fields in time that metrics need."""
        made: xr.DataArray = FIELDS[name](self)
        return made


FIELDS: Mapping[str, Callable[[Case], xr.DataArray]] = {
    "members": lambda c: c.members,
    "obs": lambda c: c.obs,
    "mean": lambda c: ensemble_mean(c.members),
    "variance": lambda c: member_variance(c.members),
    "trend": lambda c: ensemble_mean(c.trend),
    "crps": lambda c: crps(c.members, c.obs),
    "crps of climatology": lambda c: crps(c.climatology, c.obs),
    "rps": lambda c: rps(c.members, c.obs, c.edges),
    "rps of climatology": lambda c: climatological_rps(c.obs, c.edges),
    "chance below": lambda c: c.probability.isel(category=0, drop=True),
    "chance above": lambda c: c.probability.isel(category=2, drop=True),
    "category": lambda c: category_of(c.obs, c.edges),
}


class Metric(NamedTuple):
    """A score over time.

    Attributes
    ----------
    long_name : str
    needs : tuple of str
        Names of the fields that ``score`` takes.
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
        dims = ["time", *([] if area is None else map(str, area.dims))]
        return reliability(chance, _happened(truth, category), dim=dims, weights=area)

    return score


def _ranks(members: xr.DataArray, obs: xr.DataArray, area: xr.DataArray | None) -> xr.DataArray:
    dims = ["time", *([] if area is None else map(str, area.dims))]
    return rank_histogram(members, obs, dim=dims, weights=area)


METRICS: Mapping[str, Metric] = {
    "acc": Metric("anomaly correlation of the ensemble mean", ("mean", "obs"), acc),
    "acc_pvalue": Metric(
        "one-sided p-value of the anomaly correlation, with effective sample size",
        ("mean", "obs"),
        _acc_pvalue,
    ),
    "residual_correlation": Metric(
        "correlation with the trend regressed out of both",
        ("mean", "obs", "trend"),
        residual_correlation,
    ),
    "rmse": Metric(
        "root mean squared error of the ensemble mean", ("mean", "obs"), rmse, has_units=True
    ),
    "bias": Metric("mean error of the ensemble mean", ("mean", "obs"), bias, has_units=True),
    "msess": Metric(
        "skill score of the mean squared error against no anomaly", ("mean", "obs"), msess
    ),
    "spread_error": Metric(
        "ratio of ensemble spread to error", ("mean", "obs", "variance"), spread_ratio
    ),
    "crps": Metric(
        "fair continuous ranked probability score",
        ("crps",),
        lambda own: own.mean("time"),
        has_units=True,
    ),
    "crpss": Metric(
        "skill of the fair CRPS against the climatological ensemble",
        ("crps", "crps of climatology"),
        skill,
    ),
    "rpss": Metric(
        "skill of the fair RPS of terciles against climatological probabilities",
        ("rps", "rps of climatology"),
        skill,
    ),
    "roc_below": Metric("ROC area of the lower tercile", ("chance below", "category"), _roc(0)),
    "roc_above": Metric("ROC area of the upper tercile", ("chance above", "category"), _roc(2)),
    "walk_pvalue": Metric(
        "p-value of the sign test of the CRPS against the climatological ensemble",
        ("crps", "crps of climatology"),
        _walk,
    ),
    "reliability_below": Metric(
        "reliability of the lower tercile's probability",
        ("chance below", "category"),
        _reliability(0),
        pooled=True,
    ),
    "reliability_above": Metric(
        "reliability of the upper tercile's probability",
        ("chance above", "category"),
        _reliability(2),
        pooled=True,
    ),
    "rank_histogram": Metric(
        "share of the observations in each part of the ensemble",
        ("members", "obs"),
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
