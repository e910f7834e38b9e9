"""ROC areas, reliability and rank histograms."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xai4land.scores.series import apply_over_time
from xai4land.typing import Floats

__all__ = ["rank_histogram", "reliability", "roc_area"]


def roc_area(
    probability: xr.DataArray, happened: xr.DataArray, *, dim: str = "time"
) -> xr.DataArray:
    """Compute the area under the ROC curve; 0.5 is no skill.

    It is the share of pairs in which an event was given a higher probability than a non-event,
    ties counted half (Mann and Whitney's statistic; Mason and Graham 2002).

    Parameters
    ----------
    probability : DataArray, shape (time, ...)
    happened : DataArray of 0, 1 and NaN, shape (time, ...)

    Examples
    --------
    >>> probability = xr.DataArray([0.9, 0.6, 0.6, 0.1], dims="time")
    >>> float(roc_area(probability, xr.DataArray([1.0, 1.0, 0.0, 0.0], dims="time")))
    0.875
    """
    return apply_over_time(_mann_whitney, probability, happened, dim=dim)


def _mann_whitney(probability: Floats, happened: Floats) -> Floats:
    wins = np.zeros(probability.shape[:-1])
    for k in range(probability.shape[-1]):
        event = happened[..., k] == 1
        difference = probability[..., k : k + 1] - probability
        better = (difference > 0) + 0.5 * (difference == 0)
        wins += np.where(event, np.where(happened == 0, better, 0.0).sum(-1), 0.0)
    pairs = (happened == 1).sum(-1) * (happened == 0).sum(-1)
    return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)


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
    happened : DataArray of 0, 1 and NaN
    dim : str or sequence of str, optional
        Dimensions to pool; by default all.
    weights : DataArray, optional
        Such as cells' areas.
    bins : int
        Number of equal bins from 0 to 1.

    Returns
    -------
    Dataset
        On ``bin``: mean ``probability``, observed ``frequency`` (missing in bins never used) and
        ``weight``, the share of the cases; lazy if the data are.

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
    return xr.Dataset(
        {
            "probability": found["probability"] / used,
            "frequency": found["frequency"] / used,
            "weight": found["weight"] / total.where(total > 0),
        }
    )


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
        Shares that sum to one; lazy if the data are.

    Examples
    --------
    >>> members = xr.DataArray([[1.0, 2.0, 3.0]], dims=("time", "realization"))
    >>> rank_histogram(members, xr.DataArray([9.0], dims="time"), bins=4).values
    array([0., 0., 0., 1.])
    """
    known = forecast.notnull()
    count = known.sum("realization")
    below = ((forecast < obs) & known).sum("realization")
    level = ((forecast == obs) & known).sum("realization")
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
    shares: xr.DataArray = (found / total.where(total > 0)).rename("share")
    return shares
