"""Features: what the network sees in a window, made from the coarse data on the device.

Training and inference both take their features from here, so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from xai4land.axis import Floats, Ints
from xai4land.emulator.card import Card
from xai4land.grid import Grid
from xai4land.inference.stacks import Stack

__all__ = [
    "Cells",
    "ClassFractions",
    "Features",
    "Pixels",
    "class_fractions",
    "make_cells",
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
        return values[..., self.rows, :][..., self.columns]


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


def make_features(
    card: Card, stacks: Sequence[Stack], pixels: Pixels, fractions: ClassFractions
) -> Features:
    """Features of a box of pixels; beyond the data the edge is repeated."""
    channels: dict[str, torch.Tensor] = {}
    codes: dict[str, torch.Tensor] = {}
    for stack in stacks:
        if stack.categorical:
            found = stack.nearest(pixels.lat, pixels.lon).long()
            codes |= {spec.name: found[k] for k, spec in enumerate(stack.specs)}
            continue
        values, weight = stack.interpolated(*pixels)
        for k, spec in enumerate(stack.specs):
            scaled = (values[k] - spec.offset) / spec.scale
            if spec.fill is not None:
                filled = (spec.fill - spec.offset) / spec.scale
                scaled = torch.stack([scaled * weight[k] + filled * (1 - weight[k]), weight[k]])
            channels[spec.name] = scaled.reshape(-1, *pixels.shape)
    ordered = [channels[spec.name] for spec in card.inputs if spec.name in channels]
    prior = fractions.prior
    shown = [*ordered, torch.log(prior + FLOOR) / 4, (fractions.coarse - prior) * 4]
    chosen = [codes[spec.name] for spec in card.of_role("categorical")]
    none = torch.zeros((0, *pixels.shape), dtype=torch.long)
    return Features(torch.cat(shown), torch.stack(chosen) if chosen else none, prior)


class ClassFractions(NamedTuple):
    """What the coarse states say of a box of pixels.

    Attributes
    ----------
    prior : Tensor, shape (classes, rows, columns)
        Interpolated fraction of each class; sums to one.
    coarse : Tensor, shape (classes, rows, columns)
        Fraction in the coarse cell that holds the pixel.
    cells : Cells
    """

    prior: torch.Tensor
    coarse: torch.Tensor
    cells: Cells

    @property
    def settled(self) -> bool:
        """Whether the states alone say what class each pixel has, or are missing."""
        known = torch.isfinite(self.cells.fractions[0])
        unknown = self.cells.spread(~known)
        return bool(((self.prior.amax(0) > PURE) | unknown).all())


def class_fractions(card: Card, stacks: Sequence[Stack], pixels: Pixels) -> ClassFractions:
    """Fractions of the classes at pixels, from the states alone."""
    states = [part for stack in stacks if (part := stack.only(card.states))]
    numbers: dict[str, torch.Tensor] = {}
    for stack in states:
        values, _ = stack.interpolated(*pixels)
        numbers |= {spec.name: values[k] for k, spec in enumerate(stack.specs)}
    members = torch.tensor(card.class_groups)
    shares = torch.tensor([c.share for c in card.classes])[:, None, None]
    prior = _groups(card, numbers, pixels.shape)[members] * shares
    cells = make_cells(card, states, pixels)
    coarse = torch.nan_to_num(cells.spread(cells.fractions))[members] * shares
    return ClassFractions(prior / prior.sum(0).clamp(min=1e-6), coarse, cells)


def missing_pixels(card: Card, stacks: Sequence[Stack], pixels: Pixels) -> torch.Tensor:
    """Where an input that cannot be filled is missing, or any does not reach; (rows, columns)."""
    missing = torch.zeros(pixels.shape, dtype=torch.bool)
    for stack in stacks:
        missing |= ~stack.covers(pixels.lat, pixels.lon)
        needed = [s.name for s in stack.specs if s.fill is None and s.role != "categorical"]
        if part := stack.only(needed):
            missing |= torch.isnan(part.nearest(pixels.lat, pixels.lon)).any(0)
    return missing


def make_cells(card: Card, stacks: Sequence[Stack], pixels: Pixels) -> Cells:
    """The coarse cells under a box of pixels."""
    states = [part for stack in stacks if (part := stack.only(card.states))]
    if not states:
        zeros = [torch.zeros(n, dtype=torch.long) for n in pixels.shape]
        return Cells(zeros[0], zeros[1], torch.ones((len(card.groups), 1, 1)))
    grid = states[0].grid
    rows, columns = grid.lat.cell(pixels.lat), grid.lon.cell(pixels.lon)
    top, left = int(rows.min()), int(columns.min())
    inside = np.arange(top, int(rows.max()) + 1), np.arange(left, int(columns.max()) + 1)
    numbers: dict[str, torch.Tensor] = {}
    for stack in states:
        found = stack.at(*inside)
        numbers |= {spec.name: found[k] for k, spec in enumerate(stack.specs)}
    fractions = _groups(card, numbers, (inside[0].size, inside[1].size))
    return Cells(torch.from_numpy(rows - top), torch.from_numpy(columns - left), fractions)


def _groups(
    card: Card, numbers: Mapping[str, torch.Tensor], shape: tuple[int, int]
) -> torch.Tensor:
    """Fraction of each group of classes; a group without states takes the rest."""
    named = [
        torch.stack([numbers[name] for name in group]).sum(0) if group else None
        for group in card.groups
    ]
    total = sum((part for part in named if part is not None), start=torch.zeros(shape))
    rest = (1 - total).clamp(min=0)
    return torch.stack([rest if part is None else part for part in named])
