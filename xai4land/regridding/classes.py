"""Classes on another grid: the one with the largest area of a cell, or the fraction of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.flags import DEFAULT_FILLS, code_type, fill_codes, flag_codes
from xai4land.regridding.means import is_covered, iterate_layers
from xai4land.regridding.operators import Operator

__all__ = ["Codes", "class_fractions", "majority_class"]

TIE_TOLERANCE = 1e-6
"""Shares of a cell whose difference is smaller are equal."""


@dataclass(frozen=True)
class Codes:
    """How classes are stored.

    Attributes
    ----------
    dtype : dtype
        Their integer type.
    fill : int
        The code of missing values.
    values : tuple of int or None
        All classes, if the attributes list them.
    """

    dtype: np.dtype[Any]
    fill: int
    values: tuple[int, ...] | None

    @classmethod
    def of(cls, array: xr.DataArray, what: str) -> Codes:
        """Read codes from a variable: integers, or floats that were integers in a file.

        Raises
        ------
        InputError
            If the variable holds no classes, or its fill value is one of them.

        Examples
        --------
        >>> cover = xr.DataArray(np.array([1, 2], "u1"), attrs={"flag_values": [1, 2]})
        >>> Codes.of(cover, "cover")
        Codes(dtype=dtype('uint8'), fill=255, values=(1, 2))
        """
        flags = np.ravel(array.attrs.get("flag_values", ()))
        dtype = code_type(array) or (flags.dtype if flags.dtype.kind in "iu" else None)
        if dtype is None:
            raise InputError(
                f"{what} has {array.dtype} values and no flag_values, expected classes; use "
                "method='conservative', or give it its codes: array.attrs['flag_values'] = [...]"
            )
        codes = flag_codes(array, what).tolist()
        fill = next(iter(fill_codes(array)), DEFAULT_FILLS[dtype.str[1:]])
        if fill in codes:
            raise InputError(
                f"{what} has a class {fill}, which is its fill value; choose another one: "
                "array.encoding['_FillValue'] = ..."
            )
        return cls(dtype, fill, tuple(codes) or None)

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Convert values to codes."""
        if values.dtype.kind == "f":
            # By way of 64 bits, since C does not define what 130.0 is in a signed byte.
            values = np.where(np.isfinite(values), values, self.fill).astype(np.int64)
        return values.astype(self.dtype)


def majority_class(
    values: npt.NDArray[Any], operator: Operator, min_coverage: float, codes: Codes
) -> npt.NDArray[Any]:
    """Find the class with the largest area in each cell; of equal ones the smaller code.

    Parameters
    ----------
    values : ndarray, shape (..., rows, columns)
    operator : Operator
    min_coverage : float
        Part of a cell that must be known (not missing).
    codes : Codes

    Returns
    -------
    ndarray of ``codes.dtype``, shape (..., rows, columns) of the target
    """
    result = np.full((*values.shape[:-2], *operator.shape), codes.fill, codes.dtype)
    for part, out in zip(iterate_layers(values), iterate_layers(result, values), strict=True):
        coded = codes(part)
        largest, total = np.zeros(out.shape), np.zeros(out.shape)
        for code in np.unique(coded[coded != codes.fill]):
            area = operator((coded == code).astype(np.float64))
            larger = area > largest + TIE_TOLERANCE
            out[larger], largest[larger] = code, area[larger]
            total += area
        out[~is_covered(total, min_coverage)] = codes.fill
    return result


def class_fractions(
    values: npt.NDArray[Any],
    operator: Operator,
    min_coverage: float,
    codes: Codes,
    classes: tuple[int, ...],
) -> npt.NDArray[Any]:
    """Compute the fraction of each class in the known part of each cell; they sum to one.

    Parameters
    ----------
    values : ndarray, shape (..., rows, columns)
    operator : Operator
    min_coverage : float
        Part of a cell that must be known (not missing).
    codes : Codes
    classes : tuple of int

    Returns
    -------
    ndarray of float32, shape (..., classes, rows, columns) of the target

    Raises
    ------
    InputError
        If a value is none of the classes.
    """
    leading, (rows, columns) = values.shape[:-2], operator.shape
    result = np.empty((*leading, len(classes), rows, columns), np.float32)
    outs = iterate_layers(result.reshape(*leading, -1, columns), values)
    for part, out in zip(iterate_layers(values), outs, strict=True):
        coded = codes(part)
        known = coded != codes.fill
        if unknown := sorted(set(np.unique(coded[known]).tolist()) - set(classes)):
            raise InputError(f"there are codes {unknown[:5]}, expected flag_values {list(classes)}")
        areas = np.stack([operator((coded == c).astype(np.float64)) for c in classes], 1)
        total = areas.sum(1, keepdims=True)
        valid = is_covered(total, min_coverage)
        out.reshape(areas.shape)[:] = np.where(valid, areas / np.where(valid, total, 1), np.nan)
    return result
