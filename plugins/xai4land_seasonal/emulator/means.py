"""The mean of a forecast: the trend, and a blend of what several methods add to it.

Persistence, the network and the EOF-ridge of simulations are learned once; EOF-ridge learns from
the past that a forecast is given, so it knows what is particular to it. The mean of all past years
draws trends towards those of their zones, since local ones hardly persist. Least squares on
validation years weights them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH, Season
from xai4land_seasonal.data.trends import sum_before
from xai4land_seasonal.emulator.card import METHODS, Blend, SeasonalCard
from xai4land_seasonal.emulator.cases import apply_persistence, make_fields
from xai4land_seasonal.emulator.conditions import Condition
from xai4land_seasonal.emulator.drift import DRIFT_YEARS, average_zones, estimate_bias
from xai4land_seasonal.emulator.network import Ensemble
from xai4land_seasonal.emulator.ridge import apply_ridge
from xai4land_seasonal.references.eof import EofRidge
from xai4land_seasonal.references.patterns import REFIT_INTERVAL

__all__ = ["compute_errors", "compute_means", "find_blend"]

RIDGE = EofRidge(count=30)
"""Which EOF-ridge is blended in: it is refitted every five years, on the years before."""

MAX_WEIGHT = 1.2
"""Largest weight of a method."""


class Terms(NamedTuple):
    """Terms of the means of some years, in units of the targets.

    Attributes
    ----------
    trend, truth : ndarray, shape (years, targets, cells)
        The season's trend, and what was observed; missing where there is none.
    departures : ndarray, shape (methods, years, targets, cells)
        From the trend, by each of :data:`METHODS`.
    """

    trend: Floats
    truth: Floats
    departures: Floats


def compute_means(
    network: Ensemble, card: SeasonalCard, history: History, season: Season, lead: int, years: Ints
) -> Floats:
    """Compute the means of forecasts, (years, targets, cells), from what was known at their start.

    The recent error of such forecasts is subtracted; see
    :func:`xai4land_seasonal.emulator.drift.estimate_bias`.
    """
    before = np.arange(DRIFT_YEARS, -1, -1)
    every = np.unique(years[:, None] - before)
    terms = _compute_terms(network, card, history, season, lead, every)
    means = _apply_blend(card, terms, lead)
    area = history.area * card.mask()
    bias = [
        estimate_bias((means - terms.truth)[np.searchsorted(every, year - before[:-1])], card, area)
        for year in years
    ]
    return means[np.searchsorted(every, years)] - np.stack(bias)


def compute_errors(
    network: Ensemble, card: SeasonalCard, history: History, season: Season, lead: int, years: Ints
) -> Floats:
    """Compute observed seasons less the means of their forecasts, (years, targets, cells)."""
    means = compute_means(network, card, history, season, lead, years)
    return _compute_terms(network, card, history, season, lead, years).truth - means


def find_blend(network: Ensemble, card: SeasonalCard, history: History, years: Ints) -> Blend:
    """Find the weights of the methods, for each lead and target, by least squares on some years.

    All seasons and cells are pooled, area-weighted, after division by their standard deviation.
    Weights are from 0 to 1.2.
    """
    from scipy.optimize import lsq_linear

    area = np.sqrt(history.area * card.mask())
    target_index, scale = card.target_index, network.scale.double().numpy()
    blend = []
    for lead in card.leads:
        normal = np.zeros((len(card.targets), len(METHODS), len(METHODS) + 1))
        for season in SEASON_OF_MONTH:
            terms = _compute_terms(network, card, history, season, lead, years)
            unit = area / scale[target_index, season.month - 1]
            target = np.nan_to_num((terms.truth - terms.trend) * unit)
            known = np.isfinite(terms.truth - terms.trend)
            found = np.where(known, terms.departures, 0.0) * unit
            both = np.concatenate([found, target[None]])
            normal += np.einsum("myvc,nyvc->vmn", found, both)
        found_weights = []
        for square, product in zip(normal[..., :-1], normal[..., -1], strict=True):
            root = np.linalg.cholesky(square + 1e-9 * np.trace(square) * np.eye(len(square)))
            fitted = lsq_linear(root.T, np.linalg.solve(root, product), (0, MAX_WEIGHT))
            found_weights.append(tuple(np.round(fitted.x, 3).tolist()))
        blend.append(tuple(found_weights))
    return tuple(blend)


def _apply_blend(card: SeasonalCard, terms: Terms, lead: int) -> Floats:
    """Return the means before what is known of their bias, (years, targets, cells)."""
    weights = np.array(card.blend[card.leads.index(lead)])
    return np.asarray(terms.trend + np.einsum("vm,myvc->yvc", weights, terms.departures))


def _compute_terms(
    network: Ensemble, card: SeasonalCard, history: History, season: Season, lead: int, years: Ints
) -> Terms:
    """Compute the terms of some years, in increasing order, five at a time and each once."""
    first, parts = years // REFIT_INTERVAL * REFIT_INTERVAL, []
    for start in np.unique(first):
        make = partial(_compute_block, network, card, history, season, lead, int(start))
        terms = history.cached((network, season.month, lead, int(start)), make)
        some = years[first == start] - start
        parts.append(Terms(terms.trend[some], terms.truth[some], terms.departures[:, some]))
    trend, truth, departures = zip(*parts, strict=True)
    return Terms(np.concatenate(trend), np.concatenate(truth), np.concatenate(departures, 1))


def _compute_block(
    network: Ensemble, card: SeasonalCard, history: History, season: Season, lead: int, start: int
) -> Terms:
    """Compute the terms of five years from one on; missing outside the history."""
    years = np.arange(start, start + REFIT_INTERVAL)
    inside = years - season.crosses >= history.first_year
    inside &= years < history.first_year + len(history.values)
    shape = (REFIT_INTERVAL, len(card.targets), history.values.shape[-1])
    trend, truth = np.full((2, *shape), np.nan)
    departures = np.zeros((len(METHODS), *shape))
    if inside.any():
        inputs, target_index = history.inputs(season, lead, years[inside]), card.target_index
        month, at = season.month - 1, card.leads.index(lead)
        scale = network.scale.double().numpy()[:, month]
        fields = np.zeros((REFIT_INTERVAL, network.channels, shape[-1]))
        fields[inside] = make_fields(inputs, scale)
        persistence = network.persistence[at].double().numpy()
        unit = scale[target_index]
        departures[0] = unit * apply_persistence(fields, persistence, target_index, month)
        departures[1] = unit * _run_networks(network, card, fields, (month, at))
        learned = (network.ridge_patterns, network.ridge_slopes[at, month], network.ridge_targets)
        departures[4] = unit * apply_ridge(fields, *(part.double().numpy() for part in learned))
        trend[inside] = inputs.trend[:, target_index]
        truth[inside] = (inputs.target + inputs.trend)[:, target_index]
        before = start - history.first_year
        positions = before + np.flatnonzero(inside)
        some = slice(positions[0], positions[-1] + 1)
        ridge = RIDGE.departures(history, season, lead, before, some)
        # With too short a past, persistence takes its place.
        departures[2] = departures[0]
        if ridge is not None:
            departures[2, inside] = ridge[:, target_index]
        rows = years[inside] - season.crosses - history.first_year
        excess = (_past_means(history, month)[rows] - inputs.trend)[:, target_index]
        local = excess - average_zones(excess, card, history.area * card.mask())
        departures[3, inside] = np.nan_to_num(local)
    return Terms(trend, truth, departures)


def _past_means(history: History, month: int) -> Floats:
    """Return the mean of all years before each, (years, variables, cells)."""

    def make() -> Floats:
        seasons = history.seasons[:, month]
        count = sum_before(np.isfinite(seasons) * 1.0)
        return np.asarray(sum_before(np.nan_to_num(seasons)) / np.maximum(count, 1.0))

    return history.cached(("past means", month), make)


def _run_networks(
    network: Ensemble, card: SeasonalCard, fields: Floats, position: Sequence[int]
) -> Floats:
    """Return the mean of the networks, at the mean of their latent variables."""
    with torch.inference_mode():
        condition = Condition(*(torch.full((len(fields),), k) for k in (*position, 0)))
        predictors = torch.from_numpy(fields).float().unflatten(-1, network.shape)
        found = []
        for one in network.cvaes:
            encoded = one.encode(predictors, condition)
            found.append(one.decode(encoded, one.prior(encoded).mean).flatten(2).double().numpy())
    return np.asarray(np.mean(found, 0))
