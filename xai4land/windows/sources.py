"""The inputs of a run, read part by part and checked as they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.adapters.xarray import is_in_memory
from xai4land.emulator.card import Input, MapCard
from xai4land.emulator.inputs import Bound, sum_problem, value_problems
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Box, HeldChunks, Reader, Span
from xai4land.windows.fields import Stack, make_stacks

__all__ = ["Sources", "as_chunks", "chunk_stored"]

CHUNK_SIDE = 2048
"""Rows and columns of chunks of arrays that a file holds without any."""


@dataclass(frozen=True)
class Sources:
    """Where the inputs of a run come from.

    Parameters
    ----------
    specs : tuple of Input
        As the card has them.
    checks : mapping from str to Input
        What the values of each must be; in training, what is known before they are measured.
    readers : mapping from str to Reader or HeldChunks
        By the input's name.
    fractions : tuple of str
        Inputs that add up to at most one.
    target : Grid
        The grid of the outputs, on whose lattice parts are named.
    """

    specs: tuple[Input, ...]
    checks: Mapping[str, Input]
    readers: Mapping[str, Reader | HeldChunks]
    fractions: tuple[str, ...]
    target: Grid

    @classmethod
    def of(cls, card: MapCard, bound: Bound, share_reads: bool = False) -> Sources:
        """Return the sources of inputs that were checked against a card.

        With ``share_reads`` the prior map is read as :class:`Reader` describes. Other inputs may be
        computed from what they have in common, which is kept.
        """
        coarse = card.outputs.coarse_inputs
        readers = {
            layer.spec.name: Reader(
                as_chunks(layer.data),
                layer.grid,
                "screening" if layer.spec.name in coarse else "others",
                share_reads and layer.spec.role == "prior",
            )
            for layer in bound.layers
        }
        checks = {layer.spec.name: layer.spec for layer in bound.layers}
        return cls(card.inputs, checks, readers, card.outputs.fraction_inputs, bound.target)

    def with_chunks(self, name: str, chunks: HeldChunks) -> Sources:
        """Return the same sources, with one input at hand."""
        return replace(self, readers={**self.readers, name: chunks})

    @cached_property
    def grids(self) -> list[Grid]:
        """The grids of the inputs, each once."""
        return list(dict.fromkeys(reader.chunking.grid for reader in self.readers.values()))

    def read(self, names: Sequence[str], part: Box, time: int, cache: ResultCache) -> list[Stack]:
        """Read inputs for a part of the target's lattice.

        Raises
        ------
        InputError
            Listing all that is wrong with the values.
        """
        specs = [spec for spec in self.specs if spec.name in names]
        grids = [self.readers[spec.name].chunking.grid for spec in specs]
        by_grid = {grid: self.needed(grid, part) for grid in dict.fromkeys(grids)}
        boxes = [by_grid[grid] for grid in grids]
        problems: list[str] = []
        stacks = make_stacks(specs, grids, boxes, self._values(specs, boxes, time, cache, problems))
        InputError.raise_if(problems)
        return stacks

    def needed(self, grid: Grid, part: Box) -> Box:
        """Return the part of an input's grid that a part of the lattice is made from."""
        return self.needed_along(0, grid, part[0]), self.needed_along(1, grid, part[1])

    def needed_along(self, dim: int, grid: Grid, span: Span) -> Span:
        """Return the same along rows (0) or columns (1)."""
        axis = (grid.lat, grid.lon)[dim]
        points = (self.target.lattice_lat, self.target.lattice_lon)[dim](np.arange(*span))
        first, count = axis.stencil(points, self.target.spacings[dim])
        return first, first + count

    def _values(
        self,
        specs: Sequence[Input],
        boxes: Sequence[Box],
        time: int,
        cache: ResultCache,
        problems: list[str],
    ) -> Iterator[np.ndarray]:
        """Read one input after another, and add what is wrong with them to the problems."""
        total: Any = 0.0
        for spec, box in zip(specs, boxes, strict=True):
            values = self.readers[spec.name].read(box, time, cache)
            problems += value_problems(self.checks[spec.name], values)
            values = _clip(self.checks[spec.name], values)
            if spec.name in self.fractions:
                total = total + values
            yield values
        problems += sum_problem(float(np.nan_to_num(total).max()))


def _clip(spec: Input, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Clip what the check of an input tolerates beyond its range, such as -1e-12 of a cell."""
    if spec.coded or spec.valid_range is None:
        return values
    low, high = spec.valid_range
    if not ((values < low).any() or (values > high).any()):
        return values
    return np.asarray(np.clip(values, low, high))


def as_chunks(data: xr.DataArray) -> Any:
    """Return what is in memory as it is, all else as chunks that are read when needed.

    The chunks are those of dask, or else of the store, or else of a size of their own.
    """
    return data.values if is_in_memory(data) else chunk_stored(data).data


def chunk_stored(data: xr.DataArray) -> xr.DataArray:
    """Return an array that is read when needed, chunk by chunk, if it is not in memory."""
    if is_in_memory(data) or data.chunks is not None:
        return data
    sizes = {d: 1 if i < data.ndim - 2 else CHUNK_SIDE for i, d in enumerate(data.dims)}
    stored = data.encoding.get("preferred_chunks", {})
    return data.chunk({d: stored.get(d, size) for d, size in sizes.items()})
