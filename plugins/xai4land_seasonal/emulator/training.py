"""Training of the networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from xai4land.heads.loss import Loss
from xai4land.training.checkpoint import digest_tensors
from xai4land.training.distributed import World
from xai4land.training.objective import Training
from xai4land.training.run import check_batches, run_training
from xai4land.typing import Floats
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.emulator.cases import Cases, apply_persistence, find_known_years, make_fields
from xai4land_seasonal.emulator.conditions import Condition
from xai4land_seasonal.emulator.cvae import CVAE
from xai4land_seasonal.emulator.network import Ensemble
from xai4land_seasonal.emulator.settings import Settings

__all__ = ["FREE_NATS", "Trained", "make_cases", "train"]

FREE_NATS = 0.02
"""Free nats: divergence of a latent dimension that costs nothing (Kingma et al. 2016)."""


def make_cases(
    history: History,
    source: int,
    weight: float,
    leads: Sequence[int],
    target_index: Sequence[int],
    scale: Floats,
    persistence: Floats,
    shape: tuple[int, int],
    after: int | None = None,
) -> Cases:
    """Return all cases of a history: every year, the season from each month on, every lead.

    With ``after``, only of later years.
    """
    parts = []
    for at, lead in enumerate(leads):
        for season in SEASON_OF_MONTH:
            years, month = find_known_years(history, season, lead), season.month - 1
            years = years if after is None else years[years > after]
            inputs = history.inputs(season, lead, years)
            fields = make_fields(inputs, scale[:, month])
            target = inputs.target[:, target_index] / scale[target_index, month]
            target = target - apply_persistence(fields, persistence[at], target_index, month)
            one = torch.ones(len(years), dtype=torch.long)
            parts.append(
                Cases(
                    torch.from_numpy(fields).float().unflatten(-1, shape),
                    torch.from_numpy(target).float().unflatten(-1, shape).clamp(-6, 6),
                    Condition(month * one, at * one, source * one),
                    weight * one.float(),
                )
            )
    return Cases.concatenate(parts)


class Trained(NamedTuple):
    """A network that was trained.

    Attributes
    ----------
    run : Training
    divergence : Tensor, shape (latent dimensions,)
        Of the posterior from the prior, in nats; mean over the cases that were learned from.
    """

    run: Training
    divergence: torch.Tensor


def train(
    ensemble: Ensemble,
    cases: Cases,
    validation: Cases | None,
    area: Floats,
    settings: Settings,
    world: World,
    progress: bool = True,
) -> list[Trained]:
    """Train each network of an ensemble in place; those after the first have files of their own.

    Ctrl-C ends the training with a warning: the networks before are whole, and the last one has
    the weights that were best so far.

    Parameters
    ----------
    ensemble : Ensemble
    cases, validation : Cases
        What is learned from, and what the best epoch is chosen on; without the second it is the
        last one.
    area : ndarray, shape (cells,)
        Weight of each cell.
    settings : Settings
    world : World
        The processes, and this one's device; the networks come back to the CPU.
    progress : bool

    Returns
    -------
    list of Trained
        One for each network that was trained.

    Raises
    ------
    InputError
        If a batch has fewer cases than there are processes, or a checkpoint is of another training.
    """
    size = min(settings.batch_size, len(cases.weight))
    check_batches(replace(settings, batch_size=size), world)
    if world.rank:  # each process draws latent variables of its own
        torch.manual_seed(settings.seed + world.rank)
    done: list[Trained] = []
    for number, network in enumerate(ensemble.cvaes):
        network.to(world.device)
        task = CvaeTask(network, cases, validation, area, settings, number, world)
        own = settings.name_files(f"network-{number + 1}") if number else settings
        try:
            run = run_training(network, task, own, world=world, progress=progress)
            done.append(Trained(run, task.measure_divergence(network)))
        except KeyboardInterrupt:
            if not done:
                raise
            break
        finally:
            network.cpu()
        if run.interrupted or settings.dry_run:
            break
    return done


class CvaeTask:
    """The loss of a conditional VAE (Sohn, Lee and Yan 2015), weighted by area.

    It is the negative log-likelihood of the season given z from the posterior, plus the divergence
    of the posterior from the prior; and the negative log-likelihood given the prior's mean, as in
    forecasts (their hybrid objective). See :class:`xai4land.training.objective.Task`.
    """

    rng = None

    def __init__(
        self,
        network: CVAE,
        cases: Cases,
        validation: Cases | None,
        area: Floats,
        settings: Settings,
        number: int,
        world: World,
    ) -> None:
        self.cases, self.validation, self.settings = cases, validation, settings
        self.world, self.number = world, number
        self.device = next(network.parameters()).device
        self.size = min(settings.batch_size, len(cases.weight))
        # The cases of a season differ little between leads: an epoch sees one of them in the mean.
        self.steps = max(len(cases.weight) // network.lead.num_embeddings // self.size, 1)
        self.area = torch.from_numpy(area / area.mean()).float().reshape(network.shape)
        _initialise_patterns(network, cases, self.area)
        _initialise_noise(network, cases)
        self.area = self.area.to(self.device)
        self.beta = 0.0

    def batches(self, epoch: int, first: int = 0) -> Iterator[list[Cases]]:
        """Return this process's cases, in the random order of an epoch; a few are left over."""
        self.beta = self.settings.beta * min(1.0, epoch / max(self.settings.epochs / 3, 1))
        generator = torch.Generator().manual_seed(self.settings.seed + self.number)
        for _ in range(epoch + 1):  # so that an order follows from the number of its epoch
            order = torch.randperm(len(self.cases.weight), generator=generator)
        for start in range(first * self.size, self.steps * self.size, self.size):
            own = order[start : start + self.size][self.world.rank :: self.world.size]
            parts = own.tensor_split(self.settings.accumulate)
            yield [self.cases.take(part).to(self.device) for part in parts]

    def name(self, batch: Cases) -> str:
        """Name the seasons and leads of a batch."""
        seasons, leads = batch.condition.season + 1, batch.condition.lead
        return (
            f"cases of seasons from months {sorted({*seasons.tolist()})}, "
            f"leads {sorted({*leads.tolist()})}"
        )

    def loss(self, network: CVAE, batch: Cases) -> Loss:
        """Return the loss, in nats a cell; cases are weighted within a batch."""
        losses = _losses(network, batch, self.area, self.beta, self.settings)
        return Loss((losses * batch.weight).sum(), batch.weight.sum())

    def validate(self, network: CVAE) -> float | None:
        """Return the negative log-likelihood given the prior's mean, in nats a cell."""
        if self.validation is None:
            return None
        sums = torch.zeros(2, dtype=torch.float64)
        for batch in self._share(self.validation):
            encoded = network.encode(batch.fields, batch.condition)
            decoded = network.decode(encoded, network.prior(encoded).mean)
            log_sd = network.log_sd(batch.condition)
            error = torch.nan_to_num(decoded - batch.target)
            nats = 0.5 * error**2 * torch.exp(-2 * log_sd) + log_sd
            weight = torch.isfinite(batch.target) * self.area
            sums += torch.stack([(nats * weight).sum(), weight.sum()]).cpu()
        total, weights = self.world.add(sums).tolist()
        return float(total / max(weights, 1e-12))

    @torch.no_grad()
    def measure_divergence(self, network: CVAE) -> torch.Tensor:
        """Return the mean divergence of the posterior from the prior, by latent dimension."""
        sums = torch.zeros(len(network.patterns) + 1, dtype=torch.float64)
        for batch in self._share(self.cases):
            encoded = network.encode(batch.fields, batch.condition)
            posterior = network.posterior(encoded, batch.target)
            divergence = posterior.kl_divergence(network.prior(encoded))
            weighted = (divergence * batch.weight[:, None]).sum(0)
            sums += torch.cat([weighted, batch.weight.sum()[None]]).cpu()
        total = self.world.add(sums).cpu()
        return total[:-1] / total[-1]

    def digest(self) -> str:
        """Return a hash of all cases."""
        both = {"learned": self.cases, "held": self.validation}
        return digest_tensors(
            {"area": self.area}
            | {
                f"{side}/{name}": part
                for side, cases in both.items()
                if cases is not None
                for name, part in {**cases._asdict(), **cases.condition._asdict()}.items()
                if isinstance(part, torch.Tensor)
            }
        )

    def check_data(self) -> None:
        """Pass: all cases are in memory."""

    def _share(self, cases: Cases) -> Iterator[Cases]:
        """Return this process's share of cases, in batches."""
        every = torch.arange(len(cases.weight)).split(self.size)
        for some in every[self.world.rank :: self.world.size]:
            yield cases.take(some).to(self.device)


def _initialise_patterns(network: CVAE, cases: Cases, area: torch.Tensor) -> None:
    """Initialise the latent patterns with leading patterns of the target.

    From random values, most dimensions would stay at their prior (Lucas et al. 2019).
    """
    known = torch.nan_to_num(cases.target) * area.sqrt()
    _, spread, patterns = torch.linalg.svd(known.flatten(1), full_matrices=False)
    count = min(len(network.patterns), len(spread))
    first = patterns[:count] * spread[:count, None] / len(known) ** 0.5
    fields = first.unflatten(1, (-1, *network.shape)) / area.sqrt().clamp(min=1e-6)
    with torch.no_grad():
        network.patterns[:count] = fields.flatten(2)


def _initialise_noise(network: CVAE, cases: Cases) -> None:
    """Initialise the noise of each lead with the standard deviation of its targets."""
    for lead, log_sd in enumerate(network.noise_by_lead):
        square = cases.target[cases.condition.lead == lead].flatten(2) ** 2
        variance = square.nanmean(0).nan_to_num(1.0).clamp(min=1e-3)
        with torch.no_grad():
            log_sd.copy_(0.5 * variance.log())


def _losses(
    network: CVAE, batch: Cases, area: torch.Tensor, beta: float, settings: Settings
) -> torch.Tensor:
    """Compute the loss of each case, in nats a cell."""
    encoded = network.encode(batch.fields, batch.condition)
    prior, posterior = network.prior(encoded), network.posterior(encoded, batch.target)
    latent = posterior.rsample(torch.randn_like(posterior.mean))
    # The sample and the prior's mean are decoded in one batch.
    decoded = network.decode(torch.cat([encoded, encoded]), torch.cat([latent, prior.mean]))
    known = torch.isfinite(batch.target)
    target = torch.nan_to_num(batch.target)
    weight = known * area
    log_sd = network.log_sd(batch.condition)
    square = ((decoded.unflatten(0, (2, -1)) - target) ** 2).unbind(0)
    likelihood = 0.5 * square[0] * torch.exp(-2 * log_sd) + log_sd
    sampled, plain = (
        (part * weight).flatten(1).sum(1) / weight.flatten(1).sum(1).clamp(min=1e-6)
        for part in (likelihood, 0.5 * square[1])
    )
    charged = posterior.kl_divergence(prior).clamp(min=FREE_NATS).sum(1)
    variational = sampled + beta * charged / settings.effective_dof
    loss: torch.Tensor = 2 * (settings.hybrid * variational + (1 - settings.hybrid) * plain)
    return loss
