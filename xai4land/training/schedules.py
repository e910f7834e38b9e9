"""How the learning rate changes in the course of a training."""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from xai4land.training.settings import Schedule

__all__ = ["make_schedule"]

WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""


def make_schedule(
    kind: Schedule, optimiser: torch.optim.Optimizer, rate: float, steps: int
) -> LRScheduler:
    """Return a schedule whose rate depends on the number of the step alone.

    Parameters
    ----------
    kind : {"one-cycle", "cosine"}
        One cycle of rate and momentum (Smith 2018), or a linear warm-up and half a cosine down to
        zero (Loshchilov and Hutter 2017).
    optimiser : Optimizer
    rate : float
        The largest.
    steps : int
        Of the whole training.

    Examples
    --------
    >>> optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    >>> schedule = make_schedule("cosine", optimiser, 1.0, steps=20)
    >>> round(schedule.get_last_lr()[0], 2)
    0.33
    """
    if kind == "one-cycle":
        return OneCycleLR(optimiser, rate, total_steps=steps + 1, pct_start=WARM_UP)
    rise = max(round(WARM_UP * steps), 1)

    def share(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min((step - rise) / max(steps - rise, 1), 1.0)))

    return LambdaLR(optimiser, share)
