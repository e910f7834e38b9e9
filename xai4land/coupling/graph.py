"""One window from coarse states to a map, as a module whose every step ONNX knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from xai4land.emulator.card import MapCard
from xai4land.emulator.emulator import Emulator
from xai4land.emulator.onnx_file import OUTPUTS
from xai4land.emulator.outputs import MISSING_CLASS, Classes
from xai4land.errors import InputError
from xai4land.grids.axis import Axis
from xai4land.heads.conserve import RELAXATION, ROUNDS, SMALLEST_PROBABILITY
from xai4land.heads.fractions import FRACTION_FLOOR
from xai4land.heads.smooth import FLOOR, LARGEST
from xai4land.heads.smooth import ROUNDS as SMOOTH_ROUNDS

__all__ = ["MARGIN", "WindowGraph"]

LARGEST_DIFFERENCE = 1e-4
"""Of probabilities, between ONNX Runtime and torch."""
LEAST_AGREEMENT = 0.9999
"""Share of pixels of the same class."""
MARGIN = 1
"""Coarse cells around a window that its pixels are interpolated from."""


class WindowGraph(nn.Module):
    """Features, network and map of a window that begins and ends at borders of coarse cells.

    Parameters
    ----------
    emulator : Emulator
        Of classes.
    cells : int, optional
        Coarse cells along a side of the window; by default as many as fit into the emulator's.

    Raises
    ------
    InputError
        If coarse cells hold no whole number of pixels, or the window cannot be.
    """

    output_names = OUTPUTS
    not_inside = (
        "blending of windows that overlap, exact areas, drawn maps, land masks, interpolation of "
        "static features to pixels"
    )
    members: torch.Tensor
    without_states: torch.Tensor
    belongs: torch.Tensor
    share: torch.Tensor
    unknown: torch.Tensor
    favour: torch.Tensor
    flags: torch.Tensor
    spread: torch.Tensor
    centres: torch.Tensor

    def __init__(self, emulator: Emulator, cells: int | None = None) -> None:
        super().__init__()
        card, outputs = emulator.card, emulator.card.outputs
        assert isinstance(outputs, Classes)
        self.card, self.outputs = card, outputs
        self.cells, self.pixels = cells, pixels = _choose_window(card, cells)
        self.network = emulator.network()
        self.numbers = [s for s in card.inputs if not s.coded and s.name not in outputs.states]
        classes = outputs.classes
        members = torch.zeros(len(outputs.groups), len(outputs.states))
        for k, group in enumerate(outputs.groups):
            for name in group:
                members[k, outputs.states.index(name)] = 1.0
        groups = torch.tensor(outputs.class_groups)
        share = torch.tensor([c.share for c in classes])
        rest = torch.tensor([not c.states for c in classes])
        belongs = torch.nn.functional.one_hot(groups, len(outputs.groups)).float()
        self._keep("members", members)
        self._keep("without_states", torch.tensor([not g for g in outputs.groups]))
        self._keep("belongs", belongs)
        self._keep("share", share[:, None, None])
        self._keep("unknown", torch.where(rest, share, 0.0)[:, None, None])
        self._keep("favour", torch.tensor([c.weight for c in classes])[:, None, None])
        self._keep("flags", torch.tensor([c.value for c in classes]))
        self._keep("spread", _interpolation(cells, pixels))
        self._keep("centres", _between_centres(cells, pixels))
        for spec in card.coded:
            self._keep(f"codes_of_{spec.name}", torch.tensor(spec.codes)[:, None, None])

    def _keep(self, name: str, value: torch.Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        """Shapes and types of the arguments for one window, without the batch."""
        side, wide = self.cells * self.pixels, self.cells + 2 * MARGIN
        found: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}
        found["states"] = (len(self.outputs.states), wide, wide), torch.float32
        if self.numbers:
            found["numbers"] = ((len(self.numbers), side, side), torch.float32)
        if self.card.coded:
            found["codes"] = ((len(self.card.coded), side, side), torch.int64)
        return found

    @property
    def about(self) -> dict[str, Any]:
        """What the arguments are, as JSON has it."""
        return {
            "states": list(self.outputs.states),
            "numbers": [spec.name for spec in self.numbers],
            "codes": [spec.name for spec in self.card.coded],
        }

    def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return classes, probabilities, and the network's answer and what it sees.

        Parameters
        ----------
        *arguments : Tensor
            As :attr:`shapes` names them: fractions of coarse cells (batch, states, rows, columns),
            with a margin of one cell; numbers and codes on pixels. Numbers may be missing.
        """
        given = dict(zip(self.shapes, arguments, strict=True))
        fractions = given["states"]
        fractions_known = torch.isfinite(fractions)
        known = fractions_known.all(1, keepdim=True)
        by_group = self._group(torch.where(fractions_known, fractions, 0.0))
        classes = torch.einsum("bgij,cg->bcij", by_group, self.belongs) * self.share
        values = self._interpolate_classes(classes, known)
        x = self._make_channels(given, classes, values, known)
        codes = self._number_codes(given)
        raw = self.network(x, codes)
        inner = slice(MARGIN, -MARGIN)
        wanted, there = by_group[..., inner, inner], known[..., inner, inner]
        start = torch.log(values + FRACTION_FLOOR)
        likely = torch.softmax(self._smooth(raw, start, wanted, there) + start, 1)
        if self.outputs.temperature != 1:
            likely = torch.softmax(torch.log(likely.clamp(min=1e-12)) / self.outputs.temperature, 1)
        if self.outputs.conserve:
            likely = self._conserve(likely, wanted, there)
        chosen = self.flags[(likely * self.favour).argmax(1)]
        missing = ~self._to_pixels(there)[:, 0] | self._find_missing(given)
        chosen = torch.where(missing, MISSING_CLASS, chosen).to(torch.uint8)
        return chosen, likely, raw, x, codes

    def _group(self, fractions: torch.Tensor) -> torch.Tensor:
        found = torch.einsum("bsij,gs->bgij", fractions, self.members)
        rest = (1 - fractions.sum(1, keepdim=True)).clamp(min=0)
        return torch.where(self.without_states[:, None, None], rest, found)

    def _interpolate(
        self, values: torch.Tensor, known: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return values of cells on pixels, from those that are known, and their weight."""
        weight = self.spread @ known.to(values.dtype) @ self.spread.T
        weight = torch.where(weight > 1e-6, weight, 0.0)
        total = self.spread @ torch.where(known, values, 0.0) @ self.spread.T
        return torch.where(weight > 0, total / weight.clamp(min=1e-6), 0.0), weight

    def _interpolate_classes(self, classes: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
        values, weight = self._interpolate(classes, known)
        values = torch.where(weight > 0, values, self.unknown)
        return values / values.sum(1, keepdim=True).clamp(min=1e-6)

    def _make_channels(
        self,
        given: dict[str, torch.Tensor],
        classes: torch.Tensor,
        values: torch.Tensor,
        known: torch.Tensor,
    ) -> torch.Tensor:
        """Return what the network sees, (batch, channels, size, size)."""
        states = given["states"]
        on_pixels, weight = self._interpolate(states, torch.isfinite(states))
        channels = []
        for spec in self.card.inputs:
            if spec.coded:
                continue
            if spec.name in self.outputs.states:
                k = self.outputs.states.index(spec.name)
                value, share = on_pixels[:, k], weight[:, k]
            else:
                k = [s.name for s in self.numbers].index(spec.name)
                value = given["numbers"][:, k]
                share = torch.isfinite(value).to(value.dtype)
                value = torch.where(share > 0, value, 0.0)
            scaled = (value - spec.offset) / spec.scale
            if spec.fill is not None:
                filled = (spec.fill - spec.offset) / spec.scale
                channels += [scaled * share + (1 - share) * filled, share]
            else:
                channels.append(scaled)
        inner = slice(MARGIN, -MARGIN)
        own = torch.where(known, classes, 0.0)[..., inner, inner]
        guess = [torch.log(values + FRACTION_FLOOR) * 0.25, (self._to_pixels(own) - values) * 4]
        return torch.cat([torch.stack(channels, 1), *guess], 1)

    def _number_codes(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return positions of codes among those of the card, from one; 0 for others."""
        states = given["states"]
        if not self.card.coded:
            size = self.cells * self.pixels
            return torch.zeros((states.shape[0], 0, size, size), dtype=torch.int64)
        found = []
        for k, spec in enumerate(self.card.coded):
            table = getattr(self, f"codes_of_{spec.name}")
            same = (given["codes"][:, k, None] == table).to(torch.int64)
            number = torch.arange(1, len(spec.codes) + 1)[:, None, None]
            found.append((same * number).sum(1))
        return torch.stack(found, 1)

    def _find_missing(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Tell where a number that cannot be filled is missing."""
        size = self.cells * self.pixels
        missing = torch.zeros((given["states"].shape[0], size, size), dtype=torch.bool)
        for k, spec in enumerate(self.numbers):
            if not spec.fillable:
                missing = missing | ~torch.isfinite(given["numbers"][:, k])
        return missing

    def _to_pixels(self, cells: torch.Tensor) -> torch.Tensor:
        """Return values of cells on their pixels."""
        return cells.repeat_interleave(self.pixels, -2).repeat_interleave(self.pixels, -1)

    def _mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return the means of the groups of classes over coarse cells."""
        grouped = torch.einsum("bcij,cg->bgij", values, self.belongs)
        return torch.nn.functional.avg_pool2d(grouped, self.pixels)

    def _of_classes(self, groups: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bgij,cg->bcij", groups, self.belongs)

    def _smooth(
        self, raw: torch.Tensor, start: torch.Tensor, wanted: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        """Add the smooth part of the factors; see :mod:`xai4land.heads.smooth`."""
        if not (self.outputs.smooth and self.outputs.conserve):
            return raw
        likely = torch.softmax(raw + start, 1)
        factor = torch.zeros_like(wanted)
        logarithm = torch.log(likely.clamp(min=FLOOR))
        for _ in range(SMOOTH_ROUNDS):
            spread = self._of_classes(self.centres @ factor @ self.centres.T)
            mean = self._mean(torch.softmax(logarithm + spread, 1))
            step = torch.log((wanted + FLOOR) / (mean + FLOOR))
            factor = (factor + torch.where(known, step, 0.0)).clamp(-LARGEST, LARGEST)
        spread = self._of_classes(self.centres @ factor @ self.centres.T)
        return raw + self.outputs.smooth * spread

    def _conserve(
        self, likely: torch.Tensor, wanted: torch.Tensor, known: torch.Tensor
    ) -> torch.Tensor:
        """Fit probabilities to the cells; see :func:`xai4land.heads.conserve.conserve`."""
        likely = likely.clamp(min=SMALLEST_PROBABILITY)
        factor = torch.ones_like(wanted)
        for number in range(ROUNDS):
            scaled = likely * self._to_pixels(self._of_classes(factor))
            mean = self._mean(scaled / scaled.sum(1, keepdim=True).clamp(min=1e-12))
            ratio = torch.where(known, wanted / mean.clamp(min=SMALLEST_PROBABILITY), 1.0)
            factor = factor * (ratio**RELAXATION if number else ratio)
        scaled = likely * self._to_pixels(self._of_classes(factor))
        return scaled / scaled.sum(1, keepdim=True).clamp(min=1e-12)

    def make_example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """Return arguments at random, of the card's statistics, that a graph can be run with."""
        rng = np.random.default_rng(0)
        made: list[Any] = []
        for name, (shape, _) in self.shapes.items():
            if name == "states":
                parts = rng.dirichlet(np.full(shape[0] + 1, 0.5), (batch, *shape[1:]))
                made.append(np.moveaxis(parts[..., :-1], -1, 1).astype(np.float32))
            elif name == "numbers":
                scale = np.array([s.scale for s in self.numbers])[:, None, None]
                offset = np.array([s.offset for s in self.numbers])[:, None, None]
                made.append((offset + scale * rng.normal(size=(batch, *shape))).astype(np.float32))
            else:
                codes = [rng.choice(s.codes, (batch, *shape[1:])) for s in self.card.coded]
                made.append(np.stack(codes, 1).astype(np.int64))
        return tuple(torch.from_numpy(one) for one in made)

    def compare(self, expected: list[Any], made: list[Any]) -> tuple[dict[str, float], str]:
        """Return the differences of two answers, and what is wrong with them or an empty text."""
        found = {
            "difference": float(np.abs(made[1] - expected[1]).max()),
            "agreement": float((made[0] == expected[0]).mean()),
        }
        if found["difference"] <= LARGEST_DIFFERENCE and found["agreement"] >= LEAST_AGREEMENT:
            return found, ""
        return found, (
            f"by {found['difference']:.2g} in probability, and in the class of "
            f"{1 - found['agreement']:.4%} of the pixels"
        )


def _choose_window(card: MapCard, cells: int | None) -> tuple[int, int]:
    """Return coarse cells along a window, and pixels along a cell."""
    problems = []
    ratio = card.resolution.states / card.resolution.target
    pixels = round(ratio)
    if abs(ratio - pixels) > 1e-3 or pixels < 1:
        problems.append(
            f"a coarse cell of {card.resolution.states:g}° has no whole number of pixels of "
            f"{card.resolution.target:g}°, which a graph of fixed shapes needs"
        )
    count = card.window.size // max(pixels, 1) if cells is None else cells
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= 1024:
        problems.append(f"cells={cells!r}, expected a number of coarse cells from 2, or none")
    InputError.raise_if(problems)
    return count, pixels


def _interpolation(cells: int, pixels: int) -> torch.Tensor:
    """Return the matrix from cells with their margin to pixels, as the engine interpolates."""
    wide = cells + 2 * MARGIN
    axis = Axis(np.arange(wide, dtype=np.float64))
    points = MARGIN - 0.5 + (np.arange(cells * pixels) + 0.5) / pixels
    first, matrix = axis.resampling_matrix(points, 1 / pixels)
    whole = np.zeros((points.size, wide), np.float32)
    whole[:, first : first + matrix.shape[1]] = matrix
    return torch.from_numpy(whole)


def _between_centres(cells: int, pixels: int) -> torch.Tensor:
    """Return the matrix from cells to pixels between their centres, constant beyond the ends."""
    axis = Axis(np.arange(max(cells, 2), dtype=np.float64))
    points = (np.arange(cells * pixels) + 0.5) / pixels - 0.5
    if cells == 1:
        return torch.ones(pixels, 1)
    first, matrix = axis.resampling_matrix(points.clip(0, cells - 1), 1 / pixels)
    whole = np.zeros((points.size, cells), np.float32)
    whole[:, first : first + matrix.shape[1]] = matrix
    return torch.from_numpy(whole)
