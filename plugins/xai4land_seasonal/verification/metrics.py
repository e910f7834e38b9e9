"""Metrics by name, and the fields that each needs.

A forecast is reduced to a few fields in time (its mean, its CRPS, ...). Metrics average and
correlate these; intervals resample them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from xai4land.scores.deterministic import acc, bias, msess, residual_correlation, rmse
from xai4land.scores.diagnostics import rank_histogram, reliability, roc_area
from xai4land.scores.ensembles import skill, spread_ratio
from xai4land.scores.series import apply_over_time
from xai4land.scores.significance import (
    compare_scores,
    correlation_pvalue,
    effective_size,
    mean_pvalue,
    random_walk,
)
from xai4land_seasonal.data.areas import area_mean

__all__ = ["METRICS", "Metric", "average_over", "finish"]


class Metric(NamedTuple):
    """A score over time.

    Attributes
    ----------
    long_name : str
    needs : tuple of str
        Fields of a ``SeasonForecast`` that ``score`` takes.
    score : callable
        Takes the fields and, where resampled, ``weights`` of times.
    has_units : bool
        Whether it is in the units of the data; otherwise in 1.
    pooled : bool
        Whether it is computed over all cells, whose areas are its last argument.
    resampled : bool
        Whether intervals are computed of it, so that it takes ``weights``.
    of_cells : bool
        Whether it is of neighbouring cells, so that there is none of regions.
    finish : callable, optional
        Makes the score of what ``score`` returns, after averages over seasons and cells.
    """

    long_name: str
    needs: tuple[str, ...]
    score: Callable[..., xr.DataArray | xr.Dataset]
    has_units: bool = False
    pooled: bool = False
    resampled: bool = True
    of_cells: bool = False
    finish: Callable[[xr.DataArray], xr.DataArray] | None = None


def _acc_pvalue(mean: xr.DataArray, obs: xr.DataArray) -> xr.DataArray:
    return correlation_pvalue(acc(mean, obs), effective_size(mean, obs))


def _residual_pvalue(mean: xr.DataArray, obs: xr.DataArray, trend: xr.DataArray) -> xr.DataArray:
    # The regression on the trend takes a degree of freedom.
    size = effective_size(mean, obs) - 1
    return correlation_pvalue(residual_correlation(mean, obs, trend), size)


def _skill_pvalue(score: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    return mean_pvalue(compare_scores(score, reference))


def _error_pvalue(square: xr.DataArray, obs: xr.DataArray) -> xr.DataArray:
    return _skill_pvalue(square, obs**2)


def _sign_test_pvalue(score: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    return random_walk(compare_scores(score, reference))["pvalue"]


def _mean(values: xr.DataArray, *, weights: xr.DataArray | None = None) -> xr.DataArray:
    if weights is None:
        return values.mean("time")
    return apply_over_time(lambda mean, values: mean(values), values, dim="time", weights=weights)


def _mean_difference(
    values: xr.DataArray, other: xr.DataArray, *, weights: xr.DataArray | None = None
) -> xr.DataArray:
    return _mean(values - other, weights=weights)


def _mean_variances(
    variance: xr.DataArray, square: xr.DataArray, *, weights: xr.DataArray | None = None
) -> xr.DataArray:
    both = xr.concat(xr.align(variance, square, join="exact"), "of", coords="minimal")
    return _mean(both.where(both.notnull().all("of")), weights=weights)


def _root_of_ratio(variances: xr.DataArray) -> xr.DataArray:
    spread, error = (variances.isel(of=k) for k in (0, 1))
    ratio: xr.DataArray = (spread / error.where(error > 0)) ** 0.5
    return ratio


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
        resampled=False,
    ),
    "effective_size": Metric(
        "number of independent pairs of ensemble mean and observation",
        ("mean", "truth.obs"),
        effective_size,
        resampled=False,
    ),
    "residual_correlation": Metric(
        "correlation with the trend regressed out of both",
        ("mean", "truth.obs", "truth.trend_mean"),
        residual_correlation,
    ),
    "residual_correlation_pvalue": Metric(
        "one-sided p-value of the residual correlation, with effective sample size",
        ("mean", "truth.obs", "truth.trend_mean"),
        _residual_pvalue,
        resampled=False,
    ),
    "rmse": Metric(
        "root mean squared error of the ensemble mean", ("mean", "truth.obs"), rmse, has_units=True
    ),
    "bias": Metric("mean error of the ensemble mean", ("mean", "truth.obs"), bias, has_units=True),
    "msess": Metric(
        "skill score of the mean squared error against no anomaly", ("mean", "truth.obs"), msess
    ),
    "msess_pvalue": Metric(
        "one-sided p-value of the skill of the mean squared error, with effective sample size",
        ("square", "truth.obs"),
        _error_pvalue,
        resampled=False,
    ),
    "spread_error": Metric(
        "ratio of ensemble spread to error", ("mean", "truth.obs", "variance"), spread_ratio
    ),
    # Variances are averaged over seasons (and cells) before their ratio is taken.
    "dispersion": Metric(
        "ratio of ensemble spread to the standard deviation of errors, without their mean",
        ("variance", "varying_square"),
        _mean_variances,
        finish=_root_of_ratio,
    ),
    "crps": Metric(
        "fair continuous ranked probability score",
        ("crps",),
        _mean,
        has_units=True,
    ),
    "crpss": Metric(
        "skill of the fair CRPS against the climatological ensemble",
        ("crps", "truth.crps"),
        skill,
    ),
    "crpss_pvalue": Metric(
        "one-sided p-value of the skill of the fair CRPS, with effective sample size",
        ("crps", "truth.crps"),
        _skill_pvalue,
        resampled=False,
    ),
    "rpss": Metric(
        "skill of the fair RPS of terciles against climatological probabilities",
        ("rps", "truth.rps"),
        skill,
    ),
    "rpss_pvalue": Metric(
        "one-sided p-value of the skill of the fair RPS, with effective sample size",
        ("rps", "truth.rps"),
        _skill_pvalue,
        resampled=False,
    ),
    "energy": Metric("fair energy score of the field", ("energy",), _mean, has_units=True),
    "energy_skill": Metric(
        "skill of the fair energy score against the climatological ensemble",
        ("energy", "truth.energy"),
        skill,
    ),
    "variogram": Metric("fair variogram score of the field", ("variogram",), _mean, has_units=True),
    "variogram_skill": Metric(
        "skill of the fair variogram score against the climatological ensemble",
        ("variogram", "truth.variogram"),
        skill,
    ),
    "neighbour_correlation": Metric(
        "correlation of members' departures in neighbouring cells",
        ("beside",),
        _mean,
        of_cells=True,
    ),
    "error_correlation": Metric(
        "correlation of errors, without their mean, in neighbouring cells",
        ("errors_beside",),
        _mean,
        of_cells=True,
    ),
    "incoherence": Metric(
        "correlation of errors less that of members' departures in neighbouring cells",
        ("errors_beside", "beside"),
        _mean_difference,
        of_cells=True,
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
        resampled=False,
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


def finish(name: str, values: xr.DataArray) -> xr.DataArray:
    """Make a score of the averages of what its metric computed."""
    last = METRICS[name].finish
    return values if last is None else last(values)


def average_over(values: xr.DataArray, dims: set[str]) -> xr.DataArray:
    """Average scores over the grid (by area) and seasons, if these are among the dimensions."""
    rest = dims & set(map(str, values.dims))
    values = area_mean(values) if rest - {"season"} else values
    return values.mean("season") if "season" in rest else values
