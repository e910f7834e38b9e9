"""Parts of xarray: whether values are in memory."""

from __future__ import annotations

import xarray as xr

__all__ = ["is_in_memory"]


def is_in_memory(array: xr.DataArray) -> bool:
    """Tell whether an array's values are in memory: neither on disk, nor to be computed.

    Examples
    --------
    >>> field = xr.DataArray([1.0, 2.0], dims="x")
    >>> is_in_memory(field), is_in_memory(field.chunk())
    (True, False)
    """
    return bool(array.variable._in_memory)
