"""Scores of ensembles as whole fields: how their values go together.

Throughout, ``forecast`` is on (time, realization, ...) and ``obs`` on (time, ...), with the
dimensions ``dims`` in space. Members that are missing everywhere are left out, and then places that
the observation or a member lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from xai4land.scores.ensembles import divide
from xai4land.typing import Floats, Ints

__all__ = ["Pairs", "energy_score", "pair_products", "variogram_score"]

NO_DISTANCE = 1e-12
"""Share of a squared distance that is rounding."""


class Pairs(NamedTuple):
    """Pairs of places.

    Attributes
    ----------
    one, other : ndarray of int, shape (pairs,)
        Positions in the flattened dimensions of space.
    weight : ndarray, shape (pairs,)
    """

    one: Ints
    other: Ints
    weight: Floats


def energy_score(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    *,
    dims: Sequence[str],
    weights: Floats | None = None,
) -> xr.DataArray:
    """Compute the fair energy score of each time (Gneiting et al. 2008).

    The CRPS of whole fields: the mean distance of members from the observation, less half the
    mean distance between different members. Distances are root mean squares over places, so that
    the score is in the units of the data and does not grow with the number of places.

    Parameters
    ----------
    forecast, obs : DataArray
    dims : sequence of str
        Dimensions of space.
    weights : ndarray, shape (places,), optional
        Of the flattened places, such as areas; equal by default.

    Returns
    -------
    DataArray, shape (time,)
        With one member, its distance from the observation.

    Examples
    --------
    >>> members = xr.DataArray([[[0.0, 0.0], [2.0, 0.0]]], dims=("time", "realization", "x"))
    >>> obs = xr.DataArray([[1.0, 1.0]], dims=("time", "x"))
    >>> energy_score(members, obs, dims=["x"]).values.round(4)  # 1 - (2 / sqrt(2)) / 2
    array([0.2929])
    """

    def score(members: Floats, seen: Floats) -> float:
        weight = np.ones(seen.size) if weights is None else weights
        known = np.isfinite(members).any(-1)
        members = members[known]
        valid = np.isfinite(seen) & np.isfinite(members).all(0) & (weight > 0)
        if not len(members) or not valid.any():
            return np.nan
        scale = np.sqrt(weight[valid] / weight[valid].sum())
        errors = (members[:, valid].astype(np.float64) - seen[valid]) * scale
        products = errors @ errors.T
        squares = np.diagonal(products)
        both = squares[:, None] + squares
        between = both - 2 * products
        distances = np.sqrt(np.where(between > NO_DISTANCE * both, between, 0.0))
        pairs = len(members) * (len(members) - 1)
        within = distances.sum() / (2 * pairs) if pairs else 0.0
        return float(np.sqrt(squares).mean() - within)

    return _score_each_time(score, forecast, obs, dims)


def variogram_score(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    *,
    dims: Sequence[str],
    pairs: Pairs,
    power: float = 0.5,
) -> xr.DataArray:
    """Compute the fair variogram score of each time (Scheuerer and Hamill 2015).

    The weighted mean over pairs of places of the squared difference between what was observed of
    ``|difference|^power`` and its mean over the members. Of that square the variance of the mean
    of m members is subtracted (as in the fair Brier score, Ferro 2014), so that the score does not
    depend on how many there are; of one member it cannot be.

    Parameters
    ----------
    forecast, obs : DataArray
    dims : sequence of str
        Dimensions of space.
    pairs : Pairs
    power : float
        One half is usual.

    Returns
    -------
    DataArray, shape (time,)
        In the units of the data to the power of twice ``power``.

    Examples
    --------
    >>> members = xr.DataArray([[[0.0, 1.0], [0.0, 9.0]]], dims=("time", "realization", "x"))
    >>> obs = xr.DataArray([[4.0, 0.0]], dims=("time", "x"))
    >>> pair = Pairs(np.array([0]), np.array([1]), np.array([1.0]))
    >>> variogram_score(members, obs, dims=["x"], pairs=pair).values  # (2 - 2)² - 2 / 2
    array([-1.])
    """

    def score(members: Floats, seen: Floats) -> float:
        members = members[np.isfinite(members).any(-1)].T  # rows are gathered fastest
        if not members.size:
            return np.nan
        apart = np.abs(members[pairs.one] - members[pairs.other])
        apart = np.sqrt(apart) if power == 0.5 else apart**power
        count = members.shape[1]
        mean = apart.mean(1, dtype=np.float64)
        square = ((np.abs(seen[pairs.one] - seen[pairs.other])) ** power - mean) ** 2
        if count > 1:
            apart -= mean[:, None].astype(apart.dtype)
            square -= np.einsum("pm,pm->p", apart, apart) / (count * (count - 1))
        valid = np.isfinite(square)
        total = pairs.weight[valid].sum()
        return float(pairs.weight[valid] @ square[valid] / total) if total > 0 else np.nan

    return _score_each_time(score, forecast, obs, dims)


def pair_products(values: xr.DataArray, *, dims: Sequence[str], pairs: Pairs) -> xr.DataArray:
    """Compute each time's share in the mean correlation of pairs of places.

    Values are divided by their root mean square over time (and members) in each place; the
    weighted mean over pairs of their products is returned. Its mean over time is the mean
    correlation of the pairs, about zero.

    Parameters
    ----------
    values : DataArray, shape (time, ...) or (time, realization, ...)
        Departures whose mean is zero.
    dims : sequence of str
        Dimensions of space.
    pairs : Pairs

    Returns
    -------
    DataArray, shape (time,)
        Missing where no pair varies.

    Examples
    --------
    >>> values = xr.DataArray([[1.0, 2.0], [-1.0, -2.0]], dims=("time", "x"))
    >>> pair = Pairs(np.array([0]), np.array([1]), np.array([1.0]))
    >>> pair_products(values, dims=["x"], pairs=pair).values
    array([1., 1.])
    """
    if "realization" not in values.dims:
        values = values.expand_dims(realization=1)
    size: xr.DataArray = (values.astype(np.float64) ** 2).mean(["time", "realization"]) ** 0.5

    def mean_product(members: Floats, size: Floats) -> float:
        # Places by members: a row at a time.
        scaled = divide(members.T, np.broadcast_to(size[:, None], members.T.shape))
        products = np.einsum("pm,pm->p", *np.nan_to_num(scaled[[pairs.one, pairs.other]]))
        known = np.isfinite(scaled)
        count = (known[pairs.one] & known[pairs.other]).sum(1)
        weight = np.where(count > 0, pairs.weight, 0.0)
        means = products / np.maximum(count, 1)
        return float(weight @ means / weight.sum()) if weight.sum() > 0 else np.nan

    return _score_each_time(mean_product, values, size, dims)


def _score_each_time(
    score: Callable[[Floats, Floats], float],
    forecast: xr.DataArray,
    obs: xr.DataArray,
    dims: Sequence[str],
) -> xr.DataArray:
    """Apply a function of members, shape (members, places), and a field, shape (places,)."""
    if "realization" not in forecast.dims:
        forecast = forecast.expand_dims(realization=1)
    core = ["realization", *dims]

    def each(members: Floats, seen: Floats) -> Floats:
        places = seen.shape[seen.ndim - len(dims) :]
        lead = members.shape[: members.ndim - len(core)]
        seen = np.broadcast_to(seen, (*lead, *places)).reshape(-1, int(np.prod(places)))
        flat = members.reshape(len(seen), -1, seen.shape[1])
        found = [score(one, other) for one, other in zip(flat, seen, strict=True)]
        return np.array(found, np.float64).reshape(lead)

    found: xr.DataArray = xr.apply_ufunc(
        each,
        _in_one_chunk(forecast, core),
        _in_one_chunk(obs, dims),
        input_core_dims=[core, list(dims)],
        dask="parallelized",
        output_dtypes=[np.float64],
        join="exact",
    )
    return found.drop_attrs(deep=False)


def _in_one_chunk(array: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    return array.chunk(dict.fromkeys(dims, -1)) if array.chunks is not None else array
