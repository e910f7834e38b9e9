"""Evenly spaced coordinates, without the noise of their storage."""

from __future__ import annotations

import math

import numpy as np

from xai4land.typing import Floats

__all__ = ["regular_spacing", "snap_step"]

FLOAT32 = 2.0**-14
"""Degrees between neighbouring float32 numbers of 512 to 1,024, which no longitude exceeds."""

EXACT = 1e-9
"""Degrees by which arithmetic in float64 may miss a coordinate."""

MOST = 1e-2
"""Share of a cell by which decimals may miss a coordinate of an even grid, at most."""

PHASES = 120
"""Parts of a cell at which a grid may begin: halves, thirds, quarters, fifths."""


def regular_spacing(values: Floats) -> tuple[float, float] | None:
    """First value and step of coordinates in degrees that lie evenly; none if they do not.

    float32 misses a coordinate by up to 1e-3 of a cell of 0.01°, each in its own way: a grid and a
    part of it, or the same one counted from 0 and from 180°W, would seem to be different grids.
    So a step of two decimals, or one that divides a degree or the globe, and a beginning at a
    simple part of a cell are taken as exact, where the noise of storage alone keeps them from it.
    What is stored without noise stays as it is. Gaussian rows leave a line by more than noise.

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
    noise = FLOAT32 if single else min(_rounding(values), MOST * abs(step))
    off = np.abs(values - (first + step * count)).max()
    if off > max(noise, EXACT):
        return None
    if off < EXACT and not single:
        return first, snap_step(step, 360)
    step = _simple(step, 2 * noise / steps)
    mean = float(np.mean(values - step * count))
    places = (round(mean / step * PHASES) / PHASES * step, round(mean, 3))
    return next((place for place in places if abs(place - mean) <= noise), first), step


def _is_float32(values: Floats) -> bool:
    """Whether all values, or those a turn away, are float32 numbers."""
    turns = [values + turn for turn in (0, -360, 360)]
    return bool(np.any([turn == turn.astype(np.float32) for turn in turns], axis=0).all())


def _rounding(values: Floats) -> float:
    """A unit of the decimals that the values have, up and down; 0 if those are more than seven."""
    digits = (d for d in range(1, 8) if np.abs(values - np.round(values, d)).max() < EXACT)
    return next((10.0**-d for d in digits), 0.0)


def _simple(step: float, noise: float) -> float:
    """The simplest step that noise may hide: two decimals, a part of a degree or of the globe."""
    size = abs(step)
    parts = (round(size, 2), 1 / round(1 / size) if size < 1 else 0.0)
    found = next((part for part in parts if part and abs(part - size) <= noise), None)
    return math.copysign(found, step) if found else snap_step(step, 360, noise)


def snap_step(step: float, span: float, noise: float = 0.0) -> float:
    """The step that divides a span evenly, if noise alone keeps a step from that."""
    count = round(span / abs(step))
    exact = math.copysign(span / count, step) if count else step
    return exact if abs(exact - step) <= max(noise, 1e-3 * abs(step) / max(count, 1)) else step
