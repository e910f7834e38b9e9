"""The ridge regression on leading patterns that is learned from simulations."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH, Season
from xai4land_seasonal.emulator.cases import make_fields
from xai4land_seasonal.emulator.persistence import fit_scale
from xai4land_seasonal.emulator.ridge import apply_ridge, fit_ridge

CELLS = 24
AREA = np.linspace(0.5, 1.5, CELLS)


def make_card(mask: np.ndarray | None = None) -> SimpleNamespace:
    """What the regression needs of a card: one variable, one month ahead."""
    found = np.ones(CELLS) if mask is None else mask
    return SimpleNamespace(predictors=("tas",), target_index=[0], leads=(1,), mask=lambda: found)


def swing(seed: int, years: int = 80) -> History:
    """A slow oscillation that moves the west first, and the east a few months later."""
    rng = np.random.default_rng(seed)
    months = 12 * years
    index = np.zeros(months)
    for k in range(1, months):
        index[k] = 0.9 * index[k - 1] + rng.normal()
    values = 0.1 * rng.normal(size=(months, 1, CELLS))
    values[:, 0, :12] += index[:, None]
    values[4:, 0, 12:] += index[:-4, None]
    return History(values, 12 * 1900, area=AREA)


def correlate(history: History, statistics, scale, season: Season) -> np.ndarray:
    """Correlate what is forecast with what comes, in each cell."""
    inputs = history.inputs(season, 1, np.arange(1930, 1979))
    fields = make_fields(inputs, scale[:, season.month - 1])
    slopes = statistics.slopes[0, season.month - 1]
    made = apply_ridge(fields, statistics.patterns, slopes, statistics.targets)[:, 0]
    return np.array(
        [np.corrcoef(a, b)[0, 1] for a, b in zip(made.T, inputs.target[:, 0].T, strict=True)]
    )


def test_what_one_cell_does_now_tells_what_another_will_do():
    learned, other = swing(0), swing(1)
    scale = fit_scale([learned])
    found = correlate(
        other, fit_ridge([learned], make_card(), scale, AREA), scale, Season.of("JJA")
    )
    assert found[12:].min() > 0.8  # the east follows the west
    assert found[12:].min() > found[:12].max()


def test_all_patterns_of_few_cells_give_the_plain_regression():
    """With as many patterns as cells, only the penalty differs from least squares on all cells."""
    learned = swing(2, 300)
    scale = fit_scale([learned])
    season = Season.of("DJF")
    statistics = fit_ridge([learned], make_card(), scale, AREA)
    inputs = learned.inputs(season, 1, np.arange(1930, 2190))
    fields = make_fields(inputs, scale[:, season.month - 1])
    slopes = statistics.slopes[0, season.month - 1]
    made = apply_ridge(fields, statistics.patterns, slopes, statistics.targets)[:, 0]
    recent = np.concatenate([fields[:, 0], fields[:, :3].mean(1)], 1)
    target = inputs.target[:, 0] / scale[0, season.month - 1]
    plain = recent @ np.linalg.lstsq(recent, target, rcond=None)[0]
    assert np.corrcoef(made.ravel(), plain.ravel())[0, 1] > 0.9


def test_cells_outside_the_region_are_not_forecast_and_no_simulation_teaches_nothing():
    learned = swing(3)
    scale = fit_scale([learned])
    mask = np.repeat([0.0, 1.0], CELLS // 2)
    statistics = fit_ridge([learned], make_card(mask), scale, AREA)
    fields = make_fields(learned.inputs(SEASON_OF_MONTH[0], 1, np.arange(1930, 1940)), scale[:, 0])
    parts = (statistics.patterns, statistics.slopes[0, 0], statistics.targets)
    made = apply_ridge(fields, *parts)[:, 0]
    assert not made[:, mask == 0].any()
    assert made[:, mask == 1].all()
    nothing = fit_ridge([], make_card(), scale, AREA)
    assert not any(part.any() for part in nothing)
    assert nothing.slopes.shape == statistics.slopes.shape
