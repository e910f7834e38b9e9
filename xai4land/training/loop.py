"""The trainer of all networks: epochs, the best weights, Ctrl-C."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from xai4land.errors import EmulatorError, TrainingWarning
from xai4land.training.checkpoint import Checkpoint
from xai4land.training.distributed import World
from xai4land.training.objective import Objective, Training
from xai4land.training.schedules import make_schedule
from xai4land.training.settings import Schedule
from xai4land.training.trainer import Trainer

__all__ = ["optimise", "seeded"]

B = TypeVar("B")
Module = TypeVar("Module", bound=torch.nn.Module)


def optimise(
    network: Module,
    objective: Objective[Module, B],
    *,
    epochs: int,
    steps: int,
    learning_rate: float,
    weight_decay: float,
    schedule: Schedule = "one-cycle",
    clip: float = 1.0,
    ema: float = 0.0,
    world: World | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: Callable[[], None] | None = None,
    on_epoch: Callable[[Training], None] | None = None,
) -> Training:
    """Train a network in place, on the device that it is on.

    AdamW (Loshchilov and Hutter 2019), with clipped gradients. Ctrl-C ends the training with a
    warning, and so does a loss that is not finite; what the best epoch gave is returned.

    Parameters
    ----------
    network : Module
    objective : Objective
    epochs, steps : int
        Epochs, and batches in each.
    learning_rate, weight_decay : float
    schedule : {"one-cycle", "cosine"}
        How the rate changes, see :func:`xai4land.training.schedules.make_schedule`.
    clip : float
        Largest norm of the gradients of a step.
    ema : float
        Decay of the exponential moving average of the weights, which is then what is validated and
        returned (Polyak and Juditsky 1992); 0 for the weights themselves.
    world : World, optional
        The processes that each compute a part of every batch; alone by default.
    checkpoint : Checkpoint, optional
        Where the state is written; where there is one, the training goes on from it.
    on_step, on_epoch : callable, optional
        Called after each step, and after each epoch with the training so far.

    Returns
    -------
    Training

    Raises
    ------
    KeyboardInterrupt, EmulatorError
        If no epoch was finished.

    Examples
    --------
    >>> from xai4land.heads.loss import Loss
    >>> class Line:
    ...     def batches(self, epoch, first=0):
    ...         return [[torch.linspace(0, 1, 8)[:, None]]] * (100 - first)
    ...     def loss(self, network, x):
    ...         return Loss(((network(x) - 3 * x) ** 2).sum(), torch.tensor(8.0))
    ...     def validate(self, network):
    ...         return None
    >>> network = torch.nn.Linear(1, 1)
    >>> run = optimise(network, Line(), epochs=5, steps=100, learning_rate=0.1, weight_decay=0.0)
    >>> round(run.weights["weight"].item(), 1)
    3.0
    """
    optimiser = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=weight_decay)
    course = make_schedule(schedule, optimiser, learning_rate, epochs * steps)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None
    trainer = Trainer(
        network, objective, optimiser, course, averaged, clip, steps, world or World(), checkpoint
    )
    trainer.resume()
    training = trainer.training
    try:
        while trainer.epoch < epochs:
            trainer.run_epoch(on_step)
            if on_epoch:
                on_epoch(training)
    except (KeyboardInterrupt, EmulatorError) as error:
        if not training.weights:
            raise
        training.interrupted = True
        what = "was interrupted" if isinstance(error, KeyboardInterrupt) else f"ended: {error};"
        warnings.warn(
            f"fit {what} after {len(training.losses)} of {epochs} epochs; "
            "the best weights so far are returned",
            TrainingWarning,
            stacklevel=2,
        )
    network.load_state_dict(training.weights)
    network.eval()
    return training


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Start torch's random numbers from a seed; afterwards they go on as if none had been drawn."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
