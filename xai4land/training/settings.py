"""How a network is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dask.utils import parse_bytes
from pydantic import BeforeValidator, Field

__all__ = ["MapSettings", "MaskShape", "Schedule", "TrainingSettings"]

MaskShape = Literal["mixed", "pixels", "blocks", "windows"]
Schedule = Literal["one-cycle", "cosine"]
UNRECORDED = ("checkpoint", "minutes", "log", "dry_run")
"""Settings that change nothing in an emulator."""


def _check_bytes(value: Any) -> str:
    try:
        if parse_bytes(value) > 0:
            return str(value)
    except (ValueError, TypeError, AttributeError):
        pass
    raise ValueError("expected bytes, such as '2GiB' or '500MB'")


@dataclass(frozen=True)
class TrainingSettings:
    """How any network is trained; what it depends on is written to the card.

    Attributes
    ----------
    epochs : int
        Each ends with a look at what is kept out of the training; the best weights are kept.
    batch_size : int
        Windows or cases a batch, of all processes together.
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
    >>> TrainingSettings(checkpoint="run.safetensors", epochs=5).record()["epochs"]
    5
    """

    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 8
    accumulate: Annotated[int, Field(ge=1)] = 1
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    schedule: Schedule = "one-cycle"
    clip: Annotated[float, Field(gt=0)] = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint: str | Path = ""
    minutes: Annotated[float, Field(ge=0)] = 10.0
    log: str | Path = ""
    dry_run: bool = False

    def record(self) -> dict[str, Any]:
        """Return what the emulator depends on, for its card; not where files are."""
        return {name: value for name, value in asdict(self).items() if name not in UNRECORDED}

    def name_files(self, part: str) -> Self:
        """Return the settings of one of several trainings, whose files end in the name of it.

        Examples
        --------
        >>> TrainingSettings(log="run.csv").name_files("rollout-1").log
        'run-rollout-1.csv'
        """
        named: dict[str, Any] = {
            name: str(path.with_name(f"{path.stem}-{part}{path.suffix}"))
            for name in ("checkpoint", "log")
            if (path := Path(getattr(self, name))) != Path()
        }
        return replace(self, **named)


@dataclass(frozen=True)
class MapSettings(TrainingSettings):
    """How an emulator of maps is trained: :class:`TrainingSettings`, and more.

    Attributes
    ----------
    steps : int
        Batches an epoch.
    precision : {"auto", "float32", "bfloat16"}
        Of the network's products; by default bfloat16 where the processor computes it faster.
    compile : bool
        Whether torch compiles the network first; on the CPU this needs a C++ compiler.
    workers : int
        Threads that read the data, and make the next batches while the device computes; they
        change nothing in what is learned.
    cache : int or str
        Bytes of the data that are kept in memory, as a number or text such as ``"500MB"``. Where
        all are not more than half of this, windows come in the order in which they are drawn;
        else in an order in which chunks of stores are read once an epoch, mostly.
    masked, masked_at_end : float
        Share of the windows in which a part of the prior map is masked, at the beginning and at
        the end of the training; in between it changes evenly. Where there is no prior map these
        have no effect.
    mask : {"mixed", "pixels", "blocks", "windows"}
        Which part: pixels, blocks of 16 x 16 pixels, all of the window, or one of these at random.

    Examples
    --------
    >>> MapSettings(epochs=5).steps
    50
    """

    steps: Annotated[int, Field(ge=1)] = 50
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    workers: Annotated[int, Field(ge=1)] = 2
    cache: Annotated[str, BeforeValidator(_check_bytes)] = "2GiB"
    masked: Annotated[float, Field(ge=0, le=1)] = 0.6
    masked_at_end: Annotated[float, Field(ge=0, le=1)] = 0.2
    mask: MaskShape = "mixed"

    @property
    def cache_bytes(self) -> int:
        """Return the bytes of the cache."""
        return int(parse_bytes(self.cache))
