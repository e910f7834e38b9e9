"""Classes on another grid: the one that covers most of a cell, or the part that each covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.regridding.means import enough, layers
from xai4land.regridding.operators import Operator

__all__ = ["Codes", "fractions", "has_flags", "majority"]

# What netCDF fills the types with where nothing else is said.
FILLS = {
    "i1": -127,
    "u1": 255,
    "i2": -32767,
    "u2": 65535,
    "i4": -2147483647,
    "u4": 4294967295,
    "i8": -9223372036854775806,
    "u8": 18446744073709551614,
}
TIE = 1e-6
"""Shares of a cell that are no farther apart are equal."""


def has_flags(array: xr.DataArray) -> bool:
    """Whether CF attributes say that the numbers are classes."""
    return any(name in array.attrs for name in ("flag_values", "flag_meanings", "flag_masks"))


@dataclass(frozen=True)
class Codes:
    """How classes are stored.

    Attributes
    ----------
    kind : dtype
        Their integer type.
    fill : int
        The code of what is missing.
    known : tuple of int or None
        All classes, if the attributes tell.
    """

    kind: np.dtype[Any]
    fill: int
    known: tuple[int, ...] | None

    @classmethod
    def of(cls, array: xr.DataArray, what: str) -> Codes:
        """Read them from a variable: integers, or floats that were integers in a file.

        Raises
        ------
        InputError
            If the variable holds no classes, or has no code left for what is missing.

        Examples
        --------
        >>> cover = xr.DataArray(np.array([1, 2], "u1"), attrs={"flag_values": [1, 2]})
        >>> Codes.of(cover, "cover")
        Codes(kind=dtype('uint8'), fill=255, known=(1, 2))
        """
        flags = np.ravel(array.attrs.get("flag_values", ()))
        kinds = [array.dtype, array.encoding.get("dtype"), flags.dtype if flags.size else None]
        kind = next((k for k in map(_integer, kinds) if k is not None), None)
        if kind is None:
            raise InputError(
                f"{what} has {array.dtype} values and no flag_values, expected classes; use "
                "method='conservative', or give it its codes: array.attrs['flag_values'] = [...]"
            )
        fills = [
            place[name]
            for place in (array.encoding, array.attrs)
            for name in ("_FillValue", "missing_value")
            if name in place and np.isfinite(place[name])
        ]
        fill = int(fills[0]) if fills else FILLS[kind.str[1:]]
        if fill in flags:
            raise InputError(
                f"{what} has a class {fill}, which marks missing cells; choose another mark: "
                "array.encoding['_FillValue'] = ..."
            )
        return cls(kind, fill, tuple(flags.astype(int).tolist()) if flags.size else None)

    def __call__(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values as codes."""
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, self.fill)
        return values.astype(self.kind)


def _integer(kind: Any) -> np.dtype[Any] | None:
    found = np.dtype(kind) if kind is not None else None
    if found is not None and found.kind == "b":
        return np.dtype("i1")
    return found if found is not None and found.kind in "iu" else None


def majority(
    values: npt.NDArray[Any], operator: Operator, min_coverage: float, codes: Codes
) -> npt.NDArray[Any]:
    """The class that covers most of what is known of each cell; of equal ones the smaller code.

    Parameters
    ----------
    values : ndarray, shape (..., rows, columns)
    operator : Operator
    min_coverage : float
        Part of a cell that must be known.
    codes : Codes

    Returns
    -------
    ndarray of ``codes.kind``, shape (..., rows, columns) of the target
    """
    made = np.full((*values.shape[:-2], *operator.shape), codes.fill, codes.kind)
    for part, out in zip(layers(values), layers(made, values), strict=True):
        whole = codes(part)
        largest, total = np.zeros(out.shape), np.zeros(out.shape)
        for code in np.unique(whole[whole != codes.fill]):
            area = operator((whole == code).astype(np.float64))
            more = area > largest + TIE
            out[more], largest[more] = code, area[more]
            total += area
        out[~enough(total, min_coverage)] = codes.fill
    return made


def fractions(
    values: npt.NDArray[Any],
    operator: Operator,
    min_coverage: float,
    codes: Codes,
    classes: tuple[int, ...],
) -> npt.NDArray[Any]:
    """Part of what is known of each cell that each class covers; they sum to one.

    Returns
    -------
    ndarray of float32, shape (..., classes, rows, columns) of the target

    Raises
    ------
    InputError
        If a value is none of the classes.
    """
    shape = values.shape[:-2], operator.shape
    made = np.empty((*shape[0], len(classes), *shape[1]), np.float32)
    outs = layers(made.reshape(*shape[0], -1, shape[1][1]), values)
    for part, out in zip(layers(values), outs, strict=True):
        whole = codes(part)
        known = whole != codes.fill
        if odd := sorted(set(np.unique(whole[known]).tolist()) - set(classes)):
            raise InputError(f"there are codes {odd[:5]}, expected flag_values {list(classes)}")
        areas = np.stack([operator((whole == c).astype(np.float64)) for c in classes], 1)
        total = areas.sum(1, keepdims=True)
        valid = enough(total, min_coverage)
        out.reshape(areas.shape)[:] = np.where(valid, areas / np.where(valid, total, 1), np.nan)
    return made
