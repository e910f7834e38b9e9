"""Leaf area as it was observed, or made, from a dataset or an array."""

from __future__ import annotations

import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.time import move_into_bounds
from xai4land.units import convert_units
from xai4land_land.leaf.outputs import LAI

__all__ = ["read_leaf_area"]

OTHER_NAMES = ("lai", "LAI")


def read_leaf_area(data: xr.Dataset | xr.DataArray, what: str = "the truth") -> xr.DataArray:
    """Return leaf area index along an axis called ``time``.

    Parameters
    ----------
    data : Dataset or DataArray
        ``leaf_area_index``, or ``lai``.
    what : str
        How to call it in errors.

    Raises
    ------
    InputError
        If it is not there, has no time axis, or has units that are none of it.
    """
    if isinstance(data, xr.Dataset):
        data = move_into_bounds(data)
        named = [name for name in (LAI, *OTHER_NAMES) if name in data]
        if not named:
            raise InputError(
                f"{what} has no {LAI!r}: there are {', '.join(map(str, data.data_vars))}; "
                "give the DataArray itself"
            )
        data = data[named[0]]
    name = time_name(data)
    if name is None:
        raise InputError(f"{what} has no time axis, expected months")
    if "units" in data.attrs:
        data = convert_units(data, "1")
    return data if name == "time" else data.rename({name: "time"})
