"""Land cover as fractions of classes at the steps of leaf area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.time import move_into_bounds
from xai4land.typing import Floats, Ints
from xai4land.units import convert_units
from xai4land_land.leaf.held import hold
from xai4land_land.leaf.outputs import LeafClasses
from xai4land_land.legends import flag_meanings

__all__ = ["CROSSWALK", "cover_fractions", "select_steps", "spread_over_steps"]

CROSSWALK = {
    "ocean_other": "water",
    "pasture": "nonforest_natural",
    "grass_shrub": "nonforest_natural",
    "sparse": "barren",
}
"""What the classes of HILDA+ are among MODIS' land states, where they have other names."""


def cover_fractions(data: xr.Dataset, leaves: LeafClasses) -> dict[str, xr.DataArray]:
    """Return the fraction of each class that has leaves; lazily.

    Parameters
    ----------
    data : Dataset
        Fractions by the names of classes; or a map of classes with flags, or its probabilities
        (``<map>_probability``), which are used if they are there.
    leaves : LeafClasses
        Their classes, and what other names stand for them.

    Returns
    -------
    dict of str to DataArray
        By class, (time,) rows, columns; missing where the map is, or has a code without a flag.

    Raises
    ------
    InputError
        If the data hold none of these, or the map has classes that the legend does not know.
    """
    if not isinstance(data, xr.Dataset):
        raise InputError(
            f"the land cover is a {type(data).__name__}, expected a Dataset: .to_dataset()"
        )
    data = move_into_bounds(data)
    known = {name: name for name in (*leaves.coarse_inputs, *leaves.bare)} | dict(leaves.legend)
    fractions = {str(n): known[str(n)] for n in data.data_vars if str(n) in known}
    if set(leaves.coarse_inputs) <= set(fractions.values()):
        return _sum_fractions(data, leaves, fractions)
    maps = [str(n) for n, a in data.data_vars.items() if "flag_meanings" in a.attrs]
    main = [n for n in maps if n == "land_cover"] or [n for n in maps if "_" not in n] or maps
    if len(main) != 1:
        raise InputError(
            f"the land cover has neither fractions named {', '.join(leaves.coarse_inputs)} nor one "
            f"map with flags (found {', '.join(maps) or 'none'}); select one: ds[['land_cover']]"
        )
    map_ = hold(data[main[0]])
    classes = _find_classes(map_, known)
    if (name := f"{main[0]}_probability") in data:
        dim = next(d for d in data[name].dims if d not in (time_name(map_), *Grid.of(map_).names))
        likely = hold(data[name])
        parts = {code: likely.sel({dim: code}, drop=True) for code in classes}
    else:
        named = map_.isin([*classes])  # neither missing nor a code that no flag names
        parts = {code: (map_ == code).astype(np.float32).where(named) for code in classes}
    return {
        name: _total([parts[code] for code, found in classes.items() if found == name], parts)
        for name in leaves.coarse_inputs
    }


def select_steps(cover: Mapping[str, xr.DataArray], middles: Floats) -> Ints:
    """Return the positions of the steps that maps tell something of, by their decimal years.

    With maps of one year, or without a date, these are all; otherwise those within the years of
    the maps.

    Raises
    ------
    InputError
        If there is none.
    """
    years = _find_years(next(iter(cover.values())))
    if len(years) < 2:
        return np.arange(len(middles))
    inside = np.flatnonzero((middles >= years[0]) & (middles < years[-1] + 1))
    if not inside.size:
        raise InputError(
            f"the land cover is of {years[0]} to {years[-1]}, the climate gives leaf area from "
            f"{int(middles[0])} to {int(middles[-1])}; bring the same years"
        )
    return inside


def spread_over_steps(array: xr.DataArray, middles: Floats, time: xr.DataArray) -> xr.DataArray:
    """Interpolate yearly fractions to steps; constant before the first middle of a year.

    Between the middles of years they change evenly, so that nothing jumps in January.

    Parameters
    ----------
    array : DataArray
        One year a step, or without time.
    middles : ndarray
        Of the steps, in decimal years.
    time : DataArray
        The time axis of these steps.
    """
    name = time_name(array)
    stepped = array.expand_dims(time.name) if name is None else array.rename({name: time.name})
    stepped = stepped.drop_vars([c for c in stepped.coords if c not in array.dims or c == name])
    dim = str(time.name)
    middle = np.array(_find_years(array) or [0]) + 0.5
    place = np.interp(middles, middle, np.arange(middle.size))
    before = np.floor(place).astype(int)
    weight = place - before
    found = stepped.isel({dim: before})
    if weight.any():
        share = xr.DataArray(weight.astype(np.float32), dims=dim)
        after = stepped.isel({dim: np.minimum(before + 1, middle.size - 1)})
        found = found * (1 - share) + after * share
    dims = (dim, *Grid.of(array).names)
    return found.transpose(*dims).assign_coords({dim: time.values})


def _find_years(array: xr.DataArray) -> list[int]:
    """Return the year of each step; empty without a time axis."""
    name = time_name(array)
    if name is None:
        return []
    years: list[int] = array[name].dt.year.values.tolist()
    if (np.diff(years) < 1).any():
        raise InputError(
            "the land cover has several steps in a year, or years out of order; give one map a "
            f"year: ds.resample({name}='YS').first()"
        )
    return years


def _sum_fractions(
    data: xr.Dataset, leaves: LeafClasses, named: Mapping[str, str]
) -> dict[str, xr.DataArray]:
    """Return fractions, where several names may stand for one class."""
    found = {}
    for name in leaves.coarse_inputs:
        parts = [
            data[n] if "units" not in data[n].attrs else convert_units(data[n], "1")
            for n, stands_for in named.items()
            if stands_for == name
        ]
        found[name] = _total(parts, {})
    return found


def _find_classes(map_: xr.DataArray, known: Mapping[str, str]) -> dict[int, str]:
    """Return the class of each code of a map."""
    meanings = flag_meanings(map_, f"map {map_.name!r}")
    if unknown := [m for m in meanings.values() if m not in known]:
        raise InputError(
            f"the emulator does not know the classes {', '.join(unknown)} of {map_.name!r}; it "
            f"knows {', '.join(known)}; merge yours into these, or fit an emulator to your legend"
        )
    return {code: known[meaning] for code, meaning in meanings.items()}


def _total(parts: Sequence[xr.DataArray], all_parts: Mapping[int, xr.DataArray]) -> xr.DataArray:
    """Return the sum of some fractions; zero, where the map is known, of none."""
    if not parts:
        return next(iter(all_parts.values())) * np.float32(0)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
