"""Windows to learn from, cut from the features that inference uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from xai4land.emulator.card import Card
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land.windows.features import (
    PURE,
    Cells,
    ClassFractions,
    Features,
    Pixels,
    class_fractions,
    make_features,
    missing_pixels,
)
from xai4land.windows.fields import Stack

__all__ = ["UNKNOWN", "Sample", "Samples"]

UNKNOWN = 255


@dataclass(frozen=True)
class Sample:
    """A window: features, coarse cells, and the truth where it counts.

    ``truth`` holds positions in the legend, :data:`UNKNOWN` elsewhere; ``area`` the weight of
    each row of pixels, the cosine of its latitude.
    """

    features: Features
    cells: Cells
    truth: torch.Tensor
    area: torch.Tensor


@dataclass(frozen=True, eq=False)
class Samples:
    """Windows of one split.

    Parameters
    ----------
    card : Card
    stacks : sequence of sequence of Stack
        For each time the whole of the inputs.
    target : Grid
    truth : ndarray of uint8, shape (times, rows, columns)
        Position in the legend, rows from the north; :data:`UNKNOWN` outside the split.
    """

    card: Card
    stacks: Sequence[Sequence[Stack]]
    target: Grid
    truth: npt.NDArray[np.uint8]

    def at(self, time: int, row: int, column: int) -> Sample:
        """The window whose corner is at a row and column of the target, from the north-west."""
        size = self.card.window.size
        down, across = np.arange(row, row + size), np.arange(column, column + size)
        top, left = self.target.lattice_origin
        pixels = Pixels.of(self.target, down + top, across + left)
        stacks, fractions = self.stacks[time], self._fractions[time]
        features = make_features(self.card, stacks, fractions, pixels)
        missing = missing_pixels([stack.grid for stack in stacks], stacks, pixels)
        truth = self._cut(time, down, across)
        truth[missing.numpy()] = UNKNOWN
        area = np.cos(np.deg2rad(pixels.lat)).clip(0)
        return Sample(
            features,
            self._whole(fractions.cells(pixels), down + top, across + left),
            torch.from_numpy(truth).long(),
            torch.from_numpy(area.astype(np.float32))[:, None].expand(size, size),
        )

    def draw(self, count: int, rng: np.random.Generator) -> list[Sample]:
        """Windows at random, more often where more can be learned."""
        found = np.searchsorted(self._chances, rng.random(count))
        return [self.at(*map(int, self._corners[i])) for i in found]

    def covering(self, most: int, rng: np.random.Generator) -> list[Sample]:
        """Windows side by side wherever there is something to learn, or ``most`` of them."""
        size = self.card.window.size
        whole = self._corners[self._gains > 0]
        aligned = whole[(whole[:, 1] % size == 0) & (whole[:, 2] % size == 0)]
        chosen = aligned if len(aligned) else whole
        if len(chosen) > most:
            chosen = chosen[np.sort(rng.choice(len(chosen), most, replace=False))]
        return [self.at(*map(int, corner)) for corner in chosen]

    @cached_property
    def _fractions(self) -> list[ClassFractions]:
        return [class_fractions(self.card, stacks) for stacks in self.stacks]

    @cached_property
    def _step(self) -> int:
        """Distance between candidate corners: whole coarse cells, an eighth of a window or so."""
        cell = max(round(self.card.resolution.states / self.card.resolution.target), 1)
        return max(self.card.window.size // 8 // cell, 1) * cell

    @cached_property
    def _candidates(self) -> tuple[Ints, npt.NDArray[np.int64]]:
        """Corners (time, row, column), and the known pixels of mixed cells in their windows."""
        size, (height, width) = self.card.window.size, self.target.shape
        periodic = self.target.lon.periodic
        rows = np.unique(np.append(np.arange(0, max(height - size, 0) + 1, self._step), 0))
        last = width if periodic else max(width - size, 0) + 1
        columns = np.arange(0, last, self._step)
        corners, gains = [], []
        for time in range(len(self.stacks)):
            useful = (self.truth[time] != UNKNOWN) & self._mixed(time)
            if periodic:
                useful = np.concatenate([useful, useful[:, :size]], axis=1)
            total = np.pad(np.cumsum(np.cumsum(useful, 0, dtype=np.int64), 1), ((1, 0), (1, 0)))
            bottom = np.minimum(rows + size, useful.shape[0])
            right = np.minimum(columns + size, useful.shape[1])
            gain = (
                total[np.ix_(bottom, right)]
                - total[np.ix_(rows, right)]
                - total[np.ix_(bottom, columns)]
                + total[np.ix_(rows, columns)]
            )
            place = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
            corners.append(np.concatenate([np.full((len(place), 1), time), place], axis=1))
            gains.append(gain.ravel())
        return np.concatenate(corners), np.concatenate(gains)

    @property
    def _corners(self) -> Ints:
        return self._candidates[0]

    @property
    def _gains(self) -> npt.NDArray[np.int64]:
        return self._candidates[1]

    @cached_property
    def _chances(self) -> npt.NDArray[np.float64]:
        weights = np.sqrt(self._gains.astype(np.float64))
        chances: npt.NDArray[np.float64] = np.cumsum(weights) / max(weights.sum(), 1e-300)
        return chances

    @property
    def empty(self) -> bool:
        """Whether nothing can be learned from this split."""
        return not bool((self._gains > 0).any())

    def _mixed(self, time: int) -> npt.NDArray[np.bool_]:
        """Pixels whose class their coarse cell leaves open."""
        top, left = self.target.lattice_origin
        (height, width), target = self.target.shape, self.target
        pixels = Pixels.of(target, np.arange(height) + top, np.arange(width) + left)
        cells = self._fractions[time].cells(pixels)
        groups = torch.tensor(self.card.class_groups)
        several = torch.bincount(groups, minlength=len(self.card.groups)) > 1
        open_ = (cells.fractions.amax(0) < PURE) | (cells.fractions[several] > 1 - PURE).any(0)
        return cells.spread(open_).numpy()

    def _cut(self, time: int, rows: Ints, columns: Ints) -> npt.NDArray[np.uint8]:
        height, width = self.target.shape
        if self.target.lon.periodic:
            columns = columns % width
        inside = (rows < height)[:, None] & (columns < width)
        found = self.truth[time][np.ix_(rows.clip(max=height - 1), columns.clip(max=width - 1))]
        return np.where(inside, found, UNKNOWN).astype(np.uint8)

    def _whole(self, cells: Cells, rows: Ints, columns: Ints) -> Cells:
        """Leave open the fractions of cells that the window's edge cuts."""
        states = next(s.grid for s in self.stacks[0] if s.only(self.card.states))
        fractions = cells.fractions.clone()
        for dim, axis, points, span in (
            (1, states.lat, self.target.lattice_lat, rows),
            (2, states.lon, self.target.lattice_lon, columns),
        ):
            for end, beyond in ((0, span[0] - 1), (-1, span[-1] + 1)):
                if _same_cell(axis, points, span[end], beyond):
                    fractions.select(dim, end).fill_(torch.nan)
        return cells._replace(fractions=fractions)


def _same_cell(axis: Axis, points: Callable[[Ints], Floats], inside: int, outside: int) -> bool:
    pair = axis.cell_index(points(np.array([min(inside, outside), max(inside, outside)])))
    return bool(pair[0] == pair[1])
