"""The first guess of class maps: what the coarse states say of the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from xai4land.emulator.outputs import ClassMap
from xai4land.errors import InputError
from xai4land.heads.conserve import PURE
from xai4land.windows.cells import CellLookup, Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack

__all__ = ["FRACTION_FLOOR", "ClassFractions", "check_sums", "group_fractions"]

FRACTION_FLOOR = 1e-3
"""Added to a class fraction before its logarithm, so that no class is ruled out."""
SUM_TOLERANCE = 0.01
"""What the fractions of a cell may lack of one."""


@dataclass(frozen=True)
class ClassFractions:
    """What the coarse states say of the classes, around a place.

    Attributes
    ----------
    outputs : ClassMap
    groups : Field
        Fraction of each group of classes in each coarse cell; NaN where a state is missing.
    classes : Field
        Fraction of each class.
    unknown : Tensor, shape (classes,)
        Fractions where no state is known nearby: the rest of the cell is all of it.
    """

    outputs: ClassMap
    groups: Field
    classes: Field
    unknown: torch.Tensor

    @classmethod
    def of(cls, outputs: ClassMap, stacks: Sequence[Stack]) -> ClassFractions:
        """Return the fractions in the coarse cells that the stacks hold."""
        states = [part for stack in stacks if (part := stack.select_inputs(outputs.states))]
        by_name = {s.name: part.values[k] for part in states for k, s in enumerate(part.specs)}
        place = (states or [s for s in stacks if not s.coded] or list(stacks))[0]
        groups = group_fractions(outputs, by_name, place.values[0])
        members = torch.tensor(outputs.class_groups, device=groups.device)
        shares = torch.tensor([c.share for c in outputs.classes], device=groups.device)
        classes = groups[members] * shares[:, None, None]
        rest = torch.tensor([not c.states for c in outputs.classes], device=groups.device)
        return cls(
            outputs,
            Field(place.grid, place.start, groups),
            Field(place.grid, place.start, classes),
            torch.where(rest, shares, 0.0),
        )

    def values(self, pixels: Pixels) -> torch.Tensor:
        """Return the interpolated fraction of each class, which sum to one."""
        values, weight = self.classes.interpolate(*pixels)
        if weight is not None:
            values = torch.where(weight > 0, values, self.unknown[:, None, None])
        total = values.sum(0)
        if weight is None and bool((total > PURE).all() and (total < 2 - PURE).all()):
            return values
        return values / total.clamp(min=1e-6)

    def fill_channels(self, channels: torch.Tensor, values: torch.Tensor, pixels: Pixels) -> None:
        """Write the logarithm of the fractions, and how far the cell's own ones differ."""
        count = len(self.outputs.classes)
        own = self._lookup.on_pixels(self.classes, pixels)
        channels[count:] = torch.sub(own, values).mul_(4)
        channels[:count] = torch.log(values + FRACTION_FLOOR).mul_(0.25)

    def is_trivial(self, pixels: Pixels) -> bool:
        """Return whether all cells are missing or, if fractions are conserved, of one class."""
        largest = self._lookup.values(self.classes, pixels).amax(0)
        known = torch.isfinite(largest)
        conserved = self.outputs.conserve
        return not bool((known & (largest <= PURE) if conserved else known).any())

    def cells(self, pixels: Pixels) -> Cells:
        """Return the fraction of each group in the coarse cells under a box of pixels."""
        return self._lookup.cells(self.groups, pixels)

    def majority(self, pixels: Pixels) -> torch.Tensor:
        """Return the class with the largest fraction in the cell that holds the pixel."""
        cells = self._lookup.cells(self.classes, pixels)
        largest = torch.nan_to_num(cells.values).argmax(0)
        return largest.index_select(0, cells.rows).index_select(1, cells.columns)

    def own(self, pixels: Pixels) -> torch.Tensor:
        """Return the fractions in the cell that holds the pixel, (classes, rows, columns)."""
        return self._lookup.on_pixels(self.classes, pixels)

    def undecided(self, pixels: Pixels) -> torch.Tensor:
        """Return the pixels whose class their coarse cell leaves open."""
        cells = self.cells(pixels)
        members = torch.tensor(self.outputs.class_groups)
        several = torch.bincount(members, minlength=len(self.outputs.groups)) > 1
        mixed = cells.values.amax(0) < PURE
        return cells.spread(mixed | (cells.values[several] > 1 - PURE).any(0))

    @cached_property
    def _lookup(self) -> CellLookup:
        return CellLookup(self.groups.grid, self.groups.values.device)


def group_fractions(
    outputs: ClassMap, by_name: Mapping[str, torch.Tensor], like: torch.Tensor
) -> torch.Tensor:
    """Return the fraction of each group of classes; a group without states takes the rest."""
    named = [
        torch.stack([by_name[name] for name in group]).sum(0) if group else None
        for group in outputs.groups
    ]
    total = torch.zeros(like.shape, device=like.device)
    for part in named:
        total = total if part is None else total + part
    rest = (1 - total).clamp(min=0)
    groups = torch.stack([rest if part is None else part for part in named])
    return torch.where(torch.isfinite(total), groups, torch.nan)


def check_sums(fractions: ClassFractions) -> None:
    """Refuse states that leave a part of a cell to no class: maps would fill it with any.

    That they add up to no more than one is checked when they are read.

    Raises
    ------
    InputError
    """
    if any(not c.states for c in fractions.outputs.classes):
        return
    total = fractions.groups.values.sum(0)
    total = total[torch.isfinite(total)]
    if total.numel() and float(total.min()) < 1 - SUM_TOLERANCE:
        raise InputError(
            f"the states {', '.join(fractions.outputs.states)} add up to {float(total.min()):.3g} "
            "in a cell, expected 1; divide them by their sum, or mask cells of which not all is "
            "known"
        )
