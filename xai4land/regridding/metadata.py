"""CF-1.11 metadata of regridded variables and datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.grids.cf import extend_attrs, find_mapping, geographic_mapping
from xai4land.regridding.classes import Codes
from xai4land.regridding.grids import Horizontal, Regular

__all__ = [
    "add_history",
    "copy_attrs",
    "fraction_attrs",
    "fraction_axis",
    "locate",
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


def locate(target: object, grid: Horizontal) -> tuple[xr.DataArray | None, dict[str, xr.DataArray]]:
    """Return the target's grid mapping, if there is one, and the coordinates of what lies on it.

    A projection, or a rotated pole, keeps the axes in which it is regular.
    """
    given = target if isinstance(target, xr.Dataset | xr.DataArray) else None
    coords = grid.coords()
    mapping = find_mapping(given) if given is not None else None
    if isinstance(grid, Regular):
        mapping = geographic_mapping(given)
    elif given is not None and mapping is not None:
        coords = {**_copy_axes(given, grid), **coords}
    return mapping, coords if mapping is None else {**coords, str(mapping.name): mapping}


def _copy_axes(data: xr.Dataset | xr.DataArray, grid: Horizontal) -> dict[str, xr.DataArray]:
    """Copy the coordinates of rows and columns, with their bounds."""
    variables = {**getattr(data, "data_vars", {}), **data.coords}
    copied: dict[str, xr.DataArray] = {}
    for name in grid.dims:
        if name not in data.coords:
            continue
        copied[name] = data[name].reset_coords(drop=True).copy()
        bounds = copied[name].attrs.pop("bounds", None)
        if bounds in variables:
            copied[name].attrs["bounds"] = bounds
            copied[str(bounds)] = variables[bounds].reset_coords(drop=True)
    return copied


def stale_variables(data: xr.Dataset) -> set[str]:
    """Find variables that describe the old grid: areas of its cells, its mapping."""
    places = [p for v in data.variables.values() for p in (v.attrs, v.encoding)]
    named = {
        word
        for place in places
        for name in ("cell_measures", "grid_mapping")
        for word in str(place.get(name, "")).split()
    }
    mappings = {
        str(name)
        for name, v in data.variables.items()
        if v.ndim == 0 and {"grid_mapping_name", "crs_wkt", "spatial_ref"} & set(v.attrs)
    }
    return mappings | {str(name) for name in data.variables if name in named}


def add_history(result: xr.Dataset, data: xr.Dataset, what: str) -> xr.Dataset:
    """Give a dataset the attributes of its source, with a line more in the history."""
    result.attrs = extend_attrs(data, what)
    return result
