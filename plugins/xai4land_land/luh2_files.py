"""LUH2's files as inputs: years since 850, a misspelt fill value, no standard names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from xai4land.catalogs.harmonising import decode_years, select_years, snap_coordinates
from xai4land.errors import InputError

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = ["open_luh2"]

Source: TypeAlias = "str | os.PathLike[str] | xr.Dataset"
MIN_FILL_VALUE = 1e15
FRACTIONS = (
    *("primf", "primn", "secdf", "secdn", "urban", "pastr", "range", "pltns"),
    *("c3ann", "c4ann", "c3per", "c4per", "c3nfx"),
)
UNITS = {"secma": "year", "secmb": "kg m-2"}
"""Of carbon, which LUH2's own units say in a way that no library reads."""
COORDS = {"lat": ("latitude", "degrees_north", "Y"), "lon": ("longitude", "degrees_east", "X")}


def open_luh2(
    source: Source | esm_datastore | Sequence[Source],
    *,
    years: tuple[int, int] | None = None,
) -> xr.Dataset:
    """Open LUH2's (or LUH3's) files as :func:`xai4land_land.reconstruct` takes them, lazily.

    Years are dates (the states are those of January 1), the fill value is missing, fractions and
    coordinates have their CF attributes. History and a scenario follow one another; of the year
    that both have (2015) the history's states are kept.

    Parameters
    ----------
    source : path-like, Dataset, sequence of them, or intake_esm.esm_datastore
        Files (also by a pattern, ``"luh2/*states*.nc"``), datasets opened with
        ``decode_times=False``, or a search in a catalog. Latitudes may run either way; the first
        in time says how.
    years : tuple of int, optional
        First and last year.

    Returns
    -------
    Dataset
        On (time, lat, lon).

    Raises
    ------
    InputError
        If a file is not there or cannot be read, nothing was found, files are on two grids or
        overlap by more than a year, a year is there twice, or no year is left.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("sample")
    >>> states = open_luh2(cat.search(source_id="SAMPLE-LUH2"), years=(2000, 2000))
    >>> states.primf.shape, states.primf.attrs["standard_name"]
    ((1, 180, 360), 'area_fraction')
    """
    parts = [_clean(part) for part in _open_parts(source)]
    parts.sort(key=lambda part: part.time.values[0])
    parts = [_align(part, parts[0]) for part in parts]
    made: dict[str, xr.DataArray] = {}
    for name in dict.fromkeys(str(n) for part in parts for n in part.data_vars):
        made[name] = _join_in_time([part[name] for part in parts if name in part])
    data = xr.merge(made.values(), compat="override", join="outer")
    for name in ("lat", "lon"):
        data[name].attrs = _coordinate_attrs(name)
    data["time"].attrs = {"standard_name": "time", "axis": "T"}
    data.attrs = {k: v for k, v in parts[0].attrs.items() if not k.startswith("intake_esm")}
    if years is not None:
        data = select_years(data, years)
    if not data.sizes["time"]:
        raise InputError(f"there is no year from {years} in these files; choose other years")
    return data


def _open_parts(source: object) -> list[xr.Dataset]:
    if hasattr(source, "to_dataset_dict") and not isinstance(source, xr.Dataset):
        from xai4land.catalogs import open_search

        return open_search(source)  # type: ignore[arg-type]
    several = [source] if isinstance(source, str | os.PathLike | xr.Dataset) else source
    if not isinstance(several, Sequence) or not several:
        raise InputError(f"expected files, datasets or a search, not {type(source).__name__}")
    made: list[xr.Dataset] = []
    problems: list[str] = []
    for one in several:
        if isinstance(one, xr.Dataset):
            made.append(decode_years(one))
            continue
        paths = sorted(glob(str(one))) if "*" in str(one) else [str(one)]
        if not paths or not all(Path(path).exists() for path in paths):
            problems.append(
                f"there is no file {one}; download it: xai4land prefetch land --only "
                "source_id=LUH2-v2h"
            )
            continue
        for path in paths:
            try:
                made.append(decode_years(xr.open_dataset(path, decode_times=False, chunks={})))
            except (OSError, ValueError) as error:
                why = str(error).splitlines()[0]
                problems.append(f"{path} cannot be read ({why}); download it anew")
    InputError.raise_if(problems)
    return made


def _clean(data: xr.Dataset) -> xr.Dataset:
    """Return the fields on (time, lat, lon) with their attributes, and nothing else."""
    names = [n for n, a in data.data_vars.items() if set(a.dims) == {"time", "lat", "lon"}]
    if not names:
        raise InputError(
            f"no variable on (time, lat, lon) among {list(map(str, data.data_vars))}; is this a "
            "file of LUH2?"
        )
    if data.time.dtype.kind in "iuf":
        raise InputError("times are numbers without a unit; give the file as it was downloaded")
    if data.time.dtype.kind != "M" and data.time.dtype != object:
        raise InputError(f"times are {data.time.dtype}, expected years or dates")
    years = data.time.dt.year.values
    if len(set(years.tolist())) < len(years):
        raise InputError("a year is there twice, expected one state a year; select ds.isel(time=…)")
    data = data.assign_coords(time=(years - 1970).astype("M8[Y]").astype("M8[s]"))
    made = {}
    for name in names:
        array = data[name].transpose("time", "lat", "lon")
        array = array.where(np.abs(array) < MIN_FILL_VALUE)
        array = array.drop_vars([c for c in array.coords if c not in array.dims])
        kept = {k: v for k, v in array.attrs.items() if k in ("long_name", "cell_methods", "units")}
        if name in FRACTIONS:
            kept = {**kept, "standard_name": "area_fraction", "units": "1"}
        if name in UNITS:
            kept = {**kept, "units": UNITS[str(name)]}
        array.attrs = kept
        made[name] = array
    return xr.Dataset(made, attrs=data.attrs)


def _align(data: xr.Dataset, first: xr.Dataset) -> xr.Dataset:
    """Put data on the coordinates of another part, whichever way latitudes run."""
    for name in ("lat", "lon"):
        own, other = data[name].values, first[name].values
        if (own[-1] > own[0]) != (other[-1] > other[0]):
            data = data.isel({name: slice(None, None, -1)})
    if (made := snap_coordinates(data, first)) is None:
        raise InputError(
            f"the parts from {first.time.dt.year.values[0]} and from "
            f"{data.time.dt.year.values[0]} are on two grids; xai4land.regrid one of them"
        )
    return made


def _join_in_time(arrays: list[xr.DataArray]) -> xr.DataArray:
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
