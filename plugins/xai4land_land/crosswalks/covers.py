"""Area fractions or probabilities of classes, however a dataset has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.units import convert_units
from xai4land_land.crosswalks.classes import class_names
from xai4land_land.legends import LandClass, flag_meanings

__all__ = ["Cover", "find_cover", "find_map", "name_classes"]

SUM_TOLERANCE = 0.01
"""Rounding error of the fractions of a cell: a whole percent."""
SUFFIXES = ("_fraction", "_probability")
NAMED = ("land_states", "hilda8", "igbp")
"""Legends whose classes a dataset may hold as a variable each."""


@dataclass(frozen=True)
class Cover:
    """Fractions of classes along a dimension.

    Attributes
    ----------
    fractions : DataArray, shape (..., classes, rows, columns)
    dim : str
        The dimension of the classes.
    names : tuple of str
        Of the classes along it.
    """

    fractions: xr.DataArray
    dim: str
    names: tuple[str, ...]

    def part(self, name: str) -> xr.DataArray:
        """Return the fraction of a class; zero where the others are known if it has none."""
        if name not in self.names:
            return self.fractions.isel({self.dim: 0}, drop=True) * 0
        return self.fractions.isel({self.dim: self.names.index(name)}, drop=True)


def find_cover(data: xr.Dataset) -> Cover | None:
    """Find fractions of classes: a variable with a dimension of classes, or one for each class.

    Returns
    -------
    Cover or None
        None where there is neither.

    Raises
    ------
    InputError
        If several variables have fractions, or fractions do not sum to one. Those that are lazy
        are checked when they are computed.
    """
    found = {
        str(name): dim
        for name, array in data.data_vars.items()
        if str(name).endswith(SUFFIXES) and (dim := _class_dim(array)) is not None
    }
    if len(found) > 1:
        raise InputError(
            f"{', '.join(found)} all have fractions of classes; select one: "
            f"ds[[{next(iter(found))!r}]]"
        )
    for name, dim in found.items():
        names = tuple(flag_meanings(data[name][dim], dim).values())
        return Cover(_check_sums(data[name], dim), dim, names)
    for legend in NAMED:
        names = class_names(legend)
        if all(name in data for name in names):
            return _join(data, names)
    return None


def find_map(data: xr.Dataset) -> xr.DataArray | None:
    """Find the map of classes: ``land_cover``, or the only variable with flags."""
    flagged = [str(n) for n, a in data.data_vars.items() if "flag_meanings" in a.attrs]
    main = [n for n in flagged if n == "land_cover"] or flagged
    if len(main) > 1:
        raise InputError(f"{', '.join(main)} are maps of classes; select one: ds[[{main[0]!r}]]")
    return data[main[0]] if main else None


def name_classes(dim: str, classes: Sequence[LandClass], legend: str) -> xr.DataArray:
    """Make the coordinate of classes: codes, with names and colours."""
    values = np.array([c.value for c in classes], np.uint8)
    attrs: dict[str, Any] = {
        "long_name": f"class of the legend {legend}",
        "flag_values": values,
        "flag_meanings": " ".join(c.name for c in classes),
        "flag_colors": " ".join(c.colour for c in classes),
    }
    return xr.DataArray(values, dims=dim, name=dim, attrs=attrs)


def _class_dim(array: xr.DataArray) -> str | None:
    """Return the dimension whose coordinate has flags."""
    for dim in array.dims:
        if dim in array.coords and "flag_meanings" in array[dim].attrs:
            return str(dim)
    return None


def _join(data: xr.Dataset, names: Sequence[str]) -> Cover:
    """Join variables, one a class, along a dimension."""
    arrays = [convert_units(data[n], "1") if "units" in data[n].attrs else data[n] for n in names]
    dim = "land_cover_class"
    joined = xr.concat(arrays, dim=dim, coords="minimal", compat="override", join="exact")
    grid = Grid.of(arrays[0])
    time = time_name(arrays[0])
    order = ([] if time is None else [time]) + [dim, *grid.names]
    joined = joined.transpose(*order).rename("land_cover_fraction")
    return Cover(_check_sums(joined, dim), dim, tuple(names))


def _check_sums(array: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the array; what does not sum to one is refused, lazily where it is lazy."""
    if array.chunks is not None:
        array = array.chunk({dim: -1})
    checked: xr.DataArray = xr.apply_ufunc(
        partial(_refuse_sums, what=str(array.name)),
        array,
        input_core_dims=[[dim]],
        output_core_dims=[[dim]],
        dask="parallelized",
        output_dtypes=[array.dtype],
        keep_attrs=True,
    )
    return checked.transpose(*array.dims)


def _refuse_sums(values: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    """Return values, fractions along the last axis, if they are fractions."""
    if not values.size:
        return values
    problems = []
    with np.errstate(invalid="ignore"):
        if (values < -SUM_TOLERANCE).any():
            problems.append(f"{what} is {np.nanmin(values):g} somewhere, expected 0 to 1")
        sums = values.sum(-1)
        wrong = np.abs(sums - 1) > SUM_TOLERANCE
    if wrong.any():
        problems.append(
            f"the classes of {what} sum to {sums[wrong].min():g} to {sums[wrong].max():g} in "
            f"{int(wrong.sum())} cells, expected 1; divide by the sum, or give the class of the "
            "rest"
        )
    InputError.raise_if(problems)
    return values
