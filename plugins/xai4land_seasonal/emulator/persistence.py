"""Persistence of each cell's departures: a ridge regression that cells share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from xai4land.errors import InputError
from xai4land.typing import Floats
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.data.trends import MIN_TREND_YEARS
from xai4land_seasonal.emulator.cases import find_known_years, make_fields
from xai4land_seasonal.emulator.conditions import CHANNELS, HARMONICS, harmonics

__all__ = ["fit_persistence", "fit_scale"]

RIDGE_CASES = 100.0
"""Cases with which a cell is halfway between the regression of all cells and its own."""
MIN_SCALE_YEARS = 25
"""Years of departures that a cell's standard deviation needs."""
HARMONIC_PENALTY = np.array([1.0, 2.0, 2.0, 4.0, 4.0])
"""Relative penalty of the constant and of the harmonics of the year."""


def fit_scale(histories: Sequence[History], names: Sequence[str] = ()) -> Floats:
    """Compute the standard deviation of seasons' departures from trends, (variables, 12, cells).

    Pooled with the seasons a month before and after. Where the first history has fewer than 25
    years, the next ones are taken, and where none has them, the median of all cells.

    Parameters
    ----------
    histories : sequence of History
    names : sequence of str
        Of the variables, for errors.

    Raises
    ------
    InputError
        If no history has enough years of a variable anywhere.
    """
    scale = None
    for history in histories:
        departures = history.seasons - history.trends[1]
        count = np.isfinite(departures).sum(0)
        square = np.where(count > 0, np.nansum(departures**2, 0) / np.maximum(count, 1), np.nan)
        pooled = (np.roll(square, 1, 0) + square + np.roll(square, -1, 0)) / 3
        found = np.where(count >= MIN_SCALE_YEARS, np.sqrt(pooled), np.nan)
        scale = found if scale is None else np.where(np.isfinite(scale), scale, found)
    assert scale is not None
    unknown = np.flatnonzero(~np.isfinite(scale).any((0, 2))).tolist()
    if unknown:
        which = ", ".join(names[k] for k in unknown if k < len(names))
        years = MIN_TREND_YEARS + MIN_SCALE_YEARS + 1
        raise InputError(
            f"{which + ': ' if which else ''}no source has {years} years to learn from: "
            f"{MIN_TREND_YEARS} to fit the first trend on, and {MIN_SCALE_YEARS} more; bring more "
            "years, keep fewer for validation, or leave a predictor out"
        )
    median = np.nanmedian(scale, (0, 2), keepdims=True)
    filled = np.where(np.isfinite(scale) & (scale > 1e-3 * median), scale, median)
    return np.asarray(filled.swapaxes(0, 1))


def fit_persistence(
    histories: Sequence[History],
    weights: Sequence[float],
    scale: Floats,
    target_index: Sequence[int],
    lead: int,
    area: Floats,
) -> Floats:
    """Regress each cell's season on its own last months and years (Hoerl and Kennard 1970).

    First one regression for all cells, then each cell's departure from it, by ridge regression.

    Parameters
    ----------
    histories : sequence of History
    weights : sequence of float
        Weight of the cases of each history.
    scale : ndarray
        As :func:`fit_scale` gives it.
    target_index : sequence of int
        Position of each target among the predictors.
    lead : int
    area : ndarray, shape (cells,)

    Returns
    -------
    ndarray, shape (targets, channels, harmonics, cells)
    """
    cells, size = scale.shape[-1], CHANNELS * HARMONICS
    found = np.zeros((len(target_index), cells, size))
    penalty = RIDGE_CASES * np.diag(np.tile(HARMONIC_PENALTY, CHANNELS))
    for t, v in enumerate(target_index):
        square, product = np.zeros((cells, size, size)), np.zeros((cells, size))
        for history, weight in zip(histories, weights, strict=True):
            for season in SEASON_OF_MONTH:
                years = find_known_years(history, season, lead)
                inputs = history.inputs(season, lead, years)
                month = season.month - 1
                fields = make_fields(inputs, scale[:, month])
                target = inputs.target[:, v] / scale[v, month]
                known = np.isfinite(target)
                recent = fields[:, CHANNELS * v : CHANNELS * (v + 1)] * known[:, None]
                waves = harmonics(torch.tensor(month)).double().numpy()
                terms = recent[:, :, None] * waves[:, None]
                terms = np.ascontiguousarray(
                    terms.reshape(len(years), size, cells).transpose(2, 0, 1)
                )
                square += weight * terms.swapaxes(1, 2) @ terms
                observed = np.where(known, target, 0.0).T[..., None]
                product += weight * (terms.swapaxes(1, 2) @ observed)[..., 0]
        shared = np.linalg.solve(
            np.tensordot(area, square, 1) + 1e-6 * np.eye(size), area @ product
        )
        rest = product - square @ shared
        found[t] = shared + np.linalg.solve(square + penalty, rest[..., None])[..., 0]
    return found.reshape(len(target_index), cells, CHANNELS, HARMONICS).transpose(0, 2, 3, 1)
