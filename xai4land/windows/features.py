"""Features: what the network sees in a window, made from the coarse data on the device.

Training and inference both take their features from here, so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from xai4land.emulator.card import Card
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land.windows.fields import Field, Stack

__all__ = [
    "FLOOR",
    "PURE",
    "Cells",
    "ClassFractions",
    "Features",
    "Pixels",
    "class_fractions",
    "make_features",
    "missing_pixels",
]

PURE = 1 - 1e-6
"""A fraction above this is all of it."""

FLOOR = 1e-3
"""Added to a class fraction before its logarithm, so that no class is ruled out."""


class Cells(NamedTuple):
    """The coarse cells under a box of pixels.

    Attributes
    ----------
    rows, columns : Tensor of int64, shape (box rows,), (box columns,)
        Cell of each pixel, counted from the first.
    fractions : Tensor, shape (groups, cell rows, cell columns)
        Fraction of each group of classes in each cell; NaN where missing.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    fractions: torch.Tensor

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Values of cells, on pixels: (..., cell rows, cell columns) to (..., rows, columns)."""
        return values.index_select(-2, self.rows).index_select(-1, self.columns)


class Features(NamedTuple):
    """What the network sees of one window, or, stacked, of a batch of them.

    Attributes
    ----------
    continuous : Tensor, shape (channels, size, size)
    codes : Tensor of int64, shape (categorical inputs, size, size)
    prior : Tensor, shape (classes, size, size)
        Interpolated fraction of each class; sums to one.
    """

    continuous: torch.Tensor
    codes: torch.Tensor
    prior: torch.Tensor

    @property
    def log_prior(self) -> torch.Tensor:
        """Logits of the interpolated fractions, which the network corrects."""
        return torch.log(self.prior + FLOOR)

    @staticmethod
    def batch(items: Sequence[Features]) -> Features:
        """Several windows as one."""
        return Features(*(torch.stack(parts) for parts in zip(*items, strict=True)))


class Pixels(NamedTuple):
    """A box of pixels of the target grid: latitudes, longitudes, and degrees between them."""

    lat: Floats
    lon: Floats
    spacings: tuple[float, float]

    @classmethod
    def of(cls, target: Grid, rows: Ints, columns: Ints) -> Pixels:
        """Pixels at lattice rows and columns; they may lie beyond the target itself."""
        return cls(target.lattice_lat(rows), target.lattice_lon(columns), target.spacings)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.lat.size, self.lon.size


@dataclass(frozen=True)
class ClassFractions:
    """What the coarse states say of the classes, around a place.

    Attributes
    ----------
    groups : Field
        Fraction of each group of classes in each coarse cell; NaN where a state is missing.
    classes : Field
        Fraction of each class.
    nothing : Tensor, shape (classes,)
        Fractions where no state is known for miles: the rest of the cell is all of it.
    """

    groups: Field
    classes: Field
    nothing: torch.Tensor

    def prior(self, pixels: Pixels) -> torch.Tensor:
        """Interpolated fraction of each class, (classes, rows, columns); sums to one."""
        values, weight = self.classes.interpolated(*pixels)
        if weight is not None:
            values = torch.where(weight > 0, values, self.nothing[:, None, None])
        total = values.sum(0)
        if weight is None and bool((total > PURE).all() and (total < 2 - PURE).all()):
            return values
        return values / total.clamp(min=1e-6)

    def own(self, pixels: Pixels) -> torch.Tensor:
        """Fraction of each class in the coarse cell that holds the pixel; 0 where missing."""
        rows, columns = self._under(pixels)
        values = torch.nan_to_num(self.classes.at(rows.cells, columns.cells))
        # A product with zeros and ones is exact, and picking columns is slow.
        return (values @ columns.members.T).index_select(1, rows.numbers)

    def majority(self, pixels: Pixels) -> torch.Tensor:
        """Class with the largest fraction in the cell that holds the pixel; (rows, columns)."""
        rows, columns = self._under(pixels)
        values = torch.nan_to_num(self.classes.at(rows.cells, columns.cells))
        return values.argmax(0).index_select(0, rows.numbers).index_select(1, columns.numbers)

    def cells(self, pixels: Pixels) -> Cells:
        """The coarse cells under a box of pixels."""
        rows, columns = self._under(pixels)
        return Cells(rows.numbers, columns.numbers, self.groups.at(rows.cells, columns.cells))

    def settled(self, pixels: Pixels, conserved: bool) -> bool:
        """Whether no network is needed: all cells are missing or, if conserved, of one class."""
        rows, columns = self._under(pixels)
        largest = self.classes.at(rows.cells, columns.cells).amax(0)
        known = torch.isfinite(largest)
        return not bool((known & (largest <= PURE) if conserved else known).any())

    def _under(self, pixels: Pixels) -> tuple[_Under, _Under]:
        grid = self.groups.grid
        return self._line(0, grid.lat, pixels.lat), self._line(1, grid.lon, pixels.lon)

    def _line(self, dim: int, axis: Axis, points: Floats) -> _Under:
        """The cells under points; remembered, since windows come in rows and columns."""
        key = (dim, float(points[0]), points.size)
        if key not in self._lines:
            found = axis.cell_index(points)
            cells = np.arange(found.min(), found.max() + 1)
            device = self.groups.values.device
            numbers = torch.from_numpy(found - cells[0]).to(device)
            members = (numbers[:, None] == torch.arange(cells.size, device=device)).float()
            self._lines[key] = _Under(cells, numbers, members)
        return self._lines[key]

    @cached_property
    def _lines(self) -> dict[tuple[int, float, int], _Under]:
        return {}


class _Under(NamedTuple):
    """The cells under pixels along an axis: their indices, each pixel's place, and who is in."""

    cells: Ints
    numbers: torch.Tensor
    members: torch.Tensor


def class_fractions(card: Card, stacks: Sequence[Stack]) -> ClassFractions:
    """Fractions of the classes in the coarse cells that the stacks hold."""
    states = [part for stack in stacks if (part := stack.only(card.states))]
    numbers = {spec.name: part.values[k] for part in states for k, spec in enumerate(part.specs)}
    place = (states or [s for s in stacks if not s.categorical] or list(stacks))[0]
    groups = _groups(card, numbers, place.values[0])
    members = torch.tensor(card.class_groups, device=groups.device)
    shares = torch.tensor([c.share for c in card.classes], device=groups.device)
    classes = groups[members] * shares[:, None, None]
    alone = torch.tensor([not c.states for c in card.classes], device=groups.device)
    return ClassFractions(
        Field(place.grid, place.start, groups),
        Field(place.grid, place.start, classes),
        torch.where(alone, shares, 0.0),
    )


def _groups(card: Card, numbers: Mapping[str, torch.Tensor], like: torch.Tensor) -> torch.Tensor:
    """Fraction of each group of classes; a group without states takes the rest."""
    named = [
        torch.stack([numbers[name] for name in group]).sum(0) if group else None
        for group in card.groups
    ]
    total = torch.zeros(like.shape, device=like.device)
    for part in named:
        total = total if part is None else total + part
    rest = (1 - total).clamp(min=0)
    groups = torch.stack([rest if part is None else part for part in named])
    return torch.where(torch.isfinite(total), groups, torch.nan)


def make_features(
    card: Card,
    stacks: Sequence[Stack],
    fractions: ClassFractions,
    pixels: Pixels,
    dtype: torch.dtype = torch.float32,
) -> Features:
    """Features of a box of pixels, continuous ones rounded to a type at the end.

    Beyond the data the edge is repeated.
    """
    first, count = card.channels - 2 * len(card.classes), len(card.classes)
    prior = fractions.prior(pixels)
    shown = torch.empty((card.channels, *pixels.shape), dtype=dtype, device=prior.device)
    codes: dict[str, torch.Tensor] = {}
    for stack in stacks:
        if stack.categorical:
            found = stack.nearest(pixels.lat, pixels.lon).long()
            codes |= {spec.name: found[k] for k, spec in enumerate(stack.specs)}
            continue
        values, weight = stack.interpolated(*pixels)
        for k, spec in enumerate(stack.specs):
            at = card.slots[spec.name]
            scaled = torch.sub(values[k], spec.offset).div_(spec.scale)
            if weight is not None and spec.fill is not None:
                filled = (spec.fill - spec.offset) / spec.scale
                scaled.mul_(weight[k]).add_((1 - weight[k]) * filled)
            shown[at] = scaled
            if spec.fill is not None:
                shown[at + 1] = 1.0 if weight is None else weight[k]
    shown[first + count :] = torch.sub(fractions.own(pixels), prior).mul_(4)
    shown[first : first + count] = torch.log(prior + FLOOR).mul_(0.25)
    chosen = [codes[spec.name] for spec in card.of_role("categorical")]
    none = torch.zeros((0, *pixels.shape), dtype=torch.long, device=prior.device)
    return Features(shown, torch.stack(chosen) if chosen else none, prior)


def missing_pixels(grids: Sequence[Grid], stacks: Sequence[Stack], pixels: Pixels) -> torch.Tensor:
    """Where a grid does not reach, or an input that cannot be filled is missing; (rows, columns).

    The grids are those of all inputs; stacks without such inputs can be left out.
    """
    reached = np.ones(pixels.shape, bool)
    for grid in grids:
        reached &= grid.lat.contains_points(pixels.lat)[:, None] & grid.lon.contains_points(
            pixels.lon
        )
    missing = torch.from_numpy(~reached).to(stacks[0].values.device)
    for stack in stacks:
        part = stack.only([spec.name for spec in stack.specs if not spec.fillable])
        if part and not part.complete:
            holes = torch.isnan(part.values).any(0, keepdim=True).float()
            missing |= Field(part.grid, part.start, holes).nearest(pixels.lat, pixels.lon)[0] != 0
    return missing
