"""A ridge regression of seasons on leading patterns, learned from simulations once for all.

What is particular to the observations is left to the EOF-ridge on their own past. Leading patterns
are of a larger scale than any grid, so that simulations count that do not resolve the emulator's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xai4land.typing import Floats
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.emulator.card import SeasonalCard
from xai4land_seasonal.emulator.cases import find_known_years, make_fields
from xai4land_seasonal.emulator.conditions import CHANNELS
from xai4land_seasonal.references.patterns import Patterns

__all__ = ["RIDGE_PATTERNS", "RidgeStatistics", "apply_ridge", "fit_ridge"]

RIDGE_PATTERNS = 25
"""Leading patterns of predictors, and of targets."""
RIDGE = 1.0
"""Added to the variance of each principal component, which is one."""


class RidgeStatistics(NamedTuple):
    """What a ridge regression has learned; zero beyond the last pattern.

    Attributes
    ----------
    patterns : ndarray, shape (patterns, predictors, cells)
        Give principal components of scaled departures.
    slopes : ndarray, shape (leads, 12, 2 * patterns, patterns)
        Of the target's components on those of the last month, and of the mean of three months.
    targets : ndarray, shape (patterns, targets, cells)
        The target's patterns, scaled.
    """

    patterns: Floats
    slopes: Floats
    targets: Floats


def fit_ridge(
    histories: Sequence[History], card: SeasonalCard, scale: Floats, area: Floats
) -> RidgeStatistics:
    """Regress seasons on the months before, in all histories together; each case counts alike.

    Each season is pooled with those a month before and after.

    Parameters
    ----------
    histories : sequence of History
        Of simulations; without any, all is zero.
    card : SeasonalCard
    scale : ndarray, shape (predictors, 12, cells)
        Standard deviation of departures.
    area : ndarray, shape (cells,)
        Weight of each cell.
    """
    count, cells, target_index = RIDGE_PATTERNS, area.size, card.target_index
    found = RidgeStatistics(
        np.zeros((count, len(card.predictors), cells)),
        np.zeros((len(card.leads), 12, 2 * count, count)),
        np.zeros((count, len(target_index), cells)),
    )
    if not histories:
        return found
    seasons = []
    for season in SEASON_OF_MONTH:
        parts = []
        for history in histories:
            target = history.inputs(season, 0, find_known_years(history, season, 0)).target
            parts.append(target[:, target_index] / scale[target_index, season.month - 1])
        seasons.append(np.concatenate(parts))
    some = area * card.mask()
    kept = Patterns.of(np.nan_to_num(np.concatenate(seasons)), some, count)
    size = kept.vectors.shape[1]
    # Components have variance one, so that a pattern is the regression of fields on its component.
    root = np.where(some > 0, kept.weight, np.inf)
    vectors = kept.vectors.T
    norms = (vectors**2).sum(1, keepdims=True)
    found.targets[:size] = (vectors / norms).reshape(size, len(target_index), -1) / root
    seen = _collect(histories, card, scale, 0, kept)
    fields = np.concatenate([part.recent[:, 0] for part in seen])
    patterns = Patterns.of(fields, area, count)
    number = patterns.vectors.shape[1]
    unit = patterns.weight.ravel()[:, None] * patterns.vectors
    found.patterns[:number] = unit.T.reshape(number, len(card.predictors), -1)
    for at, lead in enumerate(card.leads):
        cases = _collect(histories, card, scale, lead, kept)
        square = np.zeros((12, 2 * count, 2 * count))
        product = np.zeros((12, 2 * count, size))
        for month, part in enumerate(cases):
            components = _project(found.patterns, part.recent)
            square[month] = components.T @ components
            product[month] = components.T @ part.target
        for month in range(12):
            beside = [(month + shift) % 12 for shift in (-1, 0, 1)]
            penalty = RIDGE * sum(len(cases[m].target) for m in beside) * np.eye(2 * count)
            both = square[beside].sum(0) + penalty, product[beside].sum(0)
            found.slopes[at, month, :, :size] = np.linalg.solve(*both)
    return found


def apply_ridge(fields: Floats, patterns: Floats, slopes: Floats, targets: Floats) -> Floats:
    """Compute scaled departures from the trend, (cases, targets, cells).

    Parameters
    ----------
    fields : ndarray, shape (cases, channels, cells)
        As :func:`xai4land_seasonal.emulator.cases.make_fields` gives them.
    patterns, targets : ndarray
        See :class:`RidgeStatistics`.
    slopes : ndarray, shape (2 * patterns, patterns)
        Of the lead and the season.
    """
    found = _project(patterns, _split(fields, patterns.shape[1])) @ slopes
    return np.tensordot(found, targets, 1)


class _Cases(NamedTuple):
    """Cases of one season: scaled last months and their means, and the target's components."""

    recent: Floats
    target: Floats


def _collect(
    histories: Sequence[History], card: SeasonalCard, scale: Floats, lead: int, kept: Patterns
) -> list[_Cases]:
    """Return the cases of the season that begins in each month."""
    found = []
    for season in SEASON_OF_MONTH:
        month, recent, targets = season.month - 1, [], []
        for history in histories:
            inputs = history.inputs(season, lead, find_known_years(history, season, lead))
            fields = make_fields(inputs, scale[:, month])
            recent.append(_split(fields, len(card.predictors)))
            target = inputs.target[:, card.target_index] / scale[card.target_index, month]
            targets.append(kept.project(np.nan_to_num(target)))
        found.append(_Cases(np.concatenate(recent), np.concatenate(targets)))
    return found


def _split(fields: Floats, predictors: int) -> Floats:
    """Return the last month, and the mean of three, (cases, 2, predictors, cells)."""
    months = fields[:, : CHANNELS * predictors]
    months = months.reshape(len(fields), predictors, CHANNELS, -1)[:, :, : CHANNELS - 1]
    return np.stack([months[:, :, 0], months.mean(2)], 1)


def _project(patterns: Floats, recent: Floats) -> Floats:
    """Compute principal components of both, (cases, 2 * patterns)."""
    flat = recent.reshape(*recent.shape[:2], -1)
    return np.asarray((flat @ patterns.reshape(len(patterns), -1).T).reshape(len(flat), -1))
