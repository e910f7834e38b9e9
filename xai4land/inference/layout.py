"""How a map is cut into blocks, and which windows each block shares with others.

Rows and columns are cut independently, so a layout is two short lists.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NewType

import numpy as np

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land.windows.chunks import Box, Span
from xai4land.windows.lattice import WindowCorner, Windows

__all__ = ["BlockIndex", "Layout"]

BlockIndex = NewType("BlockIndex", tuple[int, int])
"""Row and column of a block, counted in blocks."""


@dataclass(frozen=True)
class AxisBlocks:
    """The blocks along one axis, in the order of the target.

    Attributes
    ----------
    spans : tuple of Span
        Lattice positions of each block.
    extended : tuple of Span
        The same, extended until no coarse cell is cut.
    windows : tuple of tuple of int
        First positions of the windows that overlap each extended block; they may lie beyond the
        date line.
    """

    spans: tuple[Span, ...]
    extended: tuple[Span, ...]
    windows: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Layout:
    """The blocks of a target.

    Parameters
    ----------
    target, coarse : Grid
    windows : Windows
    sizes : tuple of tuple of int
        Rows, and columns, of the blocks.
    whole_cells : bool
        Whether blocks work on whole coarse cells.
    """

    target: Grid
    coarse: Grid
    windows: Windows
    sizes: tuple[tuple[int, ...], tuple[int, ...]]
    whole_cells: bool

    @cached_property
    def rows(self) -> AxisBlocks:
        """Blocks from the target's first row to its last."""
        top, height = self.target.lattice_origin[0], self.target.shape[0]
        spans = _block_spans(self.sizes[0])
        if self.target.ascending:
            spans = [(height - b, height - a) for a, b in spans]
        return self._make_blocks(
            [(top + a, top + b) for a, b in spans],
            self.coarse.lat,
            self.target.lattice_lat,
            self.target.spacings[0],
            self.windows.find_rows,
            (0, self.target.lattice_shape[0]),
        )

    @cached_property
    def columns(self) -> AxisBlocks:
        """Blocks from the target's first column to its last."""
        left = self.target.lattice_origin[1]
        return self._make_blocks(
            [(left + a, left + b) for a, b in _block_spans(self.sizes[1])],
            self.coarse.lon,
            self.target.lattice_lon,
            self.target.spacings[1],
            self.windows.find_columns,
        )

    def _make_blocks(
        self,
        spans: list[Span],
        axis: Axis,
        points: Callable[[Ints], Floats],
        spacing: float,
        find_windows: Callable[[Span], list[int]],
        limits: Span | None = None,
    ) -> AxisBlocks:
        extended = spans
        if self.whole_cells:
            extended = [_extend_to_cells(span, axis, points, spacing) for span in spans]
        if limits:
            extended = [(max(a, limits[0]), min(b, limits[1])) for a, b in extended]
        windows = tuple(tuple(find_windows(span)) for span in extended)
        return AxisBlocks(tuple(spans), tuple(extended), windows)

    def box(self, block: BlockIndex) -> Box:
        """Return the part of the lattice that a block covers."""
        return self.rows.spans[block[0]], self.columns.spans[block[1]]

    def extended_box(self, block: BlockIndex) -> Box:
        """Return a block's box, extended to whole coarse cells if outputs are fitted to these."""
        return self.rows.extended[block[0]], self.columns.extended[block[1]]

    def corners(self, block: BlockIndex) -> list[WindowCorner]:
        """Return the windows that overlap an extended block."""
        rows, columns = self.rows.windows[block[0]], self.columns.windows[block[1]]
        return [WindowCorner(corner) for corner in itertools.product(rows, columns)]

    def screening_box(self, block: BlockIndex) -> Box:
        """Return the part of the lattice that all windows of a block see."""
        return self.bounding_box(self.corners(block))

    def reading_box(self, block: BlockIndex, corners: list[WindowCorner]) -> Box:
        """Return the part of the lattice that a block covers and some windows see."""
        box = self.box(block)
        if not corners:
            return box
        rows, columns = (
            (min(a, c), max(b, d))
            for (a, b), (c, d) in zip(box, self.bounding_box(corners), strict=True)
        )
        return rows, columns

    def bounding_box(self, corners: list[WindowCorner]) -> Box:
        """Return the part of the lattice that windows see."""
        size = self.windows.window.size
        rows, columns = zip(*corners, strict=True)
        return (min(rows), max(rows) + size), (min(columns), max(columns) + size)

    def canonical_corner(self, corner: WindowCorner) -> WindowCorner:
        """Return one corner for a window that is met again once round the globe."""
        width = self.target.lattice_shape[1]
        periodic = abs(width * self.target.spacings[1] - 360) < 1e-6
        return WindowCorner((corner[0], corner[1] % width if periodic else corner[1]))

    def count_uses(self, corner: WindowCorner) -> int:
        """Count how many times blocks need a window."""
        row, column = self.canonical_corner(corner)
        return self._uses[0][row] * self._uses[1][column]

    @cached_property
    def _uses(self) -> tuple[Counter[int], Counter[int]]:
        columns = (column for windows in self.columns.windows for column in windows)
        return (
            Counter(row for windows in self.rows.windows for row in windows),
            Counter(self.canonical_corner(WindowCorner((0, column)))[1] for column in columns),
        )

    @property
    def max_waiting_windows(self) -> int:
        """Largest number of windows that wait for the next row of blocks."""
        rows = itertools.pairwise(self.rows.windows)
        return max((len({*a} & {*b}) for a, b in rows), default=0) * len(self._uses[1])

    @cached_property
    def prefers_column_cuts(self) -> bool:
        """Whether a cut between columns of blocks cuts fewer windows than one between rows."""
        shares = []
        for blocks, uses in zip((self.rows, self.columns), self._uses, strict=True):
            cuts = len(blocks.windows) - 1
            shares.append((uses.total() - len(uses)) / (cuts * len(uses)) if cuts else math.inf)
        return shares[1] <= shares[0]


def _block_spans(sizes: tuple[int, ...]) -> list[Span]:
    ends = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return list(itertools.pairwise(ends))


def _extend_to_cells(
    span: Span, axis: Axis, points: Callable[[Ints], Floats], spacing: float
) -> Span:
    """Extend a span until no cell is cut."""
    margin = int(np.ceil(axis.max_cell_width / spacing)) + 1
    cells = axis.cell_index(points(np.arange(span[0] - margin, span[1] + margin)))
    before = _count_leading(cells[margin::-1])
    return span[0] - before, span[1] + _count_leading(cells[-margin - 1 :])


def _count_leading(cells: Ints) -> int:
    """Count how often the first cell follows itself; round the globe it may come again later."""
    return int(np.logical_and.accumulate(cells[1:] == cells[0]).sum())
