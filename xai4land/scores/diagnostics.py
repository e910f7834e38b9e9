"""ROC areas, reliability and rank histograms."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xai4land.scores.ensembles import divide
from xai4land.scores.series import TimeMean, apply_over_time, relative_rounding
from xai4land.typing import Floats

__all__ = ["rank_histogram", "reliability", "roc_area"]


def roc_area(
    probability: xr.DataArray,
    happened: xr.DataArray,
    *,
    dim: str = "time",
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Compute the area under the ROC curve.

    Mann and Whitney's statistic, ties counted half (Mason and Graham 2002); 0.5 is no skill.

    Parameters
    ----------
    probability : DataArray, shape (time, ...)
    happened : DataArray of 0, 1 and NaN, shape (time, ...)
    dim : str
    weights : DataArray, optional
        How often each time counts, shape (time,) or (sample, time).

    Examples
    --------
    >>> probability = xr.DataArray([0.9, 0.6, 0.6, 0.1], dims="time")
    >>> float(roc_area(probability, xr.DataArray([1.0, 1.0, 0.0, 0.0], dims="time")))
    0.875
    """
    rounding = relative_rounding(probability)
    return apply_over_time(
        _mann_whitney, probability, happened, dim=dim, weights=weights, rounding=rounding
    )


def _mann_whitney(mean: TimeMean, probability: Floats, happened: Floats, rounding: float) -> Floats:
    events, others = (happened == 1).astype(np.float64), (happened == 0).astype(np.float64)
    size = np.abs(probability)
    wins: Floats = np.zeros(())
    for k in range(probability.shape[-1]):
        difference = probability[..., k : k + 1] - probability
        tied = np.abs(difference) <= rounding * np.maximum(size[..., k : k + 1], size)
        better = np.where(tied, 0.5, difference > 0)
        wins = wins + mean.at(events, k) * mean.sum(others * better)
    return divide(wins, mean.sum(events) * mean.sum(others))


def reliability(
    probability: xr.DataArray,
    happened: xr.DataArray,
    *,
    dim: str | Sequence[str] | None = None,
    weights: xr.DataArray | None = None,
    bins: int = 10,
) -> xr.Dataset:
    """Compute how often events happen that are given a probability.

    Parameters
    ----------
    probability : DataArray
    happened : DataArray from 0 to 1 (what belongs to the event by a part), and NaN
    dim : str or sequence of str, optional
        Dimensions to pool; by default all.
    weights : DataArray, optional
        Such as cells' areas.
    bins : int
        Number of equal bins from 0 to 1.

    Returns
    -------
    Dataset
        On ``bin``, their middles: mean ``probability``, observed ``frequency`` (missing in bins
        never used) and ``weight``, the share of the cases; lazy if the data are.

    Examples
    --------
    >>> probability = xr.DataArray([0.05, 0.95, 0.95], dims="time")
    >>> table = reliability(probability, xr.DataArray([0.0, 1.0, 0.0], dims="time"), bins=2)
    >>> table.frequency.values
    array([0. , 0.5])
    """
    weight = xr.ones_like(probability) if weights is None else weights
    probability, happened, weight = xr.broadcast(probability, happened, weight)
    known = probability.notnull() & happened.notnull() & weight.notnull()
    place = np.minimum((probability * bins).fillna(0).astype(int), bins - 1)
    parts = []
    for k in range(bins):
        inside = weight.where(known & (place == k), 0.0)
        parts.append(
            xr.Dataset(
                {
                    "probability": (inside * probability.fillna(0)).sum(dim),
                    "frequency": (inside * happened.fillna(0)).sum(dim),
                    "weight": inside.sum(dim),
                }
            )
        )
    found = xr.concat(parts, "bin")
    used = found["weight"].where(found["weight"] > 0)
    total = found["weight"].sum("bin")
    table = xr.Dataset(
        {
            "probability": found["probability"] / used,
            "frequency": found["frequency"] / used,
            "weight": found["weight"] / total.where(total > 0),
        }
    )
    return table.drop_attrs(deep=False).map(_describe_bins)


def rank_histogram(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    *,
    dim: str | Sequence[str] | None = None,
    weights: xr.DataArray | None = None,
    bins: int = 10,
) -> xr.DataArray:
    """Compute how often the observation lies in each part of the ensemble; flat if reliable.

    An observation above k of m members lies evenly in the part from k / (m + 1) to
    (k + 1) / (m + 1); with ties, from the lowest to the highest possible k. So ensembles of any
    size share bins, and ties need no random numbers.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    dim : str or sequence of str, optional
        Dimensions to pool; by default all.
    weights : DataArray, optional
        Such as cells' areas.
    bins : int

    Returns
    -------
    DataArray, shape (bin, ...)
        On the bins' middles, shares that sum to one; lazy if the data are.

    Examples
    --------
    >>> members = xr.DataArray([[1.0, 2.0, 3.0]], dims=("time", "realization"))
    >>> rank_histogram(members, xr.DataArray([9.0], dims="time"), bins=4).values
    array([0., 0., 0., 1.])
    """
    known = forecast.notnull()
    count = known.sum("realization")
    size = relative_rounding(forecast, obs) * abs(obs)
    below = ((forecast < obs - size) & known).sum("realization")
    level = ((forecast <= obs + size) & known).sum("realization") - below
    low, high = below / (count + 1), (below + level + 1) / (count + 1)
    weight = xr.ones_like(low) if weights is None else weights
    weight = (weight + 0 * low).where(obs.notnull() & (count > 0), 0.0)
    edges = np.linspace(0, 1, bins + 1)
    parts = [
        (weight * (np.minimum(high, b) - np.maximum(low, a)).clip(0) / (high - low)).sum(dim)
        for a, b in itertools.pairwise(edges)
    ]
    found = xr.concat(parts, "bin")
    total = found.sum("bin")
    return _describe_bins((found / total.where(total > 0)).rename("share"))


def _describe_bins(array: xr.DataArray) -> xr.DataArray:
    """Return an array whose bins have their middles as coordinate, and no attributes."""
    edges = np.linspace(0, 1, array.sizes["bin"] + 1)
    return array.drop_attrs(deep=False).assign_coords(bin=(edges[1:] + edges[:-1]) / 2)
