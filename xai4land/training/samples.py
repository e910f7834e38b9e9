"""Windows to learn from, read part by part, and cut from the features that inference uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from xai4land.emulator.card import MapCard
from xai4land.grids.axis import Axis
from xai4land.heads.base import Head, TrainingWindow
from xai4land.training.masking import mask_prior
from xai4land.training.order import Shelves, find_places, morton_order
from xai4land.training.settings import MaskShape
from xai4land.training.truth import PIECE, Truth
from xai4land.typing import Booleans, Floats, Ints
from xai4land.windows.cache import InputKind, ResultCache
from xai4land.windows.cells import Cells
from xai4land.windows.chunks import Reader
from xai4land.windows.features import Features, Pixels, make_features, missing_pixels
from xai4land.windows.fields import Stack
from xai4land.windows.sources import Sources

__all__ = ["Corner", "Cut", "Sample", "Samples"]

SMALLEST_GAIN = 1e-6
"""Pixels: less than this is nothing to learn."""
READ_COST = 2**20
"""Bytes that take as long as to begin to read a chunk, about."""
FEW_ROWS = 4
"""Of pieces of the truth: chunks that lie under no more may be read again for each."""
NEIGHBOURS = 5
"""Places around one that its chunks should be kept for, where all places are visited."""


class Corner(NamedTuple):
    """Where a window is.

    Attributes
    ----------
    time, row, column : int
        Of its north-western pixel, counted from the target's.
    region : int
        Number of the region, where there are several.
    mask : int or None
        Seed of the holes in its prior map; None for no holes.
    """

    time: int
    row: int
    column: int
    region: int = 0
    mask: int | None = None


class Cut(NamedTuple):
    """What a window is made from, as small as it was read.

    Attributes
    ----------
    stacks : sequence of Stack
        The inputs, each on its own grid.
    truth : ndarray, shape (layers, size, size)
    """

    stacks: Sequence[Stack]
    truth: npt.NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """A window: what the network sees, and what it learns from."""

    features: Features
    window: TrainingWindow


@dataclass(frozen=True, eq=False)
class Samples:
    """Windows of one split.

    Parameters
    ----------
    card : MapCard
    head : Head
    sources : Sources
    truth : Truth
        Known within the split alone.
    cache : ResultCache
        Chunks of the inputs that were read.
    mask : {"mixed", "pixels", "blocks", "windows"}
        Shape of holes in prior maps.
    counts : ndarray, shape (times, tile rows, tile columns)
        How many known pixels of each tile coarse cells leave open.
    """

    card: MapCard
    head: Head
    sources: Sources
    truth: Truth
    cache: ResultCache
    mask: MaskShape = "mixed"
    counts: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))

    def at(self, corner: Corner) -> Sample:
        """Make the window at a corner."""
        return self.make(corner, self.cut(corner))

    def cut(self, corner: Corner) -> Cut:
        """Read what the window at a corner is made from."""
        part = self.truth.part(*self._lines(corner))
        stacks = self.sources.read(list(self.sources.readers), part, corner.time, self.cache)
        return Cut(stacks, self.truth.read(corner.time, *self._lines(corner)))

    def _lines(self, corner: Corner) -> tuple[Ints, Ints]:
        """Return the rows and columns of the window at a corner."""
        size = self.card.window.size
        return np.arange(size) + corner.row, np.arange(size) + corner.column

    def make(self, corner: Corner, cut: Cut) -> Sample:
        """Make the window at a corner from what was read for it."""
        size = self.card.window.size
        part = self.truth.part(*self._lines(corner))
        down, across = (np.arange(*span) for span in part)
        pixels = Pixels.of(self.truth.target, down, across)
        stacks, truth = cut
        if corner.mask is not None:
            stacks = mask_prior(stacks, self.mask, np.random.default_rng(corner.mask))
        guess = self.head.first_guess(stacks)
        features = make_features(self.card, stacks, guess, pixels)
        missing = missing_pixels(self.sources.grids, stacks, pixels)
        truth[:, missing.numpy()] = self.truth.missing
        area = np.cos(np.deg2rad(pixels.lat)).clip(0).astype(np.float32)
        return Sample(
            features,
            TrainingWindow(
                self._without_cut_cells(guess.cells(pixels), down, across),
                torch.from_numpy(truth),
                torch.from_numpy(area)[:, None].expand(size, size),
            ),
        )

    def undecided(self, time: int, rows: Ints, columns: Ints) -> Floats | Booleans:
        """Return how much can be learned of each pixel of a box, from 0 to 1."""
        outputs = self.card.outputs
        names = [*outputs.coarse_inputs, *outputs.fine_inputs] or list(self.sources.readers)[:1]
        part = self.truth.part(rows, columns)
        pixels = Pixels.of(self.truth.target, *(np.arange(*span) for span in part))
        guess = self.head.first_guess(self.sources.read(names, part, time, self.cache))
        found: Floats | Booleans = guess.undecided(pixels).numpy()
        return found

    @property
    def piece(self) -> int:
        """Return the most rows and columns of a piece of the truth: whole tiles."""
        return max(PIECE // self.step, 1) * self.step

    @property
    def tiles(self) -> tuple[int, int, int]:
        """Return the number of times, and of rows and columns of tiles."""
        height, width = (-(-n // self.step) for n in self.truth.target.shape)
        return self.truth.times, height, width

    def draw(self, count: int, rng: np.random.Generator) -> list[Corner]:
        """Draw windows at random, more often where more can be learned."""
        found = np.searchsorted(self._chances, rng.random(count))
        return [self._corner(int(i)) for i in found]

    def cover(self, limit: int, rng: np.random.Generator) -> list[Corner]:
        """Return windows side by side wherever there is something to learn, ``limit`` at most."""
        size = self.card.window.size
        useful = np.flatnonzero(self._gains > 0)
        corners = [self._corner(int(i)) for i in useful]
        apart = -(-size // self.step)
        steps = ((c, c.row // self.step, c.column // self.step) for c in corners)
        aligned = [c for c, row, column in steps if row % apart == 0 and column % apart == 0]
        chosen = aligned or corners
        if len(chosen) > limit:
            numbers = np.sort(rng.choice(len(chosen), limit, replace=False))
            chosen = [chosen[i] for i in numbers]
        return chosen

    def plan(self, visits: int, rng: np.random.Generator) -> list[Corner]:
        """Draw windows place by place, in an order in which chunks are read once, mostly."""
        return [self._corner(int(i)) for i in self._shelves.draw(visits, rng).ravel()]

    @cached_property
    def _shelves(self) -> Shelves:
        return Shelves.of(self._weights, self._places[0])

    @cached_property
    def readers(self) -> list[Reader]:
        """Return what is read of stores, of the truth and of the inputs."""
        every = [*self.truth.readers, *self.sources.readers.values()]
        return [r for r in every if isinstance(r, Reader) and r.max_chunk_bytes]

    @cached_property
    def _places(self) -> tuple[Ints, int]:
        """Return the place of each candidate window, numbered in the order of reading.

        The second number is how many numbers lie between those of one step and of the next place,
        or of one place and of the next step.

        Places are the chunks that the largest data have under the windows' corners, at each step.
        """
        largest = max(self.readers, key=lambda reader: reader.data.nbytes)
        times, rows, columns = self._gains.shape
        size, target = self.card.window.size, self.truth.target
        corners = [np.arange(n) * self.step for n in (rows, columns)]
        grid, ends = largest.chunking.grid, [np.cumsum(n) for n in largest.chunking.sizes]
        lines = []
        for dim, axis in enumerate((grid.lat, grid.lon)):
            cells = corners[dim]
            if largest not in self.truth.readers:
                cells = axis.wrap_or_clip(axis.cell_index(self.truth.points(*corners)[dim]))
            least = round(size * target.resolution / axis.spacing)
            lines.append(find_places(ends[dim].tolist(), cells, least))
        long = largest.data.chunks[0] if largest.timed else (1,)
        steps = find_places(np.cumsum(long).tolist(), np.arange(times), 1)
        place = morton_order(lines[0][:, None], lines[1])
        number, several = int(steps[-1]) + 1, int(place.max()) + 1
        if self._time_first:
            return (place + several * steps[:, None, None]).ravel(), several
        return (place * number + steps[:, None, None]).ravel(), number

    @cached_property
    def _time_first(self) -> bool:
        """Whether all places of a time are read before those of another time.

        Where coarse inputs have chunks that many places share, these are read once then; what
        does not change with time is read once if all times of a place follow each other.
        """
        fixed = [r for r in self.readers if not r.timed]
        fits = sum(r.data.nbytes for r in fixed) <= self.cache.limits["others"] / 2
        again = [(fixed, fits), (self._shared, self.coarse_fits)]
        costs = [
            0 if fits else sum(READ_COST + r.steps_in_chunk * r.max_chunk_bytes for r in readers)
            for readers, fits in again
        ]
        return costs[0] <= costs[1]

    @cached_property
    def _shared(self) -> list[Reader]:
        """Return what is coarse and changes with time: many places lie in one chunk of it."""
        fine = self.truth.target.resolution
        return [r for r in self.readers if r.timed and r.chunking.grid.resolution > 2 * fine]

    @property
    def coarse_fits(self) -> bool:
        """Return whether coarse inputs of all times are kept once they were read."""
        return self._fits(sum(int(r.data.nbytes) for r in self._shared))

    @property
    def coarse_stays(self) -> bool:
        """Return whether those of all times are kept while places near each other are read.

        If their chunks lie under few rows of places, these may be read again for each row.
        """
        rows = FEW_ROWS * PIECE * self.truth.target.resolution
        size = 0.0
        for reader in self._shared:
            down, across = reader.chunking.sizes
            low = max(down) * reader.chunking.grid.resolution <= rows
            size += reader.data.nbytes / len(down) / (len(across) if low else 1)
        return self._fits(size)

    def _fits(self, size: float) -> bool:
        return size <= self.cache.limits["screening"] / 2

    def open_bytes(self, visits: int) -> dict[InputKind, float]:
        """Return the bytes of chunks to be kept while the windows of a place are read, by kind.

        These are the chunks that its windows see, at all times that are visited there; and the
        more, the more of the places around it are visited, too, since these see some of them.

        Parameters
        ----------
        visits : int
            How many places are visited, of all times.
        """
        shelves, size = self._shelves, self.card.window.size
        number = int(np.diff(shelves.ends).argmax())
        inside = shelves.numbers[shelves.ends[number] : shelves.ends[number + 1]]
        _, *lines = np.unravel_index(inside, self._gains.shape)
        spans = [(int(n.min()) * self.step, int(n.max()) * self.step + size) for n in lines]
        spans = [(a, min(b, n)) for (a, b), n in zip(spans, self.truth.target.shape, strict=True)]
        part = self.truth.part(*(np.arange(*span) for span in spans))
        places, between = self._places
        steps = 1 if self._time_first else between
        dense = visits / np.unique(places[shelves.numbers] // steps).size
        found: dict[InputKind, float] = {"screening": 0.0, "others": 0.0}
        more = 1 + NEIGHBOURS * min(dense, 1.0)
        for reader in self.readers:
            own = reader in self.truth.readers
            box = spans if own else self.sources.needed(reader.chunking.grid, part)
            chunks = [len(reader.chunking.find_chunks_along(d, s)) for d, s in enumerate(box)]
            times = min(max(dense, 1.0), steps) * reader.steps_in_chunk if reader.timed else 1
            # What the truth is made from is kept beside it.
            needed = (1 + own) * math.prod(chunks) * times * reader.max_chunk_bytes
            found[reader.kind] += needed * (1 if reader.kind == "screening" else more)
        return found

    @cached_property
    def cut_bytes(self) -> int:
        """Return the bytes of what is read for a window, at most, about."""
        size = self.card.window.size
        rows, columns = (np.arange(min(size, n)) + n // 2 for n in self.truth.target.shape)
        part = self.truth.part(rows - size // 2, columns - size // 2)
        total = size**2 * sum(int(r.data.dtype.itemsize) for r in self.truth.readers)
        for spec in self.sources.specs:
            box = self.sources.needed(self.sources.readers[spec.name].chunking.grid, part)
            total += math.prod(b - a for a, b in box) * (8 if spec.coded else 4)
        return total

    @property
    def empty(self) -> bool:
        """Return whether nothing can be learned from this split."""
        return not bool((self._gains > 0).any())

    @property
    def weight(self) -> float:
        """Return how much there is to learn."""
        return float(self.counts.sum())

    @cached_property
    def step(self) -> int:
        """Distance between candidate corners: whole coarse cells, an eighth of a window or so."""
        target, coarse = self.truth.target, self._coarse_spacing
        cell = max(round(coarse / target.resolution), 1)
        return max(self.card.window.size // 8 // cell, 1) * cell

    @property
    def _coarse_spacing(self) -> float:
        """Degrees between the coarse cells, or those of the card where there are none."""
        names = self.card.outputs.coarse_inputs
        grids = [self.sources.readers[name].chunking.grid for name in names]
        return grids[0].resolution if grids else self.card.resolution.states

    def _corner(self, number: int) -> Corner:
        time, row, column = np.unravel_index(number, self._gains.shape)
        return Corner(int(time), int(row) * self.step, int(column) * self.step)

    @cached_property
    def _gains(self) -> npt.NDArray[np.float64]:
        """Known pixels that coarse cells leave open in each candidate window, about.

        Shape (times, candidate rows, candidate columns): from counts over tiles as large as the
        distance between candidates, so that memory is small whatever the size of the target.
        """
        size, step, (height, width) = self.card.window.size, self.step, self.truth.target.shape
        tiles, several = self.counts, -(-size // step)
        rows = max(height - size, 0) // step + 1
        if self.truth.target.lon.periodic:
            columns = -(-width // step)
            tiles = np.concatenate([tiles, tiles[:, :, :several]], axis=2)
        else:
            columns = max(width - size, 0) // step + 1
        total = np.pad(tiles.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
        top, left = np.arange(rows), np.arange(columns)
        bottom = np.minimum(top + several, tiles.shape[1])
        right = np.minimum(left + several, tiles.shape[2])
        gains: npt.NDArray[np.float64] = (
            total[:, bottom][:, :, right]
            - total[:, top][:, :, right]
            - total[:, bottom][:, :, left]
            + total[:, top][:, :, left]
        )
        gains[gains < SMALLEST_GAIN] = 0.0  # of sums, rounding errors may be left
        return gains

    @property
    def _weights(self) -> npt.NDArray[np.float64]:
        """How much more often each candidate window is drawn."""
        weights = self._gains.ravel().astype(np.float64)
        # Of change there is little: not to waste windows at sea.
        return weights if self.card.outputs.fine_inputs else np.sqrt(weights)

    @cached_property
    def _chances(self) -> npt.NDArray[np.float64]:
        weights = self._weights
        chances: npt.NDArray[np.float64] = np.cumsum(weights) / max(weights.sum(), 1e-300)
        return chances

    def _without_cut_cells(self, cells: Cells, rows: Ints, columns: Ints) -> Cells:
        """Leave open the values of cells that the window's edge cuts."""
        coarse = self.card.outputs.coarse_inputs
        if not coarse:
            return cells
        grid, target = self.sources.readers[coarse[0]].chunking.grid, self.truth.target
        values = cells.values.clone()
        for dim, axis, points, span in (
            (1, grid.lat, target.lattice_lat, rows),
            (2, grid.lon, target.lattice_lon, columns),
        ):
            for end, beyond in ((0, span[0] - 1), (-1, span[-1] + 1)):
                if _in_one_cell(axis, points, span[end], beyond):
                    values.select(dim, end).fill_(torch.nan)
        return cells._replace(values=values)


def _in_one_cell(axis: Axis, points: Callable[[Ints], Floats], one: int, other: int) -> bool:
    pair = axis.cell_index(points(np.array([min(one, other), max(one, other)])))
    return bool(pair[0] == pair[1])
