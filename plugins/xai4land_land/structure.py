"""Scores of the structure of maps, beside that of the truth: boundaries, variograms, patches."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.scores.areas import UNKNOWN
from xai4land.scores.structure import measure_patches, variogram
from xai4land_land.comparison import compare_maps
from xai4land_land.diagnostics import Cells, find_coarse, find_texture
from xai4land_land.legends import Legend

__all__ = ["score_structure"]

LAGS = (1, 2, 4, 8, 16)
MEMBERS = "realization"
LONG_NAMES = {
    "boundary_density": "share of neighbouring pixels of different classes",
    "variogram": "share of pixels so far apart, along rows and columns, of different classes",
    "patches": "number of patches: pixels of a class that hang together by their sides",
    "patch_size": "mean number of pixels of a patch",
    "border_ratio": "how much more often neighbours differ across borders of coarse cells",
    "misplaced_area": "share of the area that is in another coarse cell than in the truth",
    "source": "truth, emulator, member, baseline or other map",
    "lag": "pixels apart",
    "land_cover_class": "class of the map",
}


def score_structure(
    data: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    *,
    lags: Sequence[int] = LAGS,
    cells: Cells = None,
    where: xr.DataArray | None = None,
    name: str = "land_cover",
    legend: str | Legend | None = None,
) -> xr.Dataset:
    """Score how a map is divided into patches, beside the truth and other maps; lazily.

    :func:`evaluate` says whether the right class is in the right place, this whether the map looks
    like the truth. Pixels that all maps know are compared. Sources are the truth, the map
    (``emulator``; each member by itself if it has members, as ``member_0``, ...), and each variable
    beside it, as of :func:`evaluate`.

    Parameters
    ----------
    data, truth, cells, where, name, legend
        As of :func:`evaluate`.
    lags : sequence of int
        Distances in pixels.

    Returns
    -------
    Dataset
        ``boundary_density`` (source), ``variogram`` (source, lag), ``patches`` and ``patch_size``
        (source, land_cover_class), means over years; see :mod:`xai4land.scores.structure`. With
        ``cells`` also ``border_ratio`` and ``misplaced_area`` (source). Patches end at the edge of
        the map, also at the date line; to count them, a lazy map of a year is put together.

    Raises
    ------
    InputError
        If the grids, years or classes cannot be compared, or a lag is no number of pixels.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> world = planet.ai4land.reconstruct()
    >>> found = world.ai4land.score_structure(planet.land_cover, lags=(1, 4)).compute()
    >>> found.source.values.tolist()
    ['truth', 'emulator', 'bilinear', 'nearest']
    >>> bool(found.boundary_density.sel(source="emulator") < found.boundary_density[0])
    True
    """
    whole = np.ndim(lags) == 1 and all(isinstance(n, numbers.Integral) and n > 0 for n in lags)
    if not whole or not len(lags):
        raise InputError(f"lags={lags!r}, expected numbers of pixels, as lags=(1, 4)")
    coarse = find_coarse(cells)
    several = name in data and MEMBERS in data[name].dims
    maps = compare_maps(_spread_members(data, name), truth, where=where, name=name, legend=legend)
    count, dims = len(maps.classes), maps.grid.names
    if absent := [lag for lag in lags if lag >= min(maps.grid.shape)]:
        raise InputError(
            f"lags={absent}, but the map has {maps.grid.shape[0]} x {maps.grid.shape[1]} pixels; "
            "give smaller ones"
        )
    known = maps.truth < count
    for made in maps.sources.values():
        known = known & (made < count)
    names = ["truth", *maps.sources]
    codes = [made.where(known, UNKNOWN) for made in (maps.truth, *maps.sources.values())]
    measured = [_measure(one, dims, [int(lag) for lag in lags], count) for one in codes]
    scores = xr.concat(measured, xr.DataArray(names, dims="source", name="source"))
    scores = scores.assign_coords(land_cover_class=maps.classes)
    if coarse is not None:
        texture = find_texture(maps, coarse)
        ratio, misplaced = texture.border_ratio.data, texture.misplaced_area.data
        true = texture.true_border_ratio.data
        scores["border_ratio"] = "source", _put_first(true, ratio)
        scores["misplaced_area"] = "source", _put_first(0.0 * true, misplaced)
    if several:
        names[1] = "member_0"
        scores = scores.assign_coords(source=names)
    for variable, long_name in LONG_NAMES.items():
        if variable in scores.variables:
            scores[variable].attrs = {"long_name": long_name, "units": "1"}
    what = f"structure of {name!r}"
    return scores.assign_attrs(cf.global_attrs(data, "Structure of maps of classes", what, what))


def _spread_members(data: xr.Dataset, name: str) -> xr.Dataset:
    """Return the first member as the map, and the others as maps beside it."""
    if name not in data or MEMBERS not in data[name].dims:
        return data
    members = data[name]
    dims = set(members.dims) - {MEMBERS}
    beside = [n for n, v in data.data_vars.items() if n != name and set(v.dims) == dims]
    parts = {
        name if k == 0 else f"{name}_member_{k}": members.isel({MEMBERS: k}, drop=True)
        for k in range(members.sizes[MEMBERS])
    }
    return data[beside].assign(parts)


def _measure(
    codes: xr.DataArray, dims: tuple[str, str], lags: Sequence[int], classes: int
) -> xr.Dataset:
    """Return the structure of one map, of all years."""
    patches = xr.apply_ufunc(
        _count_patches,
        codes,
        input_core_dims=[dims],
        output_core_dims=[["kind", "land_cover_class"]],
        kwargs={"classes": classes},
        vectorize=True,
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "allow_rechunk": True,
            "output_sizes": {"kind": 2, "land_cover_class": classes},
        },
    )
    along = variogram(codes, dims, sorted({1, *lags}))
    found = xr.Dataset(
        {
            "boundary_density": along.sel(lag=1, drop=True),
            "variogram": along.sel(lag=list(lags)),
            "patches": patches.isel(kind=0),
            "patch_size": patches.isel(kind=1) / patches.isel(kind=0).where(lambda n: n > 0),
        }
    )
    return found.mean([dim for dim in codes.dims if dim not in dims])


def _count_patches(codes: np.ndarray, classes: int) -> np.ndarray:
    """Return the number of patches of each class, and of their pixels, shape (2, classes)."""
    count, size = measure_patches(codes, classes)
    return np.stack([count, np.nan_to_num(size) * count])


def _put_first(first: Any, others: Any) -> Any:
    """Return a value before others, lazy if they are."""
    return np.concatenate([np.reshape(first, (1,)), others])
