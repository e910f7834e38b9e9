"""Fitting: from a user's monthly fields to a seasonal emulator."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, get_args

import numpy as np
import torch
import xarray as xr

from xai4land.device import choose_device
from xai4land.emulator import Architecture
from xai4land.emulator.build import build
from xai4land.errors import InputError
from xai4land.grids.grid import Target
from xai4land.settings import resolve_settings
from xai4land.training.distributed import World, join_world
from xai4land.training.loop import seeded
from xai4land.typing import Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.regions import Region, find_region
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.data.sources import Simulations, name_model, split_sources
from xai4land_seasonal.data.state import State, find_grid, read_states
from xai4land_seasonal.data.trends import MIN_TREND_YEARS, Trend
from xai4land_seasonal.data.variables import Variable, guess_variables
from xai4land_seasonal.emulator.card import METHODS, SeasonalCard
from xai4land_seasonal.emulator.cases import Cases, find_known_years
from xai4land_seasonal.emulator.emulator import SeasonalEmulator
from xai4land_seasonal.emulator.means import find_blend
from xai4land_seasonal.emulator.network import Ensemble
from xai4land_seasonal.emulator.persistence import fit_persistence, fit_scale
from xai4land_seasonal.emulator.ridge import fit_ridge
from xai4land_seasonal.emulator.settings import Settings
from xai4land_seasonal.emulator.training import FREE_NATS, Trained, make_cases, train
from xai4land_seasonal.emulator.tuning import (
    choose_power,
    choose_spread,
    fit_noise,
    scaled_errors,
)

__all__ = ["fit"]


def fit(
    data: xr.Dataset,
    /,
    *,
    simulations: Simulations = None,
    smooth: Sequence[str] = (),
    predictors: Sequence[str | Variable] | None = None,
    targets: Sequence[str] | None = None,
    leads: Sequence[int] = (1,),
    grid: Target = None,
    region: str | Region | None = None,
    validation: int = 20,
    trend: Trend = "shrunk",
    name: str = "my-seasonal",
    title: str = "",
    licence: str = "",
    command: str = "",
    chosen: SeasonalEmulator | None = None,
    parameters: Mapping[str, Any] | None = None,
    settings: Settings | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: bool = True,
    **changes: Any,
) -> SeasonalEmulator:
    """Train a seasonal emulator.

    It learns from the seasons that begin in each month of every year: their departures from
    trends that are fitted, for each year, to the years before alone.

    Parameters
    ----------
    data : Dataset
        Monthly fields of what will be forecast: observations, a reanalysis or a simulation,
        absolute or anomalies (their departures from trends are the same). With a dimension
        ``source_id`` (or ``member_id``), the first is forecast, the others are simulations.
    simulations : Dataset, mapping from str to Dataset, intake_esm.esm_datastore or None
        More sources to learn from, such as ``catalog.search(...)``; on any regular grid and
        calendar. A source may lack variables if it has a target.
    smooth : sequence of str
        Names of simulations that do not resolve the grid: rebuilt from a few EOFs, or coarser
        than twice the grid. They serve the regression on leading patterns alone.
    predictors : sequence of str or Variable, optional
        By default all monthly variables of ``data``; others may be those of the simulations.
    targets : sequence of str, optional
        Predictors whose seasons are forecast; by default all.
    leads : sequence of int
        Whole months between the last month that is known and the season.
    grid : float, Dataset or DataArray, optional
        The grid to work on: degrees, or data that lie on it. By default the grid of ``data``.
    region : str or tuple of float, optional
        What is forecast: a name among :data:`xai4land_seasonal.data.regions.REGIONS`, or southern,
        northern, western and eastern edge; cells whose centre is inside. Predictors stay global.
    validation : int
        The last years of ``data``, which are kept out of the training, and which the blend of
        methods and the spread of members are chosen on; 0 to learn from all, with both as
        ``chosen``.
    trend : str
        Which trend departures are from: ``"line"``, or ``"shrunk"``, which shrinks slopes by their
        noise; see :func:`xai4land_seasonal.data.trends.past_trend`.
    name, title, licence, command : str
        For the card.
    chosen : SeasonalEmulator, optional
        Of fewer years, whose blend, spread and power of the noise are kept.
    parameters : mapping, optional
        Of :class:`xai4land_seasonal.emulator.cvae.CVAE`, and ``networks``, how many of them.
    settings : Settings, mapping or path-like, optional
        How to train; as :class:`xai4land_seasonal.Settings`, a dictionary, or a JSON or TOML file.
    device : str
        Where the networks are trained; ``"auto"`` or a torch device.
    progress : bool
        Whether to show a progress bar.
    **changes
        Single settings, such as ``epochs=5``; they override ``settings``.

    Returns
    -------
    SeasonalEmulator

    Raises
    ------
    InputError
        If variables, months or years are missing, grids cannot be brought together, or settings
        are unknown or out of range; all problems are listed.

    Examples
    --------
    >>> import xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))
    >>> emulator = xai4land_seasonal.fit(
    ...     climate[["tas"]], validation=10, progress=False,
    ...     parameters={"width": 16, "heads": 2}, epochs=1)
    >>> emulator.card.targets
    ('tas',)
    """
    problems: list[str] = []
    training = Settings()
    try:
        training = resolve_settings(
            Settings, settings, changes, parameters=signature(fit).parameters
        )
    except InputError as error:
        problems += error.problems
    sources = split_sources(data) + (split_sources(simulations) if simulations is not None else [])
    usual = guess_variables(sources[0][1])
    known = {v.name: v for _, one in sources[1:] for v in guess_variables(one)}
    known |= {v.name: v for v in usual}
    found = [p if isinstance(p, Variable) else known.get(p) for p in predictors or usual]
    variables = [v for v in found if v is not None]
    if len(variables) < len(found):
        problems.append(f"predictors={list(predictors or [])}, but the data hold {list(known)}")
    wanted = tuple(targets or [v.name for v in variables])
    labels = [label for label, _ in sources]
    problems += _find_problems(labels, wanted, tuple(leads), trend, validation, chosen)
    problems += [
        f"smooth={name!r}, expected names among the simulations: {labels[1:]}"
        for name in smooth
        if name not in labels[1:]
    ]
    edges = None
    try:
        edges = None if region is None else find_region(region)
    except InputError as error:
        problems += error.problems
    InputError.raise_if(problems)
    states = read_states(sources, variables, find_grid(grid, sources[0][1]), wanted, smooth)
    # Distributions, too, are learned without the years that are kept for validation.
    first = states[0].history(trend, base=_find_learned_years(states[0], validation))
    others = {
        label: state.history(trend) for label, state in zip(labels[1:], states[1:], strict=True)
    }
    whole = [label for label in labels if label not in smooth]
    card = _make_card(states[0], variables, wanted, leads, whole, edges).with_(
        name=name,
        title=title,
        licence=licence,
        trend=trend,
        architecture=Architecture(name="seasonal-cvae", parameters=dict(parameters or {})),
    )
    learned = _drop_last_years(states[0], validation, trend) if validation else first
    world = join_world(choose_device(device))
    with seeded(training.seed, world.device):
        network = build(card)
        assert isinstance(network, Ensemble)
        held = first if validation else None
        histories = [learned, *(others[label] for label in whole[1:])]
        runs = _train(network, card, histories, others, held, states[0], training, world, progress)
    if len(runs) < len(network.networks):  # interrupted: the others are untrained
        del network.networks[len(runs) :]
        made = {**card.architecture.parameters, "networks": len(runs)}
        card = card.with_(architecture={"name": card.architecture.name, "parameters": made})
    card = card.with_(
        training={
            "data": ", ".join(labels),
            "smooth": ", ".join(smooth),
            "models": ", ".join(_list_models(sources)),
            "years": "{}-{}".format(*_find_learned_years(states[0], validation)),
            "validation_years": validation,
            "settings": training.record(),
            "command": command,
            "active_latent_dimensions": [int((d > FREE_NATS).sum()) for _, d in runs],
            "divergence_nats": [round(float(d.sum()), 2) for _, d in runs],
            "validation_loss": [run.validation for run, _ in runs],
        }
    )
    if training.dry_run:
        card = card.with_(training={**card.training, "dry_run": runs[0].run.estimate})
        return SeasonalEmulator(card, network.state_dict())
    years = np.arange(first.last_year - validation + 1, first.last_year + 1)
    card = _fit_members(network, card, histories, first, years, chosen)
    return SeasonalEmulator(card, network.state_dict())


def _fit_members(
    network: Ensemble,
    card: SeasonalCard,
    histories: Sequence[History],
    held: History,
    years: Ints,
    chosen: SeasonalEmulator | None,
) -> SeasonalCard:
    """Choose the blend, learn the noise and tune it; some years of one history were held out."""
    if chosen is not None:
        names = ("blend", "spread", "noise_power")
        card = card.with_(**{name: getattr(chosen.card, name) for name in names})
    else:
        card = card.with_(blend=find_blend(network, card, held, years))
    correlations = fit_noise(network, card, histories)
    if chosen is None:
        errors = [
            scaled_errors(network, card, held, lead, years)
            / network.noise_sd[at].double().numpy().swapaxes(0, 1)[:, None]
            for at, lead in enumerate(card.leads)
        ]
        cases = [part.reshape(-1, *part.shape[2:]) for part in errors]
        spread = choose_spread(np.concatenate(cases), held.area * card.mask())
        cases = [part / np.array(spread)[:, None] for part in cases]
        power = choose_power(correlations, cases, card)
        card = card.with_(spread=spread, noise_power=power)
    for at, correlation in enumerate(correlations):
        patterns = correlation.concentrate(card.noise_power)
        shape = (len(patterns), *network.noise_patterns.shape[2:])
        network.noise_patterns[at, : len(patterns)] = torch.from_numpy(patterns.reshape(shape))
    return card


def _find_problems(
    sources: Sequence[str],
    targets: tuple[str, ...],
    leads: tuple[int, ...],
    trend: str,
    validation: int,
    chosen: SeasonalEmulator | None,
) -> list[str]:
    """Return what is wrong with the sources' names, the trend, and what was chosen before."""
    problems = []
    if len(set(sources)) < len(sources):
        problems.append(f"two sources have one name: {list(sources)}; rename one")
    if trend not in get_args(Trend):
        problems.append(f"trend={trend!r}, expected one of {', '.join(get_args(Trend))}")
    if validation < 0 or (validation == 0 and chosen is None):
        problems.append(
            f"validation={validation}, expected years to choose the blend and the spread on, or "
            "chosen=, an emulator that was fitted to earlier years"
        )
    if chosen is not None and (chosen.card.targets, chosen.card.leads) != (targets, leads):
        problems.append(
            f"chosen= forecasts {list(chosen.card.targets)} at leads {list(chosen.card.leads)}, "
            f"expected {list(targets)} at {list(leads)}"
        )
    return problems


def _list_models(sources: Sequence[tuple[str, xr.Dataset]]) -> list[str]:
    """Return the climate models of the simulations, other than what will be forecast."""
    first, *others = (name_model(one) for _, one in sources)
    return sorted({*others} - {first, ""})


def _make_card(
    state: State,
    variables: Sequence[Variable],
    targets: tuple[str, ...],
    leads: Sequence[int],
    sources: Sequence[str],
    region: Region | None,
) -> SeasonalCard:
    from pydantic import ValidationError

    try:
        return SeasonalCard(
            name="my-seasonal",
            architecture=Architecture(name="seasonal-cvae"),
            predictors=tuple(variables),
            targets=targets,
            leads=tuple(leads),
            lat=tuple(state.grid.lat.values.tolist()),
            lon=tuple(state.grid.lon.values.tolist()),
            region=region,
            sources=tuple(sources),
            blend=(((1.0, 1.0, *(0.0,) * (len(METHODS) - 2)),) * len(targets),) * len(leads),
            spread=(1.0,) * len(targets),
        )
    except ValidationError as error:
        raise InputError([e["msg"].removeprefix("Value error, ") for e in error.errors()]) from None


def _drop_last_years(state: State, validation: int, trend: Trend) -> History:
    """Return the history without its last years."""
    end = (int(state.months[-1]) + 1) // 12 - validation
    return state.history(trend, months=int((state.months < 12 * end).sum()))


def _find_learned_years(state: State, validation: int) -> tuple[int, int]:
    """Return the first and last year that are trained on."""
    return int(state.months[0]) // 12, (int(state.months[-1]) + 1) // 12 - 1 - validation


def _train(
    network: Ensemble,
    card: SeasonalCard,
    histories: Sequence[History],
    models: Mapping[str, History],
    held: History | None,
    state: State,
    settings: Settings,
    world: World,
    progress: bool,
) -> list[Trained]:
    """Fit scales, persistence and the ridge of simulations first, then the networks."""
    target_index = card.target_index
    too_short = [
        source
        for source, history in {card.sources[0]: histories[0], **models}.items()
        if all(
            find_known_years(history, season, max(card.leads)).size == 0
            for season in SEASON_OF_MONTH
        )
    ]
    InputError.raise_if(
        f"{source}: no year to learn from; trends need {MIN_TREND_YEARS} years before the first"
        for source in too_short
    )
    scale = fit_scale(histories, [variable.name for variable in card.predictors])
    weights = [1.0, *(settings.simulation_weight,) * (len(histories) - 1)]
    # Simulations persist in their own way: they steady the regression, and no more.
    persistence_weights = [weights[0], *(0.1 * weight for weight in weights[1:])]
    area = state.area() * card.mask()
    persistence = np.stack(
        [
            fit_persistence(histories, persistence_weights, scale, target_index, lead, area)
            for lead in card.leads
        ]
    )
    network.scale.copy_(torch.from_numpy(scale))
    network.persistence.copy_(torch.from_numpy(persistence))
    ridge = fit_ridge(list(models.values()), card, scale, state.area())
    for name, part in ridge._asdict().items():
        getattr(network, f"ridge_{name}").copy_(torch.from_numpy(part))
    parts = (card.leads, target_index, scale, persistence, state.grid.shape)
    cases = [
        make_cases(history, k, weight, *parts)
        for k, (history, weight) in enumerate(zip(histories, weights, strict=True))
    ]
    validation = None
    if held is not None:
        validation = make_cases(held, 0, 1.0, *parts, after=histories[0].last_year)
    learned = Cases.concatenate(cases)
    return train(network, learned, validation, area, settings, world, progress)
