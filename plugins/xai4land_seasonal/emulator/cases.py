"""Cases: inputs and target of the network, one entry for each season.

Training and forecasts both take their inputs from here, so that they cannot differ.
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

__all__ = ["Cases", "apply_persistence", "find_known_years", "make_fields"]

MAX_DEPARTURE = 5.0
"""Departures are clipped to this many standard deviations."""


class Cases(NamedTuple):
    """Cases of training, one entry for each.

    Attributes
    ----------
    fields : Tensor, shape (cases, channels, rows, columns)
        Scaled departures, and masks of where they are known.
    target : Tensor, shape (cases, targets, rows, columns)
        Scaled departures less their persistent part; NaN where missing.
    condition : Condition
    weight : Tensor, shape (cases,)
    """

    fields: torch.Tensor
    target: torch.Tensor
    condition: Condition
    weight: torch.Tensor

    def take(self, index: torch.Tensor) -> Cases:
        """Return some cases."""
        condition = Condition(*(part[index] for part in self.condition))
        return Cases(self.fields[index], self.target[index], condition, self.weight[index])

    @staticmethod
    def concatenate(parts: Sequence[Cases]) -> Cases:
        """Concatenate cases."""
        condition = Condition(*(torch.cat([p.condition[k] for p in parts]) for k in range(3)))
        fields, target, weight = (
            torch.cat([getattr(p, name) for p in parts]) for name in ("fields", "target", "weight")
        )
        return Cases(fields, target, condition, weight)


def make_fields(inputs: Inputs, scale: Floats) -> Floats:
    """Return scaled inputs, shape (cases, variables * 4 + variables, cells); 0 where missing.

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
    """Compute the persistent part of each cell's departures, scaled: (cases, targets, cells).

    Parameters
    ----------
    fields : ndarray
        As :func:`make_fields` gives them.
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
    """Return the years whose season and inputs are known somewhere."""
    years = np.arange(history.first_year, history.first_year + len(history.values))
    years = years[years - season.crosses >= history.first_year]
    inputs = history.inputs(season, lead, years)
    known = [np.isfinite(part).any((-2, -1)) for part in (inputs.months[:, 0], inputs.target)]
    return years[known[0] & known[1]]
