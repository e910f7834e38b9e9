"""What regridded variables and datasets say of themselves (CF-1.11)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.grids.cf import CONVENTIONS, extend_history
from xai4land.regridding.classes import Codes

__all__ = [
    "described",
    "fraction_attrs",
    "fraction_axis",
    "no_longer_true",
    "recorded",
    "stored",
]

UNTRUE = ("cell_measures", "grid_mapping", "ancillary_variables", "coordinates", "actual_range")
"""Attributes that tell of the old grid."""
MEANS = {"conservative": "mean", "majority": "mode", "fractions": "mean"}


def described(array: xr.DataArray, source: xr.DataArray, method: str) -> xr.DataArray:
    """A regridded variable with the source's attributes that are still true.

    ``cell_methods`` is extended by what was done over the area.
    """
    attrs = {k: v for k, v in source.attrs.items() if k not in UNTRUE}
    methods = str(attrs.get("cell_methods", ""))
    if (how := MEANS.get(method)) and "area:" not in methods:
        attrs["cell_methods"] = f"{methods} area: {how}".strip()
    array.attrs = attrs
    array.encoding = {}
    return array


def stored(array: xr.DataArray, source: xr.DataArray, codes: Codes) -> xr.DataArray:
    """Classes with the mark of missing ones where the source had it, and a file will have it."""
    array.encoding = {"dtype": codes.kind}
    if "_FillValue" in source.attrs:
        return array
    array.encoding["_FillValue"] = codes.kind.type(codes.fill)
    array.attrs.pop("missing_value", None)
    return array


def fraction_axis(source: xr.DataArray, classes: tuple[int, ...], codes: Codes) -> xr.DataArray:
    """The coordinate of the classes, with their names."""
    name = f"{source.name}_class"
    attrs: dict[str, Any] = {
        "long_name": f"class of {source.attrs.get('long_name', source.name)}",
        "flag_values": np.array(classes, codes.kind),
    }
    if "flag_meanings" in source.attrs:
        attrs["flag_meanings"] = source.attrs["flag_meanings"]
    else:
        attrs["flag_meanings"] = " ".join(f"class_{code}" for code in classes)
    axis = xr.DataArray(np.array(classes, codes.kind), dims=name, name=name, attrs=attrs)
    axis.encoding["_FillValue"] = None
    return axis


def fraction_attrs(source: xr.DataArray) -> dict[str, Any]:
    """Attributes of the fractions of a variable's classes."""
    attrs = {
        "standard_name": "area_fraction",
        "long_name": f"fraction of each class of {source.attrs.get('long_name', source.name)}",
        "units": "1",
        "cell_methods": str(source.attrs.get("cell_methods", "")),
    }
    return {k: v for k, v in attrs.items() if v}


def no_longer_true(data: xr.Dataset) -> set[str]:
    """Variables that tell of the old grid: areas of its cells, its mapping."""
    places = [p for v in data.variables.values() for p in (v.attrs, v.encoding)]
    named = {
        word
        for place in places
        for name in ("cell_measures", "grid_mapping")
        for word in str(place.get(name, "")).split()
    }
    return {str(name) for name in data.variables if name in named}


def recorded(made: xr.Dataset, data: xr.Dataset, what: str) -> xr.Dataset:
    """A dataset with a line more in its history."""
    made.attrs = {**data.attrs, "Conventions": CONVENTIONS, "history": extend_history(data, what)}
    return made
