"""The first guess of maps that follow from a prior map: the change to expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from xai4land.emulator.outputs import Changes
from xai4land.heads.fractions import ClassFractions, group_fractions
from xai4land.windows.cells import Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack

__all__ = ["CHANGE_FLOOR", "ExpectedChange", "select_classes"]

CHANGE_FLOOR = 1e-5
"""Added to a probability before its logarithm, so that no change is ruled out."""
GROSS_PER_ROOT = 0.3
"""Share of the pixels of a coarse cell that change, per root of its net change, before the network
has a say: .4 in the UK (0.25°, 2009 to 2012), .2 in New Guinea. That the fitting to the demand
makes what changes nearly proportional to net change is not to be counted twice."""
MOST_LEAVING = 0.9
"""Largest probability that a pixel changes, before the network has a say."""
SMALLEST_CHANGE = 1e-6
"""Less than this share of a cell is no change, but a rounding error of the states."""


@dataclass(frozen=True)
class ExpectedChange(ClassFractions):
    """The change that coarse cells demand, and the prior map around a place.

    Parameters
    ----------
    outputs, groups, classes, unknown
        As in :class:`ClassFractions`, at the date of the map.
    before : Field
        Fractions of the groups at the date of the prior map.
    prior : Field
        Positions of the prior map's classes among the sorted codes, from one; 0 where missing.
    """

    outputs: Changes
    before: Field
    prior: Field

    @classmethod
    def of(cls, outputs: Changes, stacks: Sequence[Stack]) -> ExpectedChange:  # type: ignore[override]
        """Return the change in the coarse cells that the stacks hold."""
        now = ClassFractions.of(outputs, stacks)
        by_name = {
            spec.name: part.values[k]
            for part in stacks
            for k, spec in enumerate(part.specs)
            if spec.name in outputs.prior_states
        }
        renamed = dict(zip(outputs.states, outputs.prior_states, strict=True))
        early = {name: by_name[other] for name, other in renamed.items()}
        before = group_fractions(outputs, early, now.groups.values[0])
        (prior,) = (p for s in stacks if (p := s.select_inputs([outputs.prior])) is not None)
        place = now.groups
        return cls(
            outputs,
            now.groups,
            now.classes,
            now.unknown,
            Field(place.grid, place.start, before),
            Field(prior.grid, prior.start, prior.values),
        )

    def values(self, pixels: Pixels) -> torch.Tensor:
        """Return the probability of each class before the network has a say; sums to one.

        A pixel changes in proportion to the root of the net change of its cell, to other classes as
        often as in the training data; where nothing is known of that, as random placing of the
        net change does. Where the prior map is missing, these are the interpolated fractions.
        """
        prior = self.prior_classes(pixels)
        cells, net = self._find_change(pixels)
        own = prior.clamp(min=0)
        if self.outputs.transitions:
            rates = GROSS_PER_ROOT * torch.tensor(self.outputs.transitions, device=own.device).T
            new = rates.index_select(1, own.ravel()).reshape(-1, *own.shape)
            new *= cells.spread(net.sqrt())
        else:
            new = self._place_randomly(own, cells, pixels)
        leave = new.sum(0)
        if bool((leave > MOST_LEAVING).any()):
            new *= MOST_LEAVING / leave.clamp(min=MOST_LEAVING)
            leave = new.sum(0)
        known = new.scatter_add_(0, own[None], (1 - leave)[None])
        if bool((prior >= 0).all()):
            return known
        return torch.where(prior >= 0, known, super().values(pixels))

    def _find_change(self, pixels: Pixels) -> tuple[Cells, torch.Tensor]:
        """Return the change of each group in coarse cells, and their net change."""
        rows, columns, after = self._lookup.cells(self.groups, pixels)
        change = torch.nan_to_num(after - self._lookup.values(self.before, pixels))
        net = change.clamp(min=0).sum(0)
        return Cells(rows, columns, torch.where(net > SMALLEST_CHANGE, change, 0.0)), net

    def _place_randomly(self, own: torch.Tensor, change: Cells, pixels: Pixels) -> torch.Tensor:
        """Return the probability of each new class if the net change is placed at random."""
        before = torch.nan_to_num(self._lookup.values(self.before, pixels))
        losses, gains = (-change.values).clamp(min=0), change.values.clamp(min=0)
        leaving = losses / before.clamp(min=SMALLEST_CHANGE)
        share = gains / gains.sum(0).clamp(min=1e-12)
        members = self._members
        # Of a group of several classes each gains its share.
        weights = torch.tensor([c.share for c in self.outputs.classes], device=own.device)
        sums = torch.zeros(share.shape[0], device=own.device).index_add(0, members, weights)
        weights = weights / sums[members].clamp(min=1e-12)
        rows, columns, size = change.rows, change.columns, leaving.shape[1:]
        place = members[own] * size.numel() + (rows[:, None] * size[1] + columns)
        new = change.spread(share[members] * weights[:, None, None])
        return new * leaving.take(place)

    def fill_channels(self, channels: torch.Tensor, values: torch.Tensor, pixels: Pixels) -> None:
        """Write the logarithm of the first guess, and roots of the change of the cell.

        These are of each class, of that of the prior map (0 where it is missing), and of the net
        change of all.
        """
        count = len(self.outputs.classes)
        channels[:count] = torch.log(values + CHANGE_FLOOR).mul_(0.25)
        roots = self._lookup.on_pixels(self._roots, pixels)
        channels[count:-2] = roots[self._members]
        prior = self.prior_classes(pixels)
        own = roots.gather(0, self._members[prior.clamp(min=0)][None])[0]
        channels[-2] = torch.where(prior >= 0, own, 0.0)
        channels[-1] = roots.clamp(min=0).square().sum(0).sqrt()

    def is_trivial(self, pixels: Pixels) -> bool:
        """Return whether all cells are missing, or known and without change."""
        after = self._lookup.values(self.groups, pixels)
        if not bool(torch.isfinite(after).any()):
            return True
        changed = (after - self._lookup.values(self.before, pixels)).abs() > SMALLEST_CHANGE
        return not bool(changed.any()) and bool((self.prior_classes(pixels) >= 0).all())

    def undecided(self, pixels: Pixels) -> torch.Tensor:
        """Return how likely each pixel changes; 1 for those without a prior class.

        That some classes change more often is left out, so that this is known before anything is
        learned.
        """
        cells, net = self._find_change(pixels)
        net = torch.where(net > SMALLEST_CHANGE, net, 0.0)
        leave = cells.spread((GROSS_PER_ROOT * net.sqrt()).clamp(max=MOST_LEAVING))
        return torch.where(self.prior_classes(pixels) < 0, 1.0, leave)

    def prior_classes(self, pixels: Pixels) -> torch.Tensor:
        """Return the number of each pixel's prior class, shape (rows, columns); -1 if missing."""
        return select_classes(self.outputs, self.prior, pixels)

    def cells_before(self, pixels: Pixels) -> torch.Tensor:
        """Return fractions of the cells under pixels at the date of the prior map."""
        return self._lookup.values(self.before, pixels)

    @cached_property
    def _roots(self) -> Field:
        """Four times the root of the change of each cell, with its sign."""
        change = torch.nan_to_num(self.groups.values) - torch.nan_to_num(self.before.values)
        place = self.groups
        return Field(place.grid, place.start, (change.abs().sqrt() * change.sign()).mul_(4))

    @cached_property
    def _members(self) -> torch.Tensor:
        return torch.tensor(self.outputs.class_groups, device=self.groups.values.device)


def select_classes(outputs: Changes, prior: Field, pixels: Pixels) -> torch.Tensor:
    """Return the number of each pixel's class in a prior map, (rows, columns); -1 if missing."""
    # The field holds positions among the sorted codes, from one.
    order = np.argsort([c.value for c in outputs.classes]).tolist()
    numbers = torch.tensor([-1, *order], device=prior.values.device)
    return numbers[prior.select_nearest(pixels.lat, pixels.lon)[0].long()]
