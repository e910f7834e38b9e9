"""The loss of a part of a batch: a sum and its weight, so that parts can be joined exactly."""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = ["SMALLEST_WEIGHT", "Loss"]

SMALLEST_WEIGHT = 1e-6
"""Where nothing is known, the mean is 0 and no division by zero."""


class Loss(NamedTuple):
    """A weighted sum of losses; the mean over several parts is sum of totals / sum of weights.

    Attributes
    ----------
    total : Tensor, shape ()
        Sum of the losses of all pixels, each by its weight (such as its known area).
    weight : Tensor, shape ()
        Sum of these weights.

    Examples
    --------
    >>> Loss(torch.tensor(6.0), torch.tensor(4.0)).mean
    tensor(1.5000)
    """

    total: torch.Tensor
    weight: torch.Tensor

    @property
    def mean(self) -> torch.Tensor:
        """Return the weighted mean."""
        return self.total / self.weight.clamp(min=SMALLEST_WEIGHT)
