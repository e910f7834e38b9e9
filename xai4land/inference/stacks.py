"""Values of inputs around a place: the coarse data that a block or a training run holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xai4land.axis import Floats, Ints
from xai4land.emulator.card import Card, Input
from xai4land.grid import Grid

__all__ = ["Stack", "make_stacks"]


@dataclass(frozen=True)
class Stack:
    """Values of the inputs of one kind that share a grid, around a place.

    Parameters
    ----------
    specs : tuple of Input
    grid : Grid
        The whole grid of these inputs.
    start : tuple of int
        Row and column on ``grid`` of ``values[:, 0, 0]``.
    values : Tensor, shape (inputs, rows, columns)
        Floats with NaN where missing, or positions among the codes (0: missing).
    """

    specs: tuple[Input, ...]
    grid: Grid
    start: tuple[int, int]
    values: torch.Tensor

    @property
    def categorical(self) -> bool:
        """Whether the values are codes."""
        return self.specs[0].role == "categorical"

    def only(self, names: Sequence[str]) -> Stack | None:
        """The part with some names, if there is any."""
        keep = [k for k, spec in enumerate(self.specs) if spec.name in names]
        if not keep or len(keep) == len(self.specs):
            return self if keep else None
        specs = tuple(self.specs[k] for k in keep)
        return Stack(specs, self.grid, self.start, self.values[keep])

    def at(self, rows: Ints, columns: Ints) -> torch.Tensor:
        """Values of cells, shape (inputs, rows, columns); missing beyond the grid."""
        lat, lon = self.grid.lat, self.grid.lon
        across = lon.wrapped(columns) - self.start[1]
        if lon.periodic:
            across %= len(lon)
        across = across.clip(0, self.values.shape[2] - 1)
        below = (lat.wrapped(rows) - self.start[0]).clip(0, self.values.shape[1] - 1)
        down = torch.from_numpy(below)
        found = self.values.index_select(1, down).index_select(2, torch.from_numpy(across))
        inside = lat.inside(rows)[:, None] & lon.inside(columns)
        if not inside.all():
            nothing = 0 if self.categorical else torch.nan
            found = torch.where(torch.from_numpy(inside), found, nothing)
        return found

    def covers(self, lat: Floats, lon: Floats) -> torch.Tensor:
        """Which points lie in cells of the grid; shape (rows, columns)."""
        return torch.from_numpy(self.grid.lat.holds(lat)[:, None] & self.grid.lon.holds(lon))

    def nearest(self, lat: Floats, lon: Floats) -> torch.Tensor:
        """Values of the cells that hold the points."""
        return self.at(self.grid.lat.cell(lat), self.grid.lon.cell(lon))

    def interpolated(
        self, lat: Floats, lon: Floats, spacings: tuple[float, float]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Values at points from the cells that are not missing, and the weight of those."""
        row, down = self.grid.lat.taps(lat, spacings[0])
        column, across = self.grid.lon.taps(lon, spacings[1])
        part = self.at(
            np.arange(row, row + down.shape[1]), np.arange(column, column + across.shape[1])
        )
        left = torch.from_numpy(down.astype(np.float32))
        right = torch.from_numpy(across.astype(np.float32)).T
        valid = torch.isfinite(part)
        if bool(valid.all()):
            return left @ part @ right, torch.ones((part.shape[0], lat.size, lon.size))
        weight = left @ valid.float() @ right
        values = left @ torch.where(valid, part, 0.0) @ right
        return torch.where(weight > 1e-6, values / weight.clamp(min=1e-6), 0.0), weight


def make_stacks(
    card: Card,
    grids: Sequence[Grid],
    starts: Sequence[tuple[int, int]],
    values: Sequence[np.ndarray],
) -> list[Stack]:
    """Stack what shares a grid, a place and a kind; all arguments in the order of the inputs."""
    alike: list[tuple[Any, list[int]]] = []
    for k, spec in enumerate(card.inputs):
        key = (grids[k], starts[k], values[k].shape, spec.role == "categorical")
        for known, members in alike:
            if known == key:
                members.append(k)
                break
        else:
            alike.append((key, [k]))
    return [
        Stack(
            tuple(card.inputs[k] for k in members),
            grids[members[0]],
            starts[members[0]],
            torch.stack([_numbers(card.inputs[k], values[k]) for k in members]),
        )
        for _, members in alike
    ]


def _numbers(spec: Input, values: np.ndarray) -> torch.Tensor:
    """Values as floats; codes as their positions among the card's, from one."""
    if spec.role != "categorical":
        return torch.from_numpy(values.astype(np.float32))
    known = np.sort(np.array(spec.codes))
    place = np.searchsorted(known, np.nan_to_num(values, nan=known[0])).clip(0, known.size - 1)
    return torch.from_numpy(np.where(known[place] == values, place + 1, 0))
