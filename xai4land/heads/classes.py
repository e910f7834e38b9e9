"""The head of class maps: fractions of classes, made sharper by a network.

The network's answer is added to the logarithm of the interpolated fractions; so a fresh network
gives these. The probabilities are then fitted to the fractions in each coarse cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xai4land.emulator.outputs import MISSING_CLASS, ClassMap, flags
from xai4land.grids.cf import Period
from xai4land.heads.base import TrainingWindow
from xai4land.heads.choice import choice_weights
from xai4land.heads.conserve import PURE, conserve
from xai4land.heads.outputs import CONFIDENCE_STEPS, Dimension, Output, check_finite
from xai4land.windows.cells import CellLookup, Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack
from xai4land.windows.masks import Mask

__all__ = ["ClassFractions", "ClassHead", "choose_class", "group_fractions", "pack_confidence"]

FRACTION_FLOOR = 1e-3
"""Added to a class fraction before its logarithm, so that no class is ruled out."""
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
        domain: Mask | None = None,
        outside: str = "",
    ) -> None:
        self.classes, self.probabilities, self.baselines = classes, probabilities, baselines
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
        found = [
            Output(name, "uint8", main, np.uint8(MISSING_CLASS)),
            Output("confidence", "float32", sure, np.int8(-128), (), CONFIDENCE_STEPS, packing),
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
        return ClassFractions.of(self.classes, stacks)

    def start(self, guess: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the fractions."""
        return torch.log(guess + FRACTION_FLOOR)

    def answer(self, raw: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """Return probabilities."""
        return torch.softmax(raw + start, -3)

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: ClassFractions, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return maps of the most likely class and how likely it is; see :class:`Head`."""
        name = self.classes.name
        codes, favour, groups = (part.to(blended.device) for part in self._constants)
        inside = None if self.domain is None else self.domain.on(pixels, blended.device)
        probability, values = (self._restrict(part, inside) for part in (blended, values))
        if self.classes.conserve:
            probability = conserve(probability, guess.cells(pixels), groups)
            probability = self._restrict(probability, inside)
        chosen, likely = choose_class(probability, favour)
        maps = {
            name: codes[chosen],
            "confidence": pack_confidence(likely),
        }
        if self.baselines:
            maps[f"{name}_bilinear"] = codes[choose_class(values)[0]]
            own = guess.majority(pixels)
            if inside is not None:
                own = choose_class(self._restrict(guess.own(pixels), inside))[0]
            maps[f"{name}_nearest"] = codes[own]
        return maps | ({f"{name}_probability": probability} if self.probabilities else {})

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
        classes = self.classes.classes
        counts = np.zeros(256)
        for piece in truth:
            counts += np.bincount(piece.ravel(), minlength=256)
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
        likely = self.answer(raw, self.start(guess))
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
    ) -> torch.Tensor:
        """Return the area-weighted cross-entropy after fitting to the coarse fractions.

        It is a proper score, so that ``confidence`` stays calibrated.
        """
        probability = self.probabilities_of(raw, guess, windows)
        truth = torch.stack([window.truth[0] for window in windows]).long()
        area = torch.stack([window.area for window in windows]) * (truth != MISSING_CLASS)
        last = len(self.classes.classes) - 1
        likely = probability.gather(1, truth.clamp(max=last)[:, None])[:, 0]
        losses = -torch.log(likely.clamp(min=1e-6))
        return (losses * area).sum() / area.sum().clamp(min=1)

    def tune(
        self,
        raw: Sequence[torch.Tensor],
        guess: Sequence[torch.Tensor],
        windows: Sequence[TrainingWindow],
    ) -> ClassMap:
        """Return the classes with the factors of the choice that suit validation windows."""
        probability, truth, area = [], [], []
        for one, values, window in zip(raw, guess, windows, strict=True):
            fitted = self.probabilities_of(one[None], values[None], [window])[0].cpu()
            codes = window.truth[0].cpu()
            known = codes != MISSING_CLASS
            probability.append(fitted[:, known].numpy())
            truth.append(codes[known].long().numpy())
            area.append(window.area.cpu()[known].numpy())
        weights = choice_weights(
            np.concatenate(probability, 1), np.concatenate(truth), np.concatenate(area)
        )
        classes = [
            one.model_copy(update={"weight": weight})
            for one, weight in zip(self.classes.classes, weights, strict=True)
        ]
        return self.classes.model_copy(update={"classes": tuple(classes)})


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


def pack_confidence(likely: torch.Tensor) -> torch.Tensor:
    """Return probabilities as blocks keep them, in steps of ``1 / CONFIDENCE_STEPS``."""
    return likely.clamp(0, 1).mul(CONFIDENCE_STEPS).round().to(torch.uint8)


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
