"""Scores against cases worked by hand, SciPy, and slow versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xai4land.scores.categories import category_of, probabilities, rps, rpss, tercile_edges
from xai4land.scores.deterministic import acc, bias, msess, residual_correlation, rmse
from xai4land.scores.diagnostics import rank_histogram, reliability, roc_area
from xai4land.scores.ensembles import crps, crpss, spread_error
from xai4land.scores.significance import (
    block_bootstrap,
    control_fdr,
    correlation_pvalue,
    effective_size,
    random_walk,
)


def pair(times: int = 30, members: int = 7, cells: int = 2, seed: int = 0):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(times, cells))
    obs = xr.DataArray(signal + rng.normal(size=(times, cells)), dims=("time", "x"))
    noise = rng.normal(size=(times, members, cells))
    return xr.DataArray(signal[:, None] + noise, dims=("time", "realization", "x")), obs


def slow_crps(members: np.ndarray, obs: float, fair: bool) -> float:
    members = members[np.isfinite(members)]
    count = len(members)
    pairs = sum(abs(a - b) for a in members for b in members)
    within = pairs / (2 * (count * (count - 1) if fair else count**2)) if count > 1 else 0.0
    return float(np.mean([abs(m - obs) for m in members]) - within)


@pytest.mark.parametrize("fair", [True, False])
def test_crps_is_the_double_sum_with_members_missing(fair):
    forecast, obs = pair(5)
    forecast[0, :3, 0] = np.nan
    forecast[1, 1:, 0] = np.nan
    forecast[2, :, 0] = np.nan
    found = crps(forecast, obs, fair=fair)
    assert np.isnan(found[2, 0])
    for t, x in [(0, 0), (1, 0), (3, 0), (4, 1)]:
        expected = slow_crps(forecast.values[t, :, x], obs.values[t, x], fair)
        assert float(found[t, x]) == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(7)))
def test_the_order_of_members_does_not_matter(order):
    forecast, obs = pair(12)
    forecast[0, 2] = np.nan
    edges = tercile_edges(obs)
    turned = forecast.isel(realization=list(order))
    for score in (
        lambda f: crps(f, obs),
        lambda f: rps(f, obs, edges),
        lambda f: acc(f, obs),
        lambda f: spread_error(f, obs),
        lambda f: rank_histogram(f, obs),
    ):
        np.testing.assert_allclose(score(turned), score(forecast), rtol=1e-9, equal_nan=True)


def test_fair_scores_do_not_depend_on_the_size_of_the_ensemble():
    forecast, obs = pair(4000, 60, 1)
    edges = xr.DataArray(np.tile([-0.6, 0.6], (4000, 1)), dims=("time", "quantile"))
    for score in (
        lambda f, fair: crps(f, obs, fair=fair),
        lambda f, fair: rps(f, obs, edges, fair=fair),
    ):
        small, large = (
            forecast.isel(realization=slice(4)),
            forecast.isel(realization=slice(4, None)),
        )
        apart = score(small, True) - score(large, True)
        error = float(apart.std()) / math.sqrt(4000)
        assert abs(float(apart.mean())) < 4 * error
        unfair = score(small, False) - score(large, True)
        assert float(unfair.mean()) > 4 * error


def test_correlations_agree_with_scipy_and_leave_out_missing_times():
    forecast, obs = pair()
    obs[3, 0] = np.nan
    found = acc(forecast, obs)
    mean = forecast.mean("realization").values[:, 0]
    keep = np.arange(30) != 3
    assert float(found[0]) == pytest.approx(stats.pearsonr(mean[keep], obs.values[keep, 0])[0])
    plain = float(acc(forecast, obs, centred=False)[1])
    x, y = forecast.mean("realization").values[:, 1], obs.values[:, 1]
    assert plain == pytest.approx((x * y).sum() / math.sqrt((x * x).sum() * (y * y).sum()))
    assert np.isnan(acc(forecast[:2], obs[:2])).all()


def test_residual_correlation_is_the_partial_correlation():
    forecast, obs = pair(cells=1)
    trend = xr.DataArray(np.linspace(0, 5, 30), dims="time")
    forecast, obs = forecast + trend, obs + trend
    x, y = forecast.mean("realization").values[:, 0], obs.values[:, 0]
    left = [s - np.polyval(np.polyfit(trend.values, s, 1), trend.values) for s in (x, y)]
    expected = stats.pearsonr(*left)[0]
    assert float(residual_correlation(forecast, obs, trend)[0]) == pytest.approx(expected)


def test_errors_and_skill_by_hand():
    obs = xr.DataArray([0.0, 1.0, 2.0, 3.0], dims="time")
    made = xr.DataArray([1.0, 1.0, 2.0, 5.0], dims="time")
    assert float(bias(made, obs)) == 0.75
    assert float(rmse(made, obs)) == pytest.approx(math.sqrt(5 / 4))
    assert float(msess(made, obs)) == pytest.approx(1 - 5 / 14)
    assert float(msess(made, obs, obs + 1)) == pytest.approx(1 - 5 / 4)
    assert float(crpss(made, obs, obs + 1)) == pytest.approx(1 - 0.75)


def test_a_reliable_ensemble_has_spread_ratio_one_and_a_flat_histogram():
    forecast, obs = pair(20000, 9, 1)
    assert float(spread_error(forecast, obs)[0]) == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(rank_histogram(forecast, obs), 0.1, atol=0.01)
    some = forecast.copy()
    some[:10000, 4:] = np.nan
    np.testing.assert_allclose(rank_histogram(some, obs, bins=5), 0.2, atol=0.01)
    narrow = forecast.mean("realization") + 0.3 * (forecast - forecast.mean("realization"))
    assert rank_histogram(narrow.transpose(*forecast.dims), obs)[[0, -1]].sum() > 0.3


def test_terciles_leave_out_their_own_time():
    _, obs = pair(12, cells=1)
    edges = tercile_edges(obs)
    changed = obs.copy()
    changed[5] = 1e6
    assert np.array_equal(tercile_edges(changed)[5], edges[5])
    expected = np.quantile(np.delete(obs.values[:, 0], 5), [1 / 3, 2 / 3])
    np.testing.assert_allclose(edges[5, :, 0], expected)


def test_category_scores_by_hand():
    edges = xr.DataArray([[1.0, 2.0]] * 4, {"quantile": [1 / 3, 2 / 3]}, ("time", "quantile"))
    members = xr.DataArray([[0.0, 1.5, 3.0, np.nan]] * 4, dims=("time", "realization"))
    obs = xr.DataArray([0.5, 1.0, 2.5, np.nan], dims="time")
    assert category_of(obs, edges).values[:3].tolist() == [0, 1, 2]
    np.testing.assert_allclose(probabilities(members, edges)[0], 1 / 3)
    plain = rps(members, obs, edges, fair=False)
    np.testing.assert_allclose(plain[:3], [4 / 9 + 1 / 9, 2 / 9, 5 / 9])
    fair = rps(members, obs, edges)
    np.testing.assert_allclose(fair[:3], plain[:3] - 2 * (2 / 9) / 2, atol=1e-12)
    assert np.isnan(fair[3])
    expected = 1 - np.mean(plain[:3]) / np.mean([5 / 9, 2 / 9, 5 / 9])
    assert float(rpss(members, obs, edges, fair=False)) == pytest.approx(expected)


def test_roc_area_is_mann_whitneys():
    rng = np.random.default_rng(0)
    chance = rng.integers(0, 6, 60) / 5
    happened = (rng.random(60) < chance).astype(float)
    wins = stats.mannwhitneyu(chance[happened == 1], chance[happened == 0]).statistic
    expected = wins / ((happened == 1).sum() * (happened == 0).sum())
    found = roc_area(xr.DataArray(chance, dims="time"), xr.DataArray(happened, dims="time"))
    assert float(found) == pytest.approx(expected)


def test_reliability_by_hand():
    chance = xr.DataArray([0.1, 0.3, 0.9, 1.0], dims="time")
    happened = xr.DataArray([0.0, 1.0, 1.0, np.nan], dims="time")
    table = reliability(chance, happened, bins=2, weights=xr.DataArray([1.0, 3, 1, 1], dims="time"))
    np.testing.assert_allclose(table.weight, [0.8, 0.2])
    np.testing.assert_allclose(table.probability, [0.25, 0.9])
    np.testing.assert_allclose(table.frequency, [0.75, 1.0])


def test_significance_agrees_with_scipy_and_accounts_for_autocorrelation():
    walk = random_walk(xr.DataArray([1.0] * 14 + [-1.0] * 5 + [0.0], dims="time"))
    assert (int(walk.wins), int(walk.losses)) == (14, 5)
    assert float(walk.pvalue) == pytest.approx(stats.binomtest(5, 19).pvalue)
    rng = np.random.default_rng(0)
    red = np.zeros((2, 20000))
    for t in range(1, 20000):
        red[:, t] = 0.7 * red[:, t - 1] + rng.normal(size=2)
    one, other = (xr.DataArray(series, dims="time") for series in red)
    assert float(effective_size(one, other)) / 20000 == pytest.approx(0.51 / 1.49, rel=0.05)
    p = float(correlation_pvalue(xr.DataArray(0.5), 30))
    assert p == pytest.approx(stats.norm.sf(math.atanh(0.5) * math.sqrt(27)))
    values = rng.random(200) ** 3
    expected = stats.false_discovery_control(values) <= 0.1
    assert np.array_equal(control_fdr(xr.DataArray(values), alpha=0.1).values, expected)


def test_bootstrap_intervals_contain_the_truth_at_their_level():
    rng = np.random.default_rng(0)
    inside = 0
    for k in range(60):
        sample = xr.DataArray(rng.normal(size=60), dims="time")
        low, high = block_bootstrap(
            lambda x: x.mean("time"), sample, samples=150, level=0.9, block=1, seed=k
        ).values
        inside += low <= 0 <= high
    assert 45 <= inside <= 59


def test_nothing_is_computed_by_a_call():
    forecast, obs = (array.chunk({"time": 10}) for array in pair())
    count = 0

    def counted(block):
        nonlocal count
        count += block.size > 0
        return block

    watched = forecast.copy(
        data=forecast.data.map_blocks(counted, dtype=float, meta=np.empty((0, 0, 0)))
    )
    edges = tercile_edges(obs)
    made = [
        crps(watched, obs),
        acc(watched, obs),
        rpss(watched, obs, edges),
        spread_error(watched, obs),
    ]
    assert count == 0
    for one in made:
        one.compute()
    assert count > 0
