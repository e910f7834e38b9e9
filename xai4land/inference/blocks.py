"""One block of output: its windows, blended, fitted to the coarse fractions, packed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xai4land.axis import Axis, Floats, Ints
from xai4land.emulator import Card, Emulator
from xai4land.errors import InputError
from xai4land.grid import Grid
from xai4land.inference.conserve import ROUNDS, conserve
from xai4land.inference.features import (
    PURE,
    Features,
    Pixels,
    class_fractions,
    make_cells,
    make_features,
    missing_pixels,
)
from xai4land.inference.stacks import Stack, make_stacks
from xai4land.inference.windows import Place, Windows
from xai4land.inputs import sum_problem, value_problems

__all__ = ["CONFIDENCE_STEPS", "MISSING", "Block", "Plan", "Source", "run_block", "whole_cells"]

MISSING = 255
CONFIDENCE_STEPS = 100
TILE = 32

# Threads take turns with the network, which uses all cores itself.
_TURN = threading.Lock()

Box = tuple[tuple[int, int], tuple[int, int]]
"""Half-open ranges of rows and columns."""


@dataclass(frozen=True)
class Plan:
    """What all blocks of a run share.

    Attributes
    ----------
    emulator : Emulator
    target, states : Grid
    sources : tuple of Grid
        Grid of each input, in the card's order.
    batch_size : int
        Windows that the network sees at once.
    device : str
    probabilities, baselines : bool
        Whether the probability of each class, and the maps without the network, are wanted.
    """

    emulator: Emulator
    target: Grid
    states: Grid
    sources: tuple[Grid, ...]
    batch_size: int
    device: str
    probabilities: bool
    baselines: bool

    @property
    def windows(self) -> Windows:
        """The windows of the target's lattice."""
        return Windows(self.target.lattice, self.emulator.card.window)


@dataclass(frozen=True)
class Source:
    """Which chunks of an input a block reads.

    Attributes
    ----------
    start, shape : tuple of int
        The part of the input's grid that is needed; columns may count on past the ends.
    offsets : tuple of tuple of int
        Row and column on the grid of each chunk, in the order in which they are passed.
    """

    start: tuple[int, int]
    shape: tuple[int, int]
    offsets: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Block:
    """A block's place on the lattice (half-open), and what it reads."""

    box: Box
    sources: tuple[Source, ...]


def whole_cells(plan: Plan, box: Box) -> Box:
    """The box, grown until no coarse cell is cut."""
    target, states = plan.target, plan.states
    rows = _grown(box[0], states.lat, target.lattice_lat, target.spacings[0])
    columns = _grown(box[1], states.lon, target.lattice_lon, target.spacings[1])
    return (max(rows[0], 0), min(rows[1], target.lattice[0])), columns


def _grown(
    span: tuple[int, int], axis: Axis, points: Callable[[Ints], Floats], spacing: float
) -> tuple[int, int]:
    reach = int(np.ceil(axis.spacing / spacing)) + 1
    around = np.arange(span[0] - reach, span[1] + reach)
    cells = axis.cell(points(around))
    same = around[(cells == cells[reach]) | (cells == cells[-reach - 1])]
    return int(min(same.min(), span[0])), int(max(same.max() + 1, span[1]))


def run_block(
    plan: Plan, block: Block, chunks: Sequence[Sequence[np.ndarray]]
) -> dict[str, np.ndarray]:
    """Compute one block.

    Parameters
    ----------
    plan : Plan
    block : Block
    chunks : sequence of sequence of ndarray
        For each input the chunks that its ``Source`` names, as (rows, columns).

    Returns
    -------
    dict of ndarray
        ``classes`` and ``confidence`` (uint8, rows run as on the target), and if wanted
        ``probability`` (float32, classes first), ``nearest`` and ``bilinear`` (uint8).

    Raises
    ------
    InputError
        If values are out of range; the block is named.
    """
    card = plan.emulator.card
    values = [
        _assemble(source, grid, parts)
        for source, grid, parts in zip(block.sources, plan.sources, chunks, strict=True)
    ]
    where = _where(plan.target, block.box)
    InputError.raise_if(f"{problem} (in the block {where})" for problem in _problems(card, values))
    starts = [source.start for source in block.sources]
    stacks = make_stacks(card, plan.sources, starts, values)

    box = whole_cells(plan, block.box) if card.conserve else block.box
    probability = _blend(plan, stacks, box)
    if card.conserve:
        probability = _conserve(plan, stacks, box, probability)
    inner = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(block.box, box, strict=True))
    probability = probability[:, *inner]
    pixels = _pixels(plan, block.box)
    maps = _choices(plan, probability)
    if plan.baselines:
        fractions = class_fractions(card, stacks, pixels)
        maps["nearest"] = _values(plan, fractions.coarse.argmax(0))
        maps["bilinear"] = _values(plan, fractions.prior.argmax(0))
    return _pack(plan, maps, probability, missing_pixels(card, stacks, pixels))


def _problems(card: Card, values: Sequence[np.ndarray]) -> list[str]:
    """What is wrong with the values that a block has read."""
    problems = []
    total: Any = 0.0
    for spec, found in zip(card.inputs, values, strict=True):
        problems += value_problems(spec, found)
        if spec.name in card.states:
            total = total + found
    return problems + sum_problem(float(np.nan_to_num(total).max()))


def _pixels(plan: Plan, box: Box) -> Pixels:
    return Pixels.of(plan.target, np.arange(*box[0]), np.arange(*box[1]))


def _assemble(source: Source, grid: Grid, parts: Sequence[np.ndarray]) -> np.ndarray:
    kind = parts[0].dtype
    values = np.zeros(source.shape, kind)
    for (row, column), part in zip(source.offsets, parts, strict=True):
        rows = np.arange(row, row + part.shape[0]) - source.start[0]
        columns = np.arange(column, column + part.shape[1]) - source.start[1]
        if grid.lon.periodic:
            columns %= len(grid.lon)
        keep_rows = (rows >= 0) & (rows < source.shape[0])
        keep_columns = (columns >= 0) & (columns < source.shape[1])
        values[np.ix_(rows[keep_rows], columns[keep_columns])] = part[
            np.ix_(keep_rows, keep_columns)
        ]
    return values


def _blend(plan: Plan, stacks: Sequence[Stack], box: Box) -> torch.Tensor:
    """Gaussian-weighted mean of the windows' probabilities over a box."""
    card, size = plan.emulator.card, plan.emulator.card.window.size
    shape = tuple(stop - start for start, stop in box)
    total = torch.zeros((len(card.classes), *shape))
    weights = torch.zeros(shape)
    gauss = torch.from_numpy(plan.windows.weights())
    waiting: list[tuple[Place, Features]] = []

    def add(place: Place, probability: torch.Tensor) -> None:
        here, there = _overlap(place, size, box)
        total[:, *here] += probability[:, *there] * gauss[there]
        weights[here] += gauss[there]

    def flush() -> None:
        if waiting:
            batch = Features.batch([features for _, features in waiting])
            for (place, _), probability in zip(waiting, _probabilities(plan, batch), strict=True):
                add(place, probability)
            waiting.clear()

    for row, column in plan.windows.touching(*box):
        pixels = _pixels(plan, ((row, row + size), (column, column + size)))
        fractions = class_fractions(card, stacks, pixels)
        if card.conserve and fractions.settled:
            add((row, column), fractions.prior)
            continue
        waiting.append(((row, column), make_features(card, stacks, pixels, fractions)))
        if len(waiting) == plan.batch_size:
            flush()
    flush()
    return total / weights.clamp(min=1e-30)


def _probabilities(plan: Plan, batch: Features) -> torch.Tensor:
    network = plan.emulator.network(plan.device)
    with _TURN, torch.inference_mode():
        x, codes = batch.continuous.to(plan.device), batch.codes.to(plan.device)
        logits = network(x, codes).float().cpu()
    return torch.softmax(logits + batch.log_prior, 1)


def _overlap(place: Place, size: int, box: Box) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a window and a box meet, within the box and within the window."""
    here, there = [], []
    for first, (start, stop) in zip(place, box, strict=True):
        low, high = max(first, start), min(first + size, stop)
        here.append(slice(low - start, high - start))
        there.append(slice(low - first, high - first))
    return (here[0], here[1]), (there[0], there[1])


def _conserve(
    plan: Plan, stacks: Sequence[Stack], box: Box, probability: torch.Tensor
) -> torch.Tensor:
    """Fit to the coarse fractions, in tiles of whole cells; pure tiles need one round."""
    card, target = plan.emulator.card, plan.target
    groups = torch.tensor(card.class_groups)
    spans = [
        _tiles(axis.cell(points(np.arange(*span))))
        for axis, points, span in (
            (plan.states.lat, target.lattice_lat, box[0]),
            (plan.states.lon, target.lattice_lon, box[1]),
        )
    ]
    fitted = torch.empty_like(probability)
    for top, bottom in spans[0]:
        for left, right in spans[1]:
            rows = np.arange(box[0][0] + top, box[0][0] + bottom)
            columns = np.arange(box[1][0] + left, box[1][0] + right)
            cells = make_cells(card, stacks, Pixels.of(target, rows, columns))
            pure = torch.nan_to_num(cells.fractions, nan=1.0).amax(0) > PURE
            fitted[:, top:bottom, left:right] = conserve(
                probability[:, top:bottom, left:right],
                cells,
                groups,
                rounds=1 if bool(pure.all()) else ROUNDS,
            )
    return fitted


def _tiles(cells: Ints) -> list[tuple[int, int]]:
    """Cut a line of pixels into runs of whole cells."""
    starts = np.flatnonzero(np.diff(cells, prepend=cells[0] - 1))[::TILE]
    return list(zip(starts.tolist(), [*starts[1:].tolist(), cells.size], strict=True))


def _choices(plan: Plan, probability: torch.Tensor) -> dict[str, torch.Tensor]:
    """The class of each pixel, and how likely it is in steps."""
    classes = plan.emulator.card.classes
    favour = torch.tensor([c.weight for c in classes])[:, None, None]
    chosen = (probability * favour).argmax(0)
    likely = probability.gather(0, chosen[None])[0].clamp(0, 1)
    steps = torch.round(likely * CONFIDENCE_STEPS).to(torch.uint8)
    return {"classes": _values(plan, chosen), "confidence": steps}


def _values(plan: Plan, chosen: torch.Tensor) -> torch.Tensor:
    values = [c.value for c in plan.emulator.card.classes]
    return torch.tensor(values, dtype=torch.uint8)[chosen]


def _pack(
    plan: Plan, maps: dict[str, torch.Tensor], probability: torch.Tensor, missing: torch.Tensor
) -> dict[str, np.ndarray]:
    """Mask what is missing, and turn rows the target's way."""
    step = -1 if plan.target.ascending else 1
    packed = {
        name: values.masked_fill(missing, MISSING).numpy()[::step] for name, values in maps.items()
    }
    if plan.probabilities:
        packed["probability"] = probability.masked_fill(missing, torch.nan).numpy()[:, ::step]
    return packed


def _where(target: Grid, box: Box) -> str:
    lat = target.lattice_lat(np.array([box[0][1] - 1, box[0][0]]))
    lon = (target.lattice_lon(np.array([box[1][0], box[1][1] - 1])) + 180) % 360 - 180
    return f"from {lat[0]:g} to {lat[1]:g}°N, {lon[0]:g} to {lon[1]:g}°E"
