"""Windows anchored to the globe.

Their positions follow from the target grid's lattice alone: not from chunks, nor from the part
of the globe that is asked for. They wrap in longitude and have one size.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import NewType

import numpy as np
import numpy.typing as npt

from xai4land.emulator.card import Window

__all__ = ["WindowCorner", "Windows"]

WindowCorner = NewType("WindowCorner", tuple[int, int])
"""First lattice row and column of a window; columns may lie beyond the date line."""


@dataclass(frozen=True)
class Windows:
    """All windows of a lattice.

    Parameters
    ----------
    lattice : tuple of int
        Rows from pole to pole, columns around the globe.
    window : Window
        Size and overlap, in pixels. The overlap may be a little larger, so that a whole number of
        windows fits.

    Examples
    --------
    >>> windows = Windows((180, 360), Window(size=64, overlap=16))
    >>> windows.rows.tolist()
    [0, 39, 77, 116]
    >>> windows.find_corners((0, 20), (-5, 20))
    [(0, -45), (0, 0)]
    """

    lattice: tuple[int, int]
    window: Window

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """First lattice row of each row of windows."""
        size, step = self.window.size, self.window.size - self.window.overlap
        last = max(self.lattice[0] - size, 0)
        return np.round(np.linspace(0, last, -(-last // step) + 1)).astype(np.int64)

    @cached_property
    def columns(self) -> npt.NDArray[np.int64]:
        """First lattice column of each window of a row."""
        width = self.lattice[1]
        count = -(-width // (self.window.size - self.window.overlap))
        return (np.arange(count) * width) // count

    def find_rows(self, span: tuple[int, int]) -> list[int]:
        """Find the rows of windows that share pixels with a half-open range of lattice rows."""
        size = self.window.size
        return [int(r) for r in self.rows if span[0] - size < r < span[1]]

    def find_columns(self, span: tuple[int, int]) -> list[int]:
        """Find the columns of windows that share pixels with a range, from west to east.

        The range may wrap. A window that it meets again once round the globe is listed again.
        """
        size, width = self.window.size, self.lattice[1]
        return sorted(
            int(c) + lap * width
            for c in self.columns
            for lap in range((span[0] - size - int(c)) // width, (span[1] - int(c)) // width + 1)
            if span[0] - size < int(c) + lap * width < span[1]
        )

    def find_corners(self, rows: tuple[int, int], columns: tuple[int, int]) -> list[WindowCorner]:
        """Find the windows that share pixels with a box of the lattice (half-open, may wrap)."""
        found = itertools.product(self.find_rows(rows), self.find_columns(columns))
        return [WindowCorner(corner) for corner in found]

    def blend_weights(self) -> npt.NDArray[np.float32]:
        """Return the Gaussian weight of each pixel in the blend; sigma is an eighth of the size."""
        size = self.window.size
        distance = (np.arange(size) - (size - 1) / 2) / (size / 8)
        line = np.exp(-0.5 * distance**2)
        return np.outer(line, line).astype(np.float32)
