"""How sure the probabilities of classes are, and how sure a map says that they are."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from xai4land.heads.outputs import CONFIDENCE_STEPS

__all__ = [
    "TEMPERATURES",
    "UNCERTAINTY_NAMES",
    "choose_temperature",
    "find_uncertainty",
    "pack_confidence",
    "soften",
]

TEMPERATURES = (1.0, 0.8, 0.9, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
LEAST_GAIN = 0.005
"""Part of the loss that a temperature must save."""
UNCERTAINTY_NAMES = {
    "entropy": "Shannon entropy of the class probabilities, as a part of its largest value",
    "margin": "probability of the most likely class less that of the second",
}


def pack_confidence(likely: torch.Tensor) -> torch.Tensor:
    """Return probabilities as blocks keep them, in steps of ``1 / CONFIDENCE_STEPS``."""
    return likely.clamp(0, 1).mul(CONFIDENCE_STEPS).round().to(torch.uint8)


def soften(probability: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return probabilities, shape (..., classes, rows, columns), raised to one over a temperature.

    They add up to one again. A temperature of 1 changes nothing (Guo et al. 2017).

    Examples
    --------
    >>> soften(torch.tensor([[[0.8]], [[0.2]]]), 2.0).ravel()
    tensor([0.6667, 0.3333])
    """
    if temperature == 1:
        return probability
    raised = probability.clamp(min=1e-12) ** (1 / temperature)
    return raised / raised.sum(-3, keepdim=True)


def choose_temperature(losses: Mapping[float, float]) -> float:
    """Return the temperature of the least loss, 1 where little is won.

    Examples
    --------
    >>> choose_temperature({1.0: 100.0, 1.5: 90.0}), choose_temperature({1.0: 100.0, 1.5: 99.9})
    (1.5, 1.0)
    """
    best = min(losses, key=lambda temperature: losses[temperature])
    return best if losses[best] < (1 - LEAST_GAIN) * losses[1.0] else 1.0


def find_uncertainty(probability: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the entropy of probabilities (classes, rows, columns) and the margin of the largest.

    Examples
    --------
    >>> found = find_uncertainty(torch.tensor([[[0.5, 1.0]], [[0.5, 0.0]]]))
    >>> found["entropy"], found["margin"]
    (tensor([[1., 0.]]), tensor([[0., 1.]]))
    """
    entropy = torch.special.entr(probability).sum(0) / math.log(probability.shape[0])
    first, second = probability.topk(2, 0).values
    return {"entropy": entropy, "margin": first - second}
