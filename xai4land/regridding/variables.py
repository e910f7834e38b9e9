"""Regrid one variable by the method that was asked for."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.flags import has_flags
from xai4land.regridding import metadata
from xai4land.regridding.apply import apply_over_grid
from xai4land.regridding.classes import Codes, class_fractions, majority_class
from xai4land.regridding.engines import Kind, get_operator
from xai4land.regridding.grids import Horizontal
from xai4land.regridding.means import weighted_means
from xai4land.regridding.nearest import find_nearest

__all__ = ["regrid_variable"]


def regrid_variable(
    array: xr.DataArray,
    source: Horizontal,
    target: Horizontal,
    method: str,
    engine: str,
    min_coverage: float,
) -> xr.DataArray:
    """Regrid one variable.

    Raises
    ------
    InputError
        If the method does not fit the variable, or the engine does not support the grids.
    """
    what = f"variable {array.name!r}"
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what} has {array.dtype} values; drop it: ds.drop_vars({array.name!r})")
    if method == "nearest":
        return _take_nearest(array, source, target, what)
    if method in ("majority", "fractions"):
        return _regrid_classes(array, source, target, method, engine, min_coverage, what)
    if has_flags(array):
        raise InputError(
            f"{what} has classes (flags), which have no mean; use method='majority' or 'fractions'"
        )
    kind: Kind = "bilinear" if method == "bilinear" else "overlap"
    weights = get_operator(engine, kind, source, target)
    function = partial(weighted_means, operator=weights, min_coverage=min_coverage)
    result = apply_over_grid(
        array, function, source, target, np.result_type(array.dtype, np.float32)
    )
    return metadata.copy_attrs(result, array, method)


def _take_nearest(
    array: xr.DataArray, source: Horizontal, target: Horizontal, what: str
) -> xr.DataArray:
    """Take the nearest values, in their own type."""
    lookup = find_nearest(source, target)
    if array.dtype.kind == "f":
        function = partial(lookup, missing=np.nan)
        result = apply_over_grid(array, function, source, target, array.dtype)
        return metadata.copy_attrs(result, array, "nearest")
    codes = Codes.of(array, what)
    function = partial(lookup, missing=codes.fill)
    result = apply_over_grid(array.astype(codes.dtype), function, source, target, codes.dtype)
    return metadata.set_encoding(metadata.copy_attrs(result, array, "nearest"), array, codes)


def _regrid_classes(
    array: xr.DataArray,
    source: Horizontal,
    target: Horizontal,
    method: str,
    engine: str,
    min_coverage: float,
    what: str,
) -> xr.DataArray:
    """Compute the class with the largest area, or the fractions of all."""
    codes = Codes.of(array, what)
    weights = get_operator(engine, "overlap", source, target)
    if method == "majority":
        function = partial(majority_class, operator=weights, min_coverage=min_coverage, codes=codes)
        result = apply_over_grid(array, function, source, target, codes.dtype)
        return metadata.set_encoding(metadata.copy_attrs(result, array, method), array, codes)
    classes = codes.values or _find_classes(array, codes, what)
    function = partial(
        class_fractions, operator=weights, min_coverage=min_coverage, codes=codes, classes=classes
    )
    axis = metadata.fraction_axis(array, classes, codes)
    new_dim = (str(axis.name), len(classes))
    result = apply_over_grid(array, function, source, target, np.dtype(np.float32), new_dim)
    result = result.assign_coords({axis.name: axis}).rename(f"{array.name}_fraction")
    result.encoding, result.attrs = {}, metadata.fraction_attrs(array)
    return result


def _find_classes(array: xr.DataArray, codes: Codes, what: str) -> tuple[int, ...]:
    """Find the classes among values in memory."""
    if array.chunks is not None:
        raise InputError(
            f"{what} is lazy and has no flag_values; give it its codes: "
            "array.attrs['flag_values'] = [...]"
        )
    classes = np.unique(codes(array.values))
    return tuple(classes[classes != codes.fill].astype(int).tolist())
