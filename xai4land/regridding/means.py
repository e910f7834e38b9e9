"""The rule for missing values, the same for all engines and methods.

A target cell is the weighted mean of the known (not missing) values in it. It is missing where
less than a given part of it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.regridding.operators import Operator
from xai4land.typing import Booleans, Floats

__all__ = ["is_covered", "iterate_layers", "known_share", "weighted_means"]

SHARE_TOLERANCE = 1e-6
"""Rounding error of a share: exactly half of a cell must count as half for every engine."""
MAX_LAYER_NUMBERS = 2**21
"""Most numbers that are worked on at once: about what fits the processor's cache."""


def weighted_means(
    values: npt.NDArray[Any], operator: Operator, min_coverage: float
) -> npt.NDArray[Any]:
    """Compute weighted means of the known values.

    Parameters
    ----------
    values : ndarray, shape (..., rows, columns)
    operator : Operator
    min_coverage : float
        Share of the weights that must be known.

    Returns
    -------
    ndarray, shape (..., rows, columns) of the target
        Summed in float64; float32 values and small integers give float32.
    """
    dtype = np.result_type(values.dtype, np.float32)
    result = np.empty((*values.shape[:-2], *operator.shape), dtype)
    full_share = operator(np.ones((1, *values.shape[-2:])))
    for part, out in zip(iterate_layers(values), iterate_layers(result, values), strict=True):
        known = np.isfinite(part)
        filled = np.where(known, part, 0).astype(np.float64, copy=False)
        share = full_share if known.all() else known_share(known, operator)
        valid = is_covered(share, min_coverage)
        out[:] = np.where(valid, operator(filled) / np.where(valid, share, 1), np.nan)
    return result


def known_share(known: Booleans, operator: Operator) -> Floats:
    """Compute the part of each target cell that is known; once for layers with the same mask."""
    if len(known) > 1 and (known == known[0]).all():
        known = known[:1]
    return operator(known.astype(np.float64))


def is_covered(share: Floats, min_coverage: float) -> Booleans:
    """Tell where the known share is large enough, and not zero."""
    covered: Booleans = (share >= min_coverage - SHARE_TOLERANCE) & (share > SHARE_TOLERANCE)
    return covered


def iterate_layers(values: npt.NDArray[Any], like: npt.NDArray[Any] | None = None) -> Iterator[Any]:
    """Iterate over parts of an array along its leading dimensions, of bounded size.

    Parameters
    ----------
    values : ndarray, shape (..., rows, columns)
    like : ndarray, optional
        Another array with the same leading dimensions, whose size decides.

    Yields
    ------
    ndarray, shape (layers, rows, columns)
        A view.
    """
    cells = int(np.prod((values if like is None else like).shape[-2:]))
    step = max(MAX_LAYER_NUMBERS // max(cells, 1), 1)
    flat = values.reshape(-1, *values.shape[-2:])
    for first in range(0, len(flat), step):
        yield flat[first : first + step]
