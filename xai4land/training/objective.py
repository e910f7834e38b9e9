"""What a network is trained for, and what a training gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch

from xai4land.heads.loss import Loss

__all__ = ["Objective", "Task", "Training"]

B = TypeVar("B")
N = TypeVar("N", bound=torch.nn.Module, contravariant=True)


class Objective(Protocol[N, B]):
    """What a network is trained for."""

    def batches(self, epoch: int, first: int = 0) -> Iterable[Sequence[B]]:
        """Return the batches of an epoch, each as the parts that are computed one after another.

        The ``first`` ones are left out; those that follow are the same as without.
        """
        ...

    def loss(self, network: N, part: B) -> Loss:
        """Return the loss of a part of a batch, on the network's device."""
        ...

    def validate(self, network: N) -> float | None:
        """Return the loss on what is kept out of the training; None where nothing is."""
        ...

    def name(self, part: B) -> str:
        """Say which data a part of a batch is, for errors."""
        ...


class Task(Objective[N, B], Protocol):
    """An objective that knows its data, so that a training of hours can be resumed."""

    @property
    def steps(self) -> int:
        """Return the number of batches an epoch."""
        ...

    @property
    def rng(self) -> np.random.Generator | None:
        """Return what batches are drawn with; None if they follow from the number of the epoch."""
        ...

    def digest(self) -> str:
        """Return a hash of the data, in hexadecimal."""
        ...

    def check_data(self) -> None:
        """Raise an error if the data are no longer what they were."""
        ...


@dataclass
class Training:
    """What a training gave.

    Attributes
    ----------
    weights : dict of Tensor
        Of the best epoch by validation, or of the last where nothing is kept for it; on the CPU.
    best : float
        Loss of the best epoch.
    losses, validation : list of float
        Mean training loss, and validation loss, of each epoch.
    rates, norms, seconds : list of float
        Of each epoch: the learning rate at its end, the mean norm of the gradients before they were
        clipped, and how long it took.
    interrupted : bool
        Whether Ctrl-C, or a loss that is not finite, ended it.
    estimate : str
        After a dry run: what the training will take.
    """

    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    best: float = np.inf
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    interrupted: bool = False
    estimate: str = ""
