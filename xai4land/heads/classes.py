"""The head of class maps: fractions of classes, made sharper by a network.

The network's answer is added to the logarithm of the interpolated fractions; so a fresh network
gives these. The probabilities are then fitted to the fractions in each coarse cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from xai4land.emulator.outputs import MISSING_CLASS, ClassMap, flags
from xai4land.grids.periods import Period
from xai4land.heads.areas import Areas, check_areas, choose_within_areas, leave_out, log_score
from xai4land.heads.base import TrainingWindow
from xai4land.heads.choice import choice_weights
from xai4land.heads.conserve import PURE, conserve
from xai4land.heads.fractions import FRACTION_FLOOR, ClassFractions, check_sums
from xai4land.heads.loss import Loss
from xai4land.heads.noise import draw_gumbel, realizations
from xai4land.heads.outputs import CONFIDENCE_STEPS, Dimension, Output, check_finite
from xai4land.heads.patches import fit_patch
from xai4land.heads.smooth import find_smooth_factors
from xai4land.heads.uncertainty import (
    TEMPERATURES,
    UNCERTAINTY_NAMES,
    choose_temperature,
    find_uncertainty,
    pack_confidence,
    soften,
)
from xai4land.windows.cells import Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Stack
from xai4land.windows.masks import Mask

__all__ = ["ClassHead", "choose_class"]

TRAINING_ROUNDS = 5
"""Fitting rounds in the loss; fewer than at inference, since gradients flow through them."""


class ClassHead:
    """The head of class maps.

    Parameters
    ----------
    classes : ClassMap
        The outputs as the card describes them.
    probabilities : bool
        Whether to give the probability of every class.
    baselines : bool
        Whether to give the maps that the fractions alone suggest.
    uncertainty : bool
        Whether to give entropy and margin of the probabilities.
    areas : {"free", "exact"} or float
        Whether the areas of the chosen classes in each coarse cell agree with the states.
    members : int, optional
        Maps to draw, in place of the most likely one.
    seed : int
        Of the maps that are drawn.
    domain : Mask, optional
        Pixels where the class ``outside`` is never chosen, by no map; all others are of it.
    outside : str
        Name of a class.
    """

    period: Period = "year"
    missing_truth = float(MISSING_CLASS)

    def __init__(
        self,
        classes: ClassMap,
        probabilities: bool = False,
        baselines: bool = False,
        uncertainty: bool = False,
        areas: Areas = "free",
        members: int | None = None,
        seed: int = 0,
        domain: Mask | None = None,
        outside: str = "",
    ) -> None:
        self.classes, self.probabilities, self.baselines = classes, probabilities, baselines
        self.uncertainty = uncertainty
        self.tolerance = check_areas(areas)
        self.members, self.seed = members, seed
        self.domain, self.outside = domain, outside

    @property
    def title(self) -> str:
        """Return what is made."""
        return self.classes.name.replace("_", " ")

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return the class, its probability, and what else is wanted."""
        name, title = self.classes.name, self.title
        legend = flags(self.classes.classes)
        main = {
            "long_name": f"{title} class",
            **legend,
            "cell_methods": "area: mode",
            "ancillary_variables": "confidence",
            "comment": f"{MISSING_CLASS} where inputs are missing",
        }
        sure = {"long_name": f"probability of the {title} class", "units": "1"}
        packing = {"dtype": "int8", "scale_factor": np.float32(0.01)}
        drawn = () if self.members is None else (realizations(self.members),)
        found = [
            Output(name, "uint8", main, np.uint8(MISSING_CLASS), drawn),
            Output("confidence", "float32", sure, np.int8(-128), drawn, CONFIDENCE_STEPS, packing),
        ]
        if self.baselines:
            found += [
                Output(
                    f"{name}_{kind}",
                    "uint8",
                    {"long_name": f"{title} class, {text}", **legend},
                    np.uint8(MISSING_CLASS),
                )
                for kind, text in (
                    ("nearest", "majority of the nearest coarse cell"),
                    ("bilinear", "majority of the bilinearly interpolated fractions"),
                )
            ]
        if self.uncertainty:
            found += [
                Output(
                    kind,
                    "float32",
                    {"long_name": text, "units": "1"},
                    np.int8(-128),
                    (),
                    CONFIDENCE_STEPS,
                    packing,
                )
                for kind, text in UNCERTAINTY_NAMES.items()
            ]
        if self.probabilities:
            values = tuple(legend["flag_values"])
            dimension = Dimension(
                f"{name}_class", values, {"long_name": f"{title} class", **legend}
            )
            about = {"long_name": f"probability of each {title} class", "units": "1"}
            found.append(
                Output(f"{name}_probability", "float32", about, np.float32(np.nan), (dimension,))
            )
        return tuple(found)

    def first_guess(self, stacks: Sequence[Stack]) -> ClassFractions:
        """Return the fractions of the classes in the coarse cells that the stacks hold."""
        fractions = ClassFractions.of(self.classes, stacks)
        if self.classes.conserve:
            check_sums(fractions)
        return fractions

    def start(self, guess: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the fractions."""
        return torch.log(guess + FRACTION_FLOOR)

    def refine(self, raw: torch.Tensor, guess: ClassFractions, pixels: Pixels) -> torch.Tensor:
        """Return the answer of a window with the smooth part of what fits it to the states."""
        if not (self.classes.smooth and self.classes.conserve):
            return raw
        found = self._smooth(raw.float(), guess.values(pixels), guess.cells(pixels))
        return found.to(raw.dtype)

    def _smooth(self, raw: torch.Tensor, values: torch.Tensor, cells: Cells) -> torch.Tensor:
        groups = self._constants[2].to(raw.device)
        likely = self.answer(raw, self.start(values))
        return raw + self.classes.smooth * find_smooth_factors(likely, cells, groups)

    def answer(self, raw: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """Return probabilities."""
        return torch.softmax(raw + start, -3)

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: ClassFractions, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return maps of the most likely class and how likely it is; see :class:`Head`."""
        name = self.classes.name
        codes, favour, groups = (part.to(blended.device) for part in self._constants)
        cells = guess.cells(pixels)
        inside = None if self.domain is None else self.domain.on(pixels, blended.device)
        blended = soften(blended, self.classes.temperature)
        probability, values = (self._restrict(part, inside) for part in (blended, values))
        if self.classes.conserve:
            probability = conserve(probability, cells, groups)
            probability = self._restrict(probability, inside)
        if self.members is not None:
            chosen, likely = self._draw(probability, cells, groups, inside, pixels)
        elif self.tolerance is not None:
            score = log_score(probability) + torch.log(favour)[:, None, None]
            chosen = self._choose_within_areas(score, cells, groups, inside)
            likely = probability.gather(0, chosen[None])[0]
        else:
            chosen, likely = choose_class(probability, favour)
        maps = {
            name: codes[chosen],
            "confidence": pack_confidence(likely),
        }
        if self.uncertainty:
            maps |= {kind: pack_confidence(v) for kind, v in find_uncertainty(probability).items()}
        if self.baselines:
            maps[f"{name}_bilinear"] = codes[choose_class(values)[0]]
            own = guess.majority(pixels)
            if inside is not None:
                own = choose_class(self._restrict(guess.own(pixels), inside))[0]
            maps[f"{name}_nearest"] = codes[own]
        return maps | ({f"{name}_probability": probability} if self.probabilities else {})

    def _draw(
        self,
        probability: torch.Tensor,
        cells: Cells,
        groups: torch.Tensor,
        inside: torch.Tensor | None,
        pixels: Pixels,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return drawn classes and their probabilities, (members, rows, columns)."""
        assert self.members is not None
        certain = probability.amax(0) >= PURE
        if bool(certain.all()):
            likely, chosen = probability.max(0)
            return chosen.expand(self.members, -1, -1), likely.expand(self.members, -1, -1)
        score = log_score(probability)
        maps = []
        for member in range(self.members):
            noise = draw_gumbel(
                pixels, len(score), seed=self.seed, member=member, length=self.classes.patch
            )
            # Without noise where nothing is open, or a tile without open pixels would differ.
            drawn = score + noise.to(score).masked_fill_(certain, 0.0)
            if self.tolerance is None:
                maps.append(drawn.argmax(0))
            else:
                maps.append(self._choose_within_areas(drawn, cells, groups, inside))
        chosen = torch.stack(maps)
        return chosen, probability.gather(0, chosen)

    def _choose_within_areas(
        self,
        score: torch.Tensor,
        cells: Cells,
        groups: torch.Tensor,
        inside: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the classes whose areas agree with the states; outside, the class of that."""
        assert self.tolerance is not None
        if inside is None:
            return choose_within_areas(score, cells, groups, self.tolerance)
        outside = [c.name for c in self.classes.classes].index(self.outside)
        group = int(groups[outside])
        cells = leave_out(cells, inside, group, int((groups == group).sum()) == 1)
        chosen = choose_within_areas(score, cells, groups, self.tolerance, inside)
        return torch.where(inside, chosen, outside)

    def _restrict(self, probability: torch.Tensor, inside: torch.Tensor | None) -> torch.Tensor:
        """Take the class outside of the domain from what is inside, and give it all else.

        Where it is the only class that is known, it stays.
        """
        if inside is None:
            return probability
        number = [c.name for c in self.classes.classes].index(self.outside)
        allowed = torch.ones_like(probability[:, :1, :1]).index_fill(
            0, torch.tensor(number, device=probability.device), 0.0
        )
        others = probability * allowed
        total = others.sum(0)
        within = torch.where(total > 0, others / total.clamp(min=1e-30), probability)
        return torch.where(inside, within, (1 - allowed).expand_as(probability))

    @cached_property
    def _constants(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Flag values, factors of the choice and groups of the classes."""
        classes = self.classes.classes
        return (
            torch.tensor([c.value for c in classes], dtype=torch.uint8),
            torch.tensor([c.weight for c in classes]),
            torch.tensor(self.classes.class_groups),
        )

    def learn(self, truth: Iterable[npt.NDArray[Any]]) -> ClassMap:
        """Return the classes with each one's share of the states that it shares with others."""
        return self.learn_from(sum(map(self.count, truth), np.zeros(256)))

    def count(self, piece: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return how many pixels have each code, shape (256,)."""
        return np.bincount(piece.ravel(), minlength=256).astype(np.float64)

    def learn_from(self, counts: npt.NDArray[np.float64]) -> ClassMap:
        """Return the classes with their shares; see :meth:`learn`."""
        classes = self.classes.classes
        counts = counts[: len(classes)]
        groups = np.array(self.classes.class_groups)
        totals = np.bincount(groups, weights=counts)[groups]
        equal = 1 / np.bincount(groups)[groups]
        shares = np.where(totals > 0, counts / np.maximum(totals, 1), equal)
        learned = [
            one.model_copy(update={"share": round(float(share), 6)})
            for one, share in zip(classes, shares, strict=True)
        ]
        return self.classes.model_copy(update={"classes": tuple(learned)})

    def probabilities_of(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> torch.Tensor:
        """Return the probabilities of a batch of training windows, fitted to their cells."""
        if self.classes.smooth and self.classes.conserve:
            parts = zip(raw, guess, windows, strict=True)
            raw = torch.stack([self._smooth(one, values, w.cells) for one, values, w in parts])
        likely = soften(self.answer(raw, self.start(guess)), self.classes.temperature)
        if not self.classes.conserve:
            return likely
        groups = self._constants[2].to(raw.device)
        fitted = [
            conserve(part, window.cells, groups, TRAINING_ROUNDS)
            for part, window in zip(likely, windows, strict=True)
        ]
        return torch.stack(fitted)

    def loss(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> Loss:
        """Return the area-weighted cross-entropy after fitting to the coarse fractions.

        It is a proper score, so that ``confidence`` stays calibrated.
        """
        probability = self.probabilities_of(raw, guess, windows)
        truth = torch.stack([window.truth[0] for window in windows]).long()
        area = torch.stack([window.area for window in windows]) * (truth != MISSING_CLASS)
        last = len(self.classes.classes) - 1
        likely = probability.gather(1, truth.clamp(max=last)[:, None])[:, 0]
        losses = -torch.log(likely.clamp(min=1e-6))
        return Loss((losses * area).sum(), area.sum())

    def tune(
        self,
        raw: Sequence[torch.Tensor],
        guess: Sequence[torch.Tensor],
        windows: Sequence[TrainingWindow],
    ) -> ClassMap:
        """Return the classes with temperature and factors that suit validation windows."""
        losses = {}
        for temperature in TEMPERATURES:
            head = self._replace(temperature=temperature)
            parts = zip(raw, guess, windows, strict=True)
            losses[temperature] = sum(
                float(head.loss(r[None], g[None], [w]).total) for r, g, w in parts
            )
        tuned = self._replace(temperature=choose_temperature(losses))
        probability, truth, area, fields = [], [], [], []
        for one, values, window in zip(raw, guess, windows, strict=True):
            fitted = tuned.probabilities_of(one[None], values[None], [window])[0].cpu()
            codes = window.truth[0].cpu()
            known = codes != MISSING_CLASS
            probability.append(fitted[:, known].numpy())
            truth.append(codes[known].long().numpy())
            fields.append((fitted, codes))
            area.append(window.area.cpu()[known].numpy())
        weights = choice_weights(
            np.concatenate(probability, 1), np.concatenate(truth), np.concatenate(area)
        )
        classes = [
            one.model_copy(update={"weight": weight})
            for one, weight in zip(self.classes.classes, weights, strict=True)
        ]
        found = {"classes": tuple(classes), "patch": fit_patch(fields)}
        return tuned.classes.model_copy(update=found)

    def _replace(self, **changes: Any) -> Self:
        """Return the head with other classes."""
        head = copy(self)
        head.classes = self.classes.model_copy(update=changes)
        return head


def choose_class(
    probability: torch.Tensor, favour: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the class that is most likely, times its factor, and how likely it is.

    Of equals it is the first. In sums and maxima, which are fast; torch's argmax over the first
    dimension is not.
    """
    weighed = probability if favour is None else probability * favour[:, None, None]
    best = weighed.amax(0)
    check_finite(best)
    count = probability.shape[0]
    rank = torch.arange(count, 0, -1, dtype=best.dtype, device=best.device)[:, None, None]
    # What is not the best falls far below any rank.
    chosen = count - torch.add(rank, weighed - best, alpha=1e30).amax(0).to(torch.int32)
    return chosen, best if favour is None else best / favour[chosen]
