"""The coarse cells under a box of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Ints
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field

__all__ = ["CellLookup", "Cells"]


class Cells(NamedTuple):
    """The coarse cells under a box of pixels.

    Attributes
    ----------
    rows, columns : Tensor of int64, shape (box rows,), (box columns,)
        Cell of each pixel, counted from the first.
    values : Tensor, shape (layers, cell rows, cell columns)
        Values of each cell; NaN where missing.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    values: torch.Tensor

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Return cells' values, (..., cell rows, cell columns), on pixels, (..., rows, columns)."""
        return values.index_select(-2, self.rows).index_select(-1, self.columns)

    def to(self, device: torch.device) -> Cells:
        """Return the cells on a device."""
        return Cells(*(part.to(device) for part in self))


@dataclass(frozen=True)
class CellLookup:
    """Finds the cells of a coarse grid that contain pixels.

    Parameters
    ----------
    grid : Grid
    device : torch.device
    """

    grid: Grid
    device: torch.device

    def values(self, field: Field, pixels: Pixels) -> torch.Tensor:
        """Return a field's values in the cells under pixels, (layers, cell rows, cell columns)."""
        rows, columns = self._lines(pixels)
        return field.select_cells(rows.cells, columns.cells)

    def cells(self, field: Field, pixels: Pixels) -> Cells:
        """Return the cells under a box of pixels, with a field's values."""
        rows, columns = self._lines(pixels)
        return Cells(rows.numbers, columns.numbers, field.select_cells(rows.cells, columns.cells))

    def on_pixels(self, field: Field, pixels: Pixels) -> torch.Tensor:
        """Return a field's value in the cell that contains each pixel; 0 where missing."""
        rows, columns = self._lines(pixels)
        values = torch.nan_to_num(field.select_cells(rows.cells, columns.cells))
        # A product with zeros and ones is exact, and picking columns is slow.
        return (values @ columns.members.T).index_select(1, rows.numbers)

    def _lines(self, pixels: Pixels) -> tuple[CellLine, CellLine]:
        return self._line(0, self.grid.lat, pixels.lat), self._line(1, self.grid.lon, pixels.lon)

    def _line(self, dim: int, axis: Axis, points: Floats) -> CellLine:
        """Return the cells under points; cached, since windows come in rows and columns."""
        key = (dim, float(points[0]), points.size)
        if key not in self._cached_lines:
            found = axis.cell_index(points)
            cells = np.arange(found.min(), found.max() + 1)
            numbers = torch.from_numpy(found - cells[0]).to(self.device)
            members = numbers[:, None] == torch.arange(cells.size, device=self.device)
            self._cached_lines[key] = CellLine(cells, numbers, members.float())
        return self._cached_lines[key]

    @cached_property
    def _cached_lines(self) -> dict[tuple[int, float, int], CellLine]:
        return {}


class CellLine(NamedTuple):
    """The cells under pixels along an axis.

    Attributes
    ----------
    cells : ndarray of int
        Indices on the axis.
    numbers : Tensor of int64, shape (pixels,)
        Cell of each pixel, counted from the first.
    members : Tensor, shape (pixels, cells)
        1 where the cell contains the pixel.
    """

    cells: Ints
    numbers: torch.Tensor
    members: torch.Tensor
