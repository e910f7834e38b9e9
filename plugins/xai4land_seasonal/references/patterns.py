"""Leading patterns of the past, and the years in which they are refitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai4land.typing import Floats
from xai4land_seasonal.data.history import History

__all__ = ["REFIT_INTERVAL", "Patterns", "find_refits"]


REFIT_INTERVAL = 5
"""Years between two fits; a forecast uses the last fit before it."""


@dataclass(frozen=True)
class Patterns:
    """Leading empirical orthogonal functions of departures of all variables together.

    Attributes
    ----------
    weight : ndarray, shape (variables, cells)
        Factor of departures: root of the area over standard deviation.
    vectors : ndarray, shape (variables * cells, count)
        Scaled so that the principal components have unit variance.
    """

    weight: Floats
    vectors: Floats

    @classmethod
    def of(cls, months: Floats, area: Floats, count: int) -> Patterns:
        """Compute patterns of departures, (months, variables, cells); missing ones count as zero.

        Examples
        --------
        >>> months = np.random.default_rng(0).normal(size=(100, 1, 5))
        >>> patterns = Patterns.of(months, np.ones(5), 2)
        >>> patterns.project(months).std(0).round(6)
        array([1., 1.])
        """
        filled = np.nan_to_num(months)
        spread = filled.std((0, 2), keepdims=True)[0]
        weight = np.sqrt(area / area.mean()) / np.where(spread > 0, spread, 1.0)
        flat = (filled * weight).reshape(len(filled), -1)
        flat = flat - flat.mean(0)
        # Eigenvectors of the smaller of both covariance matrices.
        wide = flat.shape[1] > len(flat)
        squares, vectors = np.linalg.eigh(flat @ flat.T if wide else flat.T @ flat)
        squares, vectors = squares[: -count - 1 : -1], vectors[:, : -count - 1 : -1]
        some = squares > 1e-12 * squares[:1]
        squares, vectors = squares[some], vectors[:, some]
        if wide:
            vectors = flat.T @ vectors / np.sqrt(squares)
        return cls(weight, vectors / np.sqrt(squares / len(flat)))

    def project(self, months: Floats) -> Floats:
        """Compute principal components, shape (cases, count)."""
        flat = (np.nan_to_num(months) * self.weight).reshape(len(months), -1)
        return np.asarray(flat @ self.vectors)


def find_refits(history: History) -> list[tuple[int, slice]]:
    """Return the position of the first year that each fit is used for, and all these years."""
    years = history.first_year + np.arange(len(history.values))
    firsts = [i for i, year in enumerate(years) if year % REFIT_INTERVAL == 0]
    ends = [*firsts[1:], len(years)]
    return [(first, slice(first, end)) for first, end in zip(firsts, ends, strict=True)]
