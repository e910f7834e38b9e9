"""The trainer of all networks: best weights, several processes, checkpoints, Ctrl-C."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from xai4land.errors import EmulatorError
from xai4land.heads.loss import SMALLEST_WEIGHT, Loss
from xai4land.training.checkpoint import Checkpoint
from xai4land.training.distributed import World
from xai4land.training.schedules import make_schedule
from xai4land.training.settings import Schedule

__all__ = ["Objective", "Training", "optimise", "seeded"]

B = TypeVar("B")
N = TypeVar("N", bound=torch.nn.Module, contravariant=True)
Module = TypeVar("Module", bound=torch.nn.Module)


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
    facts : dict
        What else the objective tells of it.
    """

    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    best: float = np.inf
    losses: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
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
    trainer = _Trainer(
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
            stacklevel=2,
        )
    network.load_state_dict(training.weights)
    network.eval()
    return training


@dataclass
class _Trainer(Generic[Module, B]):
    """A training on its way: all that a step needs and changes."""

    network: Module
    objective: Objective[Module, B]
    optimiser: torch.optim.AdamW
    schedule: torch.optim.lr_scheduler.LRScheduler
    averaged: AveragedModel | None
    clip: float
    steps: int
    world: World
    checkpoint: Checkpoint | None
    training: Training = field(default_factory=Training)
    epoch: int = 0
    step: int = 0
    """Steps of the epoch that are done."""
    loss: float = 0.0
    norm: float = 0.0
    """Sums over these."""
    drawn: dict[str, Any] = field(default_factory=dict)
    """State of the random numbers of batches at the beginning of the epoch."""
    saved: float = field(default_factory=time.monotonic)

    def run_epoch(self, on_step: Callable[[], None] | None) -> None:
        """Do what is left of an epoch, look at what was kept out, and keep the best weights."""
        began = time.monotonic()
        self.network.train()
        if self.checkpoint:
            self.drawn = dict(self.checkpoint.rng.bit_generator.state)
        for parts in self.objective.batches(self.epoch, self.step):
            save = self._take_step(parts)
            self.step += 1
            if on_step:
                on_step()
            if save and self.step < self.steps:
                self._save()
        self._end_epoch()
        self.training.seconds.append(round(time.monotonic() - began, 3))
        self.epoch, self.step, self.loss, self.norm = self.epoch + 1, 0, 0.0, 0.0
        if self.checkpoint:
            self.drawn = dict(self.checkpoint.rng.bit_generator.state)
            self._save()

    def _take_step(self, parts: Sequence[B]) -> bool:
        """Change the weights by a batch, and return whether it is time to write the state."""
        self.optimiser.zero_grad()
        loss, save = self._find_gradients(parts)
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            windows = "; ".join(self.objective.name(part) for part in parts)
            raise EmulatorError(
                f"the loss of step {self.step + 1} of epoch {self.epoch + 1} is {loss:g}, with "
                f"gradients of norm {norm:g}, at {windows}; look at the data there, or lower "
                "learning_rate="
            )
        self.optimiser.step()
        self.schedule.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)
        self.loss += loss
        self.norm += norm
        return save

    def _find_gradients(self, parts: Sequence[B]) -> tuple[float, bool]:
        """Compute the gradients of the mean loss of a batch, over its parts and all processes."""
        minutes = (time.monotonic() - self.saved) / 60
        save = self.checkpoint is not None and minutes >= self.checkpoint.minutes
        alone = len(parts) == 1 and self.world.size == 1
        losses = []
        for part in parts:
            loss = self.objective.loss(self.network, part)
            (loss.mean if alone else loss.total).backward()  # type: ignore[no-untyped-call]
            losses.append(Loss(loss.total.detach(), loss.weight.detach()))
        if alone:
            return float(losses[0].mean), save
        total = torch.stack([loss.total for loss in losses]).sum()
        weight = torch.stack([loss.weight for loss in losses]).sum()
        # One tensor for all: sums of losses, of weights and of gradients, and rank 0's clock.
        held = [p.grad for p in self.network.parameters() if p.grad is not None]
        clock = total.new_tensor(float(save and self.world.rank == 0))
        flat = [part.reshape(-1).to(total.dtype) for part in (total, weight, clock, *held)]
        joined = self.world.add(torch.cat(flat))
        mean = joined / joined[1].clamp(min=SMALLEST_WEIGHT)
        start = 3
        for gradient in held:
            gradient.copy_(mean[start : start + gradient.numel()].view(gradient.shape))
            start += gradient.numel()
        return float(mean[0]), bool(joined[2] > 0)

    def _end_epoch(self) -> None:
        network = self.network if self.averaged is None else self.averaged.module
        network.eval()
        with torch.no_grad():
            validation = self.objective.validate(network)
        training, loss = self.training, self.loss / self.steps
        training.losses.append(loss)
        training.rates.append(self.schedule.get_last_lr()[0])
        training.norms.append(self.norm / self.steps)
        if validation is not None:
            training.validation.append(round(validation, 5))
        if validation is None or validation < training.best:
            training.best = loss if validation is None else validation
            training.weights = _copy_weights(network)

    def _save(self) -> None:
        """Write the state; the first time, what cannot be written is an error."""
        assert self.checkpoint is not None
        tensors, facts = self._state()
        if self.world.rank == 0:
            first = not self.checkpoint.path.exists()
            (self.checkpoint.write if first else self.checkpoint.try_to_write)(tensors, facts)
        self.saved = time.monotonic()

    def _state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        optimiser = self.optimiser.state_dict()
        groups: dict[str, dict[str, torch.Tensor]] = {
            "network": self.network.state_dict(),
            "best": self.training.weights,
            "averaged": {} if self.averaged is None else self.averaged.state_dict(),
            "random": {
                name: self.world.gather(state) for name, state in _random_states(self.world)
            },
        }
        groups |= {f"optimiser/{k}": values for k, values in optimiser["state"].items()}
        tensors = {f"{g}/{n}": value for g, group in groups.items() for n, value in group.items()}
        training = {k: v for k, v in vars(self.training).items() if k != "weights"}
        return tensors, {
            "epoch": self.epoch,
            "step": self.step,
            "loss": self.loss,
            "norm": self.norm,
            "drawn": self.drawn,
            "groups": optimiser["param_groups"],
            "schedule": self.schedule.last_epoch,
            "training": training,
        }

    def resume(self) -> None:
        """Take up the state that was written, or write the first one."""
        found = self.checkpoint.read() if self.checkpoint else None
        if self.checkpoint is None:
            return
        if found is None:
            self.drawn = dict(self.checkpoint.rng.bit_generator.state)
            self._save()
            return
        tensors, facts = found
        self.epoch, self.step = facts["epoch"], facts["step"]
        self.loss, self.norm = facts["loss"], facts["norm"]
        self.checkpoint.rng.bit_generator.state = facts["drawn"]
        self.network.load_state_dict(_select(tensors, "network"))
        self.training = Training(_select(tensors, "best"), **facts["training"])
        if self.averaged is not None:
            self.averaged.load_state_dict(_select(tensors, "averaged"))
        state = {
            k: _like(parameter, _select(tensors, f"optimiser/{k}"))
            for k, parameter in enumerate(self.network.parameters())
        }
        held = {k: moments for k, moments in state.items() if moments}
        self.optimiser.load_state_dict({"state": held, "param_groups": facts["groups"]})
        self.schedule.last_epoch = facts["schedule"]
        self.schedule._last_lr = [group["lr"] for group in self.optimiser.param_groups]
        _restore_random_states(self.world, _select(tensors, "random"))


def _copy_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _select(tensors: dict[str, torch.Tensor], group: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a group, without its name."""
    start = f"{group}/"
    return {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}


def _like(parameter: torch.Tensor, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the moments of a parameter in its own memory layout, as they were computed in."""
    return {
        name: torch.empty_like(parameter).copy_(value) if value.ndim else value
        for name, value in state.items()
    }


def _random_states(world: World) -> Iterator[tuple[str, torch.Tensor]]:
    """Give torch's random states: the CPU's, and the device's where it has its own."""
    yield "cpu", torch.get_rng_state()
    if world.device.startswith("cuda"):
        yield "device", torch.cuda.get_rng_state(world.device)


def _restore_random_states(world: World, states: dict[str, torch.Tensor]) -> None:
    """Restore this process's random states; those of processes that were not there stay."""
    if world.rank >= len(states["cpu"]):
        return
    torch.set_rng_state(states["cpu"][world.rank])
    if world.device.startswith("cuda") and "device" in states:
        torch.cuda.set_rng_state(states["device"][world.rank], world.device)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Start torch's random numbers from a seed; afterwards they go on as if none had been drawn."""
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
