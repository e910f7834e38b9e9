"""From the network's output to finished fields: blended, then finished by the head, tile by tile.

A tile is small enough to stay in the CPU's cache, so that no float array of a whole block is
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
from xai4land.inference.forward import run_in_threads
from xai4land.inference.layout import BlockIndex
from xai4land.inference.plan import Plan
from xai4land.typing import Floats, Ints
from xai4land.windows.buffers import empty_tensor
from xai4land.windows.chunks import Box, Span
from xai4land.windows.features import Pixels, missing_pixels
from xai4land.windows.fields import Stack
from xai4land.windows.lattice import WindowCorner, Windows

__all__ = ["make_fields"]

CPU_TILE_SIDE, ACCELERATOR_TILE_SIDE = 256, 2048
"""Approximate rows and columns of a tile, in pixels."""


def make_fields(
    plan: Plan,
    index: BlockIndex,
    stacks: Sequence[Stack],
    guess: FirstGuess,
    answers: Mapping[WindowCorner, torch.Tensor],
    priority: int,
) -> dict[str, np.ndarray]:
    """Make the fields of a block.

    Parameters
    ----------
    plan : Plan
    index : BlockIndex
    stacks : sequence of Stack
    guess : FirstGuess
    answers : mapping from WindowCorner to Tensor, shape (layers, size, size)
        The network's output for the windows that needed it.
    priority : int
        Blocks with lower numbers run first.

    Returns
    -------
    dict of ndarray
        As :func:`xai4land.inference.blocks.run_block` returns them.
    """
    layout = plan.layout
    box, extended = layout.box(index), layout.extended_box(index)
    shape = tuple(stop - start for start, stop in box)
    device = stacks[0].values.device
    fields = {
        name: empty_tensor((*output.shape, *shape), getattr(torch, output.block_dtype.name), device)
        for name, output in plan.outputs.items()
    }
    finisher = _TileFinisher(plan, guess, answers, index, device)

    def job(tile: Box) -> None:
        with torch.inference_mode():
            in_box, in_tile = _overlap(box, tile)
            for name, values in finisher.finish(tile).items():
                fields[name][(..., *in_box)] = values[(..., *in_tile)]

    size = CPU_TILE_SIDE if device.type == "cpu" else ACCELERATOR_TILE_SIDE
    rows = _cut_into_tiles(extended[0], layout.coarse.lat, layout.target.lattice_lat, size)
    columns = _cut_into_tiles(extended[1], layout.coarse.lon, layout.target.lattice_lon, size)
    run_in_threads(device, job, list(itertools.product(rows, columns)), priority)
    missing = missing_pixels(plan.sources.grids, stacks, _pixels(plan, box))
    if missing.any():
        for name, values in fields.items():
            values.masked_fill_(missing, plan.outputs[name].missing)
    flip = [-2] if layout.target.ascending else []
    return {name: download(v.flip(flip) if flip else v) for name, v in fields.items()}


class _TileFinisher:
    """Finishes the tiles of a block one by one."""

    def __init__(
        self,
        plan: Plan,
        guess: FirstGuess,
        answers: Mapping[WindowCorner, torch.Tensor],
        index: BlockIndex,
        device: torch.device,
    ) -> None:
        self.plan, self.guess, self.answers = plan, guess, answers
        self.corners = plan.layout.corners(index)
        self.window_weights = _blend_weights(plan.layout.windows).to(device)

    def finish(self, tile: Box) -> dict[str, torch.Tensor]:
        """Return the outputs of a tile."""
        pixels = _pixels(self.plan, tile)
        values = self.guess.values(pixels)
        blended = self._blend(tile, values)
        return self.plan.head.finish(blended, values, self.guess, pixels)

    def _blend(self, tile: Box, values: torch.Tensor) -> torch.Tensor:
        """Return the Gaussian-weighted mean of the windows."""
        size, head = self.plan.layout.windows.window.size, self.plan.head
        start = head.start(values)
        total = torch.zeros_like(values)
        weights = torch.zeros_like(values[0])
        for corner in self.corners:
            window = (corner[0], corner[0] + size), (corner[1], corner[1] + size)
            in_tile, in_window = _overlap(tile, window)
            if any(part.start >= part.stop for part in in_tile):
                continue
            weight = self.window_weights[in_window]
            raw = self.answers.get(corner)
            if raw is None:
                answer = values[:, *in_tile]
            else:
                answer = head.answer(raw[:, *in_window].float(), start[:, *in_tile])
            total[:, *in_tile].addcmul_(answer, weight)
            weights[in_tile] += weight
        return total / weights


def _pixels(plan: Plan, box: Box) -> Pixels:
    rows, columns = (np.arange(*span) for span in box)
    return Pixels.of(plan.layout.target, rows, columns)


def _overlap(one: Box, other: Box) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return slices of two boxes where they overlap."""
    in_one, in_other = [], []
    for (first, last), (start, stop) in zip(one, other, strict=True):
        low, high = max(first, start), min(last, stop)
        in_one.append(slice(low - first, high - first))
        in_other.append(slice(low - start, high - start))
    return (in_one[0], in_one[1]), (in_other[0], in_other[1])


def _cut_into_tiles(
    span: Span, axis: Axis, points: Callable[[Ints], Floats], size: int
) -> list[Span]:
    """Cut a range of pixels into tiles of whole cells, of equal length near ``size``."""
    cells = axis.cell_index(points(np.arange(*span)))
    starts = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))
    numbers = starts * max(round(cells.size / size), 1) // cells.size
    firsts = starts[np.diff(numbers, prepend=-1) > 0] + span[0]
    return list(itertools.pairwise([*firsts.tolist(), span[1]]))


@cache
def _blend_weights(windows: Windows) -> torch.Tensor:
    return torch.from_numpy(windows.blend_weights())
