"""The head of class maps that follow from the map of another year.

A pixel keeps its class unless its coarse cell demands change. The first guess is what random
placing of the demanded net change gives each pixel; the network's answer is added to its logarithm,
and the probabilities are fitted to the fractions of each coarse cell. The map then makes the least
change that meets them, where it is the most likely (:mod:`xai4land.heads.allocate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from xai4land.emulator.outputs import MISSING_CLASS, Changes, flags
from xai4land.heads.allocate import allocate
from xai4land.heads.classes import (
    CONFIDENCE_STEPS,
    FRACTION_FLOOR,
    ClassFractions,
    ClassHead,
    choose_class,
    group_fractions,
)
from xai4land.heads.conserve import conserve
from xai4land.heads.outputs import Output
from xai4land.windows.cells import Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack

__all__ = ["ChangeHead", "ExpectedChange"]

SMALLEST_CHANGE = 1e-6
"""Less than this share of a cell is no change, but a rounding error of the states."""


class ChangeHead(ClassHead):
    """The head of maps that follow from a prior map.

    Parameters
    ----------
    classes : Changes
        The outputs as the card describes them.
    probabilities : bool
        Whether to give the probability of every class.
    baselines : bool
        Whether to give the prior map itself, on the pixels of the outputs.
    exchange : bool
        Whether to make the exchange between classes beyond the net change, too, at the rate that
        the card gives.
    """

    classes: Changes

    def __init__(
        self,
        classes: Changes,
        probabilities: bool = False,
        baselines: bool = False,
        exchange: bool = False,
    ) -> None:
        super().__init__(classes, probabilities)
        self.persistence = baselines
        self.exchange = classes.exchange if exchange else 0.0

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return the class, its probability, and what else is wanted."""
        found = list(super().outputs)
        if self.persistence:
            about = {"long_name": f"{self.title} class of the prior map"}
            attrs = about | flags(self.classes.classes)
            name = f"{self.classes.name}_persistence"
            found.insert(2, Output(name, "uint8", attrs, np.uint8(MISSING_CLASS)))
        return tuple(found)

    @property
    def carried(self) -> str:
        """Return the output that is the prior map of the next step."""
        return self.classes.name

    def repeat(self, prior: Stack, pixels: Pixels) -> dict[str, torch.Tensor]:
        """Return the outputs of the prior map itself; missing where it is.

        Its confidence is 1.
        """
        name, count = self.classes.name, len(self.classes.classes)
        codes = self._constants[0].to(prior.values.device)
        number = select_classes(self.classes, prior, pixels)
        missing = torch.tensor(MISSING_CLASS, dtype=torch.uint8, device=codes.device)
        known = number >= 0
        map_ = torch.where(known, codes[number.clamp(min=0)], missing)
        sure = torch.where(known, torch.tensor(CONFIDENCE_STEPS, dtype=torch.uint8), missing)
        maps = {name: map_, "confidence": sure}
        if self.persistence:
            maps[f"{name}_persistence"] = map_
        if self.probabilities:
            one = torch.nn.functional.one_hot(number.clamp(min=0), count).permute(2, 0, 1).float()
            maps[f"{name}_probability"] = torch.where(known, one, torch.nan)
        return maps

    def first_guess(self, stacks: Sequence[Stack]) -> ExpectedChange:
        """Return the change to expect in the coarse cells that the stacks hold."""
        return ExpectedChange.of(self.classes, stacks)

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: ClassFractions, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return the map with the least change and how likely it is; see :class:`Head`."""
        assert isinstance(guess, ExpectedChange)
        codes, favour, groups = (part.to(blended.device) for part in self._constants)
        name = self.classes.name
        prior, cells = guess.prior_classes(pixels), guess.cells(pixels)
        probability = conserve(blended, cells, groups)
        filled = torch.where(prior >= 0, prior, choose_class(probability, favour)[0].long())
        cells = guess.open_partial_cells(cells, prior, filled, groups, pixels)
        chosen = allocate(filled, probability, cells, groups, self.exchange)
        likely = probability.gather(0, chosen[None])[0]
        maps = {
            name: codes[chosen],
            "confidence": likely.clamp(0, 1).mul(CONFIDENCE_STEPS).round().to(torch.uint8),
        }
        if self.persistence:
            missing = torch.tensor(MISSING_CLASS, dtype=torch.uint8, device=prior.device)
            known = torch.where(prior >= 0, codes[prior.clamp(min=0)], missing)
            maps[f"{name}_persistence"] = known
        return maps | ({f"{name}_probability": probability} if self.probabilities else {})


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
        """Return what random placing of each cell's net change gives, or fractions; sums to one."""
        prior = self.prior_classes(pixels)
        fractions = super().values(pixels)
        count = len(self.outputs.classes)
        members = self._members
        rows, columns = self._lookup.cells(self.groups, pixels)[:2]
        after, before = (
            torch.nan_to_num(self._lookup.values(field, pixels))
            for field in (self.groups, self.before)
        )
        change = after - before
        losses, gains = (-change).clamp(min=0), change.clamp(min=0)
        leaving = losses / before.clamp(min=SMALLEST_CHANGE)
        leaving = torch.where(losses > SMALLEST_CHANGE, leaving.clamp(max=1.0), 0.0)
        total = gains.sum(0)
        share = torch.where(total > SMALLEST_CHANGE, gains / total.clamp(min=1e-12), 0.0)
        leaving = torch.where(total > SMALLEST_CHANGE, leaving, 0.0)
        cells = Cells(rows, columns, share)
        # Of a group of several classes each gains its share.
        weights = torch.tensor([c.share for c in self.outputs.classes], device=share.device)
        sums = torch.zeros(share.shape[0], device=share.device).index_add(0, members, weights)
        weights = weights / sums[members].clamp(min=1e-12)
        new = cells.spread(share)[members] * weights[:, None, None]
        own = prior.clamp(min=0)
        leave = cells.spread(leaving).gather(0, members[own][None])[0]
        stay = torch.nn.functional.one_hot(own, count).permute(2, 0, 1)
        known = stay * (1 - leave) + new * leave
        return torch.where(prior >= 0, known, fractions)

    def fill_channels(self, channels: torch.Tensor, values: torch.Tensor, pixels: Pixels) -> None:
        """Write the fraction of each class in the pixel's cell, and the root of its change."""
        count, members = len(self.outputs.classes), self._members
        after = self._lookup.on_pixels(self.groups, pixels)
        change = after - self._lookup.on_pixels(self.before, pixels)
        channels[:count] = torch.log(after + FRACTION_FLOOR).mul_(0.25)[members]
        channels[count:] = (change.abs().sqrt() * change.sign()).mul_(4)[members]

    def is_trivial(self, pixels: Pixels) -> bool:
        """Return whether all cells are missing, or known and without change."""
        after = self._lookup.values(self.groups, pixels)
        if not bool(torch.isfinite(after).any()):
            return True
        changed = (after - self._lookup.values(self.before, pixels)).abs() > SMALLEST_CHANGE
        return not bool(changed.any()) and bool((self.prior_classes(pixels) >= 0).all())

    def undecided(self, pixels: Pixels) -> torch.Tensor:
        """Return the pixels of cells with change, and those without a prior class."""
        cells = self._lookup.cells(self.groups, pixels)
        before = self._lookup.values(self.before, pixels)
        changed = ((cells.values - before).abs() > SMALLEST_CHANGE).any(0)
        return cells.spread(changed) | (self.prior_classes(pixels) < 0)

    def prior_classes(self, pixels: Pixels) -> torch.Tensor:
        """Return the number of each pixel's prior class, shape (rows, columns); -1 if missing."""
        return select_classes(self.outputs, self.prior, pixels)

    def open_partial_cells(
        self,
        cells: Cells,
        prior: torch.Tensor,
        filled: torch.Tensor,
        groups: torch.Tensor,
        pixels: Pixels,
    ) -> Cells:
        """Return cells that, where the prior map has holes, ask for the change of the states alone.

        In these cells what was chosen for the holes cannot be held to the fractions of the whole.
        """
        if bool((prior >= 0).all()):
            return cells
        rows, columns, values = cells
        number = rows[:, None] * values.shape[2] + columns
        count = values.shape[1:].numel()
        total = torch.bincount(number.ravel(), minlength=count)
        holes = torch.bincount(number.ravel(), weights=(prior < 0).ravel(), minlength=count) > 0
        codes = groups[filled].ravel() * count + number.ravel()
        made = torch.bincount(codes, minlength=values.shape[0] * count).reshape(-1, count)
        change = values - self._lookup.values(self.before, pixels)
        wanted = made / total.clamp(min=1) + change.reshape(values.shape[0], -1)
        wanted = torch.where(holes, wanted, values.reshape(values.shape[0], -1))
        return cells._replace(values=wanted.reshape(values.shape).to(values.dtype))

    @cached_property
    def _members(self) -> torch.Tensor:
        return torch.tensor(self.outputs.class_groups, device=self.groups.values.device)


def select_classes(outputs: Changes, prior: Field, pixels: Pixels) -> torch.Tensor:
    """Return the number of each pixel's class in a prior map, (rows, columns); -1 if missing."""
    # The field holds positions among the sorted codes, from one.
    order = np.argsort([c.value for c in outputs.classes]).tolist()
    numbers = torch.tensor([-1, *order], device=prior.values.device)
    return numbers[prior.select_nearest(pixels.lat, pixels.lon)[0].long()]
