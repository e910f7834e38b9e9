"""The condition of a forecast: its season, lead and source."""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = ["CHANNELS", "HARMONICS", "Condition", "harmonics"]


HARMONICS = 5

CHANNELS = 4
"""Channels of each predictor: three months, and the mean of the last ten years."""


class Condition(NamedTuple):
    """What a forecast is conditioned on beside fields, one entry for each case.

    Attributes
    ----------
    season : Tensor of int64
        First month of the season, from 0.
    lead, source : Tensor of int64
        Positions among the leads and the sources.
    """

    season: torch.Tensor
    lead: torch.Tensor
    source: torch.Tensor

    def repeat(self, count: int) -> Condition:
        """Repeat each case several times, one after the other."""
        return Condition(*(part.repeat_interleave(count) for part in self))


def harmonics(month: torch.Tensor) -> torch.Tensor:
    """Return a constant and the first two harmonics of the year, shape (..., 5)."""
    angle = 2 * torch.pi * month.float() / 12
    waves = [torch.cos(angle), torch.sin(angle), torch.cos(2 * angle), torch.sin(2 * angle)]
    return torch.stack([torch.ones_like(angle), *waves], -1)
