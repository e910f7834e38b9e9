"""Trends from earlier years alone: the least-squares line, or one shrunk by its noise."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xai4land.typing import Floats

__all__ = ["MIN_TREND_YEARS", "Trend", "extrapolate_trend", "sum_before"]

Trend = Literal["line", "shrunk"]
MIN_TREND_YEARS = 15
"""Years that a trend is fitted on, at least."""


def extrapolate_trend(values: Floats, kind: Trend = "line", area: Floats | None = None) -> Floats:
    """Extrapolate to each year the line through all years before it.

    Parameters
    ----------
    values : ndarray, shape (years, ...)
        The last axis is that of cells.
    kind : str
        ``"line"``: least squares. ``"shrunk"``: the slopes of one month and variable times the
        share of their mean square over cells that is not noise, from 0 to 1 (Efron and Morris
        1973); extrapolating a slope that is not there is the largest error of a line.
    area : ndarray, shape (cells,), optional
        Weight of each cell in that share; equal by default.

    Returns
    -------
    ndarray, same shape
        Missing where fewer than 15 years are known.

    Examples
    --------
    >>> extrapolate_trend(np.arange(20.0))[-2:]
    array([18., 19.])
    >>> noise = np.random.default_rng(0).normal(size=(60, 1000))
    >>> for kind in ("line", "shrunk"):
    ...     print(np.nanstd(extrapolate_trend(noise, kind)[40]).round(2))
    0.33
    0.16
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    year = np.arange(len(values), dtype=float).reshape(-1, *(1,) * (values.ndim - 1))
    sums = (known * 1.0, known * year, known * year**2, filled, filled * year)
    count, x, xx, y, xy = (sum_before(part) for part in sums)
    safe = np.maximum(count, 1)
    spread = xx - x * x / safe
    slope = np.where(spread > 0, (xy - x * y / safe) / np.where(spread > 0, spread, 1), 0.0)
    enough = count >= MIN_TREND_YEARS
    if kind == "shrunk":
        residual = sum_before(filled**2) - y * y / safe - slope**2 * spread
        slope_variance = residual / np.maximum(count - 2, 1) / np.where(spread > 0, spread, 1)
        weight = enough * (1.0 if area is None else area)
        square = (slope**2 * weight).sum(-1, keepdims=True)
        noise = (slope_variance * weight).sum(-1, keepdims=True)
        slope = slope * np.clip(1 - noise / np.where(square > 0, square, 1), 0, 1)
    line = y / safe + slope * (year - x / safe)
    return np.where(enough, line, np.nan)


def sum_before(values: Floats) -> Floats:
    """Compute the sum over the years before each."""
    total = np.cumsum(values, 0)
    return np.concatenate([np.zeros_like(total[:1]), total[:-1]])
