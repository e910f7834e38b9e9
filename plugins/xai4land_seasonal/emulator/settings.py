"""Settings of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

__all__ = ["Settings"]

Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Settings:
    """How to train; all of it is written to the card.

    Attributes
    ----------
    epochs : int
        Times that each network sees all cases.
    batch_size : int
        Cases in a batch.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises and falls once (Smith 2018).
    beta : float
        Weight of the Kullback-Leibler divergence of the posterior from the prior; it grows from
        0 over the first third of the epochs.
    hybrid : float
        Weight of the variational part of the loss, from 0 to 1; the rest is the loss of the
        forecast at the prior's mean (the hybrid objective of Sohn, Lee and Yan 2015).
    effective_dof : float
        Independent cells that the likelihood counts, since neighbours are correlated.
    simulation_weight : float
        Weight of a case of the simulations; a case of the data has weight 1.
    seed : int
        Same seed, data and machine: same emulator.
    """

    epochs: Count = 20
    batch_size: Count = 64
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    beta: Positive = 1.0
    hybrid: Annotated[float, Field(gt=0, le=1)] = 0.5
    effective_dof: Positive = 200.0
    simulation_weight: Annotated[float, Field(ge=0)] = 0.3
    seed: int = 0
