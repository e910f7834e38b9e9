"""Trends from the years before alone: the least-squares line, or one held back by its noise."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xai4land.typing import Floats

__all__ = ["MIN_TREND_YEARS", "Trend", "extrapolate_trend", "sum_before"]

Trend = Literal["line", "shrunk"]
MIN_TREND_YEARS = 15
"""Years that a trend is fitted on at least."""


def extrapolate_trend(values: Floats, kind: Trend = "line", area: Floats | None = None) -> Floats:
    """The line through all years before each year, continued to it.

    Parameters
    ----------
    values : ndarray, shape (years, ...)
        The last axis is that of cells.
    kind : str
        ``"line"``: least squares. ``"shrunk"``: all cells' slopes of one month and variable times
        the share of their mean square that chance does not explain, from 0 to 1 (Efron and Morris
        1973): the continuation of a slope that is not there is the largest error of a line.
    area : ndarray, shape (cells,), optional
        What cells count in that share; the same by default.

    Returns
    -------
    ndarray, same shape
        Missing where fewer than 15 years are known.

    Examples
    --------
    >>> extrapolate_trend(np.arange(20.0))[-2:]
    array([18., 19.])
    >>> noise = np.random.default_rng(0).normal(size=(60, 1000))
    >>> [float(np.nanstd(extrapolate_trend(noise, kind)[40]).round(2)) for kind in ("line", "shrunk")]
    [0.33, 0.16]
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    year = np.arange(len(values), dtype=float).reshape(-1, *(1,) * (values.ndim - 1))
    count, x, xx, y, xy = (
        sum_before(part)
        for part in (known * 1.0, known * year, known * year**2, filled, filled * year)
    )
    safe = np.maximum(count, 1)
    spread = xx - x * x / safe
    slope = np.where(spread > 0, (xy - x * y / safe) / np.where(spread > 0, spread, 1), 0.0)
    enough = count >= MIN_TREND_YEARS
    if kind == "shrunk":
        left = sum_before(filled**2) - y * y / safe - slope**2 * spread
        chance = left / np.maximum(count - 2, 1) / np.where(spread > 0, spread, 1)
        weight = enough * (1.0 if area is None else area)
        square = (slope**2 * weight).sum(-1, keepdims=True)
        noise = (chance * weight).sum(-1, keepdims=True)
        slope = slope * np.clip(1 - noise / np.where(square > 0, square, 1), 0, 1)
    line = y / safe + slope * (year - x / safe)
    return np.where(enough, line, np.nan)


def sum_before(values: Floats) -> Floats:
    """Sum over the years before each."""
    total = np.cumsum(values, 0)
    return np.concatenate([np.zeros_like(total[:1]), total[:-1]])
