"""Drift: the recent bias of a method's own forecasts, which a trend of a long past leaves."""

from __future__ import annotations

import numpy as np

from xai4land.typing import Floats
from xai4land_seasonal.emulator.card import SeasonalCard

__all__ = ["DRIFT_YEARS", "average_zones", "estimate_bias"]

DRIFT_YEARS = 10
"""Years before a forecast whose errors are known and count."""
PERSISTING = 0.75
"""Share of the mean error of these years that is expected to persist."""
ZONE_EDGES = (-25.0, 25.0)
"""Latitudes between which values are averaged: both extratropics, and the tropics."""


def estimate_bias(errors: Floats, card: SeasonalCard, area: Floats) -> Floats:
    """Estimate the bias of a forecast from the errors of the ten years before it.

    It is three quarters of their mean over each of three zones: a cell's own errors vary so much
    that their mean would add more error than it removes. Unknown years count as zero.

    Parameters
    ----------
    errors : ndarray, shape (years, targets, cells)
        Forecasts of the same season less what was observed.
    card : SeasonalCard
    area : ndarray, shape (cells,)
        Weight of each cell; 0 where nothing is forecast.

    Returns
    -------
    ndarray, shape (targets, cells)
    """
    means = np.nan_to_num(average_zones(errors, card, area))
    return np.asarray(PERSISTING * means.sum(0) / DRIFT_YEARS)


def average_zones(values: Floats, card: SeasonalCard, area: Floats) -> Floats:
    """Return the mean of known values over a cell's zone in each cell, (..., cells)."""
    zones = np.digitize(np.repeat(card.lat, len(card.lon)), ZONE_EDGES)
    weight = np.isfinite(values) * area
    weighted = np.nan_to_num(values) * area
    means = np.empty(values.shape)
    for zone in np.unique(zones):
        cells = zones == zone
        total, known = weighted[..., cells].sum(-1), weight[..., cells].sum(-1)
        mean = np.where(known > 0, total, np.nan) / np.where(known > 0, known, 1.0)
        means[..., cells] = mean[..., None]
    return means
