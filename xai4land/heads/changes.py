"""The head of class maps that follow from the map of another year.

A pixel keeps its class unless its coarse cell demands change. The first guess is how often classes
changed in the training data, more where the net change of the cell is larger; the network's answer
is added to its logarithm, and the probabilities are fitted to the fractions of each coarse cell.
The map then makes the least change that meets them, where it is the most likely
(:mod:`xai4land.heads.allocate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from xai4land.heads.expected import CHANGE_FLOOR, ExpectedChange, select_classes
from xai4land.heads.filling import fill_holes
from xai4land.heads.fractions import ClassFractions
from xai4land.heads.loss import Loss
from xai4land.heads.noise import draw_gumbel
from xai4land.heads.outputs import CONFIDENCE_STEPS
from xai4land.heads.uncertainty import find_uncertainty, pack_confidence, soften
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Stack

__all__ = ["ChangeHead", "ExpectedChange"]

THRESHOLDS = (1.0, 0.85, 0.7, 0.6, 0.5)
MOST_ACCURACY_LOST = 0.005
"""Against the accuracy of the prior map itself."""


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
        none = np.zeros((len(self.classes.classes) + 1,) * 2)
        return self.learn_from(sum(map(self.count, truth), none))

    def count(self, piece: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return how many pixels have each pair of classes: rows of the prior map's.

        What is missing counts as one more class.
        """
        size = len(self.classes.classes) + 1
        after, before = (np.minimum(layer, size - 1).astype(np.int64).ravel() for layer in piece)
        counts = np.bincount(before * size + after, minlength=size**2)
        return counts.reshape(size, size).astype(np.float64)

    def learn_from(self, counts: npt.NDArray[np.float64]) -> Changes:
        """Return the classes with their shares and changes; see :meth:`learn`."""
        count = len(self.classes.classes)
        learned = super().learn_from(counts.sum(0))
        assert isinstance(learned, Changes)
        known = counts[:count, :count]
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
        before = cells._replace(values=guess.cells_before(pixels))
        filled = fill_holes(prior, probability, before, groups)
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
