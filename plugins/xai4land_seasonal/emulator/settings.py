"""Settings of the training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from xai4land.training.settings import TrainingSettings

__all__ = ["Settings"]

Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Settings(TrainingSettings):
    """How to train: :class:`xai4land.training.settings.TrainingSettings`, and more.

    Attributes
    ----------
    batch_size : int
        Cases in a batch. An epoch shows each network all cases, of several leads one.
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
    """

    batch_size: Annotated[int, Field(ge=1)] = 64
    learning_rate: Positive = 1e-3
    beta: Positive = 1.0
    hybrid: Annotated[float, Field(gt=0, le=1)] = 0.5
    effective_dof: Positive = 200.0
    simulation_weight: Annotated[float, Field(ge=0)] = 0.3
