"""Forecasts of categories: thresholds, probabilities and ranked probability scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.scores.ensembles import skill
from xai4land.scores.series import in_one_chunk, relative_rounding
from xai4land.typing import Floats

__all__ = [
    "category_of",
    "climatological_rps",
    "probabilities",
    "quantile_edges",
    "rps",
    "rpss",
    "tercile_edges",
]

TERCILES = (1 / 3, 2 / 3)

MIN_OTHERS = 5
"""Values that thresholds need."""

NO_SCORE = 1e-12
"""RPS that is rounding."""


def tercile_edges(
    obs: xr.DataArray, *, quantiles: Sequence[float] = TERCILES, dim: str = "time"
) -> xr.DataArray:
    """Compute thresholds between categories for each time, from all other times.

    Parameters
    ----------
    obs : DataArray, shape (time, ...)
        Of one season.
    quantiles : sequence of float
    dim : str

    Returns
    -------
    DataArray, shape (time, quantile, ...)
        Missing where fewer than five other times are known, and in cells where two thresholds
        coincide at any time, as in dry seasons: there are no such categories. The coordinate
        ``tied_below`` is the share of values equal to a threshold that belong below it, so that
        each category has its share of the observations; zero where no value is repeated.

    Examples
    --------
    >>> obs = xr.DataArray(np.arange(7.0), dims="time")
    >>> tercile_edges(obs)[0].values.round(2)
    array([2.67, 4.33])
    >>> dry_years = xr.DataArray([0.0, 0, 0, 0, 1, 2, 3, 4, 5], dims="time")
    >>> found = tercile_edges(dry_years)[-1]
    >>> found.values.round(2), found.tied_below.values.round(2)
    (array([0.  , 1.67]), array([0.67, 0.  ]))
    """
    return _find_edges(_edges_of_others, obs, quantiles, dim, [dim]).transpose(dim, "quantile", ...)


def quantile_edges(
    obs: xr.DataArray, *, quantiles: Sequence[float] = TERCILES, dim: str = "time"
) -> xr.DataArray:
    """Compute thresholds between categories from all times, shape (quantile, ...).

    Missing where two of them coincide; for ``tied_below`` see :func:`tercile_edges`.

    Examples
    --------
    >>> quantile_edges(xr.DataArray(np.arange(7.0), dims="time")).values
    array([2., 4.])
    """
    return _find_edges(_edges_of_all, obs, quantiles, dim, []).transpose("quantile", ...)


def _find_edges(
    function: Callable[..., tuple[Floats, Floats]],
    obs: xr.DataArray,
    quantiles: Sequence[float],
    dim: str,
    kept: list[str],
) -> xr.DataArray:
    """Apply a function that finds quantiles of series, lazily."""
    dims = [*kept, "quantile"]
    edges, tied_below = xr.apply_ufunc(
        function,
        in_one_chunk(obs, dim),
        kwargs={"quantiles": tuple(quantiles), "rounding": relative_rounding(obs)},
        input_core_dims=[[dim]],
        output_core_dims=[dims, dims],
        dask="parallelized",
        output_dtypes=[np.float64, np.float64],
        dask_gufunc_kwargs={"output_sizes": {"quantile": len(quantiles)}},
    )
    tied_below = tied_below.drop_attrs(deep=False).variable
    found: xr.DataArray = edges.assign_coords(quantile=list(quantiles), tied_below=tied_below)
    return found.drop_attrs(deep=False)


def _edges_of_others(
    values: Floats, quantiles: tuple[float, ...], rounding: float
) -> tuple[Floats, Floats]:
    values = np.ascontiguousarray(values)
    order = np.argsort(values, -1)  # NaN sorts last
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(values.shape[-1]), -1)
    edges, tied_below = _edges_without(values, order, rank, quantiles, rounding)
    # In all times or none, since leaving out a year that is not dry makes the others drier.
    coincide = np.asarray(_coincide(edges, rounding).any(-1))[..., None, None]
    return np.where(coincide, np.nan, edges), tied_below


def _edges_of_all(
    values: Floats, quantiles: tuple[float, ...], rounding: float
) -> tuple[Floats, Floats]:
    order = np.argsort(values, -1)
    nothing = np.full((*values.shape[:-1], 1), values.shape[-1])
    edges, tied_below = _edges_without(values, order, nothing, quantiles, rounding)
    coincide = _coincide(edges, rounding)[..., None]
    return np.where(coincide, np.nan, edges)[..., 0, :], tied_below[..., 0, :]


def _coincide(edges: Floats, rounding: float) -> npt.NDArray[np.bool_]:
    """Return whether any two neighbours along the last axis are equal."""
    size = rounding * np.abs(edges[..., 1:])
    return np.asarray((np.abs(np.diff(edges, axis=-1)) <= size).any(-1))


def _edges_without(
    values: Floats,
    order: npt.NDArray[np.int64],
    left_out: npt.NDArray[np.int64],
    quantiles: tuple[float, ...],
    rounding: float,
) -> tuple[Floats, Floats]:
    """Compute quantiles of series without one value each, all from one sort.

    Parameters
    ----------
    values : ndarray, shape (..., time)
    order : ndarray, shape (..., time)
        Positions of the values in ascending order.
    left_out : ndarray, shape (..., cases)
        Ranks of the values to leave out; none beyond those that are known.
    quantiles : tuple of float
    rounding : float
        Relative difference up to which values are equal.

    Returns
    -------
    tuple of ndarray, shapes (..., cases, quantile)
        The quantiles, and ``tied_below``.
    """
    ordered = np.take_along_axis(values, order, -1).astype(np.float64)
    known = np.isfinite(ordered).sum(-1, keepdims=True)
    count = known - (left_out < known)
    edges = []
    for quantile in quantiles:
        place = quantile * np.maximum(count - 1, 0)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        below, above = (
            np.take_along_axis(ordered, np.minimum(k + (k >= left_out), ordered.shape[-1] - 1), -1)
            for k in (low, high)
        )
        step, part = above - below, place - low
        edge = np.where(part < 0.5, below + step * part, above - step * (1 - part))
        edges.append(np.where(count >= MIN_OTHERS, edge, np.nan))
    found = np.stack(edges, -1)
    share = np.zeros_like(found)
    size = rounding * np.abs(ordered[..., 1:])
    repeated = (np.diff(ordered, axis=-1) <= size).any(-1)
    if repeated.any():
        one = ordered[repeated], left_out[repeated], count[repeated], found[repeated]
        share[repeated] = _share_below(*one, quantiles, rounding)
    return found, share


def _share_below(
    ordered: Floats,
    left_out: npt.NDArray[np.int64],
    count: npt.NDArray[np.int64],
    edges: Floats,
    quantiles: tuple[float, ...],
    rounding: float,
) -> Floats:
    """Compute which share of the values equal to a threshold belongs below it."""
    share = np.zeros_like(edges)
    ranks = np.arange(ordered.shape[-1])
    for case in range(edges.shape[-2]):
        valid = ranks != left_out[:, case, None]
        for k, quantile in enumerate(quantiles):
            edge = edges[:, case, k, None]
            size = rounding * np.abs(edge)
            below = ((ordered < edge - size) & valid).sum(-1)
            equal = ((np.abs(ordered - edge) <= size) & valid).sum(-1)
            wanted = (quantile * count[:, case] - below) / np.maximum(equal, 1)
            share[:, case, k] = np.where(equal > 1, wanted.clip(0, 1), 0.0)
    return share


def _count_below(
    values: xr.DataArray, edges: xr.DataArray, rounding: float
) -> tuple[xr.DataArray, xr.DataArray]:
    """Count the members below each threshold, and sum the squares of what each counts.

    Members equal to a threshold count by its coordinate ``tied_below``, without it not at all.
    """
    share = edges.coords.get("tied_below", xr.DataArray(0.0)).drop_vars(
        "tied_below", errors="ignore"
    )
    edges = edges.drop_vars("tied_below", errors="ignore")
    size = rounding * abs(edges)
    below = (values < edges - size).sum("realization")
    tied = (values <= edges + size).sum("realization") - below
    return below + share * tied, below + share**2 * tied


def _as_member(values: xr.DataArray) -> xr.DataArray:
    return values if "realization" in values.dims else values.expand_dims(realization=1)


def _happened(obs: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Return whether observations are below thresholds, from 0 to 1; NaN where missing."""
    below, _ = _count_below(_as_member(obs), edges, relative_rounding(obs))
    edges = edges.drop_vars("tied_below", errors="ignore")
    return below.where(obs.notnull() & edges.notnull())


def category_of(values: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Return the category of values, from 0 for those below the first edge; NaN where missing.

    Values equal to a threshold have the category that most of them belong to; see
    :func:`tercile_edges`.

    Examples
    --------
    >>> dry_years = xr.DataArray([0.0, 0, 0, 0, 1, 2, 3, 4, 5], dims="time")
    >>> category_of(dry_years, tercile_edges(dry_years)).values
    array([0., 0., 0., 0., 1., 1., 2., 2., 2.])
    """
    below = _happened(values, edges)
    number = (below < 0.5).sum("quantile")
    return number.where(below.notnull().all("quantile")).drop_attrs(deep=False)


def probabilities(forecast: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Compute the share of the members in each category.

    Parameters
    ----------
    forecast : DataArray, shape (time, realization, ...)
        Observations, without ``realization``, are one member.
    edges : DataArray, shape (time, quantile, ...)

    Returns
    -------
    DataArray, shape (time, category, ...)
        Sums to one; missing members are left out, and members equal to a threshold divided; see
        :func:`tercile_edges`.

    Examples
    --------
    >>> members = xr.DataArray([[0.0, 1.0, 2.0, 3.0]], dims=("time", "realization"))
    >>> edges = xr.DataArray([[0.5, 2.5]], dims=("time", "quantile"))
    >>> probabilities(members, edges).values
    array([[0.25, 0.5 , 0.25]])
    """
    members = _as_member(forecast)
    below, _ = _count_below(members, edges, relative_rounding(members))
    count = members.notnull().sum("realization")
    known = edges.drop_vars("tied_below", errors="ignore").notnull().all("quantile")
    count = count.where((count > 0) & known)
    size = edges.sizes["quantile"]
    bounds = [xr.DataArray(0), *(below.isel(quantile=k, drop=True) for k in range(size)), count]
    parts = [(high - low) / count for low, high in itertools.pairwise(bounds)]
    found = xr.concat(parts, "category", coords="minimal", compat="override")
    front = [d for d in ("time", "category") if d in found.dims]
    found = found.assign_coords(category=np.arange(size + 1)).transpose(*front, ...)
    return found.drop_attrs(deep=False)


def rps(
    forecast: xr.DataArray, obs: xr.DataArray, edges: xr.DataArray, *, fair: bool = True
) -> xr.DataArray:
    """Compute the ranked probability score of each time and cell.

    Sum over thresholds of the squared difference between the share of members, and whether the
    observation, lies below; fair: less what the size of the ensemble adds (Ferro 2014). Values
    equal to a threshold lie partly below it; see :func:`tercile_edges`.

    Examples
    --------
    >>> members = xr.DataArray([[0.0, 3.0]], dims=("time", "realization"))
    >>> edges = xr.DataArray([[1.0, 2.0]], dims=("time", "quantile"))
    >>> obs = xr.DataArray([0.0], dims="time")
    >>> rps(members, obs, edges, fair=False).values, rps(members, obs, edges).values
    (array([0.5]), array([0.]))
    """
    members = _as_member(forecast)
    count = members.notnull().sum("realization")
    known = count.where(count > 0)
    total, squares = _count_below(members, edges, relative_rounding(members, obs))
    below = total / known
    square = (below - _happened(obs, edges)) ** 2
    if fair:
        square = square - (squares / known - below**2) / (count - 1).where(count > 1, np.inf)
    score = square.sum("quantile", skipna=False)
    return score.where(~(abs(score) < NO_SCORE), 0.0).drop_attrs(deep=False)


def rpss(
    forecast: xr.DataArray,
    obs: xr.DataArray,
    edges: xr.DataArray,
    reference: xr.DataArray | None = None,
    *,
    dim: str = "time",
    fair: bool = True,
) -> xr.DataArray:
    """Compute the skill score of the RPS: 1 is perfect, 0 no better than the reference.

    Parameters
    ----------
    reference : DataArray, optional
        Another ensemble; by default the climatological probabilities that the quantiles of
        ``edges`` are.
    """
    score = rps(forecast, obs, edges, fair=fair)
    if reference is None:
        return skill(score, climatological_rps(obs, edges), dim=dim)
    return skill(score, rps(reference, obs, edges, fair=fair), dim=dim)


def climatological_rps(obs: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Compute the RPS of climatological probabilities, the quantiles of the thresholds.

    Raises
    ------
    InputError
        If ``edges`` lack the coordinate ``quantile``.
    """
    if "quantile" not in edges.coords:
        raise InputError("edges have no coordinate 'quantile'; make them with tercile_edges()")
    difference = edges["quantile"] - _happened(obs, edges)
    score: xr.DataArray = (difference**2).sum("quantile", skipna=False)
    return score.where(~(score < NO_SCORE), 0.0).drop_attrs(deep=False)
