"""CF-1.11 metadata of regridded variables and datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.grids.cf import CONVENTIONS, extend_history
from xai4land.regridding.classes import Codes

__all__ = [
    "add_history",
    "copy_attrs",
    "fraction_attrs",
    "fraction_axis",
    "set_encoding",
    "stale_variables",
]

STALE_ATTRS = (
    "cell_measures",
    "grid_mapping",
    "ancillary_variables",
    "coordinates",
    "actual_range",
)
"""Attributes that describe the old grid."""
CELL_METHODS = {"conservative": "mean", "majority": "mode", "fractions": "mean"}


def copy_attrs(array: xr.DataArray, source: xr.DataArray, method: str) -> xr.DataArray:
    """Give a regridded variable the source's attributes that still hold.

    ``cell_methods`` is extended by the method over the area.
    """
    attrs = {k: v for k, v in source.attrs.items() if k not in STALE_ATTRS}
    methods = str(attrs.get("cell_methods", ""))
    if (area_method := CELL_METHODS.get(method)) and "area:" not in methods:
        attrs["cell_methods"] = f"{methods} area: {area_method}".strip()
    array.attrs = attrs
    array.encoding = {}
    return array


def set_encoding(array: xr.DataArray, source: xr.DataArray, codes: Codes) -> xr.DataArray:
    """Set type and fill value of classes, so that a file is written with them."""
    array.encoding = {"dtype": codes.dtype}
    if codes.values is not None:
        array.attrs["flag_values"] = np.array(codes.values, codes.dtype)
    if "_FillValue" in source.attrs:
        return array
    array.encoding["_FillValue"] = codes.dtype.type(codes.fill)
    array.attrs.pop("missing_value", None)
    return array


def fraction_axis(source: xr.DataArray, classes: tuple[int, ...], codes: Codes) -> xr.DataArray:
    """Make the coordinate of the classes, with their names."""
    name = f"{source.name}_class"
    attrs: dict[str, Any] = {
        "long_name": f"class of {source.attrs.get('long_name', source.name)}",
        "flag_values": np.array(classes, codes.dtype),
    }
    if "flag_meanings" in source.attrs:
        attrs["flag_meanings"] = source.attrs["flag_meanings"]
    else:
        attrs["flag_meanings"] = " ".join(f"class_{code}" for code in classes)
    axis = xr.DataArray(np.array(classes, codes.dtype), dims=name, name=name, attrs=attrs)
    axis.encoding["_FillValue"] = None
    return axis


def fraction_attrs(source: xr.DataArray) -> dict[str, Any]:
    """Return the attributes of the fractions of a variable's classes."""
    attrs = {
        "standard_name": "area_fraction",
        "long_name": f"fraction of each class of {source.attrs.get('long_name', source.name)}",
        "units": "1",
        "cell_methods": str(source.attrs.get("cell_methods", "")),
    }
    return {k: v for k, v in attrs.items() if v}


def stale_variables(data: xr.Dataset) -> set[str]:
    """Find variables that describe the old grid: areas of its cells, its mapping."""
    places = [p for v in data.variables.values() for p in (v.attrs, v.encoding)]
    named = {
        word
        for place in places
        for name in ("cell_measures", "grid_mapping")
        for word in str(place.get(name, "")).split()
    }
    return {str(name) for name in data.variables if name in named}


def add_history(result: xr.Dataset, data: xr.Dataset, what: str) -> xr.Dataset:
    """Give a dataset the attributes of its source, with a line more in the history."""
    result.attrs = {**data.attrs, "Conventions": CONVENTIONS, "history": extend_history(data, what)}
    return result
