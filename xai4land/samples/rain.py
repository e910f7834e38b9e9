"""Precipitation of the sample climate, whose distribution given the modes is known.

It is the square of a normal variable, and zero where that is negative,

    pr = max(0, w(m) + Q z + e)^2 mm a day,    e normal, white in time,

with z the modes of :mod:`xai4land.samples.climate`, Q their patterns in precipitation and w the
wetness of cell and month: skewed, bounded by zero, dry for whole seasons where w is low. The modes
follow from temperature, and the precipitation of the past says nothing more, so the expected
precipitation of a season and its distribution follow from those of normal variables.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from xai4land.typing import Floats

if TYPE_CHECKING:
    from xai4land.samples.climate import Parameters

__all__ = [
    "correlate_best",
    "draw_bell",
    "draw_members",
    "expect",
    "make_patterns",
    "make_wetness",
    "simulate",
]

RAIN_NOISE = 0.8
"""Standard deviation of e, the weather of precipitation."""
MM_PER_DAY = 1 / 86400
"""In kg m-2 s-1."""


def draw_bell(
    lat: Floats,
    lon: Floats,
    at: tuple[float, float],
    width: tuple[float, float],
    size: float = 1.0,
) -> Floats:
    """Draw a bell around a place, with its widths in degrees."""
    east = (lon - at[1] + 180) % 360 - 180
    values: Floats = size * np.exp(-(((lat - at[0]) / width[0]) ** 2) - (east / width[1]) ** 2)
    return values


def make_patterns(lat: Floats, lon: Floats) -> Floats:
    """Draw what modes do to precipitation (Q), shape (cells, modes)."""
    bump = partial(draw_bell, lat, lon)
    return np.stack(
        [
            # The oscillation wets the tropical Pacific, the Horn of Africa and the south of both
            # Americas' subtropics, and dries Indonesia, Australia and southern Africa.
            bump((0, -160), (12, 45), 1.4)
            + bump((0, 45), (12, 15), 1.0)
            + bump((30, -100), (12, 25), 0.9)
            + bump((-30, -55), (12, 15), 0.9)
            - bump((-10, 130), (20, 30), 1.2)
            - bump((-20, 25), (12, 15), 1.0),
            bump((0, 100), (12, 35), 0.9) - bump((-5, -60), (15, 20), 0.8),
            bump((12, 5), (12, 40), 1.2) + bump((52, 0), (12, 30), 0.8),
            bump((45, -115), (15, 20), 1.0) - bump((30, 110), (12, 20), 0.7),
            bump((60, 40), (12, 60), 0.8) - bump((40, -5), (10, 30), 0.8),
        ],
        1,
    )


def make_wetness(lat: Floats, land: Floats, winter: Floats) -> Floats:
    """Compute the mean of the normal variable (w), shape (12, cells): rain follows the sun."""
    belt = lat - 15 * (0.3 + 0.7 * land) * -winter[:, None]
    equator = 2.8 * np.exp(-((belt / 14) ** 2))
    storms = 2.2 * np.exp(-(((np.abs(lat) - 55) / 18) ** 2))
    desert = 3.0 * (0.4 + 0.6 * land) * np.exp(-(((np.abs(belt) - 28) / 9) ** 2))
    return np.asarray(0.6 + equator + storms - desert)


def simulate(model: Parameters, modes: Floats, seed: int) -> Floats:
    """Simulate precipitation, in kg m-2 s-1, shape (months, cells), with random numbers of its own.

    The first month is January.
    """
    rng = np.random.default_rng([seed, 1])
    months = np.arange(len(modes)) % 12
    noise = RAIN_NOISE * rng.standard_normal((len(modes), len(model.rain))) @ model.smoothing.T
    normal = model.wetness[months] + modes @ model.rain.T + noise
    return np.asarray(MM_PER_DAY * np.clip(normal, 0, None) ** 2)


def expect(model: Parameters, modes: Floats, last: int, lead: int) -> Floats:
    """Compute the expected mean of three months' precipitation, (years, cells), from the modes.

    It is the mean of the square of the positive part of a normal variable.
    """
    covariance = np.zeros((modes.shape[1],) * 2)
    total = np.zeros((len(modes), len(model.rain)))
    for step in range(1, lead + 4):
        now = (last + step) % 12
        move = model.propagators[now - 1]
        modes = modes @ move.T
        covariance = move @ covariance @ move.T + np.diag(model.mode_noise[now] ** 2)
        if step > lead:
            square = np.einsum("ij,jk,ik->i", model.rain, covariance, model.rain)
            sd = np.sqrt(square + RAIN_NOISE**2)
            ratio = (model.wetness[now] + modes @ model.rain.T) / sd
            density = np.exp(-0.5 * ratio**2) / np.sqrt(2 * np.pi)
            total += sd**2 * ((ratio**2 + 1) * ndtr(ratio) + ratio * density) / 3
    return np.asarray(MM_PER_DAY * total)


def draw_members(
    model: Parameters, modes: Floats, last: int, lead: int, count: int, seed: int = 0
) -> Floats:
    """Draw the precipitation of three months from its distribution given the modes before them.

    Parameters
    ----------
    model : Parameters
    modes : ndarray, shape (years, modes)
        Of the last known month: anomalies of temperature projected to the modes.
    last : int
        That month, from 0.
    lead : int
    count, seed : int
        Of the members.

    Returns
    -------
    ndarray of kg m-2 s-1, shape (years, count, cells)
    """
    rng = np.random.default_rng(seed)
    drawn = np.repeat(np.asarray(modes)[:, None], count, 1)
    total = np.zeros((*drawn.shape[:2], len(model.rain)))
    for step in range(1, lead + 4):
        now = (last + step) % 12
        noise = rng.standard_normal(drawn.shape) * model.mode_noise[now]
        drawn = drawn @ model.propagators[now - 1].T + noise
        if step > lead:
            weather = RAIN_NOISE * rng.standard_normal(total.shape) @ model.smoothing.T
            normal = model.wetness[now] + drawn @ model.rain.T + weather
            total += np.clip(normal, 0, None) ** 2 / 3
    return np.asarray(MM_PER_DAY * total)


def correlate_best(model: Parameters, covariance: Floats, last: int, lead: int) -> Floats:
    """Compute the correlation of expected and simulated seasons, by drawing 4,000 years.

    It is the standard deviation of the expectations over that of the outcomes, to about 0.01, and
    missing where it never rains.

    Parameters
    ----------
    model : Parameters
    covariance : ndarray
        Of the state in the last known month, modes first.
    last : int
        That month, from 0.
    lead : int
    """
    count = model.rain.shape[1]
    rng = np.random.default_rng(0)
    modes = rng.multivariate_normal(np.zeros(count), covariance[:count, :count], 4000)
    spread = draw_members(model, modes, last, lead, count=1)[:, 0].std(0)
    expected = expect(model, modes, last, lead).std(0)
    return np.asarray(expected / np.where(spread > 0, spread, np.nan))
