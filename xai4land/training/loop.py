"""The trainer of all networks: best weights, a rate that rises and falls once, Ctrl-C."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
import torch

__all__ = ["Objective", "Training", "optimise", "seeded"]

B = TypeVar("B")
N = TypeVar("N", bound=torch.nn.Module, contravariant=True)
Module = TypeVar("Module", bound=torch.nn.Module)
WARM_UP = 0.15
"""Share of the steps in which the learning rate rises."""
LARGEST_GRADIENT = 1.0


class Objective(Protocol[N, B]):
    """What a network is trained for."""

    def batches(self, epoch: int) -> Iterable[B]:
        """Return the batches of an epoch, one after another."""
        ...

    def loss(self, network: N, batch: B) -> torch.Tensor:
        """Return the loss of a batch, on the network's device."""
        ...

    def validate(self, network: N) -> float | None:
        """Return the loss on what is kept out of the training; None where nothing is."""
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
    interrupted : bool
        Whether Ctrl-C ended it.
    facts : dict
        What else the objective tells of it.
    """

    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    best: float = np.inf
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    interrupted: bool = False
    facts: dict[str, float] = field(default_factory=dict)


def optimise(
    network: Module,
    objective: Objective[Module, B],
    *,
    epochs: int,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    on_step: Callable[[], None] | None = None,
    on_epoch: Callable[[Training], None] | None = None,
) -> Training:
    """Train a network in place, on the device that it is on.

    AdamW (Loshchilov and Hutter 2019) with one cycle of the learning rate (Smith 2018); gradients
    are clipped to a norm of 1. Ctrl-C ends the training with a warning; what the best epoch gave
    is returned.

    Parameters
    ----------
    network : Module
    objective : Objective
    epochs, steps : int
        Epochs, and batches in each.
    learning_rate, weight_decay : float
    on_step, on_epoch : callable, optional
        Called after each step, and after each epoch with the training so far.

    Returns
    -------
    Training

    Raises
    ------
    KeyboardInterrupt
        If no epoch was finished.

    Examples
    --------
    >>> class Line:
    ...     def batches(self, epoch):
    ...         return [torch.linspace(0, 1, 8)[:, None]] * 100
    ...     def loss(self, network, x):
    ...         return ((network(x) - 3 * x) ** 2).mean()
    ...     def validate(self, network):
    ...         return None
    >>> network = torch.nn.Linear(1, 1)
    >>> run = optimise(network, Line(), epochs=5, steps=100, learning_rate=0.1, weight_decay=0.0)
    >>> round(run.weights["weight"].item(), 1)
    3.0
    """
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=epochs * steps + 1, pct_start=WARM_UP
    )
    training = Training()
    try:
        for epoch in range(epochs):
            network.train()
            total = 0.0
            for batch in objective.batches(epoch):
                loss = objective.loss(network, batch)
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
                optimiser.step()
                schedule.step()
                total += float(loss.detach())
                if on_step:
                    on_step()
            _end_epoch(network, objective, training, total / steps)
            if on_epoch:
                on_epoch(training)
    except KeyboardInterrupt:
        if not training.weights:
            raise
        training.interrupted = True
        warnings.warn(
            f"fit was interrupted after {len(training.losses)} of {epochs} epochs; "
            "the best weights so far are returned",
            stacklevel=2,
        )
    network.load_state_dict(training.weights)
    network.eval()
    return training


def _end_epoch(
    network: Module, objective: Objective[Module, B], training: Training, loss: float
) -> None:
    """Look at what was kept out, and keep the weights if they are the best so far."""
    network.eval()
    with torch.no_grad():
        validation = objective.validate(network)
    training.losses.append(loss)
    if validation is not None:
        training.validation.append(round(validation, 5))
    if validation is None or validation < training.best:
        training.best = loss if validation is None else validation
        state = network.state_dict()
        training.weights = {name: value.detach().cpu().clone() for name, value in state.items()}


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Start torch's random numbers from a seed; afterwards they go on as if none had been drawn."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
