"""Fields in memory on another regular grid, by the matrices that inference uses."""

from __future__ import annotations

import numpy as np

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.typing import Floats, Floats32

__all__ = ["Interpolation"]


class Interpolation:
    """Bring fields to another grid: linear between the centres of cells, or means if it is coarser.

    Examples
    --------
    >>> coarse = Grid(Axis(np.array([0.0, 1.0])), Axis(np.array([0.0, 1.0])))
    >>> fine = Grid(Axis(np.array([0.0, 0.5, 1.0])), Axis(np.array([0.0, 1.0])))
    >>> Interpolation(coarse, fine)(np.array([[0.0, 2.0], [1.0, 3.0]])).tolist()
    [[0.0, 2.0], [0.5, 2.5], [1.0, 3.0]]
    """

    def __init__(self, coarse: Grid, fine: Grid) -> None:
        pairs = zip((coarse.lat, coarse.lon), (fine.lat, fine.lon), strict=True)
        self.rows, self.columns = (_weights(*pair) for pair in pairs)

    def __call__(self, field: Floats) -> Floats:
        """Return fields on the fine grid, shape (..., rows, columns)."""
        return np.asarray(self.rows @ field @ self.columns.T)


def _weights(coarse: Axis, fine: Axis) -> Floats32:
    """Return the matrix of linear interpolation, shape (points of the fine axis, cells)."""
    first, matrix = coarse.resampling_matrix(fine.values, fine.spacing)
    cells = coarse.wrap_or_clip(first + np.arange(matrix.shape[1]))
    # A cell may count twice, where the axis closes around the globe.
    return np.asarray((matrix @ np.eye(len(coarse))[cells]).astype(np.float32))
