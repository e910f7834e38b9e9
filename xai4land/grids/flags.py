"""Classes by CF flags: their codes in the type of the data, and the codes of missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError

__all__ = ["DEFAULT_FILLS", "code_type", "fill_codes", "flag_codes", "has_flags"]

DEFAULT_FILLS = {
    "i1": -127,
    "u1": 255,
    "i2": -32767,
    "u2": 65535,
    "i4": -2147483647,
    "u4": 4294967295,
    "i8": -9223372036854775806,
    "u8": 18446744073709551614,
}
"""Fill values of netCDF's integer types where a file gives none."""


def has_flags(array: xr.DataArray) -> bool:
    """Tell whether CF attributes say that the numbers are classes."""
    return any(name in array.attrs for name in ("flag_values", "flag_meanings", "flag_masks"))


def code_type(array: xr.DataArray) -> np.dtype[Any] | None:
    """Return the integer type of a variable's codes: its own, or the one that a file has.

    Examples
    --------
    >>> code_type(xr.DataArray(np.array([1, 2], "u1")))
    dtype('uint8')
    """
    found = _integer_type(array.dtype)
    if found is not None:
        return found
    found = _integer_type(array.encoding.get("dtype"))
    unsigned = {"true": "u", "false": "i"}.get(str(array.encoding.get("_Unsigned", "")).lower())
    return np.dtype(f"{unsigned}{found.itemsize}") if found is not None and unsigned else found


def _integer_type(dtype: Any) -> np.dtype[Any] | None:
    """Return the integer type that stores a dtype's values; None if there is none."""
    found = np.dtype(dtype) if dtype is not None else None
    if found is not None and found.kind == "b":
        return np.dtype("i1")
    return found if found is not None and found.kind in "iu" else None


def flag_codes(array: xr.DataArray, what: str) -> npt.NDArray[np.int64]:
    """Read ``flag_values`` as the codes that the data hold.

    NetCDF-3 and Zarr know no unsigned attributes, so unsigned data often come with signed flags:
    -126 then stands for 130.

    Parameters
    ----------
    array : DataArray
    what : str
        How to call the variable in errors.

    Returns
    -------
    ndarray of int64
        Empty if there are no flags.

    Raises
    ------
    InputError
        If flags are no whole numbers, do not fit the data's type, or stand for one code twice.

    Examples
    --------
    >>> cover = xr.DataArray(np.array([130, 10], "u1"), attrs={"flag_values": np.int8([10, -126])})
    >>> flag_codes(cover, "cover")
    array([ 10, 130])
    """
    given = np.ravel(array.attrs.get("flag_values", ()))
    if given.size and not (given.dtype.kind in "iuf" and (given == np.round(given)).all()):
        raise InputError(
            f"{what} has flag_values {given.tolist()}, expected whole numbers; correct them: "
            "array.attrs['flag_values'] = [...]"
        )
    flags: npt.NDArray[np.int64] = given.astype(np.int64)
    dtype = code_type(array)
    if dtype is None or not flags.size:
        return flags
    bits = 8 * dtype.itemsize
    if bits < 64 and (bad := flags[(flags < -(2 ** (bits - 1))) | (flags >= 2**bits)]).size:
        raise InputError(
            f"{what} has flag_values {bad.tolist()}, which do not fit its type {dtype}; correct "
            "them: array.attrs['flag_values'] = [...]"
        )
    codes: npt.NDArray[np.int64] = flags.astype(dtype).astype(np.int64)
    if np.unique(codes).size < codes.size:
        raise InputError(
            f"{what} has flag_values {flags.tolist()}, which as {dtype} stand for one code twice; "
            "correct them: array.attrs['flag_values'] = [...]"
        )
    return codes


def fill_codes(array: xr.DataArray) -> tuple[int, ...]:
    """List the codes that stand for missing values: those declared, or the type's default.

    Examples
    --------
    >>> fill_codes(xr.DataArray(np.array([1, 2], "u1")))
    (255,)
    """
    dtype = code_type(array)
    declared = [
        value
        for place in (array.encoding, array.attrs)
        for name in ("_FillValue", "missing_value")
        for value in np.ravel(place.get(name, ())).tolist()
        if value is not None and np.isfinite(value)
    ]
    if dtype is None:
        return tuple(int(value) for value in declared)
    default = [DEFAULT_FILLS[dtype.str[1:]]]
    found = [int(np.asarray(int(value)).astype(dtype)) for value in declared or default]
    return tuple(dict.fromkeys(found))
