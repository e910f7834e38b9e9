"""What an engine gives: linear operators on the two horizontal dimensions of an array."""

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
        """Shape (n, rows, columns) of the source to (n, rows, columns) of the target.

        There are no missing values among them: :mod:`xai4land.regridding.means` sees to that.
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
        """Rows first; the columns then see fewer of them where the target is coarser."""
        made = np.empty((len(values), *self.shape))
        for layer, out in zip(values, made, strict=True):
            out[:] = (self.columns @ np.ascontiguousarray((self.rows @ layer).T)).T
        return made


@dataclass(frozen=True, eq=False)
class Sparse:
    """One sparse matrix from all source cells to all target cells, between any grids."""

    weights: Weights
    shape: tuple[int, int]

    def __call__(self, values: Floats) -> Floats:
        """Layer by layer: no transposed copy is made."""
        made = np.empty((len(values), *self.shape))
        for layer, out in zip(values, made, strict=True):
            out[:] = (self.weights.matrix @ layer.ravel()).reshape(self.shape)
        return made


@dataclass(frozen=True, eq=False)
class Lookup:
    """The source cell that each target cell takes, counted along the rows; -1 is none."""

    cells: Ints
    """Shape (rows, columns) of the target."""

    def __call__(self, values: npt.NDArray[Any], missing: Any) -> npt.NDArray[Any]:
        """Shape (..., rows, columns) of the source to that of the target, in the same type."""
        found = values.reshape(*values.shape[:-2], -1)[..., self.cells.clip(0)]
        made: npt.NDArray[Any] = np.where(self.cells >= 0, found, values.dtype.type(missing))
        return made
