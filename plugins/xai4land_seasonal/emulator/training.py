"""Training of the networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from xai4land.progress import progress_bar
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
) -> Cases:
    """Return all cases of a history: every year, the season from each month on, every lead."""
    parts = []
    for at, lead in enumerate(leads):
        for season in SEASON_OF_MONTH:
            years, month = find_known_years(history, season, lead), season.month - 1
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
    ensemble: Ensemble, cases: Cases, area: Floats, settings: Settings, progress: bool = True
) -> list[dict[str, Any]]:
    """Train each network of an ensemble in place.

    The loss of a case is that of a conditional VAE (Sohn, Lee and Yan 2015), area-weighted: the
    negative log-likelihood of the season given z from the posterior, plus the divergence of the
    posterior from the prior; and the negative log-likelihood given the prior's mean, as in
    forecasts (their hybrid objective).

    Returns
    -------
    list of dict
        One for each epoch and network: loss, divergence in nats, active latent dimensions.
    """
    records: list[dict[str, Any]] = []
    total = len(ensemble.cvaes) * settings.epochs
    with progress_bar(progress) as bar:
        task = bar.add_task("fit", total=total, note="")
        for k, network in enumerate(ensemble.cvaes):

            def record(epoch: int, values: dict[str, float], network: int = k) -> None:
                records.append({"network": network, "epoch": epoch, **values})
                bar.update(task, advance=1, note=f"loss {values['loss']:.4f}")

            _train_one(network, cases, area, settings, settings.seed + k, record)
    return records


def _train_one(
    network: CVAE,
    cases: Cases,
    area: Floats,
    settings: Settings,
    seed: int,
    record: Callable[[int, dict[str, float]], None],
) -> None:
    weights = torch.from_numpy(area / area.mean()).float().reshape(network.shape)
    generator = torch.Generator().manual_seed(seed)
    count, size = len(cases.weight), min(settings.batch_size, len(cases.weight))
    steps = count // size
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.epochs * steps + 1, pct_start=0.15
    )
    _initialise_patterns(network, cases, weights)
    for epoch in range(settings.epochs):
        network.train()
        beta = settings.beta * min(1.0, epoch / max(settings.epochs / 3, 1))
        order = torch.randperm(count, generator=generator)
        sums = np.zeros(2)
        dims = torch.zeros(0)
        for first in range(0, steps * size, size):
            batch = cases.take(order[first : first + size])
            loss, divergence = _loss(network, batch, weights, beta, settings)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            dims = divergence.detach()
            sums += loss.item(), float(dims.sum())
        loss_mean, nats = sums / steps
        active = int((dims > FREE_NATS).sum())
        record(epoch, {"loss": loss_mean, "divergence": nats, "active": active, "beta": beta})
    network.eval()


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
    log_sd = network.log_sd(batch.condition.season)
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
