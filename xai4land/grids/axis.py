"""One axis of a grid, and the operators that carry values from one axis to another.

Both horizontal axes are separable, so every regridding that inference needs (bilinear up,
area mean down, nearest for categories) is a product of two small matrices.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.grids.spacing import regular_spacing
from xai4land.typing import Floats, Ints

__all__ = ["Axis"]


@dataclass(frozen=True, eq=False)
class Axis:
    """Cell centres along latitude or longitude, in the order that the data have.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Centres in degrees, strictly monotonic; longitudes unwrapped, so that they increase.
    periodic : bool
        Whether the last cell touches the first (a global longitude axis).
    circular : bool
        Whether 360 more is the same place (any longitude axis).
    """

    values: Floats
    periodic: bool = False
    circular: bool = False

    def __len__(self) -> int:
        return self.values.size

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Axis)
            and self.periodic == other.periodic
            and self.values.shape == other.values.shape
            and bool(np.allclose(self.values, other.values, rtol=0, atol=self.spacing * 1e-3))
        )

    def __hash__(self) -> int:
        return hash((len(self), self.periodic))

    @cached_property
    def _line(self) -> tuple[float, float] | None:
        return regular_spacing(self.values)

    @property
    def regular(self) -> bool:
        """Whether the spacing is the same everywhere."""
        return self._line is not None

    @cached_property
    def centres(self) -> Floats:
        """The values, without the noise of their storage if they are regular."""
        if self._line is None:
            return self.values
        first, step = self._line
        made: Floats = (first + step * np.arange(len(self))).astype(np.float64)
        return made

    @cached_property
    def spacing(self) -> float:
        """Mean distance between centres, in degrees, positive."""
        if self._line is not None:
            return abs(self._line[1])
        if len(self) == 1:
            return float("nan")
        return abs(float(self.values[-1] - self.values[0])) / (len(self) - 1)

    @cached_property
    def max_cell_width(self) -> float:
        """Degrees that no cell exceeds."""
        largest = float(np.abs(np.diff(self.centres)).max(initial=0))
        return largest if self.circular else 1.5 * largest  # to the pole, see cell_index()

    @cached_property
    def _end_steps(self) -> tuple[float, float]:
        """Degrees between the first two centres, and between the last two; positive."""
        c = self.centres
        return abs(float(c[1] - c[0])), abs(float(c[-1] - c[-2]))

    @cached_property
    def _at_poles(self) -> tuple[bool, bool]:
        """Whether a pole is nearer to the first, and to the last row, than another row would be."""
        if self.circular or len(self) == 1:
            return False, False
        gaps = 90 - np.abs(self.centres[[0, -1]])
        first, last = (
            bool(gap < step * (1 - 1e-6)) for gap, step in zip(gaps, self._end_steps, strict=True)
        )
        return first, last

    @property
    def ascending(self) -> bool:
        """Whether the values increase."""
        return bool(self.values[-1] > self.values[0])

    def fractional_index(self, points: Floats) -> Floats:
        """Fractional index of each point; beyond the ends it goes on counting.

        Rounded to 1e-6 of a cell, so that the noise of coordinates decides no tie.
        """
        first, last = self.centres[0], self.centres[-1]
        if self.circular and not self.periodic:
            # To the nearer end, each point by itself: its place depends on no other point.
            turns = np.round((points - (first + last) / 2) / 360, 9)
            points = points - 360 * np.floor(turns + 0.5)
        if self.periodic:
            found = (points - first) / self.spacing
            found = found - np.floor((found[0] + 0.5) / len(self)) * len(self)
        elif self._line is not None:
            found = (points - first) / self._line[1]
        else:
            order = slice(None) if self.ascending else slice(None, None, -1)
            count = np.arange(len(self), dtype=float)
            found = np.interp(points, self.centres[order], count[order])
            if len(self) > 1:
                way = 1 if self.ascending else -1
                before, after = (first - points) * way, (points - last) * way
                ends = self._end_steps
                found = found - np.maximum(before, 0) / ends[0] + np.maximum(after, 0) / ends[1]
        rounded: Floats = np.round(found, 6)
        return rounded

    def has_centres_at(self, points: Floats) -> bool:
        """Whether the points are centres of neighbouring cells, or lie beyond the ends."""
        at = self.fractional_index(points)
        if not self.periodic:
            at = np.clip(at, 0, len(self) - 1)
        return bool((at == np.round(at)).all())

    def cell_index(self, points: Floats) -> Ints:
        """Index of the cell that holds each point, counting on beyond the ends.

        A point between two cells is in the southern or the eastern one, whichever way the axis
        runs. The last cell before a pole reaches to it: Gaussian rows leave more than half a cell.
        """
        at = self.fractional_index(points)
        south = self.ascending and not self.circular
        found: Ints = (np.ceil(at - 0.5) if south else np.floor(at + 0.5)).astype(np.int64)
        if self.periodic:
            return found
        found[at == -0.5] = 0  # the far edges of the first and the last cell are their own
        found[at == len(self) - 0.5] = len(self) - 1
        first, last = self._at_poles
        if first:
            found = np.maximum(found, 0)
        return np.minimum(found, len(self) - 1) if last else found

    def contains_cells(self, cells: Ints) -> npt.NDArray[np.bool_]:
        """Which indices, counted on beyond the ends, are cells of this axis."""
        if self.periodic:
            return np.ones(cells.shape, bool)
        found: npt.NDArray[np.bool_] = (cells >= 0) & (cells < len(self))
        return found

    def contains_points(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Which points lie in a cell of this axis."""
        return self.contains_cells(self.cell_index(points))

    def wrap_or_clip(self, cells: Ints) -> Ints:
        """Indices counted on beyond the ends, as cells: around the globe, or at the edge."""
        return cells % len(self) if self.periodic else np.clip(cells, 0, len(self) - 1)

    def stencil(self, points: Floats, spacing: float) -> tuple[int, int]:
        """Return the first cell and the number of cells that points are made from.

        Never more than all of them; the first counts on past a periodic axis' ends.
        """
        low, high = self._span(self.fractional_index(points), self._reach(spacing))
        return (0, len(self)) if high - low >= len(self) else (low, high - low)

    def resampling_matrix(self, points: Floats, spacing: float) -> tuple[int, Floats]:
        """Matrix that carries values on this axis to ``points`` that lie ``spacing`` apart.

        Linear where this axis is coarser or alike, the mean over each target cell where it is
        finer.

        Returns
        -------
        start : int
            Index of the first cell needed (counting on past the ends if periodic).
        matrix : ndarray, shape (len(points), cells needed)
            Rows sum to one.
        """
        at = self.fractional_index(points)
        reach = self._reach(spacing)
        low, high = self._span(at, reach)
        if not self.periodic:
            at = np.clip(at, 0, len(self) - 1)
        cells = np.arange(low, high)
        if reach:
            ends = np.minimum(at[:, None] + reach, cells + 0.5)
            weights = np.maximum(ends - np.maximum(at[:, None] - reach, cells - 0.5), 0)
        else:
            weights = np.maximum(1 - np.abs(at[:, None] - cells), 0)
        total = weights.sum(axis=1, keepdims=True)
        return low, weights / np.where(total > 0, total, 1)

    def _reach(self, spacing: float) -> float:
        """Cells that a mean over a target cell takes to each side; none where it interpolates."""
        width = spacing / self.spacing
        return width / 2 if width > 1.5 else 0.0

    def _span(self, at: Floats, reach: float) -> tuple[int, int]:
        """The cells that points reach, half-open: those of the axis, or counted on around it."""
        low, high = int(np.floor(at.min() - reach)), int(np.ceil(at.max() + reach)) + 1
        if self.periodic:
            return low, high
        return max(min(low, len(self) - 1), 0), min(max(high, 1), len(self))

    def __dask_tokenize__(self) -> Any:
        return ("Axis", self.values.tobytes(), self.periodic)

    def __reduce__(self) -> tuple[Any, ...]:
        # An axis of 43,200 cells travels with every graph: what differs from a straight line is
        # next to nothing, and exact.
        ends = float(self.values[0]), float(self.values[-1]), len(self)
        bits = self.values.view(np.int64) - np.linspace(*ends).view(np.int64)
        return _unpacked, (ends, zlib.compress(bits.tobytes()), self.periodic, self.circular)


def _unpacked(ends: tuple[float, float, int], bits: bytes, periodic: bool, circular: bool) -> Axis:
    values = np.linspace(*ends).view(np.int64) + np.frombuffer(zlib.decompress(bits), np.int64)
    return Axis(values.view(np.float64), periodic, circular)
