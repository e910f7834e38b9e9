"""LUH2's and LUH3's files as inputs: odd time axes, a misspelt fill value, no plantations."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import xarray as xr

from xai4land.catalogs.harmonising import decode_years, select_years, snap_coordinates
from xai4land.errors import InputError, InputWarning
from xai4land_land.luh2_joining import STATES, find_span, join_in_time

if TYPE_CHECKING:
    from intake_esm.core import esm_datastore

__all__ = ["open_luh2"]

Source: TypeAlias = "str | os.PathLike[str] | xr.Dataset"
MIN_FILL_VALUE = 1e15
FRACTIONS = (*STATES, "icwtr")
UNITS = {"secma": "year", "secmb": "kg m-2"}
"""Of carbon, which LUH2's own units say in a way that no library reads."""
RETRACTED = "UofMD-landState-3-0"
"""It has spurious spikes after 1950 (input4MIPs, land use, revision history)."""
LAST = (10_000, 10_000)
"""Sorts static fields behind all years."""
COORDS = {"lat": ("latitude", "degrees_north", "Y"), "lon": ("longitude", "degrees_east", "X")}


def open_luh2(
    source: Source | esm_datastore | Sequence[Source],
    *,
    years: tuple[int, int] | None = None,
) -> xr.Dataset:
    """Open LUH2's or LUH3's files as :func:`xai4land_land.reconstruct` takes them, lazily.

    Years are dates (the states are those of January 1), the fill value is missing, fractions and
    coordinates have their CF attributes. Plantations (``pltns``) are zero where a file has none
    or no data of them. History and scenario follow one another; of years that both have (2015 in
    LUH2, 2022 to 2024 in LUH3) the history's states are kept.

    Where two parts meet, the states are compared when the first year after it is computed: they
    must agree within 0.01 in the last year that both have, and must have the same sum (that
    is one minus ``icwtr``, if the static file is given). Without a common year, a change of more
    than 0.25 within the year is warned of.

    Parameters
    ----------
    source : path-like, Dataset, sequence of them, or intake_esm.esm_datastore
        Files of states, management, transitions or static fields (also by a pattern,
        ``"luh2/*states*.nc"``), datasets opened with ``decode_times=False``, or a search in a
        catalog. Latitudes may run either way; the first in time says how.
    years : tuple of int, optional
        First and last year; the files must have all years between.

    Returns
    -------
    Dataset
        On (time, lat, lon), static fields on (lat, lon).

    Raises
    ------
    InputError
        If a file is not there or cannot be read, nothing was found, files are on two grids,
        years are missing or there twice. When computed: if the parts do not fit together; the
        message says by how much, and where.

    Examples
    --------
    >>> import xai4land
    >>> cat = xai4land.open_catalog("sample")
    >>> states = open_luh2(cat.search(source_id="SAMPLE-LUH2"), years=(2000, 2000))
    >>> states.primf.shape, states.primf.attrs["standard_name"]
    ((1, 180, 360), 'area_fraction')
    """
    _check_years(years)
    parts = _each(_clean, _open_parts(source))
    parts.sort(key=lambda part: find_span(part) if "time" in part.dims else LAST)
    parts = _each(lambda part: _align(part, parts[0]), parts)
    series = [part for part in parts if "time" in part.dims]
    fixed = [part for part in parts if "time" not in part.dims]
    static = xr.merge(fixed, compat="override", join="override")
    data = join_in_time(series, static.get("icwtr")) if series else xr.Dataset()
    data = data.assign(static.data_vars)
    for name in ("lat", "lon"):
        data[name].attrs = _coordinate_attrs(name)
    attrs = parts[0].attrs
    data.attrs = {k: v for k, v in attrs.items() if not k.startswith("intake_esm")}
    return _select(data, years) if series else data


def _each(
    function: Callable[[xr.Dataset], xr.Dataset], parts: list[xr.Dataset]
) -> list[xr.Dataset]:
    """Apply a function to each part, and list the problems of all."""
    made: list[xr.Dataset] = []
    problems: list[str] = []
    for part in parts:
        try:
            made.append(function(part))
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    return made


def _check_years(years: object) -> None:
    if years is None:
        return
    if not (isinstance(years, Sequence) and len(years) == 2 and years[0] <= years[1]):
        raise InputError(f"years={years!r}, expected the first and the last year, as (1850, 2100)")


def _select(data: xr.Dataset, years: tuple[int, int] | None) -> xr.Dataset:
    """Select years, all of which must be there."""
    data["time"].attrs = {"standard_name": "time", "axis": "T"}
    if years is None:
        return data
    first, last = find_span(data)
    made = select_years(data, years)
    if not made.sizes["time"]:
        raise InputError(f"there is no year from {years} in these files; choose other years")
    if years[0] < first or years[1] > last:
        raise InputError(
            f"years={tuple(years)}, but these files have {first} to {last}; add the file of the "
            f"others, or choose years=({max(years[0], first)}, {min(years[1], last)})"
        )
    return made


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
    """Return the fields on (time, lat, lon) or (lat, lon) with their attributes, nothing else."""
    kinds = ({"time", "lat", "lon"}, {"lat", "lon"})
    names = [n for n, a in data.data_vars.items() if set(a.dims) in kinds]
    if not names:
        raise InputError(
            f"no variable on (time, lat, lon) among {list(map(str, data.data_vars))}; is this a "
            "file of LUH2?"
        )
    if data.attrs.get("source_id") == RETRACTED:
        warnings.warn(
            f"{RETRACTED} was retracted, since it has spurious spikes after 1950; download "
            "UofMD-landState-3-1-2",
            InputWarning,
            stacklevel=2,
        )
    if "time" in data.dims:
        data = _date_by_year(data)
    made = {}
    for name in names:
        array = data[name].transpose("time", "lat", "lon", missing_dims="ignore")
        array = array.where(np.abs(array) < MIN_FILL_VALUE)
        array = array.drop_vars([c for c in array.coords if c not in array.dims])
        kept = {k: v for k, v in array.attrs.items() if k in ("long_name", "cell_methods", "units")}
        if name in FRACTIONS:
            kept = {**kept, "standard_name": "area_fraction", "units": "1"}
        if name in UNITS:
            kept = {**kept, "units": UNITS[str(name)]}
        array.attrs = kept
        made[str(name)] = array
    if "primf" in made:
        made["pltns"] = _fill_plantations(made)
    return xr.Dataset(made, attrs=data.attrs)


def _date_by_year(data: xr.Dataset) -> xr.Dataset:
    """Date each year by its first day."""
    if data.time.dtype.kind in "iuf":
        raise InputError("times are numbers without a unit; give the file as it was downloaded")
    if data.time.dtype.kind != "M" and data.time.dtype != object:
        raise InputError(f"times are {data.time.dtype}, expected years or dates")
    years = data.time.dt.year.values
    if len(set(years.tolist())) < len(years):
        raise InputError("a year is there twice, expected one state a year; select ds.isel(time=…)")
    if (np.diff(years) < 0).any():
        raise InputError("years do not ascend; run ds.sortby('time')")
    return data.assign_coords(time=(years - 1970).astype("M8[Y]").astype("M8[s]"))


def _fill_plantations(fields: dict[str, xr.DataArray]) -> xr.DataArray:
    """Return the fraction of plantations: zero on land where a file has none, or no data."""
    forest = fields["primf"]
    known = fields.get("pltns", xr.full_like(forest, np.nan)).fillna(0).where(forest.notnull())
    return known.assign_attrs(
        long_name="plantations of forest", standard_name="area_fraction", units="1"
    )


def _align(data: xr.Dataset, first: xr.Dataset) -> xr.Dataset:
    """Put data on the coordinates of another part, whichever way latitudes run."""
    for name in ("lat", "lon"):
        own, other = data[name].values, first[name].values
        if (own[-1] > own[0]) != (other[-1] > other[0]):
            data = data.isel({name: slice(None, None, -1)})
    if (made := snap_coordinates(data, first)) is None:
        names = [
            f"from {find_span(part)[0]}" if "time" in part.dims else "static"
            for part in (first, data)
        ]
        raise InputError(
            f"the parts {' and '.join(names)} are on two grids; xai4land.regrid one of them"
        )
    return made


def _coordinate_attrs(name: str) -> dict[str, str]:
    standard, units, axis = COORDS[name]
    return {"standard_name": standard, "long_name": standard, "units": units, "axis": axis}
