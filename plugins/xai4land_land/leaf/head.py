"""The head of leaf area: what each class has, weighted with its fraction of the pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from xai4land.grids.periods import Period
from xai4land.heads.base import TrainingWindow
from xai4land.heads.loss import Loss
from xai4land.heads.outputs import Output, check_finite
from xai4land.windows.cells import CellLookup, Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack, join_layers
from xai4land_land.leaf.outputs import LAI, LeafClasses

__all__ = ["CoverFractions", "LeafAreaHead"]

SPREAD_BOUNDS = (-6.0, 3.0)
"""Of the logarithm of the spread."""
COVERAGE = 0.9
"""Of the interval that the spread is fitted to; 1.645 spreads on each side of the mean."""
HALF_WIDTH = 1.645
WORTH_READING = 1e-3
"""Fraction of a pixel from which on leaf area is learned from it."""


class LeafAreaHead:
    """From one number a class to leaf area; see :class:`xai4land.heads.base.Head`.

    A class has ``bound * sigmoid(answer)``; the last layer is the logarithm of the spread.

    Parameters
    ----------
    leaves : LeafClasses
        The outputs as the card describes them.
    """

    missing_truth = float("nan")
    pixelwise = True
    title = "leaf area index"

    def __init__(self, leaves: LeafClasses) -> None:
        self.leaves = leaves

    @property
    def period(self) -> Period:
        """Return what a step stands for."""
        return self.leaves.step

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Return leaf area index and its spread."""
        top = max(c.bound for c in self.leaves.classes)
        mean = {
            "standard_name": LAI,
            "long_name": "leaf area index",
            "units": "1",
            "cell_methods": "area: mean time: mean",
            "valid_range": np.array([0, top], np.float32),
            "ancillary_variables": f"{LAI}_spread",
        }
        spread: dict[str, Any] = {
            "standard_name": f"{LAI} standard_error",
            "long_name": "spread of leaf area index; 90 % lie within 1.645 of it",
            "units": "1",
        }
        return tuple(
            Output(name, "float32", about, np.float32(np.nan))
            for name, about in zip(self.leaves.names, (mean, spread), strict=True)
        )

    def first_guess(self, stacks: Sequence[Stack]) -> CoverFractions:
        """Return the fractions of the classes."""
        return CoverFractions.of(self.leaves, stacks)

    def start(self, guess: torch.Tensor) -> torch.Tensor:
        """Return zero: half of what a class can have."""
        return torch.zeros_like(guess)

    def refine(self, raw: torch.Tensor, guess: Any, pixels: Pixels) -> torch.Tensor:
        """Return the network's answer as it is."""
        return raw

    def answer(self, raw: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
        """Return the network's answer, which windows are blended from."""
        return raw + start

    def finish(
        self, blended: torch.Tensor, values: torch.Tensor, guess: Any, pixels: Pixels
    ) -> dict[str, torch.Tensor]:
        """Return leaf area index and its spread."""
        mean, spread = self._mix(blended, values)
        check_finite(mean)
        spread = spread * self.leaves.spread * (mean > 0)
        return dict(zip(self.leaves.names, (mean, spread), strict=True))

    def learn(self, truth: Iterable[npt.NDArray[Any]]) -> LeafClasses:
        """Return the outputs as they are: bounds are given."""
        return self.leaves

    def loss(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> Loss:
        """Return the area-weighted loss of mean and spread.

        Huber's loss of the mean, robust to clouds; and the negative log-likelihood of its errors,
        as of a Laplace distribution, which the spread alone is fitted to.
        """
        error, spread, area = self._errors(raw, guess, windows)
        size = error.abs().detach()
        nats = size / spread + spread.log()
        losses = F.huber_loss(error, torch.zeros_like(error), reduction="none") + 0.1 * nats
        return Loss((losses * area).sum(), area.sum())

    def tune(
        self,
        raw: Sequence[torch.Tensor],
        guess: Sequence[torch.Tensor],
        windows: Sequence[TrainingWindow],
    ) -> LeafClasses:
        """Return the outputs with the factor by which 90 % lie within 1.645 spreads."""
        ratios = []
        for one, values, window in zip(raw, guess, windows, strict=True):
            error, spread, area = self._errors(one[None], values[None], [window])
            ratios.append((error.abs() / spread)[area > 0])
        joined = torch.cat(ratios) if ratios else torch.empty(0)
        if not joined.numel():
            return self.leaves
        factor = float(np.quantile(joined.cpu().numpy(), COVERAGE)) / HALF_WIDTH
        return self.leaves.model_copy(update={"spread": max(round(factor, 3), 1e-3)})

    def _errors(
        self, raw: torch.Tensor, guess: torch.Tensor, windows: Sequence[TrainingWindow]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return errors, spread and the weight of each pixel, shape (windows, rows, columns)."""
        truth = torch.stack([window.truth for window in windows])[:, 0]
        mean, spread = self._mix(self.answer(raw, self.start(guess)), guess)
        known = torch.isfinite(truth) & (guess[:, :-1].sum(1) > WORTH_READING)
        area = torch.stack([window.area for window in windows]) * known
        return torch.where(known, mean - torch.nan_to_num(truth), 0.0), spread, area

    def _mix(
        self, answer: torch.Tensor, fractions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and spread, (..., rows, columns), from (..., layers, rows, columns)."""
        leaves = torch.sigmoid(answer[..., :-1, :, :]) * self._bounds.to(answer.device)
        mean = (leaves * fractions[..., :-1, :, :]).sum(-3)
        return mean, answer[..., -1, :, :].clamp(*SPREAD_BOUNDS).exp()

    @cached_property
    def _bounds(self) -> torch.Tensor:
        return torch.tensor([c.bound for c in self.leaves.classes])[:, None, None]


@dataclass(frozen=True)
class CoverFractions:
    """Fractions of the classes that have leaves, around a place.

    Attributes
    ----------
    field : Field
        One layer a class.
    """

    field: Field

    @classmethod
    def of(cls, leaves: LeafClasses, stacks: Sequence[Stack]) -> CoverFractions:
        """Return the fractions that the stacks hold."""
        return cls(join_layers(stacks, leaves.coarse_inputs))

    def values(self, pixels: Pixels) -> torch.Tensor:
        """Return the fractions on pixels, and a layer of zeros for the spread."""
        found, _ = self.field.interpolate(*pixels)
        return torch.cat([found.clamp(0, 1), torch.zeros_like(found[:1])])

    def fill_channels(self, channels: torch.Tensor, values: torch.Tensor, pixels: Pixels) -> None:
        """Write nothing: the network does not see fractions."""

    def is_trivial(self, pixels: Pixels) -> bool:
        """Return whether nothing grows in all of a window."""
        return not bool((torch.nan_to_num(self.field.interpolate(*pixels)[0]) > 0).any())

    def cells(self, pixels: Pixels) -> Cells:
        """Return the fractions in the cells under pixels."""
        return self._lookup.cells(self.field, pixels)

    def undecided(self, pixels: Pixels) -> torch.Tensor:
        """Return where something grows."""
        return self.values(pixels)[:-1].sum(0) > WORTH_READING

    @cached_property
    def _lookup(self) -> CellLookup:
        return CellLookup(self.field.grid, self.field.values.device)
