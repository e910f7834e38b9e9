"""Forecasts of categories: thresholds, probabilities, and their scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.scores.ensembles import _pairs, _whole, skill

__all__ = [
    "category_of",
    "climatological_rps",
    "probabilities",
    "quantile_edges",
    "rank_histogram",
    "reliability",
    "roc_area",
    "rps",
    "rpss",
    "tercile_edges",
]

TERCILES = (1 / 3, 2 / 3)
Floats = npt.NDArray[np.float64]


def tercile_edges(
    obs: xr.DataArray, *, quantiles: Sequence[float] = TERCILES, dim: str = "time"
) -> xr.DataArray:
    """Thresholds between categories for each time, from all other times.

    Parameters
    ----------
    obs : DataArray, shape (time, ...)
        Of one season.
    quantiles : sequence of float
    dim : str

    Returns
    -------
    DataArray, shape (time, quantile, ...)
        Missing where fewer than five other times are known.

    Examples
    --------
    >>> obs = xr.DataArray(np.arange(7.0), dims="time")
    >>> tercile_edges(obs)[0].values.round(2)
    array([2.67, 4.33])
    """
    return _edges(_others_quantiles, obs, quantiles, dim, [dim]).transpose(dim, "quantile", ...)


def quantile_edges(
    obs: xr.DataArray, *, quantiles: Sequence[float] = TERCILES, dim: str = "time"
) -> xr.DataArray:
    """Thresholds between categories from all times, shape (quantile, ...).

    Examples
    --------
    >>> quantile_edges(xr.DataArray(np.arange(7.0), dims="time")).values
    array([2., 4.])
    """
    return _edges(_known_quantiles, obs, quantiles, dim, []).transpose("quantile", ...)


def _edges(
    function: Callable[..., Floats],
    obs: xr.DataArray,
    quantiles: Sequence[float],
    dim: str,
    kept: list[str],
) -> xr.DataArray:
    """Quantiles of series as a function finds them, lazily."""
    found: xr.DataArray = xr.apply_ufunc(
        function,
        _whole(obs, dim),
        kwargs={"quantiles": tuple(quantiles)},
        input_core_dims=[[dim]],
        output_core_dims=[[*kept, "quantile"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"quantile": len(quantiles)}},
    )
    return found.assign_coords(quantile=list(quantiles))


def _others_quantiles(values: Floats, quantiles: tuple[float, ...]) -> Floats:
    count = values.shape[-1]
    found = np.full((*values.shape, len(quantiles)), np.nan)
    for k in range(count):
        found[..., k, :] = _known_quantiles(np.delete(values, k, -1), quantiles)
    return found


def _known_quantiles(values: Floats, quantiles: tuple[float, ...], least: int = 5) -> Floats:
    """Over the last axis; missing where too few values are known."""
    found = np.full((*values.shape[:-1], len(quantiles)), np.nan)
    enough = np.isfinite(values).sum(-1) >= least
    if enough.any():
        found[enough] = np.moveaxis(np.nanquantile(values[enough], quantiles, axis=-1), 0, -1)
    return found


def category_of(values: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Category of values, from 0 for those below the first edge; NaN where missing."""
    number = (values >= edges).sum("quantile")
    known = values.notnull() & edges.notnull().all("quantile")
    return number.where(known)


def probabilities(forecast: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Share of the members in each category.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    edges : DataArray, shape (time, quantile, ...)

    Returns
    -------
    DataArray, shape (time, category, ...)
        Sums to one; missing members are left out.

    Examples
    --------
    >>> members = xr.DataArray([[0.0, 1.0, 2.0, 3.0]], dims=("time", "realization"))
    >>> edges = xr.DataArray([[0.5, 2.5]], dims=("time", "quantile"))
    >>> probabilities(members, edges).values
    array([[0.25, 0.5 , 0.25]])
    """
    where = category_of(forecast, edges)
    count = where.notnull().sum("realization")
    parts = [
        (where == k).sum("realization") / count.where(count > 0)
        for k in range(edges.sizes["quantile"] + 1)
    ]
    made = xr.concat(parts, "category", coords="minimal", compat="override")
    front = [d for d in ("time", "category") if d in made.dims]
    return made.assign_coords(category=np.arange(len(parts))).transpose(*front, ...)


def rps(
    forecast: xr.DataArray, obs: xr.DataArray, edges: xr.DataArray, *, fair: bool = True
) -> xr.DataArray:
    """Ranked probability score of each time and cell.

    Sum over thresholds of the squared difference between the share of members, and whether the
    observation, lies below; fair: less what the size of the ensemble adds (Ferro 2014).

    Examples
    --------
    >>> members = xr.DataArray([[0.0, 3.0]], dims=("time", "realization"))
    >>> edges = xr.DataArray([[1.0, 2.0]], dims=("time", "quantile"))
    >>> obs = xr.DataArray([0.0], dims="time")
    >>> rps(members, obs, edges, fair=False).values, rps(members, obs, edges).values
    (array([0.5]), array([0.]))
    """
    if "realization" not in forecast.dims:
        forecast = forecast.expand_dims(realization=1)
    count = forecast.notnull().sum("realization")
    below = ((forecast < edges) & forecast.notnull()).sum("realization") / count.where(count > 0)
    happened = (obs < edges).where(obs.notnull() & edges.notnull())
    square = (below - happened) ** 2
    if fair:
        square = square - below * (1 - below) / (count - 1).where(count > 1, np.inf)
    return square.sum("quantile", skipna=False)


def rpss(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    edges: xr.DataArray,
    reference: xr.DataArray | None = None,
    *,
    dim: str = "time",
    fair: bool = True,
) -> xr.DataArray:
    """Skill score of the RPS: 1 is perfect, 0 no better than the reference.

    Parameters
    ----------
    reference : DataArray, optional
        Another ensemble; by default the climatological probabilities that the quantiles of
        ``edges`` are.
    """
    own = rps(forecast, obs, edges, fair=fair)
    if reference is None:
        return skill(own, climatological_rps(obs, edges), dim=dim)
    return skill(own, rps(reference, obs, edges, fair=fair), dim=dim)


def climatological_rps(obs: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """RPS of the probabilities that the quantiles of the thresholds are.

    Raises
    ------
    InputError
        If ``edges`` lack the coordinate ``quantile``.
    """
    if "quantile" not in edges.coords:
        raise InputError("edges have no coordinate 'quantile'; make them with tercile_edges()")
    happened = (obs < edges).where(obs.notnull() & edges.notnull())
    made: xr.DataArray = ((edges["quantile"] - happened) ** 2).sum("quantile", skipna=False)
    return made


def roc_area(
    probability: xr.DataArray, happened: xr.DataArray, *, dim: str = "time"
) -> xr.DataArray:
    """Area under the ROC curve: how often an event is given more probability than a non-event.

    Mann and Whitney's statistic, ties counted half (Mason and Graham 2002); 0.5 is no skill.

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
    return _pairs(_mann_whitney, probability, happened, dim=dim)


def _mann_whitney(probability: Floats, happened: Floats) -> Floats:
    wins = np.zeros(probability.shape[:-1])
    for k in range(probability.shape[-1]):
        event = happened[..., k] == 1
        apart = probability[..., k : k + 1] - probability
        better = (apart > 0) + 0.5 * (apart == 0)
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
    """How often events happen that are given a probability.

    Parameters
    ----------
    probability : DataArray
    happened : DataArray of 0, 1 and NaN
    dim : str or sequence of str, optional
        What is pooled; by default all dimensions.
    weights : DataArray, optional
        As cells' areas.
    bins : int
        Equal parts of 0 to 1.

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
    """How often the observation lies in each part of the ensemble; flat for a good one.

    An observation above k of m members lies evenly in the part from k / (m + 1) to
    (k + 1) / (m + 1); with ties from the lowest to the highest possible k. So ensembles of any size
    fall into the same bins, and nothing is left to chance.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
    obs : DataArray, shape (time, ...)
    dim : str or sequence of str, optional
        What is pooled; by default all dimensions.
    weights : DataArray, optional
        As cells' areas.
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
    made: xr.DataArray = (found / total.where(total > 0)).rename("share")
    return made
