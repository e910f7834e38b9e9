"""Land masks: found in the inputs or given, and the class of what is not land."""

from __future__ import annotations

import xarray as xr

from xai4land.adapters.xarray import is_in_memory
from xai4land.emulator import Classes
from xai4land.errors import InputError
from xai4land.windows.masks import Mask
from xai4land_land.truth import drop_single

__all__ = ["LandMask", "find_mask", "find_sea_class", "make_mask"]

LandMask = xr.DataArray | xr.Dataset | str
FRACTIONS = ("land_area_fraction", "land_binary_mask")
"""Standard names of masks, whose values say what is land."""
SEAS = ("ocean", "sea", "ocean_other", "water")
"""Names of the class of the sea, where all classes have states."""


def make_mask(land: LandMask, *sources: xr.Dataset | None) -> Mask:
    """Make a land mask for blocks from what a user gives; see :func:`find_mask`."""
    return Mask(find_mask(land, *sources))


def find_mask(land: LandMask, *sources: xr.Dataset | None) -> xr.DataArray:
    """Find the land mask that a user means: true on land, (rows, columns).

    Parameters
    ----------
    land : DataArray, Dataset of one variable, or str
        A mask or land fraction; or the name of an input that is missing where there is no land.
    *sources : Dataset
        Where to look for a name.

    Raises
    ------
    InputError
        If there is no such input, or no land.
    """
    if isinstance(land, str):
        named = {str(n): s[n] for s in reversed(sources) if s is not None for n in s.data_vars}
        if land not in named:
            raise InputError(f"land={land!r} is no variable; there are {', '.join(named)}")
        array = named[land]
        by_value = array.attrs.get("standard_name") in FRACTIONS
    else:
        array, by_value = _only_variable(land), True
    array = drop_single(array, "land")
    if "time" in array.cf.axes.get("T", []) or array.ndim != 2:
        raise InputError(
            f"land has dimensions {array.dims}, expected rows and columns; select a step"
        )
    half = 50.0 if array.attrs.get("units") == "%" else 0.5
    mask = array > half if by_value else array.notnull()
    if is_in_memory(mask) and not mask.values.any():
        raise InputError("land has no land at all; expected 1 (or true) where there is land")
    return mask


def _only_variable(land: xr.DataArray | xr.Dataset) -> xr.DataArray:
    if isinstance(land, xr.DataArray):
        return land
    if not isinstance(land, xr.Dataset):
        raise InputError(
            f"land is a {type(land).__name__}, expected a DataArray or the name of an input"
        )
    maps = [v for v in land.data_vars.values() if v.ndim >= 2 and v.dims[-1] != "bnds"]
    if len(maps) != 1:
        names = ", ".join(str(v.name) for v in maps) or "none"
        raise InputError(f"land has variables {names}, expected one; pass the DataArray itself")
    return maps[0]


def find_sea_class(outputs: Classes) -> str:
    """Return the class of what is not land: the rest of the cell, or one that is called so.

    Raises
    ------
    InputError
        If there is none.
    """
    rest = [c.name for c in outputs.classes if not c.states]
    named = [c.name for c in outputs.classes if c.name in SEAS]
    if found := [*rest, *named]:
        return found[0]
    names = ", ".join(c.name for c in outputs.classes)
    raise InputError(
        f"land= needs a class for what is not land, called {', '.join(SEAS)} or without states; "
        f"the emulator has {names}; leave land= out"
    )
