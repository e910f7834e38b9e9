"""Arrays that are made step by step: the chunks of a step need those of the step before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dask.array as da
import xarray as xr

from xai4land.cluster import STACKED, STEPS

__all__ = ["Chain", "find_chains"]


@dataclass(frozen=True)
class Chain:
    """A stored variable whose steps along the first dimension need one another.

    Attributes
    ----------
    variable : str
    dim : str
        The first dimension.
    array : dask array
        What is stored, as it is.
    order : tuple of int
        Numbers of the chunks along the first dimension, from the first step to the last.
    stacked : tuple of str
        Names of the arrays that it is stacked of along its second dimension: chains of their own,
        such as those of members, whose chunks are its chunks.
    """

    variable: str
    dim: str
    array: da.Array
    order: tuple[int, ...]
    stacked: tuple[str, ...] = ()

    def region(self, index: tuple[int, ...]) -> tuple[slice, ...]:
        """Return the place of a chunk in the variable."""
        starts = [sum(sizes[:k]) for sizes, k in zip(self.array.chunks, index, strict=True)]
        return tuple(
            slice(start, start + sizes[k])
            for start, sizes, k in zip(starts, self.array.chunks, index, strict=True)
        )


def find_chains(stored: xr.Dataset) -> list[Chain]:
    """Find the variables that are stored as they are made step by step.

    What was selected or computed from such an array is none: nothing that it needs is stored.

    Parameters
    ----------
    stored : Dataset
        As it was encoded for the store.
    """
    found: dict[str, Chain] = {}
    for name, variable in stored.variables.items():
        if variable.chunks is not None and (order := _read_order(variable.data)):
            stacked = tuple(map(str, _read_marks(variable.data).get(STACKED, ())))
            chain = Chain(str(name), str(variable.dims[0]), variable.data, order, stacked)
            found.setdefault(variable.data.name, chain)
    return list(found.values())


def _read_order(array: da.Array) -> tuple[int, ...] | None:
    """Read the order of the steps from an array's own layer."""
    marks = _read_marks(array)
    if STEPS not in marks:
        return None
    order = tuple(map(int, marks[STEPS]))
    return order if sorted(order) == list(range(array.numblocks[0])) else None


def _read_marks(array: da.Array) -> Mapping[str, Any]:
    """Return the annotations of an array's own layer."""
    layer = array.dask.layers.get(array.name)
    return getattr(layer, "collection_annotations", None) or {}
