"""The inputs of a domain between steps: what was made of an array is kept while it is given."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from xai4land.device import upload
from xai4land.emulator.card import Input
from xai4land.grids.grid import Grid
from xai4land.typing import Floats
from xai4land.windows.cache import INPUT_CACHE_BYTES, ResultCache
from xai4land.windows.chunks import Box, HeldChunks, Reader
from xai4land.windows.fields import Stack, has_cells_at
from xai4land.windows.sources import Sources

__all__ = ["StepSources"]

HELD_BYTES = 2**30
"""Most that is kept of inputs on pixels; what does not fit is made again at each step."""


@dataclass
class _Room:
    """Bytes that may still be kept."""

    free: int = HELD_BYTES
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class StepSources(Sources):
    """Inputs of which some are replaced at each step.

    Inputs whose cells are the pixels are kept one by one, so that an array may become another input
    (the climate of a month that of the month before) and is still known. Others are kept together
    with all that share their grid, as they are interpolated.

    Parameters
    ----------
    changing : frozenset of str
        Names of those that are replaced.
    part : Box
        The part of the target's lattice that the domain is made from; fixed inputs are kept for all
        of it.
    device : torch.device
        Where what is kept lies.
    """

    readers: dict[str, Reader | HeldChunks]
    changing: frozenset[str] = frozenset()
    part: Box = ((0, 0), (0, 0))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    kept: dict[tuple[Any, ...], _KeptStack] = field(default_factory=dict)
    room: _Room = field(default_factory=_Room)
    resamplings: dict[Grid, dict[Any, Any]] = field(default_factory=dict)
    aligned: dict[Grid, bool] = field(default_factory=dict)

    def replace(
        self, values: Mapping[str, np.ndarray], grids: Mapping[str, Grid], same: bool
    ) -> None:
        """Give inputs their arrays; what was made of earlier ones is forgotten.

        Parameters
        ----------
        values : mapping from str to ndarray
        grids : mapping from str to Grid
            Where the inputs lie, if not where they lay.
        same : bool
            Whether an array that was given before has the values that it had then.
        """
        known = {id(r.data): r for r in self.readers.values() if isinstance(r, Reader)}
        for name, array in values.items():
            old = self.readers[name]
            grid = grids.get(name, old.chunking.grid)
            assert array.shape == grid.shape, (name, array.shape, grid.shape)
            kind = old.kind if isinstance(old, Reader) else "others"
            there = known.get(id(array)) if same else None
            if there is None or there.chunking.grid != grid:
                there = Reader(array, grid, kind)
            self.readers[name] = there
        given = set(self.readers.values())
        for key in [key for key in self.kept if not given.issuperset(key[0])]:
            self.kept.pop(key).make_room()

    def read(self, names: Sequence[str], part: Box, time: int, cache: ResultCache) -> list[Stack]:
        """Read inputs for a part of the target's lattice, or take them as they are kept."""
        groups = self._group(names)
        keys = [self._key(group, part if self._changes(group) else self.part) for group in groups]
        new = [key not in self.kept for key in keys]
        sums = [any(spec.name in self.fractions for spec in group) for group in groups]
        if any(a and b for a, b in zip(new, sums, strict=True)):  # a sum is that of all fractions
            new = [a or b for a, b in zip(new, sums, strict=True)]
        stale = [group for group, one in zip(groups, new, strict=True) if one]
        wanted = [spec.name for group in stale for spec in group]
        found = super().read(wanted, part, time, cache) if wanted else []
        layers = {s.name: (stack, k) for stack in found for k, s in enumerate(stack.specs)}
        stacks: list[Stack] = []
        for key, group, one in zip(keys, groups, new, strict=True):
            if one:
                stack, k = layers[group[0].name]
                values = upload(stack.values[k : k + len(group)], self.device)
                self.kept[key] = _KeptStack(
                    stack.grid,
                    stack.start,
                    values,
                    tuple(group),
                    self.room,
                    self.resamplings.setdefault(stack.grid, {}),
                )
            stacks.append(replace(self.kept[key], specs=tuple(group)))
        return stacks

    def hold(self, names: Sequence[str]) -> None:
        """Read fixed inputs that share no stack with changing ones, before the first step."""
        fixed = [group for group in self._group(names) if not self._changes(group)]
        wanted = [spec.name for group in fixed for spec in group]
        self.read(wanted, self.part, 0, ResultCache(0, INPUT_CACHE_BYTES, INPUT_CACHE_BYTES))

    def _changes(self, group: Sequence[Input]) -> bool:
        return any(spec.name in self.changing for spec in group)

    def _group(self, names: Sequence[str]) -> list[list[Input]]:
        """Return the inputs that are kept together, in the card's order."""
        groups: dict[Hashable, list[Input]] = {}
        for spec in self.specs:
            if spec.name in names:
                grid = self.readers[spec.name].chunking.grid
                key = spec.name if self._is_aligned(grid) else (grid, spec.coded)
                groups.setdefault(key, []).append(spec)
        return list(groups.values())

    def _key(self, group: Sequence[Input], part: Box) -> tuple[Any, ...]:
        checks = tuple(self.checks[spec.name].valid_range or spec.codes for spec in group)
        return tuple(self.readers[spec.name] for spec in group), part, checks

    def _is_aligned(self, grid: Grid) -> bool:
        """Return whether the cells of a grid are the pixels."""
        if grid not in self.aligned:
            rows, columns = (np.arange(*span) for span in self.part)
            lat, lon = self.target.lattice_lat(rows), self.target.lattice_lon(columns)
            down, across = self.target.spacings
            self.aligned[grid] = has_cells_at(grid.lat, lat, down) and has_cells_at(
                grid.lon, lon, across
            )
        return self.aligned[grid]


@dataclass(frozen=True)
class _KeptStack(Stack):
    """Inputs that are kept, with what they are on the pixels of each window."""

    room: _Room = field(default_factory=_Room, compare=False)
    resamplings: dict[Any, Any] = field(default_factory=dict, compare=False)
    results: dict[Any, Any] = field(default_factory=dict, compare=False)

    @property
    def _resamplings(self) -> dict[Any, Any]:
        return self.resamplings

    def to(self, device: torch.device) -> Stack:
        """Return the stack itself, which lies on the device already."""
        return self

    @property
    def complete(self) -> bool:
        """Whether no value is missing, found once."""
        if "complete" not in self.results:
            plain = Stack(self.grid, self.start, self.values, self.specs)
            self.results["complete"] = plain.complete
        return bool(self.results["complete"])

    def interpolate(
        self, lat: Floats, lon: Floats, spacings: tuple[float, float]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Interpolate to points, once."""
        key = (float(lat[0]), float(lon[0]), lat.size, lon.size, *spacings)
        if key in self.results:
            return self.results[key]  # type: ignore[no-any-return]
        found = super().interpolate(lat, lon, spacings)
        with self.room.lock:
            size = self._count_new_bytes(found)
            if size <= self.room.free and key not in self.results:
                self.results[key] = found
                self.room.free -= size
        return found

    def make_room(self) -> None:
        """Count what was kept of the stack as forgotten."""
        kept = [value for key, value in self.results.items() if key != "complete"]
        with self.room.lock:
            self.room.free += sum(map(self._count_new_bytes, kept))

    def _count_new_bytes(self, tensors: Sequence[torch.Tensor | None]) -> int:
        """Return the bytes of tensors that are not the stack's own memory."""
        own = self.values.untyped_storage().data_ptr()
        new = [v for v in tensors if v is not None and v.untyped_storage().data_ptr() != own]
        return sum(v.nbytes for v in new)
