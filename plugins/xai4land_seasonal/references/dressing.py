"""Members from a mean and its past errors."""

from __future__ import annotations

import numpy as np

from xai4land.typing import Floats

__all__ = ["dress"]

MIN_ERRORS = 10
"""Years whose errors a cell needs."""


def dress(mean: Floats, errors: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Add whole maps of past errors to a mean, which keeps their correlation in space.

    Maps are drawn without replacement until all are used. They are centred, so that the mean of
    the members is the mean, and scaled in each cell to the errors' mean square (past bias counts
    as uncertainty). An error that is missing in a map is taken from another year.

    Parameters
    ----------
    mean : ndarray, shape (variables, cells)
    errors : ndarray, shape (years, variables, cells)
        Of past forecasts by the same method.
    count : int
    rng : Generator

    Returns
    -------
    ndarray, shape (count, variables, cells)
        Missing where fewer than 10 errors are known. One member is the mean itself.

    Examples
    --------
    >>> errors = np.random.default_rng(0).normal(size=(50, 1, 3))
    >>> members = dress(np.zeros((1, 3)), errors, 1000, np.random.default_rng(1))
    >>> bool(np.allclose(members.mean(0), 0)), members.shape
    (True, (1000, 1, 3))
    """
    known = np.isfinite(errors)
    enough = known.sum(0) >= MIN_ERRORS
    if not enough.any():
        return np.full((count, *mean.shape), np.nan)
    rounds = -(-count // len(errors))
    order = np.concatenate([rng.permutation(len(errors)) for _ in range(rounds)])[:count]
    # Sort the known errors of each cell first; the k-th missing one repeats the k-th known one.
    ranked = np.take_along_axis(errors, np.argsort(~known, axis=0, kind="stable"), 0)
    place = (np.cumsum(~known, 0) - 1) % np.maximum(known.sum(0), 1)
    filled = np.where(known, errors, np.take_along_axis(ranked, place, 0))
    drawn = filled[order]
    drawn = drawn - drawn.mean(0)
    square = np.nansum(errors**2, 0) / np.maximum(known.sum(0), 1)
    size = drawn.var(0, ddof=1) if count > 1 else np.zeros_like(square)
    factor = np.sqrt(square / np.where(size > 0, size, 1.0))
    return np.where(enough, mean + drawn * factor, np.nan)
