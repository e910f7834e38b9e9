"""Monthly data as users bring them, read alike by all entry points."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.missing import mask_misspelt_fill_values
from xai4land.grids.time import (
    count_months,
    find_time,
    holds_dates,
    middle_of_steps,
    number_of_month,
)

__all__ = ["as_dataset", "drop_single_dims", "is_bounds", "read_monthly"]


def as_dataset(data: Any, what: str = "the data") -> xr.Dataset:
    """Return a dataset, whose grid mappings are coordinates; a named DataArray becomes one.

    Raises
    ------
    InputError
        If it is anything else.

    Examples
    --------
    >>> list(as_dataset(xr.DataArray(0.0, name="tas")))
    ['tas']
    """
    if isinstance(data, xr.Dataset):
        mappings = {array.attrs.get("grid_mapping") for array in data.data_vars.values()}
        return data.set_coords([name for name in data.data_vars if name in mappings])
    if isinstance(data, xr.DataArray) and data.name is not None:
        return data.to_dataset()
    mend = "name it: .rename('tas')" if isinstance(data, xr.DataArray) else "open it with xarray"
    seen = "a DataArray without a name" if isinstance(data, xr.DataArray) else type(data).__name__
    raise InputError(f"{what}: found {seen}, expected a Dataset; {mend}")


def is_bounds(name: object) -> bool:
    """Return whether a variable is of bounds, by its name."""
    return str(name).endswith(("_bnds", "_bounds", "_bound"))


def read_monthly(source: Any, what: str = "the data") -> xr.Dataset:
    """Return monthly data along ``time``, whose dates lie in the months that they stand for.

    The axis is found by its attributes or its name. Its bounds say which month a mean is of,
    whatever day it was stamped with; ``valid_time`` along the axis goes before it, as GRIB has
    it. Without bounds it is the month of the time: the first instant of a month is of that month,
    unless the axis names bounds that are not there, which is refused. Nothing but the axis is
    computed.

    Parameters
    ----------
    source : Dataset or DataArray
    what : str
        How to call the data in errors.

    Raises
    ------
    InputError
        If there is no time axis or several, its bounds are not of single months, contradict it or
        were lost, or values are objects.

    Examples
    --------
    >>> edges = np.array(["2000-01-01", "2000-02-01"], "M8[ns]")
    >>> time = xr.DataArray(edges[1:], dims="time", attrs={"bounds": "time_bnds"})
    >>> bounds = (("time", "bnds"), edges[None])
    >>> tas = xr.Dataset({"tas": ("time", [1.0])}, {"time": time, "time_bnds": bounds})
    >>> read_monthly(tas).time.dt.month.values
    array([1])
    """
    data = mask_misspelt_fill_values(as_dataset(source, what))
    name = find_time(data, what)
    if name is None:
        raise InputError(
            f"{what}: no time axis among {sorted(map(str, data.dims))}, expected monthly dates; "
            "name yours: ds.rename(old='time'), or give it: ds.assign_coords(time=dates)"
        )
    valid = [
        coord
        for other, coord in data.coords.items()
        if other != name
        and coord.dims == (name,)
        and holds_dates(coord)
        and (other == "valid_time" or coord.attrs.get("standard_name") == "time")
    ]
    if len(valid) == 1:
        dates = xr.DataArray(valid[0].values, dims=name, attrs=data[name].attrs)
        data = data.assign_coords({name: dates})
    if holds_dates(data[name]):  # others are refused where months are counted
        months = number_of_month(data[name])
        if not np.array_equal(count_months(data, name), months):
            middles = middle_of_steps(data, name).values
            moved = xr.DataArray(middles, dims=name, attrs=data[name].attrs)
            moved.encoding = data[name].encoding
            data = data.assign_coords({name: moved})
    InputError.raise_if(
        f"{what}: variable {str(key)!r} holds {array.dtype}, expected numbers; convert it: "
        f"ds.assign({key}=ds.{key}.astype(float))"
        for key, array in data.data_vars.items()
        if name in array.dims and array.dtype.kind in "OSU" and not is_bounds(key)
    )
    if name == "time":
        return data
    return data.drop_vars("time", errors="ignore").rename({name: "time"})


def drop_single_dims(array: xr.DataArray, grid: Grid, *, members: bool = False) -> xr.DataArray:
    """Return a field along time and its grid alone; other dimensions of one step are dropped.

    Parameters
    ----------
    array : DataArray
    grid : Grid
    members : bool
        Whether it may have members, along ``realization``.

    Raises
    ------
    InputError
        If there is another dimension.
    """
    known = {"time", *grid.names, *(("realization",) if members else ())}
    extra = [str(dim) for dim in array.dims if dim not in known]
    mend = "; rename that of members to 'realization'" if members else ""
    InputError.raise_if(
        f"variable {str(array.name)!r} has a dimension {dim!r} ({array.sizes[dim]} steps) "
        f"that is none of {', '.join(sorted(known))}; select from it, .isel({dim}=0), or average, "
        f".mean({dim!r}){mend}"
        for dim in extra
        if array.sizes[dim] > 1
    )
    return array.squeeze(extra, drop=True)
