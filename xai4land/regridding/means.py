"""The one rule for missing values, whatever the engine and the method.

A target cell is the weighted mean of what is known in it. It is missing where less than a given
part of it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.regridding.operators import Operator
from xai4land.typing import Floats

__all__ = ["enough", "layers", "means", "shares"]

ROUNDING = 1e-6
"""How far a share may be off: exactly half of a cell must count as half for every engine."""
NUMBERS = 2**21
"""Numbers of a block that are worked on at once: what fits the processor's memory."""


def means(values: npt.NDArray[Any], operator: Operator, min_coverage: float) -> npt.NDArray[Any]:
    """Weighted means of what is known, in the type of floating point values.

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
    kind = np.result_type(values.dtype, np.float32)
    made = np.empty((*values.shape[:-2], *operator.shape), kind)
    whole = operator(np.ones((1, *values.shape[-2:])))
    for part, out in zip(layers(values), layers(made, values), strict=True):
        known = np.isfinite(part)
        filled = np.where(known, part, 0).astype(np.float64, copy=False)
        share = whole if known.all() else shares(known, operator)
        valid = enough(share, min_coverage)
        out[:] = np.where(valid, operator(filled) / np.where(valid, share, 1), np.nan)
    return made


def shares(known: npt.NDArray[np.bool_], operator: Operator) -> Floats:
    """Part of each target cell that is known; once for all layers that have one mask."""
    if len(known) > 1 and (known == known[0]).all():
        known = known[:1]
    return operator(known.astype(np.float64))


def enough(share: Floats, min_coverage: float) -> npt.NDArray[np.bool_]:
    """Where the share that is known suffices; never where nothing is."""
    found: npt.NDArray[np.bool_] = (share >= min_coverage - ROUNDING) & (share > ROUNDING)
    return found


def layers(values: npt.NDArray[Any], like: npt.NDArray[Any] | None = None) -> Iterator[Any]:
    """Parts of an array along what comes before rows and columns, of a bounded size.

    Parameters
    ----------
    values : ndarray, shape (..., rows, columns)
    like : ndarray, optional
        Another array with the same leading dimensions, whose parts decide.
    """
    cells = int(np.prod((values if like is None else like).shape[-2:]))
    step = max(NUMBERS // max(cells, 1), 1)
    flat = values.reshape(-1, *values.shape[-2:])
    for first in range(0, len(flat), step):
        yield flat[first : first + step]
