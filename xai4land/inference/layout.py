"""How a map is cut into blocks, and which windows each block shares with others.

Both axes are cut alike and apart from each other, so a layout is two short lists.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land.windows.chunks import Box, Span
from xai4land.windows.lattice import Place, Windows

__all__ = ["Layout"]


@dataclass(frozen=True)
class Line:
    """The blocks along one axis, in the order of the target.

    Attributes
    ----------
    spans : tuple of Span
        Lattice positions of each block.
    whole : tuple of Span
        The same, grown until no coarse cell is cut.
    windows : tuple of tuple of int
        First positions of the windows that touch each grown block; they may lie beyond the
        date line.
    """

    spans: tuple[Span, ...]
    whole: tuple[Span, ...]
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
    def rows(self) -> Line:
        """Blocks from the target's first row to its last."""
        top, height = self.target.lattice_origin[0], self.target.shape[0]
        spans = _spans(self.sizes[0])
        if self.target.ascending:
            spans = [(height - b, height - a) for a, b in spans]
        return self._line(
            [(top + a, top + b) for a, b in spans],
            self.coarse.lat,
            self.target.lattice_lat,
            self.target.spacings[0],
            self.windows.rows_touching,
            (0, self.target.lattice_shape[0]),
        )

    @cached_property
    def columns(self) -> Line:
        """Blocks from the target's first column to its last."""
        left = self.target.lattice_origin[1]
        return self._line(
            [(left + a, left + b) for a, b in _spans(self.sizes[1])],
            self.coarse.lon,
            self.target.lattice_lon,
            self.target.spacings[1],
            self.windows.columns_touching,
        )

    def _line(
        self,
        spans: list[Span],
        axis: Axis,
        points: Callable[[Ints], Floats],
        spacing: float,
        touching: Callable[[Span], list[int]],
        limits: Span | None = None,
    ) -> Line:
        whole = [_grown(s, axis, points, spacing) for s in spans] if self.whole_cells else spans
        if limits:
            whole = [(max(a, limits[0]), min(b, limits[1])) for a, b in whole]
        return Line(tuple(spans), tuple(whole), tuple(tuple(touching(s)) for s in whole))

    def box(self, number: tuple[int, int]) -> Box:
        """A block's place on the lattice."""
        return self.rows.spans[number[0]], self.columns.spans[number[1]]

    def whole(self, number: tuple[int, int]) -> Box:
        """A block's place, grown until no coarse cell is cut if outputs are fitted to these."""
        return self.rows.whole[number[0]], self.columns.whole[number[1]]

    def places(self, number: tuple[int, int]) -> list[Place]:
        """Windows that touch a grown block."""
        rows, columns = self.rows.windows[number[0]], self.columns.windows[number[1]]
        return list(itertools.product(rows, columns))

    def reach(self, number: tuple[int, int]) -> Box:
        """The part of the lattice that a block's windows see."""
        return self.around(self.places(number))

    def sight(self, number: tuple[int, int], places: list[Place]) -> Box:
        """The part of the lattice that a block itself and some windows see."""
        box = self.box(number)
        if not places:
            return box
        rows, columns = (
            (min(a, c), max(b, d)) for (a, b), (c, d) in zip(box, self.around(places), strict=True)
        )
        return rows, columns

    def around(self, places: list[Place]) -> Box:
        """The part of the lattice that windows see."""
        size = self.windows.window.size
        rows, columns = zip(*places, strict=True)
        return (min(rows), max(rows) + size), (min(columns), max(columns) + size)

    def same(self, place: Place) -> Place:
        """One name for a window that is met again after a turn around the globe."""
        around = self.target.lattice_shape[1]
        closed = abs(around * self.target.spacings[1] - 360) < 1e-6
        return place[0], place[1] % around if closed else place[1]

    def uses(self, place: Place) -> int:
        """How many times blocks need a window."""
        row, column = self.same(place)
        return self._uses[0][row] * self._uses[1][column]

    @cached_property
    def _uses(self) -> tuple[Counter[int], Counter[int]]:
        return (
            Counter(row for windows in self.rows.windows for row in windows),
            Counter(
                self.same((0, column))[1] for windows in self.columns.windows for column in windows
            ),
        )

    @property
    def waiting(self) -> int:
        """The most windows that wait for the next row of blocks."""
        rows = itertools.pairwise(self.rows.windows)
        return max((len({*a} & {*b}) for a, b in rows), default=0) * len(self._uses[1])

    @cached_property
    def wide(self) -> bool:
        """Whether a cut between columns of blocks parts fewer windows than one between rows."""
        between = []
        for line, uses in zip((self.rows, self.columns), self._uses, strict=True):
            cuts = len(line.windows) - 1
            between.append((uses.total() - len(uses)) / (cuts * len(uses)) if cuts else math.inf)
        return between[1] <= between[0]


def _spans(sizes: tuple[int, ...]) -> list[Span]:
    ends = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return list(itertools.pairwise(ends))


def _grown(span: Span, axis: Axis, points: Callable[[Ints], Floats], spacing: float) -> Span:
    """The span, grown until no cell is cut."""
    reach = int(np.ceil(axis.max_cell_width / spacing)) + 1
    around = np.arange(span[0] - reach, span[1] + reach)
    cells = axis.cell_index(points(around))
    return span[0] - _alike(cells[reach::-1]), span[1] + _alike(cells[-reach - 1 :])


def _alike(cells: Ints) -> int:
    """How many of the next cells are the first one; around the globe it may come again."""
    return int(np.logical_and.accumulate(cells[1:] == cells[0]).sum())
