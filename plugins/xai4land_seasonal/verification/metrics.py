"""Metrics by name, and the fields that each needs.

A forecast is reduced to a few fields in time (its mean, its CRPS, ...). Metrics average and
correlate these; intervals resample them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import xarray as xr

from xai4land.scores.deterministic import acc, bias, msess, residual_correlation, rmse
from xai4land.scores.diagnostics import rank_histogram, reliability, roc_area
from xai4land.scores.ensembles import skill, spread_ratio
from xai4land.scores.series import apply_over_time
from xai4land.scores.significance import (
    compare_scores,
    correlation_pvalue,
    effective_size,
    random_walk,
)
from xai4land_seasonal.data.areas import area_mean

__all__ = ["METRICS", "Metric", "average_over"]


class Metric(NamedTuple):
    """A score over time.

    Attributes
    ----------
    long_name : str
    needs : tuple of str
        Fields of a ``SeasonForecast`` that ``score`` takes.
    score : callable
        Takes the fields and, but for p-values and what is pooled, ``weights`` of times.
    has_units : bool
        Whether it is in the units of the data; otherwise in 1.
    pooled : bool
        Whether it is computed over all cells, whose areas are its last argument.
    """

    long_name: str
    needs: tuple[str, ...]
    score: Callable[..., xr.DataArray | xr.Dataset]
    has_units: bool = False
    pooled: bool = False


def _acc_pvalue(mean: xr.DataArray, obs: xr.DataArray) -> xr.DataArray:
    return correlation_pvalue(acc(mean, obs), effective_size(mean, obs))


def _sign_test_pvalue(score: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    return random_walk(compare_scores(score, reference))["pvalue"]


def _mean_crps(crps: xr.DataArray, *, weights: xr.DataArray | None = None) -> xr.DataArray:
    if weights is None:
        return crps.mean("time")
    return apply_over_time(lambda mean, values: mean(values), crps, dim="time", weights=weights)


def _reliability(
    probability: xr.DataArray, happened: xr.DataArray, area: xr.DataArray | None
) -> xr.Dataset:
    return reliability(probability, happened, dim=_all_dims(area), weights=area)


def _rank_histogram(
    members: xr.DataArray, obs: xr.DataArray, area: xr.DataArray | None
) -> xr.DataArray:
    return rank_histogram(members, obs, dim=_all_dims(area), weights=area)


def _all_dims(area: xr.DataArray | None) -> list[str]:
    """Return the dimensions to pool over: time, and the grid where there is one."""
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
        _mean_crps,
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
    # Forecasts of different years are ranked, so thresholds must be the same for all: those that
    # leave out a year move against it, which would give a constant forecast skill.
    "roc_below": Metric(
        "ROC area of the lower tercile of all years", ("low", "truth.low"), roc_area
    ),
    "roc_above": Metric(
        "ROC area of the upper tercile of all years", ("high", "truth.high"), roc_area
    ),
    "walk_pvalue": Metric(
        "p-value of the sign test of the CRPS against the climatological ensemble",
        ("crps", "truth.crps"),
        _sign_test_pvalue,
    ),
    "reliability_below": Metric(
        "reliability of the lower tercile's probability",
        ("below", "truth.below"),
        _reliability,
        pooled=True,
    ),
    "reliability_above": Metric(
        "reliability of the upper tercile's probability",
        ("above", "truth.above"),
        _reliability,
        pooled=True,
    ),
    "rank_histogram": Metric(
        "share of the observations in each part of the ensemble",
        ("members", "truth.obs"),
        _rank_histogram,
        pooled=True,
    ),
}
"""Scores by name."""


def average_over(values: xr.DataArray, dims: set[str]) -> xr.DataArray:
    """Average scores over the grid (by area) and seasons, if these are among the dimensions."""
    rest = dims & set(map(str, values.dims))
    values = area_mean(values) if rest - {"season"} else values
    return values.mean("season") if "season" in rest else values
