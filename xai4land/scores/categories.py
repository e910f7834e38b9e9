"""Forecasts of categories: thresholds, probabilities and ranked probability scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.scores.ensembles import skill
from xai4land.scores.series import in_one_chunk
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
        Missing where fewer than five other times are known.

    Examples
    --------
    >>> obs = xr.DataArray(np.arange(7.0), dims="time")
    >>> tercile_edges(obs)[0].values.round(2)
    array([2.67, 4.33])
    """
    return _find_edges(_quantiles_of_others, obs, quantiles, dim, [dim]).transpose(
        dim, "quantile", ...
    )


def quantile_edges(
    obs: xr.DataArray, *, quantiles: Sequence[float] = TERCILES, dim: str = "time"
) -> xr.DataArray:
    """Compute thresholds between categories from all times, shape (quantile, ...).

    Examples
    --------
    >>> quantile_edges(xr.DataArray(np.arange(7.0), dims="time")).values
    array([2., 4.])
    """
    return _find_edges(_quantiles_of_known, obs, quantiles, dim, []).transpose("quantile", ...)


def _find_edges(
    function: Callable[..., Floats],
    obs: xr.DataArray,
    quantiles: Sequence[float],
    dim: str,
    output_dims: list[str],
) -> xr.DataArray:
    """Apply a function that finds quantiles of series, lazily."""
    found: xr.DataArray = xr.apply_ufunc(
        function,
        in_one_chunk(obs, dim),
        kwargs={"quantiles": tuple(quantiles)},
        input_core_dims=[[dim]],
        output_core_dims=[[*output_dims, "quantile"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"quantile": len(quantiles)}},
    )
    return found.assign_coords(quantile=list(quantiles))


def _quantiles_of_others(values: Floats, quantiles: tuple[float, ...]) -> Floats:
    count = values.shape[-1]
    found = np.full((*values.shape, len(quantiles)), np.nan)
    for k in range(count):
        found[..., k, :] = _quantiles_of_known(np.delete(values, k, -1), quantiles)
    return found


def _quantiles_of_known(values: Floats, quantiles: tuple[float, ...], minimum: int = 5) -> Floats:
    """Compute quantiles over the last axis; missing where fewer than five values are known."""
    found = np.full((*values.shape[:-1], len(quantiles)), np.nan)
    enough = np.isfinite(values).sum(-1) >= minimum
    if enough.any():
        found[enough] = np.moveaxis(np.nanquantile(values[enough], quantiles, axis=-1), 0, -1)
    return found


def category_of(values: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Return the category of values, from 0 for those below the first edge; NaN where missing."""
    number = (values >= edges).sum("quantile")
    known = values.notnull() & edges.notnull().all("quantile")
    return number.where(known)


def probabilities(forecast: xr.DataArray, edges: xr.DataArray) -> xr.DataArray:
    """Compute the share of the members in each category.

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
    """Compute the ranked probability score of each time and cell.

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
    happened = (obs < edges).where(obs.notnull() & edges.notnull())
    score: xr.DataArray = ((edges["quantile"] - happened) ** 2).sum("quantile", skipna=False)
    return score
