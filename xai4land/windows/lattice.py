"""Windows anchored to the globe.

Their positions follow from the target grid's lattice alone: not from chunks, nor from the part
of the globe that is asked for. They wrap in longitude and have one size.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from xai4land.emulator.card import Window

__all__ = ["Place", "Windows"]

Place = tuple[int, int]
"""Lattice row and column of a window's corner; columns may lie beyond the date line."""


@dataclass(frozen=True)
class Windows:
    """All windows of a lattice.

    Parameters
    ----------
    lattice : tuple of int
        Rows from pole to pole, columns around the globe.
    window : Window
        Size and overlap, in pixels. Windows may share a little more, so that whole ones fit.

    Examples
    --------
    >>> windows = Windows((180, 360), Window(size=64, overlap=16))
    >>> windows.rows.tolist()
    [0, 39, 77, 116]
    >>> windows.touching((0, 20), (-5, 20))
    [(0, -45), (0, 0)]
    """

    lattice: tuple[int, int]
    window: Window

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """First lattice row of each row of windows."""
        size, step = self.window.size, self.window.size - self.window.overlap
        room = max(self.lattice[0] - size, 0)
        return np.round(np.linspace(0, room, -(-room // step) + 1)).astype(np.int64)

    @cached_property
    def columns(self) -> npt.NDArray[np.int64]:
        """First lattice column of each window of a row."""
        around = self.lattice[1]
        count = -(-around // (self.window.size - self.window.overlap))
        return (np.arange(count) * around) // count

    def rows_touching(self, span: tuple[int, int]) -> list[int]:
        """Rows of windows that share pixels with a half-open range of the lattice's rows."""
        size = self.window.size
        return [int(r) for r in self.rows if span[0] - size < r < span[1]]

    def columns_touching(self, span: tuple[int, int]) -> list[int]:
        """Columns of windows that share pixels with a range, which may wrap; from west to east.

        A window that the range meets again after a turn around the globe is listed again.
        """
        size, around = self.window.size, self.lattice[1]
        return sorted(
            int(c) + turn * around
            for c in self.columns
            for turn in range((span[0] - size - int(c)) // around, (span[1] - int(c)) // around + 1)
            if span[0] - size < int(c) + turn * around < span[1]
        )

    def touching(self, rows: tuple[int, int], columns: tuple[int, int]) -> list[Place]:
        """Windows that share pixels with a box of the lattice (half-open, may wrap)."""
        return list(itertools.product(self.rows_touching(rows), self.columns_touching(columns)))

    def weights(self) -> npt.NDArray[np.float32]:
        """Gaussian weight of each pixel in the blend; sigma is an eighth of the size."""
        size = self.window.size
        distance = (np.arange(size) - (size - 1) / 2) / (size / 8)
        line = np.exp(-0.5 * distance**2)
        return np.outer(line, line).astype(np.float32)
