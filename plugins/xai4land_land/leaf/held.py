"""Lazy maps that are read many times, and computed once."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

__all__ = ["hold"]

HELD_BYTES = 2**28
"""Most that is kept of a map, in each process."""


def hold(array: xr.DataArray) -> xr.DataArray:
    """Return a lazy array whose chunks are kept after they were computed, up to 256 MiB.

    Each class and each month of a year asks for the same map, which may itself be the result of a
    network. Arrays in memory are returned as they are.

    Examples
    --------
    >>> calls = []
    >>> source = da.zeros(4, chunks=2).map_blocks(lambda a: calls.append(1) or a, dtype=float)
    >>> held = hold(xr.DataArray(source, dims="x"))
    >>> calls.clear()
    >>> for _ in range(3):
    ...     _ = held.compute()
    >>> len(calls)
    2
    """
    if not isinstance(array.data, da.Array):
        return array
    chunks = _Chunks(array.data)
    made = da.map_blocks(
        chunks.take,
        chunks=array.data.chunks,
        dtype=array.dtype,
        meta=np.empty((0,) * array.ndim, array.dtype),
        name=f"hold-{array.data.name}",
    )
    return array.copy(data=made)


class _Chunks:
    """Chunks of a lazy array, of which the last ones are kept."""

    def __init__(self, array: da.Array) -> None:
        self.array = array
        self._held: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()
        self._lock = Lock()

    def take(self, block_info: Any = None) -> np.ndarray:
        """Return the chunk that dask asks for."""
        place = tuple(block_info[None]["chunk-location"])
        with self._lock:
            if place in self._held:
                self._held.move_to_end(place)
                return self._held[place]
        values = np.asarray(self.array.blocks[place].compute(scheduler="sync"))
        with self._lock:
            self._held[place] = values
            while len(self._held) > 1 and sum(v.nbytes for v in self._held.values()) > HELD_BYTES:
                self._held.popitem(last=False)
        return values

    def __getstate__(self) -> dict[str, Any]:
        """Return the array alone."""
        return {"array": self.array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["array"])  # type: ignore[misc]
