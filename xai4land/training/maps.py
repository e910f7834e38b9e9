"""Training of emulators of maps, whatever their outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch

from xai4land.device import bfloat16_pays, choose_device
from xai4land.emulator.build import build
from xai4land.emulator.card import MapCard
from xai4land.emulator.outputs import Outputs
from xai4land.errors import InputError
from xai4land.heads.base import Head
from xai4land.progress import progress_bar
from xai4land.training.loop import Training, optimise, seeded
from xai4land.training.prefetch import prefetch
from xai4land.training.regions import Regions
from xai4land.training.samples import Corner, Sample
from xai4land.training.settings import MapSettings
from xai4land.windows.features import Features

if TYPE_CHECKING:
    from xai4land.emulator.emulator import Emulator

__all__ = ["MapObjective", "check_splits", "train"]

VALIDATION_WINDOWS = 64
Turn = tuple[bool, bool, bool]
"""Whether rows and columns are reversed, and whether they are swapped."""


def train(
    kind: type[Emulator],
    card: MapCard,
    training: Regions,
    validation: Regions,
    settings: MapSettings,
    *,
    weights: Mapping[str, torch.Tensor] | None = None,
    mirrored: bool = True,
    device: str = "auto",
    progress: bool = True,
) -> Emulator:
    """Train the card's network.

    Windows in which more is left open by their coarse cells are drawn more often; what the head
    chooses after training (such as weights of rare outputs) is chosen on the validation windows.

    Parameters
    ----------
    kind : type
        Class of the emulator.
    card : MapCard
    training, validation : Regions
    settings : MapSettings
    weights : mapping from str to Tensor, optional
        To begin with; fresh ones by default.
    mirrored : bool
        Whether windows may be turned and mirrored every way, or from west to east only.
    device : str
    progress : bool

    Raises
    ------
    InputError
        If a split holds nothing to learn from.
    """
    check_splits(training, validation)
    device = choose_device(device)
    with seeded(settings.seed, device), progress_bar(progress) as bar:
        network = build(card)
        if weights is not None:
            network.load_state_dict(weights)
        network = network.to(device)
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        objective = MapObjective(training, validation, settings, device, mirrored)
        task = bar.add_task("fit", total=settings.epochs * settings.steps, note="")

        def show(run: Training) -> None:
            note = f"validation {run.validation[-1]:.4f}, best {run.best:.4f}"
            bar.update(task, note=note)

        run = optimise(
            network,
            objective,
            epochs=settings.epochs,
            steps=settings.steps,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            on_step=lambda: bar.advance(task),
            on_epoch=show,
        )
        outputs = objective.tune(network)
    record = {**asdict(settings), "mirrored": mirrored, "validation_loss": run.validation}
    card = card.with_(
        outputs=outputs.model_dump(),
        training={**card.training, **record},
        metrics={**card.metrics, "validation_loss": round(run.best, 5)},
    )
    return kind(card, run.weights)


def check_splits(training: Regions, validation: Regions) -> None:
    """Refuse splits that hold nothing to learn from.

    Raises
    ------
    InputError
    """
    InputError.raise_if(
        f"the {name} blocks hold no pixel with known truth in a mixed cell; give more truth"
        for name, split in (("training", training), ("validation", validation))
        if split.empty
    )


class MapObjective:
    """The loss of an emulator of maps; see :class:`xai4land.training.loop.Objective`."""

    def __init__(
        self,
        training: Regions,
        validation: Regions,
        settings: MapSettings,
        device: str,
        mirrored: bool,
    ) -> None:
        self.training, self.settings, self.mirrored = training, settings, mirrored
        self.device = torch.device(device)
        self.autocast = bfloat16_pays(device)
        self.head: Head = training.head
        self.rng = np.random.default_rng(settings.seed)
        self.masks = bool(training.parts[0].card.outputs.fine_inputs)
        corners = validation.cover(VALIDATION_WINDOWS, np.random.default_rng(settings.seed))
        (self.held,) = prefetch(validation.at, [corners], settings.workers)

    def batches(self, epoch: int) -> Iterator[list[Sample]]:
        """Return windows drawn at random; made in threads."""
        keys = (
            [
                self._mask(corner, epoch)
                for corner in self.training.draw(self.settings.batch_size, self.rng)
            ]
            for _ in range(self.settings.steps)
        )
        return prefetch(self.training.at, keys, self.settings.workers)

    def _mask(self, corner: Corner, epoch: int) -> Corner:
        """Give some of the windows holes in their prior map."""
        settings = self.settings
        if not self.masks:
            return corner
        done = epoch / max(settings.epochs - 1, 1)
        share = settings.masked + (settings.masked_at_end - settings.masked) * done
        masked, seed = self.rng.random() < share, int(self.rng.integers(2**32))
        return corner._replace(mask=seed if masked else None)

    def loss(self, network: torch.nn.Module, batch: Sequence[Sample]) -> torch.Tensor:
        """Return the head's loss; the network sees the windows turned."""
        return self._loss(network, batch, self._turn())

    @torch.no_grad()
    def validate(self, network: torch.nn.Module) -> float:
        """Return the mean loss of the validation windows."""
        parts = _batches(self.held, self.settings.batch_size)
        return float(np.mean([float(self._loss(network, part)) for part in parts]))

    @torch.no_grad()
    def tune(self, network: torch.nn.Module) -> Outputs:
        """Return the outputs with what the head chooses on the validation windows."""
        raw: list[torch.Tensor] = []
        for part in _batches(self.held, self.settings.batch_size):
            raw += self._forward(network, Features.batch([s.features for s in part])).cpu()
        guesses = [sample.features.guess for sample in self.held]
        return self.head.tune(raw, guesses, [sample.window for sample in self.held])

    def _loss(
        self,
        network: torch.nn.Module,
        batch: Sequence[Sample],
        turn: Turn = (False, False, False),
    ) -> torch.Tensor:
        features = Features.batch([sample.features for sample in batch])
        raw = self._forward(network, features, turn)
        windows = [sample.window.to(self.device) for sample in batch]
        return self.head.loss(raw, features.guess.to(self.device), windows)

    def _forward(
        self,
        network: torch.nn.Module,
        features: Features,
        turn: Turn = (False, False, False),
    ) -> torch.Tensor:
        """Return the network's answer on the device; what it sees is turned, and turned back."""
        x, codes = (
            _turn(part.to(self.device), turn) for part in (features.continuous, features.codes)
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            raw = network(x, codes)
        return _turn(raw.float(), turn, back=True)

    def _turn(self) -> Turn:
        north, west, swap = (bool(x) for x in self.rng.integers(0, 2, 3))
        return (north, west, swap) if self.mirrored else (False, west, False)


def _turn(x: torch.Tensor, turn: Turn, back: bool = False) -> torch.Tensor:
    flips = [dim for dim, wanted in ((-2, turn[0]), (-1, turn[1])) if wanted]
    if back and turn[2]:
        x = x.transpose(-2, -1)
    if flips:
        x = x.flip(flips)
    return x.transpose(-2, -1) if turn[2] and not back else x


def _batches(samples: Sequence[Sample], size: int) -> list[Sequence[Sample]]:
    return [samples[i : i + size] for i in range(0, len(samples), size)]
