"""Training: fit a card's network to the truth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xai4land.device import bfloat16_pays, choose_device
from xai4land.emulator import Card, Emulator
from xai4land.emulator.build import build
from xai4land.errors import InputError
from xai4land.heads.choice import choice_weights
from xai4land.heads.conserve import conserve
from xai4land.progress import progress_bar
from xai4land.training.samples import UNKNOWN, Sample, Samples
from xai4land.windows.features import Features

__all__ = ["Settings", "train"]

ROUNDS = 5
"""Fitting rounds in the loss; fewer than at inference, since gradients flow through them."""


@dataclass(frozen=True)
class Settings:
    """How to train; all of it is written to the card.

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
    mirrored : bool
        Whether windows may be turned and mirrored every way, or from west to east only.
    seed : int
    """

    epochs: int = 20
    steps: int = 50
    batch_size: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    mirrored: bool = True
    seed: int = 0


def train(
    card: Card,
    training: Samples,
    validation: Samples,
    settings: Settings,
    device: str = "auto",
    progress: bool = True,
) -> Emulator:
    """Train the card's network from fresh weights.

    The loss is the area-weighted cross-entropy of the probabilities after they were fitted to
    the coarse fractions: a proper score, so that ``confidence`` stays calibrated. Class
    imbalance is met elsewhere: windows with many mixed cells are drawn more often, and the
    factors with which classes are chosen are tuned on the validation windows.

    Ctrl-C stops the training; the best weights so far are returned with a warning.

    Raises
    ------
    InputError
        If a split holds nothing to learn from, or the settings are out of range.
    """
    problems = [
        f"the {name} blocks hold no pixel with known truth in a mixed cell; give more truth"
        for name, split in (("training", training), ("validation", validation))
        if split.empty
    ]
    for name in ("epochs", "steps", "batch_size"):
        value = getattr(settings, name)
        if not isinstance(value, int) or value < 1:
            problems.append(f"{name}={value!r}, expected a whole number of at least 1")
    InputError.raise_if(problems)
    device = choose_device(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return _Trainer(card, settings, device).run(training, validation, progress)


class _Trainer:
    def __init__(self, card: Card, settings: Settings, device: str) -> None:
        self.card, self.settings, self.device = card, settings, device
        self.groups = torch.tensor(card.class_groups)
        self.rng = np.random.default_rng(settings.seed)
        network = build(card).to(device)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            settings.learning_rate,
            total_steps=settings.epochs * settings.steps,
            pct_start=0.15,
        )
        self.best: tuple[float, dict[str, torch.Tensor]] = (np.inf, {})
        self.history: list[float] = []

    def run(self, training: Samples, validation: Samples, progress: bool) -> Emulator:
        settings = self.settings
        held = validation.covering(64, np.random.default_rng(settings.seed))
        try:
            with progress_bar(progress) as bar:
                task = bar.add_task("fit", total=settings.epochs * settings.steps, note="")
                for _ in range(settings.epochs):
                    for _ in range(settings.steps):
                        self.step(training.draw(settings.batch_size, self.rng))
                        bar.advance(task)
                    loss = self.validate(held)
                    bar.update(task, note=f"validation {loss:.4f}, best {self.best[0]:.4f}")
        except KeyboardInterrupt:
            if not self.best[1]:
                raise
            warnings.warn(
                f"fit was interrupted after {len(self.history)} of {settings.epochs} epochs; "
                "the best weights so far are returned",
                stacklevel=4,
            )
        return self.finish(held)

    def step(self, samples: Sequence[Sample]) -> None:
        self.network.train()
        turn = self._turn()
        loss = self.loss(samples, self.forward(samples, turn))
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()

    def forward(self, samples: Sequence[Sample], turn: tuple[bool, bool, bool]) -> torch.Tensor:
        """Logits; the network sees the windows turned, the result is turned back."""
        batch = Features.batch([sample.features for sample in samples])
        x, codes = (_turned(t.to(self.device), turn) for t in (batch.continuous, batch.codes))
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=bfloat16_pays(self.device)):
            logits = self.network(x, codes)
        return _turned(logits.float().cpu(), turn, back=True) + batch.log_prior

    def probabilities(self, samples: Sequence[Sample], logits: torch.Tensor) -> list[torch.Tensor]:
        softmax = torch.softmax(logits, 1)
        if not self.card.conserve:
            return list(softmax)
        return [
            conserve(p, sample.cells, self.groups, ROUNDS)
            for p, sample in zip(softmax, samples, strict=True)
        ]

    def loss(self, samples: Sequence[Sample], logits: torch.Tensor) -> torch.Tensor:
        probability = torch.stack(self.probabilities(samples, logits))
        truth = torch.stack([sample.truth for sample in samples])
        area = torch.stack([sample.area for sample in samples]) * (truth != UNKNOWN)
        likely = probability.gather(1, truth.clamp(max=len(self.card.classes) - 1)[:, None])[:, 0]
        losses = -torch.log(likely.clamp(min=1e-6))
        return (losses * area).sum() / area.sum().clamp(min=1)

    @torch.no_grad()
    def validate(self, held: Sequence[Sample]) -> float:
        self.network.eval()
        losses = [
            float(self.loss(part, self.forward(part, (False, False, False))))
            for part in _parts(held, self.settings.batch_size)
        ]
        loss = float(np.mean(losses))
        self.history.append(round(loss, 5))
        if loss < self.best[0]:
            weights = {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
            self.best = loss, weights
        return loss

    @torch.no_grad()
    def finish(self, held: Sequence[Sample]) -> Emulator:
        self.network.load_state_dict(self.best[1])
        self.network.eval()
        probability, truth, area = [], [], []
        for part in _parts(held, self.settings.batch_size):
            logits = self.forward(part, (False, False, False))
            for p, sample in zip(self.probabilities(part, logits), part, strict=True):
                known = sample.truth != UNKNOWN
                probability.append(p[:, known].numpy())
                truth.append(sample.truth[known].numpy())
                area.append(sample.area[known].numpy())
        weights = choice_weights(
            np.concatenate(probability, 1), np.concatenate(truth), np.concatenate(area)
        )
        classes = [
            {**c.model_dump(), "weight": weight}
            for c, weight in zip(self.card.classes, weights, strict=True)
        ]
        record: dict[str, Any] = {**vars(self.settings), "validation_loss": self.history}
        card = self.card.with_(
            classes=classes,
            training={**self.card.training, **record},
            metrics={**self.card.metrics, "validation_loss": round(self.best[0], 5)},
        )
        return Emulator(card, self.best[1])

    def _turn(self) -> tuple[bool, bool, bool]:
        north, west, swap = (bool(x) for x in self.rng.integers(0, 2, 3))
        return (north, west, swap) if self.settings.mirrored else (False, west, False)


def _turned(x: torch.Tensor, turn: tuple[bool, bool, bool], back: bool = False) -> torch.Tensor:
    flips = [dim for dim, wanted in ((-2, turn[0]), (-1, turn[1])) if wanted]
    if back and turn[2]:
        x = x.transpose(-2, -1)
    if flips:
        x = x.flip(flips)
    return x.transpose(-2, -1) if turn[2] and not back else x


def _parts(items: Sequence[Sample], size: int) -> list[Sequence[Sample]]:
    return [items[i : i + size] for i in range(0, len(items), size)]
