"""Regularly spaced coordinates, without the rounding errors of their storage."""

from __future__ import annotations

import math

import numpy as np

from xai4land.typing import Floats

__all__ = ["regular_spacing", "snap_step"]

FLOAT32_ERROR = 2.0**-14
"""Degrees between neighbouring float32 numbers of 512 to 1,024, which no longitude exceeds."""

FLOAT64_ERROR = 1e-9
"""Degrees by which arithmetic in float64 may miss a coordinate."""

MAX_DECIMAL_ERROR = 1e-2
"""Largest share of a cell by which rounded decimals may miss a coordinate of a regular grid."""

ORIGINS_PER_CELL = 120
"""Places in a cell at which a grid may begin: halves, thirds, quarters, fifths of it."""


def regular_spacing(values: Floats) -> tuple[float, float] | None:
    """Return first value and step of regularly spaced coordinates in degrees; None of others.

    float32 misses a coordinate by up to 1e-3 of a cell of 0.01°, each differently: a grid and a
    part of it, or the same one counted from 0 and from 180°W, would seem to be different grids.
    So a step of two decimals, or one that divides a degree or the globe, and a first value at a
    simple fraction of a cell are taken as exact where rounding errors alone separate them from it.
    Values without rounding errors stay as they are. Gaussian rows are off a line by more.

    Examples
    --------
    >>> regular_spacing(np.array([0.05, 0.15, 0.25], "f4").astype(float))
    (0.05, 0.1)
    >>> regular_spacing(np.array([0.0, 1.0, 3.0]))
    """
    steps = values.size - 1
    if steps < 1:
        return None
    first, step = float(values[0]), float(values[-1] - values[0]) / steps
    count = np.arange(values.size)
    single = _is_float32(values)
    error = FLOAT32_ERROR if single else min(_decimal_error(values), MAX_DECIMAL_ERROR * abs(step))
    residual = np.abs(values - (first + step * count)).max()
    if residual > max(error, FLOAT64_ERROR):
        return None
    if residual < FLOAT64_ERROR and not single:
        return first, snap_step(step, 360)
    step = _simplest_step(step, 2 * error / steps)
    mean = float(np.mean(values - step * count))
    origins = (round(mean / step * ORIGINS_PER_CELL) / ORIGINS_PER_CELL * step, round(mean, 3))
    return next((origin for origin in origins if abs(origin - mean) <= error), first), step


def _is_float32(values: Floats) -> bool:
    """Tell whether all values, or those a turn of the globe away, are float32 numbers."""
    turns = [values + turn for turn in (0, -360, 360)]
    return bool(np.any([turn == turn.astype(np.float32) for turn in turns], axis=0).all())


def _decimal_error(values: Floats) -> float:
    """Return one unit of the last decimal that the values have; 0 if they have more than seven."""
    digits = (d for d in range(1, 8) if np.abs(values - np.round(values, d)).max() < FLOAT64_ERROR)
    return next((10.0**-d for d in digits), 0.0)


def _simplest_step(step: float, error: float) -> float:
    """Return the simplest step within an error: two decimals, a part of a degree or the globe."""
    size = abs(step)
    parts = (round(size, 2), 1 / round(1 / size) if size < 1 else 0.0)
    simple = next((part for part in parts if part and abs(part - size) <= error), None)
    return math.copysign(simple, step) if simple else snap_step(step, 360, error)


def snap_step(step: float, span: float, error: float = 0.0) -> float:
    """Return the step that divides a span, if rounding errors alone separate a step from it."""
    count = round(span / abs(step))
    exact = math.copysign(span / count, step) if count else step
    return exact if abs(exact - step) <= max(error, 1e-3 * abs(step) / max(count, 1)) else step
