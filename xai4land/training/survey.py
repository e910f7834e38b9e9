"""What a training must know of the truth before its first step, found in one pass."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from xai4land.training.prefetch import prefetch
from xai4land.training.split import (
    FEWEST_BLOCKS,
    Split,
    block_lines,
    count_halvings,
    number_blocks,
)
from xai4land.training.truth import PIECE, Truth
from xai4land.typing import Booleans, Floats, Ints

__all__ = ["Survey", "TileSums", "survey"]

Block = tuple[int, int]
"""Row and column of a block."""


class TileSums(NamedTuple):
    """What can be learned in the tiles of a piece, cut where blocks end.

    Attributes
    ----------
    time, level : int
        Level of the blocks: how often the largest were halved.
    tiles, blocks : tuple of ndarray of int
        Rows and columns of tiles, and of the blocks that these parts of them lie in.
    sums : ndarray, shape (rows, columns)
    """

    time: int
    level: int
    tiles: tuple[Ints, Ints]
    blocks: tuple[Ints, Ints]
    sums: npt.NDArray[np.floating[Any]]


@dataclass(eq=False)
class Survey:
    """What is known of a truth, by blocks that any split may be made of.

    A split takes the largest blocks of which there are enough with known pixels. It is known only
    at the end which these are; so pixels are counted in the smallest blocks at first, and in larger
    ones as soon as there are enough of these.

    Attributes
    ----------
    degrees : float
        Side of the largest blocks.
    level : int
        How often these are halved.
    known : set of Block
        Blocks of this level in which something is known.
    counts : dict
        What the head counts, by level and block.
    tiles : list of TileSums
    """

    degrees: float
    level: int
    known: set[Block] = field(default_factory=set)
    counts: dict[tuple[int, Block], npt.NDArray[Any]] = field(default_factory=dict)
    tiles: list[TileSums] = field(default_factory=list)

    def blocks(self, degrees: float) -> Ints:
        """Return the numbers of the blocks of a side in which something is known."""
        shift = self.level - self._level_of(degrees)
        assert shift >= 0, "blocks smaller than those that were counted"
        rows, columns = np.array(sorted(self.known), np.int64).reshape(-1, 2).T >> shift
        return np.unique(number_blocks(rows, columns, degrees))

    def counts_within(self, split: Split) -> list[npt.NDArray[Any]]:
        """Return the counts of the blocks in a split."""
        level = self._level_of(split.degrees)
        places = [np.array(block) >> (own - level) for own, block in self.counts]
        rows, columns = np.array(places, np.int64).reshape(-1, 2).T
        inside = split.holds_blocks(number_blocks(rows, columns, split.degrees))
        return [c for c, held in zip(self.counts.values(), inside, strict=True) if held]

    def sum_tiles(self, split: Split, shape: tuple[int, int, int]) -> Floats:
        """Return how much can be learned in each tile within a split: (times, rows, columns)."""
        level = self._level_of(split.degrees)
        found = np.zeros(shape)
        for part in self.tiles:
            rows, columns = (lines >> (part.level - level) for lines in part.blocks)
            inside = split.holds_blocks(number_blocks(rows[:, None], columns, split.degrees))
            place = part.tiles[0][:, None], part.tiles[1]
            np.add.at(found[part.time], place, np.where(inside, part.sums, 0.0))
        return found

    def _level_of(self, degrees: float) -> int:
        return round(math.log2(self.degrees / degrees))


class Piece(NamedTuple):
    """A piece of the truth, with what can be learned of each pixel if that is asked for."""

    time: int
    rows: Ints
    columns: Ints
    values: npt.NDArray[Any]
    known: Booleans
    useful: Floats | None


def survey(
    truth: Truth,
    degrees: float,
    *,
    count: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
    usefulness: Callable[[int, Ints, Ints], Floats | Booleans] | None = None,
    piece: int = PIECE,
    time_first: bool = False,
    step: int = 1,
    workers: int = 2,
    advance: Callable[[], None] = lambda: None,
) -> Survey:
    """Read the whole truth once.

    Parameters
    ----------
    truth : Truth
    degrees : float
        Side of the largest blocks.
    count : callable, optional
        Counts what is in a piece of the truth, see :class:`xai4land.heads.base.CountingHead`.
    usefulness : callable, optional
        Tells how much can be learned of each pixel of a time, rows and columns.
    piece, step : int
        Most rows and columns of pieces, and those of tiles.
    time_first : bool
        Whether to go from time to time, see :meth:`Truth.pieces`.
    workers : int
        Threads that read; the result does not depend on them.
    advance : callable
        Called after each piece.
    """
    deepest = count_halvings(truth.target.spacings[0], degrees)
    found = Survey(degrees, deepest)

    def read(place: tuple[int, Ints, Ints]) -> Piece:
        values = truth.read(*place)
        known = truth.known(values)
        useful: Floats | None = None
        if usefulness is not None and known.any():
            useful = np.asarray(known * usefulness(*place).astype(np.float64), np.float64)
        return Piece(*place, values, known, useful)

    places = ([place] for place in truth.pieces(piece, time_first))
    for (part,) in prefetch(read, places, workers):
        if part.known.any():
            lines = block_lines(*truth.points(part.rows, part.columns), degrees / 2**deepest)
            _add_known(found, part, lines, deepest)
            if count is not None:
                _add_counts(found, part, lines, deepest, count)
            if part.useful is not None:
                _add_tiles(found, part, lines, deepest, step)
        advance()
    return found


def _add_known(found: Survey, piece: Piece, lines: tuple[Ints, Ints], deepest: int) -> None:
    """Add the blocks in which something is known; go to larger ones if there are enough."""
    rows, columns = (line >> (deepest - found.level) for line in lines)
    down, across = _find_cuts(rows), _find_cuts(columns)
    some = np.logical_or.reduceat(np.logical_or.reduceat(piece.known, down, 0), across, 1)
    top, left = np.nonzero(some)
    found.known |= set(zip(rows[down][top].tolist(), columns[across][left].tolist(), strict=True))
    while found.level:
        larger = {(row >> 1, column >> 1) for row, column in found.known}
        if len(larger) < FEWEST_BLOCKS:
            break
        found.known, found.level = larger, found.level - 1


def _add_counts(
    found: Survey,
    piece: Piece,
    lines: tuple[Ints, Ints],
    deepest: int,
    count: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
) -> None:
    rows, columns = (line >> (deepest - found.level) for line in lines)
    for row in _find_spans(rows):
        for column in _find_spans(columns):
            if piece.known[row, column].any():
                key = found.level, (int(rows[row.start]), int(columns[column.start]))
                counts = count(piece.values[:, row, column])
                found.counts[key] = found.counts[key] + counts if key in found.counts else counts


def _add_tiles(
    found: Survey, piece: Piece, lines: tuple[Ints, Ints], deepest: int, step: int
) -> None:
    assert piece.useful is not None
    blocks = [line >> (deepest - found.level) for line in lines]
    tiles = [piece.rows // step, piece.columns // step]
    down, across = (_find_cuts(*pair) for pair in zip(blocks, tiles, strict=True))
    sums = np.add.reduceat(np.add.reduceat(piece.useful, down, 0), across, 1)
    short = sums.astype(np.float32)
    found.tiles.append(
        TileSums(
            piece.time,
            found.level,
            (tiles[0][down], tiles[1][across]),
            (blocks[0][down], blocks[1][across]),
            short if np.array_equal(short, sums) else sums,
        )
    )


def _find_cuts(*lines: Ints) -> Ints:
    """Return where one of several arrays begins to have another value; 0 first."""
    changed = np.any([line[1:] != line[:-1] for line in lines], axis=0)
    return np.concatenate([[0], np.flatnonzero(changed) + 1])


def _find_spans(line: Ints) -> list[slice]:
    """Return the slices in which an array has one value."""
    ends = [*_find_cuts(line).tolist(), line.size]
    return [slice(a, b) for a, b in itertools.pairwise(ends)]
