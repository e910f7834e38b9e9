"""How a network is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from xai4land.training.masking import MaskShape

__all__ = ["MapSettings"]

Schedule = Literal["one-cycle", "cosine"]
UNRECORDED = ("checkpoint", "minutes", "log", "dry_run")
"""Settings that change nothing in an emulator."""


@dataclass(frozen=True)
class MapSettings:
    """How an emulator of maps is trained; what it depends on is written to the card.

    Attributes
    ----------
    epochs : int
        Each ends with a look at the validation windows; the best weights are kept.
    steps : int
        Batches an epoch.
    batch_size : int
        Windows a batch, of all processes together.
    accumulate : int
        Parts in which a process computes its batch, one after another, to save memory. The
        gradients are those of the whole batch (but batch normalisation sees a part).
    learning_rate, weight_decay : float
        Of AdamW.
    schedule : {"one-cycle", "cosine"}
        How the rate changes: it rises and falls once, with the momentum (Smith 2018); or it rises
        for 15 % of the steps and then falls like half a cosine.
    clip : float
        Largest norm of the gradients of a step.
    ema : float
        Decay of a moving average of the weights, such as 0.999, which is then what is validated
        and kept; 0 for none.
    precision : {"auto", "float32", "bfloat16"}
        Of the network's products; by default bfloat16 where the processor computes it faster.
    compile : bool
        Whether torch compiles the network first; on the CPU this needs a C++ compiler.
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
    checkpoint : path-like
        File (.safetensors) of the state of the training, from which the same call goes on; none
        by default.
    minutes : float
        Between two states in an epoch; there is one after each epoch, too.
    log : path-like
        CSV of losses, learning rate, gradients and seconds of each epoch; none by default.
    dry_run : bool
        Whether to train two steps alone, and to say what the training will take.

    Examples
    --------
    >>> MapSettings(epochs=5).steps
    50
    """

    epochs: Annotated[int, Field(ge=1)] = 20
    steps: Annotated[int, Field(ge=1)] = 50
    batch_size: Annotated[int, Field(ge=1)] = 8
    accumulate: Annotated[int, Field(ge=1)] = 1
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    schedule: Schedule = "one-cycle"
    clip: Annotated[float, Field(gt=0)] = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    workers: Annotated[int, Field(ge=1)] = 2
    masked: Annotated[float, Field(ge=0, le=1)] = 0.6
    masked_at_end: Annotated[float, Field(ge=0, le=1)] = 0.2
    mask: MaskShape = "mixed"
    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint: str | Path = ""
    minutes: Annotated[float, Field(ge=0)] = 10.0
    log: str | Path = ""
    dry_run: bool = False

    def record(self) -> dict[str, Any]:
        """Return what the emulator depends on, for its card; not where files are."""
        return {name: value for name, value in asdict(self).items() if name not in UNRECORDED}
