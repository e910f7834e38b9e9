"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from xai4land.training.masking import MaskShape

__all__ = ["MapSettings"]


@dataclass(frozen=True)
class MapSettings:
    """How an emulator of maps is trained; all of it is written to the card.

    Attributes
    ----------
    epochs : int
        Each ends with a look at the validation windows; the best weights are kept.
    steps : int
        Batches an epoch.
    batch_size : int
        Windows a batch.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises and falls once (Smith 2018).
    workers : int
        Threads that make the next batches while the device computes.
    masked, masked_at_end : float
        Share of the windows in which a part of the prior map is masked, at the beginning and at
        the end of the training; in between it changes evenly. Where there is no prior map these
        have no effect.
    mask : {"mixed", "pixels", "blocks", "windows"}
        Which part: pixels, blocks of 16 x 16 pixels, all of the window, or one of these at random.
    seed : int
        Same seed, data and machine: same emulator.

    Examples
    --------
    >>> MapSettings(epochs=5).steps
    50
    """

    epochs: Annotated[int, Field(ge=1)] = 20
    steps: Annotated[int, Field(ge=1)] = 50
    batch_size: Annotated[int, Field(ge=1)] = 8
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    workers: Annotated[int, Field(ge=1)] = 2
    masked: Annotated[float, Field(ge=0, le=1)] = 0.6
    masked_at_end: Annotated[float, Field(ge=0, le=1)] = 0.2
    mask: MaskShape = "mixed"
    seed: Annotated[int, Field(ge=0)] = 0
