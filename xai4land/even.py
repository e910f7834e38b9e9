"""Evenly spaced coordinates, without the noise of their storage."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["Floats", "even", "whole"]

Floats = npt.NDArray[np.float64]

NOISE = 6.2e-5
"""Degrees between longitudes up to 720 that float32 rounds up and down."""

MOST = 1e-2
"""Share of a cell by which decimals may miss a coordinate of an even grid, at most."""

PHASES = 120
"""Parts of a cell at which a grid may begin: halves, thirds, quarters, fifths."""


def even(values: Floats) -> tuple[float, float] | None:
    """First value and step of coordinates in degrees that lie evenly; none if they do not.

    float32 misses a coordinate by up to 1e-3 of a cell of 0.01°, each in its own way: a grid and a
    part of it, or the same one counted from 0 and from 180°W, would seem to be different grids.
    So a step that divides the globe, and a beginning at a simple part of a cell, are taken as
    exact where noise alone keeps them from it. Gaussian rows leave a line by more than noise.

    Examples
    --------
    >>> even(np.array([0.05, 0.15, 0.25], "f4").astype(float))
    (0.05, 0.1)
    >>> even(np.array([0.0, 1.0, 3.0]))
    """
    steps = values.size - 1
    if steps < 1:
        return None
    first, step = float(values[0]), float(values[-1] - values[0]) / steps
    count, noise = np.arange(values.size), max(NOISE, min(_rounding(values), MOST * abs(step)))
    if np.abs(values - (first + step * count)).max() > noise:
        return None
    step = whole(step, 360, 2 * noise / steps)
    phase = float(np.mean(values / step - count))
    near = round(phase * PHASES) / PHASES
    return (near * step if abs(near - phase) * abs(step) <= noise else first), step


def _rounding(values: Floats) -> float:
    """Half a unit of the decimals that the values have; 0 if those are more than five."""
    digits = (d for d in range(1, 6) if np.abs(values - np.round(values, d)).max() < 1e-9)
    return next((0.5 * 10.0**-d for d in digits), 0.0)


def whole(step: float, span: float, noise: float = 0.0) -> float:
    """The step that divides a span evenly, if noise alone keeps a step from that."""
    count = round(span / abs(step))
    exact = math.copysign(span / count, step) if count else step
    return exact if abs(exact - step) <= max(noise, 1e-3 * abs(step) / max(count, 1)) else step
