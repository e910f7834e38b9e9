"""What a forecast is for, as networks take it."""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = ["CHANNELS", "HARMONICS", "Condition", "harmonics"]


HARMONICS = 5

CHANNELS = 4
"""Channels a predictor: three months, and the mean of the last ten years."""


class Condition(NamedTuple):
    """What a forecast is for, beside the fields: one entry a case.

    Attributes
    ----------
    season : Tensor of int64
        The season's first month, from 0.
    lead, source : Tensor of int64
        Positions among the leads and the sources.
    """

    season: torch.Tensor
    lead: torch.Tensor
    source: torch.Tensor

    def repeat(self, count: int) -> Condition:
        """Each case several times, one after the other."""
        return Condition(*(part.repeat_interleave(count) for part in self))


def harmonics(month: torch.Tensor) -> torch.Tensor:
    """The mean, and the first two harmonics of the year, shape (..., 5)."""
    turn = 2 * torch.pi * month.float() / 12
    waves = [torch.cos(turn), torch.sin(turn), torch.cos(2 * turn), torch.sin(2 * turn)]
    return torch.stack([torch.ones_like(turn), *waves], -1)
