"""Fill values under misspelt names, which no CF reader recognises."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import numpy as np
import xarray as xr

__all__ = ["mask_misspelt_fill_values"]

FILL_NAME = re.compile(r"_*(fill|missing)_?values?", re.IGNORECASE)
RIGHT_NAMES = ("_FillValue", "missing_value")


Data = TypeVar("Data", xr.Dataset, xr.DataArray)


def mask_misspelt_fill_values(data: Data) -> Data:
    """Set to missing what an attribute such as ``_fillValue`` says is missing.

    CF's readers recognise ``_FillValue`` and ``missing_value`` alone, and take other spellings for
    notes: -9999 would become a temperature.

    Parameters
    ----------
    data : Dataset or DataArray
        Decoded (packed values are unpacked). Lazy data stay lazy.

    Returns
    -------
    Dataset or DataArray
        Without these attributes; codes with missing values are floats, as xarray decodes them.

    Examples
    --------
    >>> tas = xr.DataArray([280.0, -9999.0], dims="x", attrs={"_fillValue": -9999.0})
    >>> mask_misspelt_fill_values(tas).values
    array([280.,  nan])
    """
    if isinstance(data, xr.DataArray):
        return _mask(data)
    masked = {name: _mask(array) for name, array in data.data_vars.items() if _find_misspelt(array)}
    return data.assign(masked) if masked else data


def _mask(array: xr.DataArray) -> xr.DataArray:
    found = _find_misspelt(array)
    if not found:
        return array
    masked = array
    fills = [value for key in found for value in _read_numbers(array.attrs[key])]
    for value in fills:
        masked = masked.where(array != _unpack(value, array))
    masked.attrs = {key: value for key, value in array.attrs.items() if key not in found}
    # Files that are made of it declare the value.
    masked.encoding = {**({"_FillValue": fills[0]} if fills else {}), **array.encoding}
    return masked


def _find_misspelt(array: xr.DataArray) -> list[Any]:
    """List the attributes that mean a fill value and are not called so."""
    if array.dtype.kind not in "iuf":
        return []
    return [k for k in array.attrs if k not in RIGHT_NAMES and FILL_NAME.fullmatch(str(k))]


def _read_numbers(value: Any) -> list[float]:
    """Return the numbers of an attribute; none if it is of words."""
    try:
        return list(np.atleast_1d(np.asarray(value, np.float64)))
    except ValueError:
        return []


def _unpack(value: float, array: xr.DataArray) -> Any:
    """Return a fill value as the array has it: unpacked alike, and of its type."""
    packing = array.encoding
    value = value * packing.get("scale_factor", 1.0) + packing.get("add_offset", 0.0)
    with np.errstate(over="ignore"):
        return array.dtype.type(value) if array.dtype.kind == "f" else value
