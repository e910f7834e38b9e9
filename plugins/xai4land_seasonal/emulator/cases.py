"""Cases: what the network sees of a season's start, and what it learns to say.

Training and forecasts both take their fields from here, so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History, Inputs
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.emulator.conditions import CHANNELS, Condition, harmonics

__all__ = ["SEASON_OF_MONTH", "Cases", "apply_persistence", "find_known_years", "make_fields"]

_NAMES = "JFM FMA MAM AMJ MJJ JJA JAS ASO SON OND NDJ DJF"
SEASON_OF_MONTH = tuple(map(Season.of, _NAMES.split()))
"""A season from each month on; all are learned from."""

MAX_DEPARTURE = 5.0
"""Departures beyond this many standard deviations are cut."""


class Cases(NamedTuple):
    """Cases of training: one entry each.

    Attributes
    ----------
    fields : Tensor, shape (cases, channels, rows, columns)
        Scaled departures, and where they are known.
    target : Tensor, shape (cases, targets, rows, columns)
        Scaled departure that persistence does not explain; NaN where missing.
    condition : Condition
    weight : Tensor, shape (cases,)
    """

    fields: torch.Tensor
    target: torch.Tensor
    condition: Condition
    weight: torch.Tensor

    def take(self, some: torch.Tensor) -> Cases:
        """Some cases."""
        condition = Condition(*(part[some] for part in self.condition))
        return Cases(self.fields[some], self.target[some], condition, self.weight[some])

    @staticmethod
    def concatenate(parts: Sequence[Cases]) -> Cases:
        """All cases of several lots."""
        condition = Condition(*(torch.cat([p.condition[k] for p in parts]) for k in range(3)))
        fields, target, weight = (
            torch.cat([getattr(p, name) for p in parts]) for name in ("fields", "target", "weight")
        )
        return Cases(fields, target, condition, weight)


def make_fields(inputs: Inputs, scale: Floats) -> Floats:
    """What is known, scaled: (cases, variables * 4 + variables, cells); not known is 0.

    Parameters
    ----------
    inputs : Inputs
    scale : ndarray, shape (variables, cells)
    """
    recent = np.concatenate([inputs.months, inputs.slow[:, None]], 1) / scale
    recent = recent.swapaxes(1, 2)  # cases, variables, channels, cells
    known = np.isfinite(recent[:, :, 0])
    recent = np.nan_to_num(recent).clip(-MAX_DEPARTURE, MAX_DEPARTURE)
    flat = recent.reshape(len(recent), -1, recent.shape[-1])
    return np.concatenate([flat, known.astype(np.float64)], 1)


def apply_persistence(
    fields: Floats, persistence: Floats, target_index: Sequence[int], month: int
) -> Floats:
    """What of a cell's target_index departures stays, scaled: (cases, targets, cells).

    Parameters
    ----------
    fields : ndarray
        As of :func:`make_fields`.
    persistence : ndarray, shape (targets, channels, harmonics, cells)
    target_index : sequence of int
        Position of each target among the predictors.
    month : int
        First month of the season, from 0.
    """
    season = harmonics(torch.tensor(month)).double().numpy()
    factors = np.einsum("h,tkhc->tkc", season, persistence)
    parts = [
        np.einsum("nkc,kc->nc", fields[:, CHANNELS * v : CHANNELS * (v + 1)], factors[t])
        for t, v in enumerate(target_index)
    ]
    return np.stack(parts, 1)


def find_known_years(history: History, season: Season, lead: int) -> Ints:
    """Years whose season, and what a forecast of it sees, is known somewhere."""
    years = np.arange(history.first_year, history.first_year + len(history.values))
    years = years[years - season.crosses >= history.first_year]
    inputs = history.inputs(season, lead, years)
    known = [np.isfinite(part).any((-2, -1)) for part in (inputs.months[:, 0], inputs.target)]
    return years[known[0] & known[1]]
