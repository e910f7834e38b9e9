"""A training on its way: its steps, their gradients over all processes, and its checkpoints."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import torch
from torch.optim.swa_utils import AveragedModel

from xai4land.errors import EmulatorError
from xai4land.heads.loss import SMALLEST_WEIGHT, Loss
from xai4land.training.checkpoint import Checkpoint, State
from xai4land.training.distributed import World
from xai4land.training.objective import Objective, Training
from xai4land.training.random_states import gather_random_states, restore_random_states

__all__ = ["Trainer"]

B = TypeVar("B")
Module = TypeVar("Module", bound=torch.nn.Module)


@dataclass
class Trainer(Generic[Module, B]):
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
            self.drawn = self.checkpoint.drawn
        # A dry run takes but two.
        batches = self.objective.batches(self.epoch, self.step)
        for parts in itertools.islice(batches, self.steps - self.step):
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
            self.drawn = self.checkpoint.drawn
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
            (loss.mean if alone else loss.total).backward()
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
        network = self.network if self.averaged is None else cast("Module", self.averaged.module)
        network.eval()
        with torch.no_grad():
            validation = self.objective.validate(network)
        training, loss = self.training, self.loss / self.steps
        training.losses.append(loss)
        training.rates.append(float(self.schedule.get_last_lr()[0]))
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

    def _state(self) -> State:
        optimiser = self.optimiser.state_dict()
        groups: dict[str, dict[str, torch.Tensor]] = {
            "network": self.network.state_dict(),
            "best": self.training.weights,
            "averaged": {} if self.averaged is None else self.averaged.state_dict(),
            "random": gather_random_states(self.world),
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
            self.drawn = self.checkpoint.drawn
            self._save()
            return
        tensors, facts = found
        self.epoch, self.step = facts["epoch"], facts["step"]
        self.loss, self.norm = facts["loss"], facts["norm"]
        self.checkpoint.drawn = facts["drawn"]
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
        restore_random_states(self.world, _select(tensors, "random"))


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
