"""From the network's answers to finished fields: blended, then finished by the head, by tiles.

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
from xai4land.grids.axis import Axis
from xai4land.heads.base import FirstGuess
from xai4land.inference.forward import in_threads
from xai4land.inference.plan import Plan
from xai4land.typing import Floats, Ints
from xai4land.windows.buffers import empty_tensor
from xai4land.windows.chunks import Box, Span
from xai4land.windows.features import Pixels, missing_pixels
from xai4land.windows.fields import Stack
from xai4land.windows.lattice import Place, Windows

__all__ = ["make_fields"]

TILE, LARGE = 256, 2048
"""Pixels along a side of a tile, about, on the processor and on an accelerator."""


def make_fields(
    plan: Plan,
    number: tuple[int, int],
    stacks: Sequence[Stack],
    guess: FirstGuess,
    answers: Mapping[Place, torch.Tensor],
    turn: int,
) -> dict[str, np.ndarray]:
    """Make the fields of a block.

    Parameters
    ----------
    plan : Plan
    number : tuple of int
        Row and column of the block.
    stacks : sequence of Stack
    guess : FirstGuess
    answers : mapping from Place to Tensor, shape (layers, size, size)
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
    device = stacks[0].values.device
    fields = {
        name: empty_tensor((*output.shape, *shape), getattr(torch, output.block_dtype.name), device)
        for name, output in plan.outputs.items()
    }
    tiles = _Tiles(plan, guess, answers, number, device)

    def job(tile: Box) -> None:
        with torch.inference_mode():
            here, there = _overlap(tile, inner)
            for name, made in tiles.finish(tile).items():
                fields[name][(..., *here)] = made[(..., *there)]

    size = TILE if device.type == "cpu" else LARGE
    rows = _tiles(whole[0], layout.coarse.lat, layout.target.lattice_lat, size)
    columns = _tiles(whole[1], layout.coarse.lon, layout.target.lattice_lon, size)
    in_threads(device, job, list(itertools.product(rows, columns)), turn)
    missing = missing_pixels(plan.sources.grids, stacks, _pixels(plan, inner))
    if missing.any():
        for name, made in fields.items():
            made.masked_fill_(missing, plan.outputs[name].missing)
    flip = [-2] if layout.target.ascending else []
    return {name: download(made.flip(flip) if flip else made) for name, made in fields.items()}


class _Tiles:
    """Finishes one tile after another."""

    def __init__(
        self,
        plan: Plan,
        guess: FirstGuess,
        answers: Mapping[Place, torch.Tensor],
        number: tuple[int, int],
        device: torch.device,
    ) -> None:
        self.plan, self.guess, self.answers = plan, guess, answers
        self.places = plan.layout.places(number)
        self.gauss = _weights(plan.layout.windows).to(device)

    def finish(self, tile: Box) -> dict[str, torch.Tensor]:
        """Return the outputs of a tile."""
        pixels = _pixels(self.plan, tile)
        values = self.guess.values(pixels)
        blended = self._blend(tile, values)
        return self.plan.head.finish(blended, values, self.guess, pixels)

    def _blend(self, tile: Box, values: torch.Tensor) -> torch.Tensor:
        """Return the Gaussian-weighted mean of what the windows say."""
        size, head = self.plan.layout.windows.window.size, self.plan.head
        start = head.start(values)
        total = torch.zeros_like(values)
        weights = torch.zeros_like(values[0])
        for row, column in self.places:
            window = (row, row + size), (column, column + size)
            here, there = _overlap(window, tile)
            if any(part.start >= part.stop for part in here):
                continue
            gauss = self.gauss[there]
            raw = self.answers.get((row, column))
            if raw is None:
                answer = values[:, *here]
            else:
                answer = head.answer(raw[:, *there].float(), start[:, *here])
            total[:, *here].addcmul_(answer, gauss)
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


@cache
def _weights(windows: Windows) -> torch.Tensor:
    return torch.from_numpy(windows.weights())
