"""Linear operators on the two horizontal dimensions of an array, which engines make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from xai4land.typing import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from xai4land.regridding.weights import Weights

__all__ = ["Lookup", "Operator", "Separable", "Sparse"]


class Operator(Protocol):
    """A weighted sum of source cells for each target cell.

    Weights of a target cell sum to the part of it that the source covers: one, inside.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the target."""
        ...

    def __call__(self, values: Floats) -> Floats:
        """Bring values of shape (n, rows, columns) from the source to the target.

        No value is missing: :mod:`xai4land.regridding.means` replaces missing ones before.
        """
        ...


@dataclass(frozen=True, eq=False)
class Separable:
    """One sparse matrix for the rows and one for the columns, between regular grids."""

    rows: csr_array
    columns: csr_array

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the target."""
        return self.rows.shape[0], self.columns.shape[0]

    def __call__(self, values: Floats) -> Floats:
        """Sum over rows first: where the target is coarser, fewer are left for the columns."""
        result = np.empty((len(values), *self.shape))
        for layer, out in zip(values, result, strict=True):
            out[:] = (self.columns @ np.ascontiguousarray((self.rows @ layer).T)).T
        return result


@dataclass(frozen=True, eq=False)
class Sparse:
    """One sparse matrix from all source cells to all target cells, between any grids."""

    weights: Weights
    shape: tuple[int, int]

    def __call__(self, values: Floats) -> Floats:
        """Sum layer by layer, so that no transposed copy is made."""
        result = np.empty((len(values), *self.shape))
        for layer, out in zip(values, result, strict=True):
            out[:] = (self.weights.matrix @ layer.ravel()).reshape(self.shape)
        return result


@dataclass(frozen=True, eq=False)
class Lookup:
    """The index of the source cell of each target cell, counted along the rows; -1 for none."""

    cells: Ints
    """Shape (rows, columns) of the target."""

    def __call__(self, values: npt.NDArray[Any], missing: Any) -> npt.NDArray[Any]:
        """Take values of shape (..., rows, columns) to the target, in the same type."""
        nearest = values.reshape(*values.shape[:-2], -1)[..., self.cells.clip(0)]
        taken: npt.NDArray[Any] = np.where(self.cells >= 0, nearest, values.dtype.type(missing))
        return taken
