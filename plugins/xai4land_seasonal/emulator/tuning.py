"""Amplitude and spread, fitted to years that the networks were not trained on."""

from __future__ import annotations

import numpy as np

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import STANDARD_SEASONS, Season
from xai4land_seasonal.emulator.emulator import SeasonalEmulator

__all__ = ["tune"]

TUNING_MEMBERS = 50


def tune(emulator: SeasonalEmulator, history: History, years: Ints) -> SeasonalEmulator:
    """Return the emulator with amplitude and spread fitted to some years.

    The amplitude is the least-squares factor on the network's part of the mean, from 0 to 1.2;
    the spread makes the members' variance that of the errors. Both pool all cells, area-weighted,
    after division by their standard deviation, all four seasons and all leads.
    """
    plain = emulator.card.with_(
        amplitude=(0.0,) * len(emulator.card.targets), spread=(1.0,) * len(emulator.card.targets)
    )
    full = plain.with_(amplitude=(1.0,) * len(emulator.card.targets))
    base, whole = (SeasonalEmulator(card, emulator.weights) for card in (plain, full))
    scale = emulator.weights["scale"].double().numpy()
    names = [v.name for v in emulator.card.predictors]
    target_index = [names.index(target) for target in emulator.card.targets]
    area = history.area * emulator.card.mask()
    sums = np.zeros((5, len(target_index)))
    for lead in emulator.card.leads:
        for season in map(Season.of, STANDARD_SEASONS):
            inputs = history.inputs(season, lead, years)
            truth = (inputs.target + inputs.trend)[:, target_index] / scale[
                target_index, season.month - 1
            ]
            forecasts = [
                one.members(history, season, lead, years, TUNING_MEMBERS, 0)
                / scale[target_index, season.month - 1]
                for one in (base, whole)
            ]
            sums += _sum_squares(truth, forecasts[0].mean(1), forecasts[1], area)
    cc, ce, ee, var, count = sums
    amplitude = np.clip(ce / np.maximum(cc, 1e-12), 0.0, 1.2)
    error = (ee - 2 * amplitude * ce + amplitude**2 * cc) / count
    spread = np.sqrt(error / (var / count)).clip(0.2, 5.0)
    card = emulator.card.with_(
        amplitude=tuple(np.round(amplitude, 3).tolist()), spread=tuple(np.round(spread, 3).tolist())
    )
    return SeasonalEmulator(card, emulator.weights)


def _sum_squares(truth: Floats, base: Floats, members: Floats, area: Floats) -> Floats:
    """Return area-weighted sums of correction², correction x error, error², variance, weight."""
    error = truth - base
    correction = members.mean(1) - base
    known = np.isfinite(error) & np.isfinite(correction)
    weight = np.where(known, area, 0.0)
    parts = (
        correction * correction,
        correction * error,
        error * error,
        members.var(1, ddof=1),
        np.ones_like(error),
    )
    return np.stack([(np.where(known, p, 0.0) * weight).sum((0, 2)) for p in parts])
