"""From the network's answers to maps: blended, conserved, chosen and packed, tile by tile.

A tile is small enough to stay in the processor's cache, so that no float of a whole block is
ever written; only bytes leave it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import torch

from xai4land.device import download
from xai4land.errors import EmulatorError
from xai4land.grids.axis import Axis
from xai4land.heads.conserve import conserve
from xai4land.inference.forward import in_threads
from xai4land.inference.plan import Plan
from xai4land.typing import Floats, Ints
from xai4land.windows.buffers import empty_tensor
from xai4land.windows.chunks import Box, Span
from xai4land.windows.features import FLOOR, ClassFractions, Pixels, missing_pixels
from xai4land.windows.fields import Stack
from xai4land.windows.lattice import Place, Windows

__all__ = ["CONFIDENCE_STEPS", "MISSING", "make_maps"]

MISSING = 255
CONFIDENCE_STEPS = 100
TILE, LARGE = 256, 2048
"""Pixels along a side of a tile, about, on the processor and on an accelerator."""


def make_maps(
    plan: Plan,
    number: tuple[int, int],
    stacks: Sequence[Stack],
    fractions: ClassFractions,
    logits: Mapping[Place, torch.Tensor],
    turn: int,
) -> dict[str, np.ndarray]:
    """The maps of a block.

    Parameters
    ----------
    plan : Plan
    number : tuple of int
        Row and column of the block.
    stacks : sequence of Stack
    fractions : ClassFractions
    logits : mapping from Place to Tensor, shape (classes, size, size)
        What the network says of the windows that needed it.
    turn : int
        The block's, among those at work.

    Returns
    -------
    dict of ndarray
        As :func:`xai4land.inference.blocks.run_block` returns them.
    """
    layout = plan.layout
    inner, whole = layout.box(number), layout.whole(number)
    shape = tuple(stop - start for start, stop in inner)
    device = fractions.classes.values.device
    names = ["classes", "confidence", *(("nearest", "bilinear") if plan.baselines else ())]
    maps = {name: empty_tensor(shape, torch.uint8, device) for name in names}
    if plan.probabilities:
        maps["probability"] = empty_tensor((len(plan.card.classes), *shape), torch.float32, device)
    makers = _Tile(plan, stacks, fractions, logits, number)

    def job(tile: Box) -> None:
        with torch.inference_mode():
            here, there = _overlap(tile, inner)
            for name, made in makers.maps(tile).items():
                maps[name][(..., *here)] = made[(..., *there)]

    size = TILE if device.type == "cpu" else LARGE
    rows = _tiles(whole[0], plan.layout.states.lat, layout.target.lattice_lat, size)
    columns = _tiles(whole[1], plan.layout.states.lon, layout.target.lattice_lon, size)
    in_threads(device, job, list(itertools.product(rows, columns)), turn)
    missing = missing_pixels(plan.grids, stacks, _pixels(plan, inner))
    if missing.any():
        for name, made in maps.items():
            made.masked_fill_(missing, torch.nan if name == "probability" else MISSING)
    flip = [-2] if layout.target.ascending else []
    return {name: download(made.flip(flip) if flip else made) for name, made in maps.items()}


class _Tile:
    """Makes the maps of one tile after another."""

    def __init__(
        self,
        plan: Plan,
        stacks: Sequence[Stack],
        fractions: ClassFractions,
        logits: Mapping[Place, torch.Tensor],
        number: tuple[int, int],
    ) -> None:
        self.plan, self.stacks, self.fractions = plan, stacks, fractions
        self.logits, self.places = logits, plan.layout.places(number)
        device = fractions.classes.values.device
        classes = plan.card.classes
        self.gauss = _weights(plan.layout.windows).to(device)
        self.groups = torch.tensor(plan.card.class_groups, device=device)
        self.values = torch.tensor([c.value for c in classes], dtype=torch.uint8, device=device)
        self.favour = torch.tensor([c.weight for c in classes], device=device)

    def maps(self, tile: Box) -> dict[str, torch.Tensor]:
        plan = self.plan
        pixels = _pixels(plan, tile)
        prior = self.fractions.prior(pixels)
        probability = self._blended(tile, prior)
        if plan.card.conserve:
            probability = conserve(probability, self.fractions.cells(pixels), self.groups)
        chosen, likely = _choose(probability, self.favour)
        maps = {
            "classes": self.values[chosen],
            "confidence": likely.clamp(0, 1).mul(CONFIDENCE_STEPS).round().to(torch.uint8),
        }
        if plan.baselines:
            maps["bilinear"] = self.values[_choose(prior)[0]]
            maps["nearest"] = self.values[self.fractions.majority(pixels)]
        return maps | ({"probability": probability} if plan.probabilities else {})

    def _blended(self, tile: Box, prior: torch.Tensor) -> torch.Tensor:
        """Gaussian-weighted mean of the windows' probabilities."""
        size = self.plan.layout.windows.window.size
        log_prior = torch.log(prior + FLOOR)
        total = torch.zeros_like(prior)
        weights = torch.zeros_like(prior[0])
        for row, column in self.places:
            window = (row, row + size), (column, column + size)
            here, there = _overlap(window, tile)
            if any(part.start >= part.stop for part in here):
                continue
            gauss = self.gauss[there]
            logits = self.logits.get((row, column))
            if logits is None:
                likely = prior[:, *here]
            else:
                likely = torch.softmax(logits[:, *there].float() + log_prior[:, *here], 0)
            total[:, *here].addcmul_(likely, gauss)
            weights[here] += gauss
        return total / weights


def _pixels(plan: Plan, box: Box) -> Pixels:
    rows, columns = (np.arange(*span) for span in box)
    return Pixels.of(plan.layout.target, rows, columns)


def _overlap(one: Box, other: Box) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where two boxes meet, within the other and within the one."""
    here, there = [], []
    for (first, last), (start, stop) in zip(one, other, strict=True):
        low, high = max(first, start), min(last, stop)
        here.append(slice(low - start, high - start))
        there.append(slice(low - first, high - first))
    return (here[0], here[1]), (there[0], there[1])


def _tiles(span: Span, axis: Axis, points: Callable[[Ints], Floats], size: int) -> list[Span]:
    """Cut a range of pixels into tiles of whole cells, alike and about a size long."""
    cells = axis.cell_index(points(np.arange(*span)))
    starts = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))
    numbers = starts * max(round(cells.size / size), 1) // cells.size
    firsts = starts[np.diff(numbers, prepend=-1) > 0] + span[0]
    return list(itertools.pairwise([*firsts.tolist(), span[1]]))


def _choose(
    probability: torch.Tensor, favour: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The class that is most likely, times its factor, and how likely it is; the first of equals.

    In sums and maxima, which are fast; torch's argmax over the first dimension is not.
    """
    weighed = probability if favour is None else probability * favour[:, None, None]
    best = weighed.amax(0)
    if not bool(best.sum().isfinite()):
        raise EmulatorError(
            "the network answered with numbers that are not finite; precision='float32' may help, "
            "or the emulator's weights are faulty"
        )
    count = probability.shape[0]
    rank = torch.arange(count, 0, -1, dtype=best.dtype, device=best.device)[:, None, None]
    # What is not the best falls far below any rank.
    chosen = count - torch.add(rank, weighed - best, alpha=1e30).amax(0).to(torch.int32)
    return chosen, best if favour is None else best / favour[chosen]


@cache
def _weights(windows: Windows) -> torch.Tensor:
    return torch.from_numpy(windows.weights())
