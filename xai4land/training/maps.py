"""Training of emulators of maps, whatever their outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from xai4land.device import choose_device, choose_precision
from xai4land.emulator.build import build, find_architecture
from xai4land.emulator.card import MapCard
from xai4land.emulator.outputs import Outputs
from xai4land.errors import InputError
from xai4land.heads.base import Head
from xai4land.heads.loss import Loss
from xai4land.training.checkpoint import digest_tensors
from xai4land.training.distributed import World, join_world
from xai4land.training.loop import seeded
from xai4land.training.pixels import count_mixed, mix_pixels, sees_pixels_alone
from xai4land.training.prefetch import prefetch, prefetch_mixed
from xai4land.training.regions import Regions
from xai4land.training.run import check_batches, run_training
from xai4land.training.samples import Corner, Cut, Sample
from xai4land.training.settings import MapSettings
from xai4land.windows.features import Features

if TYPE_CHECKING:
    from xai4land.emulator.emulator import Emulator

__all__ = ["MapObjective", "check_splits", "train"]

VALIDATION_WINDOWS = 64
LIKELY_KEPT = 0.5
"""Of the cache: data up to this size are read once, whatever the order of windows."""
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
    world = join_world(choose_device(device))
    check_batches(settings, world)
    with seeded(settings.seed, world.device):
        network = _prepare_network(card, weights, settings, world)
        objective = MapObjective(training, validation, settings, world.device, mirrored, world)
        run = run_training(network, objective, settings, world=world, progress=progress)
        outputs = objective.tune(network)
    record = {**settings.record(), "mirrored": mirrored, "validation_loss": run.validation}
    if run.estimate:
        record["dry_run"] = run.estimate
    card = card.with_(
        outputs=outputs.model_dump(),
        training={**card.training, **record},
        metrics={**card.metrics, "validation_loss": round(run.best, 5)},
    )
    return kind(card, run.weights)


def _prepare_network(
    card: MapCard,
    weights: Mapping[str, torch.Tensor] | None,
    settings: MapSettings,
    world: World,
) -> torch.nn.Module:
    """Build the network on its device; from the same weights in each process."""
    network = build(card)
    if weights is not None:
        network.load_state_dict(weights)
    network = network.to(world.device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if world.rank:  # each process drops channels of its own
        torch.manual_seed(settings.seed + world.rank)
    if settings.compile:
        network.compile()
    return network


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


class Batch(NamedTuple):
    """Windows, each with its place, and how all of them are turned."""

    windows: list[tuple[Corner, Sample]]
    turn: Turn


class MapObjective:
    """The loss of an emulator of maps; see :class:`xai4land.training.objective.Objective`."""

    def __init__(
        self,
        training: Regions,
        validation: Regions,
        settings: MapSettings,
        device: str,
        mirrored: bool,
        world: World | None = None,
    ) -> None:
        self.training, self.settings, self.mirrored = training, settings, mirrored
        self.device, self.world = torch.device(device), world or World()
        self.autocast = choose_precision(settings.precision, device) == torch.bfloat16
        self.head: Head = training.head
        self.rng = np.random.default_rng(settings.seed)
        self.steps = settings.steps
        card = training.parts[0].card
        self.masks = bool(card.outputs.fine_inputs)
        self.mixes = sees_pixels_alone(find_architecture(card), self.head)
        corners = validation.cover(VALIDATION_WINDOWS, np.random.default_rng(settings.seed))
        (self.held,) = prefetch(validation.at, [corners], settings.workers)

    def batches(self, epoch: int, first: int = 0) -> Iterator[list[Batch]]:
        """Return this process's windows of batches drawn at random; made in threads.

        Where each pixel is seen alone, they are the pixels of many windows in one row.
        """
        for step, windows in enumerate(self._make(epoch, first)):
            turn = self._turn()  # of all processes alike
            if step >= first:
                cut = np.array_split(np.arange(len(windows)), self.settings.accumulate)
                yield [Batch([windows[i] for i in part], turn) for part in cut]

    def _make(self, epoch: int, first: int) -> Iterator[list[tuple[Corner, Sample]]]:
        """Make batches; those before the first may be empty."""
        large = self.training.stored_bytes > self.settings.cache_bytes * LIKELY_KEPT
        make = self._make_in_order if large else self._make_as_drawn
        if not self.mixes:
            return make(epoch, first)
        together = self._count_mixed()
        batches = make(epoch, first - first % together)  # all that a batch is mixed from
        seed = (self.settings.seed, epoch, self.world.rank)
        parts = self.settings.accumulate
        return mix_pixels(batches, together, parts, self.head.missing_truth, seed)

    def _count_mixed(self) -> int:
        """Return how many batches are mixed."""
        sample = self.held[0]
        layers = [*sample.features, sample.window.truth, sample.window.area]
        size = sum(layer.numel() * layer.element_size() for layer in layers)
        own = -(-self.settings.batch_size // self.world.size)
        return min(count_mixed(own * size), self.settings.steps)

    def _make_as_drawn(self, epoch: int, first: int) -> Iterator[list[tuple[Corner, Sample]]]:
        """Make batches of windows that are drawn one by one; empty ones before the first."""
        settings, world = self.settings, self.world

        def draw(step: int) -> list[Corner]:
            corners = self.training.draw(settings.batch_size, self.rng)
            masked = [self._mask(corner, epoch) for corner in corners]
            return masked[world.rank :: world.size] if step >= first else []

        return prefetch(self._at, map(draw, range(settings.steps)), settings.workers)

    def _make_in_order(self, epoch: int, first: int) -> Iterator[list[tuple[Corner, Sample]]]:
        """Make the same of windows that are drawn for all of an epoch, and read in order."""
        settings, world, size = self.settings, self.world, self.settings.batch_size
        drawn = self.training.plan(settings.steps * size, settings.cache_bytes, self.rng)
        corners = [self._mask(corner, epoch) for corner in drawn.corners]
        batches = drawn.order.reshape(settings.steps, size)[:, world.rank :: world.size].tolist()
        batches[:first] = [[]] * first
        return prefetch_mixed(self._cut, self._make_one, corners, batches, settings.workers)

    def _at(self, corner: Corner) -> tuple[Corner, Sample]:
        return self._make_one(corner, self._cut(corner))

    def _cut(self, corner: Corner) -> Cut:
        try:
            return self.training.cut(corner)
        except Exception:
            self.check_data()  # which then is the reason
            raise

    def _make_one(self, corner: Corner, cut: Cut) -> tuple[Corner, Sample]:
        return corner, self.training.make(corner, cut)

    def _mask(self, corner: Corner, epoch: int) -> Corner:
        """Give some of the windows holes in their prior map."""
        settings = self.settings
        if not self.masks:
            return corner
        done = epoch / max(settings.epochs - 1, 1)
        share = settings.masked + (settings.masked_at_end - settings.masked) * done
        masked, seed = self.rng.random() < share, int(self.rng.integers(2**32))
        return corner._replace(mask=seed if masked else None)

    def loss(self, network: torch.nn.Module, part: Batch) -> Loss:
        """Return the head's loss; the network sees the windows turned."""
        return self._loss(network, [sample for _, sample in part.windows], part.turn)

    def name(self, part: Batch) -> str:
        """Name the windows by the position of their north-western pixels."""
        return "windows at (time, row, column) " + ", ".join(
            str((*corner[:3],)) + (f" of region {corner.region}" if corner.region else "")
            for corner, _ in part.windows
        )

    def digest(self) -> str:
        """Return a hash of the validation windows, and of where there is something to learn."""
        return digest_tensors(
            {
                f"{number}/{name}": value
                for number, sample in enumerate(self.held)
                for name, value in (*sample.features._asdict().items(), ("t", sample.window.truth))
            }
            | {f"{n}": torch.from_numpy(p.counts) for n, p in enumerate(self.training.parts)}
        )

    def check_data(self) -> None:
        """Refuse stores that are no longer what they were.

        Raises
        ------
        StoreError
        """
        self.training.stores.check()

    @torch.no_grad()
    def validate(self, network: torch.nn.Module) -> float:
        """Return the mean loss of the validation windows; each process computes some of them.

        Raises
        ------
        StoreError
            If the data are no longer what they were when the training began.
        """
        self.check_data()
        parts, world = _batches(self.held, self.settings.batch_size), self.world
        means = torch.zeros(len(parts), dtype=torch.float64)
        for number in range(world.rank, len(parts), world.size):
            means[number] = float(self._loss(network, parts[number]).mean)
        return float(np.mean(world.add(means).cpu().numpy()))

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
    ) -> Loss:
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
