"""Training of the networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from xai4land.device import choose_device
from xai4land.heads.loss import Loss
from xai4land.progress import progress_bar
from xai4land.training.loop import optimise
from xai4land.training.objective import Training
from xai4land.typing import Floats
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.emulator.cases import Cases, apply_persistence, find_known_years, make_fields
from xai4land_seasonal.emulator.conditions import Condition
from xai4land_seasonal.emulator.cvae import CVAE
from xai4land_seasonal.emulator.network import Ensemble
from xai4land_seasonal.emulator.settings import Settings

__all__ = ["FREE_NATS", "make_cases", "train"]

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


def train(
    ensemble: Ensemble,
    cases: Cases,
    validation: Cases | None,
    area: Floats,
    settings: Settings,
    device: str = "auto",
    progress: bool = True,
) -> list[Training]:
    """Train each network of an ensemble in place.

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
    device : str
        ``"auto"`` or a torch device; the networks come back to the CPU.
    progress : bool

    Returns
    -------
    list of Training
        One for each network that was trained.
    """
    device = choose_device(device)
    runs: list[Training] = []
    total = len(ensemble.cvaes) * settings.epochs
    with progress_bar(progress) as bar:
        task = bar.add_task("fit", total=total, note="")
        for k, network in enumerate(ensemble.cvaes):
            network.to(device)
            objective = CvaeObjective(network, cases, validation, area, settings, k)
            try:
                run = optimise(
                    network,
                    objective,
                    epochs=settings.epochs,
                    steps=objective.steps,
                    learning_rate=settings.learning_rate,
                    weight_decay=settings.weight_decay,
                    on_epoch=lambda run: bar.update(
                        task, advance=1, note=f"loss {run.losses[-1]:.4f}"
                    ),
                )
            except KeyboardInterrupt:
                if not runs:
                    raise
                return runs
            finally:
                network.cpu()
            run.facts = {"divergence": objective.divergence, "active": objective.active}
            runs.append(run)
            if run.interrupted:
                break
    return runs


class CvaeObjective:
    """The loss of a conditional VAE (Sohn, Lee and Yan 2015), weighted by area.

    It is the negative log-likelihood of the season given z from the posterior, plus the divergence
    of the posterior from the prior; and the negative log-likelihood given the prior's mean, as in
    forecasts (their hybrid objective). See :class:`xai4land.training.objective.Objective`.
    """

    def __init__(
        self,
        network: CVAE,
        cases: Cases,
        validation: Cases | None,
        area: Floats,
        settings: Settings,
        number: int,
    ) -> None:
        self.cases, self.validation, self.settings = cases, validation, settings
        self.device = next(network.parameters()).device
        self.generator = torch.Generator().manual_seed(settings.seed + number)
        self.size = min(settings.batch_size, len(cases.weight))
        # The cases of a season differ little between leads: an epoch sees one of them in the mean.
        self.steps = max(len(cases.weight) // network.lead.num_embeddings // self.size, 1)
        self.area = torch.from_numpy(area / area.mean()).float().reshape(network.shape)
        _initialise_patterns(network, cases, self.area)
        _initialise_noise(network, cases)
        self.area = self.area.to(self.device)
        self.beta = 0.0
        self.divergence, self.active = 0.0, 0

    def batches(self, epoch: int, first: int = 0) -> Iterator[list[Cases]]:
        """Return the cases in random order; a few are left over."""
        self.beta = self.settings.beta * min(1.0, epoch / max(self.settings.epochs / 3, 1))
        order = torch.randperm(len(self.cases.weight), generator=self.generator)
        self._nats = 0.0
        for start in range(first * self.size, self.steps * self.size, self.size):
            yield [self.cases.take(order[start : start + self.size]).to(self.device)]

    def name(self, batch: Cases) -> str:
        """Name the seasons and leads of a batch."""
        seasons, leads = batch.condition.season + 1, batch.condition.lead
        return (
            f"cases of seasons from months {sorted({*seasons.tolist()})}, "
            f"leads {sorted({*leads.tolist()})}"
        )

    def loss(self, network: CVAE, batch: Cases) -> Loss:
        """Return the loss, in nats a cell; cases are weighted within a batch."""
        loss, divergence = _loss(network, batch, self.area, self.beta, self.settings)
        dims = divergence.detach()
        self._nats += float(dims.sum())
        self.divergence = self._nats / self.steps
        self.active = int((dims > FREE_NATS).sum())
        return Loss(loss, torch.ones_like(loss.detach()))

    def validate(self, network: CVAE) -> float | None:
        """Return the negative log-likelihood given the prior's mean, in nats a cell."""
        if self.validation is None:
            return None
        total = weights = 0.0
        for first in range(0, len(self.validation.weight), self.size):
            some = torch.arange(first, min(first + self.size, len(self.validation.weight)))
            batch = self.validation.take(some).to(self.device)
            encoded = network.encode(batch.fields, batch.condition)
            decoded = network.decode(encoded, network.prior(encoded).mean)
            log_sd = network.log_sd(batch.condition)
            error = torch.nan_to_num(decoded - batch.target)
            nats = 0.5 * error**2 * torch.exp(-2 * log_sd) + log_sd
            weight = torch.isfinite(batch.target) * self.area
            total += float((nats * weight).sum())
            weights += float(weight.sum())
        return total / max(weights, 1e-12)


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


def _loss(
    network: CVAE, batch: Cases, area: torch.Tensor, beta: float, settings: Settings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the loss, in nats a cell, and the divergence by latent dimension."""
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
    divergence = posterior.kl_divergence(prior)
    charged = divergence.clamp(min=FREE_NATS).sum(1)
    variational = sampled + beta * charged / settings.effective_dof
    loss = 2 * (settings.hybrid * variational + (1 - settings.hybrid) * plain)
    share = batch.weight / batch.weight.sum()
    return (loss * share).sum(), (divergence * share[:, None]).sum(0)
