"""One axis of a grid, and the matrices that bring values from it to other points.

Both horizontal axes are separable, so every regridding that inference needs (bilinear to finer
cells, area mean to coarser ones, nearest for categories) is a product of two small matrices.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xai4land.grids.spacing import regular_spacing
from xai4land.typing import Booleans, Floats, Ints

__all__ = ["Axis"]


@dataclass(frozen=True, eq=False)
class Axis:
    """Cell centres along latitude or longitude, in the order of the data.

    Cells are counted from 0 to ``len(axis) - 1``. Indices may go beyond these ends: around the
    globe they mean cells again (:meth:`wrap_or_clip`), elsewhere nothing (:meth:`contains_cells`).

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
        tolerance = 1e-3 * self.spacing if len(self) > 1 else 1e-6  # one cell has no spacing
        return (
            isinstance(other, Axis)
            and self.periodic == other.periodic
            and self.values.shape == other.values.shape
            and bool(np.allclose(self.values, other.values, rtol=0, atol=tolerance))
        )

    def __hash__(self) -> int:
        return hash((len(self), self.periodic))

    @cached_property
    def _first_and_step(self) -> tuple[float, float] | None:
        return regular_spacing(self.values)

    @property
    def regular(self) -> bool:
        """Whether the spacing is the same everywhere."""
        return self._first_and_step is not None

    @cached_property
    def centres(self) -> Floats:
        """The values; on a regular axis without the rounding errors of their storage."""
        if self._first_and_step is None:
            return self.values
        first, step = self._first_and_step
        centres: Floats = (first + step * np.arange(len(self))).astype(np.float64)
        return centres

    @cached_property
    def spacing(self) -> float:
        """Mean distance between centres, in degrees, positive."""
        if self._first_and_step is not None:
            return abs(self._first_and_step[1])
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
    def _ends_at_pole(self) -> tuple[bool, bool]:
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
        """Compute the fractional index of each point, below 0 and above the last beyond the ends.

        Rounded to 1e-6 of a cell, so that rounding errors of coordinates decide no tie.
        """
        first, last = self.centres[0], self.centres[-1]
        if self.circular and not self.periodic:
            # To the nearer end, each point by itself: its index depends on no other point.
            turns = np.round((points - (first + last) / 2) / 360, 9)
            points = points - 360 * np.floor(turns + 0.5)
        if self.periodic:
            index = (points - first) / self.spacing
            index = index - np.floor((index[0] + 0.5) / len(self)) * len(self)
        elif self._first_and_step is not None:
            index = (points - first) / self._first_and_step[1]
        else:
            index = self._interpolated_index(points)
        rounded: Floats = np.round(index, 6)
        return rounded

    def _interpolated_index(self, points: Floats) -> Floats:
        """Interpolate the index on an irregular axis; extrapolate with the step at each end."""
        first, last = self.centres[0], self.centres[-1]
        order = slice(None) if self.ascending else slice(None, None, -1)
        count = np.arange(len(self), dtype=float)
        index: Floats = np.interp(points, self.centres[order], count[order])
        if len(self) > 1:
            sign = 1 if self.ascending else -1
            before, after = (first - points) * sign, (points - last) * sign
            ends = self._end_steps
            index = index - np.maximum(before, 0) / ends[0] + np.maximum(after, 0) / ends[1]
        return index

    def has_centres_at(self, points: Floats) -> bool:
        """Tell whether every point is a centre of this axis, or lies beyond the ends."""
        index = self.fractional_index(points)
        if not self.periodic:
            index = np.clip(index, 0, len(self) - 1)
        return bool((index == np.round(index)).all())

    def cell_index(self, points: Floats) -> Ints:
        """Find the index of the cell that holds each point; beyond the ends, of one there.

        A point between two cells is in the southern or the eastern one, whichever way the axis
        runs. The last cell before a pole reaches to it: Gaussian rows leave more than half a cell.
        """
        index = self.fractional_index(points)
        south_first = self.ascending and not self.circular
        rounded = np.ceil(index - 0.5) if south_first else np.floor(index + 0.5)
        cells: Ints = rounded.astype(np.int64)
        if self.periodic:
            return cells
        # The outer edges of the first and the last cell belong to these.
        cells[index == -0.5] = 0
        cells[index == len(self) - 0.5] = len(self) - 1
        first, last = self._ends_at_pole
        if first:
            cells = np.maximum(cells, 0)
        return np.minimum(cells, len(self) - 1) if last else cells

    def contains_cells(self, cells: Ints) -> Booleans:
        """Tell which indices are cells of this axis, rather than beyond its ends."""
        if self.periodic:
            return np.ones(cells.shape, bool)
        contained: Booleans = (cells >= 0) & (cells < len(self))
        return contained

    def contains_points(self, points: Floats) -> Booleans:
        """Tell which points lie in a cell of this axis."""
        return self.contains_cells(self.cell_index(points))

    def select(self, chosen: Booleans) -> Axis:
        """Return the part of this axis from the first to the last chosen cell.

        Around the globe it is the shorter part, which may cross the axis' ends.
        """
        if chosen.all():
            return self
        numbers = np.flatnonzero(chosen)
        if self.periodic and numbers.size:
            gaps = np.diff(numbers, append=numbers[0] + len(self))
            first = (int(gaps.argmax()) + 1) % numbers.size
            numbers = np.concatenate([numbers[first:], numbers[:first] + len(self)])
        if not numbers.size:
            return Axis(self.values[:0], circular=self.circular)
        cells = np.arange(numbers[0], numbers[-1] + 1)
        values = self.values[cells % len(self)] + 360.0 * (cells // len(self))
        return Axis(values, circular=self.circular)

    def wrap_or_clip(self, cells: Ints) -> Ints:
        """Bring indices beyond the ends to cells: around the globe, or at the nearer end."""
        return cells % len(self) if self.periodic else np.clip(cells, 0, len(self) - 1)

    def stencil(self, points: Floats, spacing: float) -> tuple[int, int]:
        """Return the first cell, and the number of cells, that values at points are made from.

        Covers :meth:`resampling_matrix` and :meth:`cell_index` of all points between the first
        and the last. Never more than all cells; the first may lie beyond a periodic axis' ends.
        """
        first, end = self._cell_range(self.fractional_index(points), self._mean_radius(spacing))
        return (0, len(self)) if end - first >= len(self) else (first, end - first)

    def resampling_matrix(self, points: Floats, spacing: float) -> tuple[int, Floats]:
        """Compute the matrix that brings values on this axis to ``points`` ``spacing`` apart.

        Linear interpolation where this axis is coarser or as fine, the mean over each target cell
        where it is finer.

        Returns
        -------
        first : int
            Index of the first cell used (may lie beyond the ends of a periodic axis).
        matrix : ndarray, shape (len(points), cells used)
            Rows sum to one.
        """
        index = self.fractional_index(points)
        radius = self._mean_radius(spacing)
        first, end = self._cell_range(index, radius)
        if not self.periodic:
            index = np.clip(index, 0, len(self) - 1)
        cells = np.arange(first, end)
        if radius:
            upper = np.minimum(index[:, None] + radius, cells + 0.5)
            weights = np.maximum(upper - np.maximum(index[:, None] - radius, cells - 0.5), 0)
        else:
            weights = np.maximum(1 - np.abs(index[:, None] - cells), 0)
        total = weights.sum(axis=1, keepdims=True)
        return first, weights / np.where(total > 0, total, 1)

    def _mean_radius(self, spacing: float) -> float:
        """Return half the width of a target cell in cells, or 0 where values are interpolated."""
        width = spacing / self.spacing
        return width / 2 if width > 1.5 else 0.0

    def _cell_range(self, index: Floats, radius: float) -> tuple[int, int]:
        """Return the half-open range of cells within a radius of indices."""
        first, end = int(np.floor(index.min() - radius)), int(np.ceil(index.max() + radius)) + 1
        if self.periodic:
            return first, end
        return max(min(first, len(self) - 1), 0), min(max(end, 1), len(self))

    def __dask_tokenize__(self) -> Any:
        return ("Axis", self.values.tobytes(), self.periodic)

    def __reduce__(self) -> tuple[Any, ...]:
        # An axis of 43,200 cells travels with every graph. Its differences from a straight line,
        # bit by bit, compress to next to nothing, and restore it exactly.
        ends = float(self.values[0]), float(self.values[-1]), len(self)
        bits = self.values.view(np.int64) - np.linspace(*ends).view(np.int64)
        return _unpickle, (ends, zlib.compress(bits.tobytes()), self.periodic, self.circular)


def _unpickle(ends: tuple[float, float, int], bits: bytes, periodic: bool, circular: bool) -> Axis:
    values = np.linspace(*ends).view(np.int64) + np.frombuffer(zlib.decompress(bits), np.int64)
    return Axis(values.view(np.float64), periodic, circular)
