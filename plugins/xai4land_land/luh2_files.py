"""LUH2's files as inputs: years since 850, a misspelt fill value, no standard names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xai4land.catalogs.harmonising import decode_years, in_years
from xai4land.errors import InputError

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = ["open_luh2"]

FILL = 1e15
FRACTIONS = (
    *("primf", "primn", "secdf", "secdn", "urban", "pastr", "range", "pltns"),
    *("c3ann", "c4ann", "c3per", "c4per", "c3nfx"),
)
UNITS = {"secma": "year", "secmb": "kg m-2"}
"""Of carbon, which LUH2's own units say in a way that no library reads."""
COORDS = {"lat": ("latitude", "degrees_north", "Y"), "lon": ("longitude", "degrees_east", "X")}


def open_luh2(
    source: str | os.PathLike[str] | xr.Dataset | esm_datastore | Sequence[str | os.PathLike[str]],
    *,
    years: tuple[int, int] | None = None,
) -> xr.Dataset:
    """Open LUH2's (or LUH3's) files as :func:`xai4land_land.reconstruct` takes them, lazily.

    Years are dates (the states are those of January 1), the fill value is missing, fractions and
    coordinates have their CF attributes. History and a scenario follow one another; of the year
    that both have (2015) the history's states are kept.

    Parameters
    ----------
    source : path-like, sequence of path-like, Dataset or intake_esm.esm_datastore
        Files, a dataset opened with ``decode_times=False``, or a search in a catalog.
    years : tuple of int, optional
        First and last year.

    Returns
    -------
    Dataset
        On (time, lat, lon).

    Raises
    ------
    InputError
        If a file is not there, nothing was found, or no year is left.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("sample")
    >>> states = open_luh2(cat.search(source_id="SAMPLE-LUH2"), years=(2000, 2000))
    >>> states.primf.shape, states.primf.attrs["standard_name"]
    ((1, 180, 360), 'area_fraction')
    """
    parts = [_plain(part) for part in _pieces(source)]
    parts.sort(key=lambda part: part.time.values[0])
    made: dict[str, xr.DataArray] = {}
    for name in dict.fromkeys(str(n) for part in parts for n in part.data_vars):
        made[name] = _in_time([part[name] for part in parts if name in part])
    data = xr.merge(made.values(), compat="override", join="outer")
    for name in ("lat", "lon"):
        data[name].attrs = _coordinate_attrs(name)
    data["time"].attrs = {"standard_name": "time", "axis": "T"}
    data.attrs = {k: v for k, v in parts[0].attrs.items() if not k.startswith("intake_esm")}
    if years is not None:
        data = in_years(data, years)
    if not data.sizes["time"]:
        raise InputError(f"there is no year from {years} in these files; choose other years")
    return data


def _pieces(source: object) -> list[xr.Dataset]:
    if isinstance(source, xr.Dataset):
        return [decode_years(source)]
    if hasattr(source, "to_dataset_dict"):
        from xai4land.catalogs import open_search

        return open_search(source)  # type: ignore[arg-type]
    paths = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(paths, Sequence) or not paths:
        raise InputError(f"expected files, a dataset or a search, not {type(source).__name__}")
    InputError.raise_if(
        f"there is no file {path}; download it: xai4land prefetch land --only source_id=LUH2-v2h"
        for path in paths
        if not Path(path).exists()
    )
    return [decode_years(xr.open_dataset(path, decode_times=False, chunks={})) for path in paths]


def _plain(data: xr.Dataset) -> xr.Dataset:
    """Fields on (time, lat, lon) with their attributes, and nothing else."""
    names = [n for n, a in data.data_vars.items() if set(a.dims) == {"time", "lat", "lon"}]
    if not names:
        raise InputError(
            f"no variable on (time, lat, lon) among {list(map(str, data.data_vars))}; is this a "
            "file of LUH2?"
        )
    if data.time.dtype.kind in "iuf":
        raise InputError("times are numbers without a unit; give the file as it was downloaded")
    made = {}
    for name in names:
        array = data[name].transpose("time", "lat", "lon")
        array = array.where(np.abs(array) < FILL)
        array = array.drop_vars([c for c in array.coords if c not in array.dims])
        kept = {k: v for k, v in array.attrs.items() if k in ("long_name", "cell_methods", "units")}
        if name in FRACTIONS:
            kept = {**kept, "standard_name": "area_fraction", "units": "1"}
        if name in UNITS:
            kept = {**kept, "units": UNITS[str(name)]}
        array.attrs = kept
        made[name] = array
    return xr.Dataset(made, attrs=data.attrs)


def _in_time(arrays: list[xr.DataArray]) -> xr.DataArray:
    joined = arrays[0]
    for later in arrays[1:]:
        after = later.time.values > joined.time.values[-1]
        if (~after).sum() > 1 or not after.any():
            raise InputError(
                f"{str(joined.name)!r} until {joined.time.dt.year.values[-1]} and from "
                f"{later.time.dt.year.values[0]} overlap; give the history and one scenario"
            )
        joined = xr.concat(
            [joined, later.isel(time=after)], "time", coords="minimal", compat="override"
        )
    return joined


def _coordinate_attrs(name: str) -> dict[str, str]:
    standard, units, axis = COORDS[name]
    return {"standard_name": standard, "long_name": standard, "units": units, "axis": axis}
