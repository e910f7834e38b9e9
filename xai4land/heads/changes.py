"""The head of class maps that follow from the map of another year.

A pixel keeps its class unless its coarse cell demands change. The first guess is how often classes
changed in the training data, more where the net change of the cell is larger; the network's answer
is added to its logarithm, and the probabilities are fitted to the fractions of each coarse cell.
The map then makes the least change that meets them, where it is the most likely
(:mod:`xai4land.heads.allocate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xai4land.emulator.outputs import MISSING_CLASS, Changes
from xai4land.heads.allocate import allocate
from xai4land.heads.areas import log_score
from xai4land.heads.base import TrainingWindow
from xai4land.heads.classes import ClassHead, choose_class
from xai4land.heads.conserve import conserve
from xai4land.heads.fractions import ClassFractions, group_fractions
from xai4land.heads.loss import Loss
from xai4land.heads.noise import draw_gumbel
from xai4land.heads.outputs import CONFIDENCE_STEPS
from xai4land.heads.uncertainty import find_uncertainty, pack_confidence, soften
from xai4land.windows.cells import Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack

__all__ = ["ChangeHead", "ExpectedChange"]

CHANGE_FLOOR = 1e-5
"""Added to a probability before its logarithm, so that no change is ruled out."""
GROSS_PER_ROOT = 0.3
"""Share of the pixels of a coarse cell that change, per root of its net change, before the network
has a say: .4 in the UK (0.25°, 2009 to 2012), .2 in New Guinea. That the fitting to the demand
makes what changes nearly proportional to net change is not to be counted twice."""
MOST_LEAVING = 0.9
"""Largest probability that a pixel changes, before the network has a say."""
THRESHOLDS = (1.0, 0.85, 0.7, 0.6, 0.5)
MOST_ACCURACY_LOST = 0.005
"""Against the accuracy of the prior map itself."""
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
    exchange : bool
        Whether classes exchange pixels beyond the net change, too, at the card's threshold.
    uncertainty : bool
        Whether to give entropy and margin of the probabilities.
    member : int, optional
        Number of the map to draw, in place of the most likely one.
    seed : int
        Of the maps that are drawn.
    """

    classes: Changes

    def __init__(
        self,
        classes: Changes,
        probabilities: bool = False,
        exchange: bool = False,
        uncertainty: bool = False,
        member: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(classes, probabilities, uncertainty=uncertainty, seed=seed)
        self.member = member
        self.threshold = classes.threshold if exchange else None

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
        if self.uncertainty:
            none = torch.where(known, torch.zeros_like(missing), missing)
            maps |= {"entropy": none, "margin": sure}
        if self.probabilities:
            one = torch.nn.functional.one_hot(number.clamp(min=0), count).permute(2, 0, 1).float()
            maps[f"{name}_probability"] = torch.where(known, one, torch.nan)
        return maps

    def first_guess(self, stacks: Sequence[Stack]) -> ExpectedChange:
        """Return the change to expect in the coarse cells that the stacks hold."""
        return ExpectedChange.of(self.classes, stacks)

    def start(self, guess: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the first guess."""
        return torch.log(guess + CHANGE_FLOOR)

    def learn(self, truth: Iterable[npt.NDArray[Any]]) -> Changes:
        """Return the classes with their shares, and how often each changes to which other.

        Pieces of the truth have two layers: the map, and the prior map where that is known.
        """
        count = len(self.classes.classes)
        pairs = np.zeros((256, 256))

        def maps() -> Iterator[npt.NDArray[Any]]:
            for after, before in truth:
                codes = before.astype(np.int64).ravel() * 256 + after.ravel()
                pairs[...] += np.bincount(codes, minlength=2**16).reshape(256, 256)
                yield after

        learned = super().learn(maps())
        assert isinstance(learned, Changes)
        known = pairs[:count, :count]
        changed = known * (1 - np.eye(count))
        mean = changed.sum() / max(known.sum(), 1)
        rates = changed / np.maximum(known.sum(1, keepdims=True), 1) / max(mean, 1e-12)
        rounded = tuple(tuple(round(float(rate), 4) for rate in row) for row in rates)
        return learned.model_copy(update={"transitions": rounded if mean else ()})

    def loss(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> Loss:
        """Return the cross-entropy after fitting, in cells that the window's edge does not cut."""
        whole = [replace(w, area=w.area * known_cells(w)) for w in windows]
        return super().loss(raw, guess, whole)

    def tune(
        self,
        raw: Sequence[torch.Tensor],
        guess: Sequence[torch.Tensor],
        windows: Sequence[TrainingWindow],
    ) -> Changes:
        """Return the classes with the threshold of the exchange that suits validation windows.

        It gives the largest figure of merit of those that cost little of the accuracy that the
        prior map itself has.
        """
        learned = super().tune(raw, guess, windows)
        assert isinstance(learned, Changes)
        groups, tuned = self._constants[2], self._replace(temperature=learned.temperature)
        likely = [
            tuned.probabilities_of(one[None], values[None], [window])[0].cpu()
            for one, values, window in zip(raw, guess, windows, strict=True)
        ]
        scores = []
        for threshold in THRESHOLDS:
            maps = [
                allocate(known_classes(window.truth[1]), part, window.cells, groups, threshold)
                for part, window in zip(likely, windows, strict=True)
            ]
            scores.append(score_change(maps, windows))
        allowed = [merit for merit, loss in scores if loss <= MOST_ACCURACY_LOST]
        best = max(allowed, default=scores[0][0])
        chosen = THRESHOLDS[[merit for merit, _ in scores].index(best)]
        return learned.model_copy(update={"threshold": chosen})

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: ClassFractions, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return the map with the least change and how likely it is; see :class:`Head`."""
        assert isinstance(guess, ExpectedChange)
        blended = soften(blended, self.classes.temperature)
        _, favour, groups = (part.to(blended.device) for part in self._constants)
        prior, cells = guess.prior_classes(pixels), guess.cells(pixels)
        if not self.classes.conserve:
            return self._pack(blended, choose_class(blended, favour)[0].long())
        probability = conserve(blended, cells, groups)
        filled = prior
        if bool((prior < 0).any()):
            filled = torch.where(prior >= 0, prior, choose_class(probability, favour)[0].long())
        cells = guess.open_partial_cells(cells, prior, filled, groups, pixels)
        likely = probability if self.member is None else self._perturb(probability, pixels)
        chosen = allocate(filled, likely, cells, groups, self.threshold)
        return self._pack(probability, chosen)

    def _perturb(self, probability: torch.Tensor, pixels: Pixels) -> torch.Tensor:
        """Return probabilities with the noise of a member, of which the largest is drawn."""
        assert self.member is not None
        noise = draw_gumbel(
            pixels, len(probability), seed=self.seed, member=self.member, length=self.classes.patch
        )
        return torch.softmax(log_score(probability) + noise.to(probability), 0)

    def _pack(self, probability: torch.Tensor, chosen: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the outputs from the number of each pixel's class."""
        name, codes = self.classes.name, self._constants[0].to(chosen.device)
        likely = probability.gather(0, chosen[None])[0]
        maps = {
            name: codes[chosen],
            "confidence": pack_confidence(likely),
        }
        if self.uncertainty:
            maps |= {kind: pack_confidence(v) for kind, v in find_uncertainty(probability).items()}
        return maps | ({f"{name}_probability": probability} if self.probabilities else {})


def known_classes(positions: torch.Tensor) -> torch.Tensor:
    """Return the numbers of classes, -1 where they are missing."""
    return torch.where(positions == MISSING_CLASS, -1, positions.long())


def known_cells(window: TrainingWindow) -> torch.Tensor:
    """Return which pixels are of cells that the window's edge does not cut."""
    return window.cells.spread(window.cells.values.isfinite().all(0))


def score_change(
    maps: Sequence[torch.Tensor], windows: Sequence[TrainingWindow]
) -> tuple[float, float]:
    """Return the figure of merit, and the accuracy that is lost against the prior map."""
    hits = changed = right = kept = known = 0
    for new, window in zip(maps, windows, strict=True):
        truth, prior = (layer.long() for layer in window.truth)
        there = known_cells(window) & (truth != MISSING_CLASS) & (prior != MISSING_CLASS)
        after, before, made = truth[there], prior[there], new[there]
        hits += int(((after == made) & (after != before)).sum())
        changed += int(((after != before) | (made != before)).sum())
        right += int((after == made).sum())
        kept += int((after == before).sum())
        known += after.numel()
    return hits / max(changed, 1), (kept - right) / max(known, 1)


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
        rows, columns, after = self._lookup.cells(self.groups, pixels)
        change = torch.nan_to_num(after - self._lookup.values(self.before, pixels))
        net = change.clamp(min=0).sum(0)
        change = torch.where(net > SMALLEST_CHANGE, change, 0.0)
        own = prior.clamp(min=0)
        if self.outputs.transitions:
            rates = GROSS_PER_ROOT * torch.tensor(self.outputs.transitions, device=own.device).T
            new = rates.index_select(1, own.ravel()).reshape(-1, *own.shape)
            new *= Cells(rows, columns, net).spread(net.sqrt())
        else:
            new = self._place_randomly(own, Cells(rows, columns, change), pixels)
        leave = new.sum(0)
        if bool((leave > MOST_LEAVING).any()):
            new *= MOST_LEAVING / leave.clamp(min=MOST_LEAVING)
            leave = new.sum(0)
        known = new.scatter_add_(0, own[None], (1 - leave)[None])
        if bool((prior >= 0).all()):
            return known
        return torch.where(prior >= 0, known, super().values(pixels))

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
        """Return how likely each pixel changes; 1 for those without a prior class."""
        prior = self.prior_classes(pixels)
        stay = self.values(pixels).gather(0, prior.clamp(min=0)[None])[0]
        return torch.where(prior < 0, 1.0, (1 - stay).clamp(min=0))

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
