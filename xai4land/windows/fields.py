"""Values of inputs in a part of their grid: the coarse data of a block or a training window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from xai4land.device import upload
from xai4land.emulator.card import Input
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land.windows.buffers import empty_tensor
from xai4land.windows.chunks import Box

__all__ = ["Field", "Stack", "has_cells_at", "join_layers", "make_stacks"]


@dataclass(frozen=True)
class Field:
    """Layers of numbers on a part of a grid.

    Parameters
    ----------
    grid : Grid
        The whole grid.
    start : tuple of int
        Row and column on ``grid`` of ``values[:, 0, 0]``.
    values : Tensor, shape (layers, rows, columns)
        Floats with NaN where missing, or positions among codes (0: missing).
    """

    grid: Grid
    start: tuple[int, int]
    values: torch.Tensor

    def select_cells(self, rows: Ints, columns: Ints) -> torch.Tensor:
        """Return values of cells, shape (layers, rows, columns); missing beyond the grid."""
        values = self.select_cells_clipped(rows, columns)
        inside = self.grid.lat.contains_cells(rows)[:, None] & self.grid.lon.contains_cells(columns)
        if not inside.all():
            missing = torch.nan if self.values.is_floating_point() else 0
            values = torch.where(self._to_device(inside), values, missing)
        return values

    def select_cells_clipped(self, rows: Ints, columns: Ints) -> torch.Tensor:
        """Return values of cells; beyond the grid those of its edge."""
        lat, lon = self.grid.lat, self.grid.lon
        across = lon.wrap_or_clip(columns) - self.start[1]
        if lon.periodic:
            across %= len(lon)
        across = across.clip(0, self.values.shape[2] - 1)
        down = (lat.wrap_or_clip(rows) - self.start[0]).clip(0, self.values.shape[1] - 1)
        return self._take(self._take(self.values, 1, down), 2, across)

    def _take(self, values: torch.Tensor, dim: int, cells: Ints) -> torch.Tensor:
        if (np.diff(cells) == 1).all():  # a view, not a copy
            return values.narrow(dim, int(cells[0]), cells.size)
        return values.index_select(dim, self._to_device(cells))

    def select_nearest(self, lat: Floats, lon: Floats) -> torch.Tensor:
        """Return values of the cells that contain the points, shape (layers, rows, columns)."""
        return self.select_cells(self.grid.lat.cell_index(lat), self.grid.lon.cell_index(lon))

    def interpolate(
        self, lat: Floats, lon: Floats, spacings: tuple[float, float]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Interpolate to points from the cells that are not missing.

        Returns
        -------
        values : Tensor, shape (layers, rows, columns)
            0 where the weight is 0.
        weight : Tensor or None
            Weight of the cells that are not missing; None if it is 1 everywhere.
        """
        rows, left = self._resampling(0, lat, spacings[0])
        columns, right = self._resampling(1, lon, spacings[1])
        part = self.select_cells_clipped(rows, columns)
        if self.complete or bool((valid := torch.isfinite(part)).all()):
            return _multiply(left, part, right), None
        weight = _multiply(left, valid.float(), right)
        weight = torch.where(weight > 1e-6, weight, 0.0)
        values = _multiply(left, torch.where(valid, part, 0.0), right)
        return torch.where(weight > 0, values / weight.clamp(min=1e-6), 0.0), weight

    @cached_property
    def complete(self) -> bool:
        """Whether no value is missing."""
        # NaN spreads to the minimum and maximum; a mask would be as large as the values.
        return all(bool(torch.isfinite(end)) for end in torch.aminmax(self.values))

    def _resampling(
        self, dim: int, points: Floats, spacing: float
    ) -> tuple[Ints, torch.Tensor | None]:
        """Return cells along an axis and the matrix from them to points; None if they coincide.

        Cached, since windows come in rows and columns.
        """
        key = (dim, float(points[0]), points.size, spacing)
        if key not in self._resamplings:
            cells, matrix = _make_resampling((self.grid.lat, self.grid.lon)[dim], points, spacing)
            if matrix is None:
                self._resamplings[key] = cells, None
            else:
                oriented = matrix.T if dim else matrix
                self._resamplings[key] = cells, self._to_device(oriented.astype(np.float32))
        return self._resamplings[key]

    @cached_property
    def _resamplings(self) -> dict[Any, tuple[Ints, torch.Tensor | None]]:
        return {}

    def _to_device(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.values.device)


@dataclass(frozen=True)
class Stack(Field):
    """Values of inputs that share a grid and are all numbers or all codes; one layer per input."""

    specs: tuple[Input, ...]

    @property
    def coded(self) -> bool:
        """Whether the values are codes."""
        return self.specs[0].coded

    def select_inputs(self, names: Sequence[str]) -> Stack | None:
        """Return the layers of some inputs; None if it has none of them."""
        keep = [k for k, spec in enumerate(self.specs) if spec.name in names]
        if not keep or len(keep) == len(self.specs):
            return self if keep else None
        specs = tuple(self.specs[k] for k in keep)
        return Stack(self.grid, self.start, self.values[keep], specs)

    def to(self, device: torch.device) -> Stack:
        """Return the stack on a device."""
        return Stack(self.grid, self.start, upload(self.values, device), self.specs)


def join_layers(stacks: Sequence[Stack], names: Sequence[str]) -> Field:
    """Return some inputs, which lie on one grid, as one field: a layer for each name, in order."""
    parts = [part for stack in stacks if (part := stack.select_inputs(names))]
    by_name = {s.name: part.values[k] for part in parts for k, s in enumerate(part.specs)}
    layers = torch.stack([by_name[name] for name in names])
    return Field(parts[0].grid, parts[0].start, layers)


def has_cells_at(axis: Axis, points: Floats, spacing: float) -> bool:
    """Tell whether points that are ``spacing`` apart are centres of cells, as far as these go."""
    return abs(spacing / axis.spacing - 1) < 1e-3 and axis.has_centres_at(points)


def _make_resampling(axis: Axis, points: Floats, spacing: float) -> tuple[Ints, Floats | None]:
    if has_cells_at(axis, points, spacing):
        return axis.cell_index(points), None
    first, matrix = axis.resampling_matrix(points, spacing)
    return np.arange(first, first + matrix.shape[1]), matrix


def _multiply(
    left: torch.Tensor | None, values: torch.Tensor, right: torch.Tensor | None
) -> torch.Tensor:
    values = values if left is None else left @ values
    return values if right is None else values @ right


def make_stacks(
    specs: Sequence[Input],
    grids: Sequence[Grid],
    boxes: Sequence[Box],
    values: Iterable[np.ndarray],
) -> list[Stack]:
    """Stack the inputs that share a grid and a box; numbers and codes separately.

    All arguments are in the order of the inputs. Values are taken one after another, so that they
    may be read lazily and no more than one array exists beside the stacks.
    """
    keys = [(grid, box, spec.coded) for spec, grid, box in zip(specs, grids, boxes, strict=True)]
    members: dict[tuple[Grid, Box, bool], list[Input]] = {}
    for key, spec in zip(keys, specs, strict=True):
        members.setdefault(key, []).append(spec)
    stacks = {key: _allocate_stack(*key, group) for key, group in members.items()}
    layers = {key: iter(stack.values.numpy()) for key, stack in stacks.items()}
    for array, key, spec in zip(values, keys, specs, strict=True):
        next(layers[key])[...] = _to_layer(spec, array)
    return list(stacks.values())


def _allocate_stack(grid: Grid, box: Box, codes: bool, specs: Sequence[Input]) -> Stack:
    (top, bottom), (left, right) = box
    dtype = torch.int64 if codes else torch.float32
    values = empty_tensor((len(specs), bottom - top, right - left), dtype)
    return Stack(grid, (top, left), values, tuple(specs))


def _to_layer(spec: Input, values: np.ndarray) -> np.ndarray:
    """Return numbers as they are; codes as positions among those of the card, from one."""
    if not spec.coded:
        return values
    known = np.sort(np.array(spec.codes))
    position = np.searchsorted(known, np.nan_to_num(values, nan=known[0])).clip(0, known.size - 1)
    return np.where(known[position] == values, position + 1, 0)
