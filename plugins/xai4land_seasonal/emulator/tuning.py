"""The noise of members: learned from errors of the training, tuned on years outside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.data.trends import MIN_TREND_YEARS
from xai4land_seasonal.emulator.card import SeasonalCard
from xai4land_seasonal.emulator.means import compute_errors
from xai4land_seasonal.emulator.network import Ensemble
from xai4land_seasonal.emulator.noise import LOCAL_SHARE, ErrorCorrelation, correlate, measure_sd

__all__ = ["choose_power", "choose_spread", "fit_noise", "scaled_errors"]

POWERS = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
"""Powers of the patterns' variances that are tried."""
BANDS, TILES = 3, 6
"""Parts of the grid from pole to pole, and along each, over which errors are averaged."""


def fit_noise(
    network: Ensemble, card: SeasonalCard, histories: Sequence[History]
) -> list[ErrorCorrelation]:
    """Set the noise's standard deviation, and return its correlation at each lead.

    Both are those of the errors of all years of the histories, the first of which is forecast.
    """
    lat, lon = (part.ravel() for part in np.meshgrid(card.lat, card.lon, indexing="ij"))
    area = histories[0].area * card.mask()
    spans = [
        np.arange(h.first_year + MIN_TREND_YEARS, h.last_year + 1, dtype=np.int64)
        for h in histories
    ]
    found = []
    for at, lead in enumerate(card.leads):
        errors = [
            scaled_errors(network, card, history, lead, years)
            for history, years in zip(histories, spans, strict=True)
        ]
        sds = measure_sd(errors)
        network.noise_sd[at] = torch.from_numpy(sds[0].swapaxes(0, 1))
        scaled = [one / sd[:, None] for one, sd in zip(errors, sds, strict=True)]
        found.append(correlate(scaled, lat, lon, area))
    return found


def scaled_errors(
    network: Ensemble, card: SeasonalCard, history: History, lead: int, years: Ints
) -> Floats:
    """Compute errors over the seasons' scale, (12 months, years, targets, cells)."""
    scale = network.scale.double().numpy()[card.target_index]
    return np.stack(
        [
            compute_errors(network, card, history, season, lead, years) / scale[:, season.month - 1]
            for season in SEASON_OF_MONTH
        ]
    )


def choose_spread(errors: Floats, area: Floats) -> tuple[float, ...]:
    """Choose the factor on the noise of each target, from errors over its standard deviation.

    Parameters
    ----------
    errors : ndarray, shape (cases, targets, cells)
    area : ndarray, shape (cells,)
    """
    weight = np.isfinite(errors) * area
    square = (np.nan_to_num(errors) ** 2 * weight).sum((0, 2)) / weight.sum((0, 2))
    return tuple(np.round(np.sqrt(square).clip(0.2, 5.0), 3).tolist())


def choose_power(
    correlations: Sequence[ErrorCorrelation], errors: Sequence[Floats], card: SeasonalCard
) -> float:
    """Choose the power of the noise's patterns by the likelihood of means over large areas.

    Parameters
    ----------
    correlations : sequence of ErrorCorrelation
        One for each lead.
    errors : sequence of ndarray, shape (cases, targets, cells)
        Errors over the standard deviation of the noise, of years that it was not learned from.
    card : SeasonalCard
    """
    areas = _large_areas(card)
    scores = [
        sum(
            _score_means(one.concentrate(power), part, areas)
            for one, part in zip(correlations, errors, strict=True)
        )
        for power in POWERS
    ]
    return POWERS[int(np.argmax(scores))]


def _score_means(patterns: Floats, errors: Floats, areas: Floats) -> float:
    """Return the log-likelihood of means of errors over areas, each by itself."""
    fields = patterns.reshape(-1, *errors.shape[1:])
    total = 0.0
    for one in errors:
        for target, values in enumerate(one):
            weight = areas * np.isfinite(values)
            weight = weight[weight.sum(1) > 0.5 * areas.sum(1)]
            weight = weight / weight.sum(1, keepdims=True)
            shared = ((weight @ fields[:, target].T) ** 2).sum(1)
            variance = (1 - LOCAL_SHARE) * shared + LOCAL_SHARE * (weight**2).sum(1)
            mean = weight @ np.nan_to_num(values)
            total -= 0.5 * float((np.log(variance) + mean**2 / variance).sum())
    return total


def _large_areas(card: SeasonalCard) -> Floats:
    """Return weights of cells in all, in bands and in tiles of what is forecast, (areas, cells)."""
    rows, columns = card.window
    shape = (len(card.lat), len(card.lon))
    weights = []
    for bands, tiles in ((1, 1), (BANDS, 1), (BANDS, TILES)):
        for band in np.array_split(rows, min(bands, len(rows))):
            for tile in np.array_split(columns, min(tiles, len(columns))):
                weight = np.zeros(shape)
                weight[np.ix_(band, tile)] = np.cos(np.deg2rad(np.array(card.lat)[band]))[:, None]
                weights.append(weight.clip(min=0.0).ravel())
    return np.stack(weights)
