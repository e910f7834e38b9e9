"""Scores where they are undefined, nearly so, or hang on ties."""

from __future__ import annotations

import time

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from xai4land.scores.categories import (
    category_of,
    climatological_rps,
    probabilities,
    quantile_edges,
    rps,
    rpss,
    tercile_edges,
)
from xai4land.scores.deterministic import acc, bias, msess, residual_correlation, rmse
from xai4land.scores.diagnostics import rank_histogram, roc_area
from xai4land.scores.ensembles import crps, crpss, skill, spread_error
from xai4land.scores.significance import (
    compare_scores,
    control_fdr,
    correlation_pvalue,
    effective_size,
    random_walk,
)


def series(values, *more: str) -> xr.DataArray:
    return xr.DataArray(values, dims=("time", *more))


def ensemble(values) -> xr.DataArray:
    return xr.DataArray(values, dims=("time", "realization"))


def noise(times: int = 30, members: int = 9, seed: int = 0):
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=times)
    obs = signal + rng.normal(size=times)
    return ensemble(signal[:, None] + rng.normal(size=(times, members))), series(obs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, 288.15, 1e5, 1e-12])
def test_constant_series_have_no_correlation(dtype, level):
    forecast, obs = noise()
    constant = series(np.full(30, level, dtype))
    assert np.isnan(acc(constant, obs))
    assert np.isnan(acc(forecast, constant))
    assert np.isnan(acc(constant + 0 * forecast.astype(dtype), obs))
    assert np.isnan(residual_correlation(constant, obs, obs + series(np.arange(30.0))))


@pytest.mark.parametrize("stored", [np.float32, np.float64])
def test_members_that_cancel_but_for_rounding_have_no_correlation(stored):
    """Members of a climatology in single precision, whatever precision they are read into."""
    rng = np.random.default_rng(0)
    draw = rng.normal(size=(30, 20))
    draw = (draw - draw.mean(1, keepdims=True)).astype(np.float32).astype(stored)
    assert 0 < np.abs(draw.mean(1)).max() < 1e-6
    obs = series(rng.normal(size=30))
    assert np.isnan(acc(ensemble(draw), obs))
    assert np.isnan(acc(ensemble(draw), obs, centred=False))
    assert np.isnan(residual_correlation(ensemble(draw), obs, series(np.arange(30.0))))
    assert np.isfinite(acc(ensemble(draw + obs.values[:, None]), obs))


@pytest.mark.parametrize("size", [1e-160, 1e-30, 1e-12, 1e-9, 1.0, 1e9, 1e30, 1e160])
def test_scores_do_not_hang_on_units(size):
    forecast, obs = noise()
    trend = series(np.linspace(-1, 1, 30))
    mean = forecast.mean("realization").values
    assert float(acc(forecast * size, obs * size)) == pytest.approx(
        stats.pearsonr(mean, obs.values)[0], abs=1e-13
    )
    for score in (
        lambda f, o, t: acc(f, o, centred=False),
        lambda f, o, t: residual_correlation(f, o, t),
        lambda f, o, t: effective_size(f.mean("realization"), o),
        lambda f, o, t: rpss(f, o, tercile_edges(o)),
        lambda f, o, t: crpss(f, o, t),
        lambda f, o, t: random_walk(compare_scores(crps(f, o), crps(t, o))).pvalue,
    ):
        expected = float(score(forecast, obs, trend))
        found = float(score(forecast * size, obs * size, trend * size))
        assert found == pytest.approx(expected, rel=1e-9)
    if 1e-100 < size < 1e100:  # squared errors are in the square of the units
        for ratio in (lambda f, o, t: msess(f, o, t), lambda f, o, t: spread_error(f, o)):
            found = float(ratio(forecast * size, obs * size, trend * size))
            assert found == pytest.approx(float(ratio(forecast, obs, trend)), rel=1e-9)


def test_small_changes_on_a_large_mean_are_correlated():
    forecast, obs = noise()
    mean = forecast.mean("realization")
    expected = float(acc(mean, obs))
    assert float(acc(mean + 1e6, obs + 1e6)) == pytest.approx(expected, abs=1e-8)
    single = float(acc((mean + 288.15).astype(np.float32), obs))
    assert single == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 0.1, 288.15, 1e-9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forecasts_as_good_as_perfect_references_have_no_skill(level, dtype):
    obs = series(np.full(20, level))
    members = ensemble(np.full((20, 100), level, dtype))
    other = ensemble(np.full((20, 7), level, np.float64))
    assert (crps(members, obs) == 0).all()
    assert np.isnan(crpss(members, obs, other))
    assert np.isnan(crpss(members + 1, obs, other))
    assert np.isnan(msess(members, obs, other))
    assert np.isnan(spread_error(members, obs))
    walk = random_walk(compare_scores(crps(members, obs), crps(other, obs)))
    assert (int(walk.wins), int(walk.losses), float(walk.pvalue)) == (0, 0, 1.0)
    assert abs(float(bias(members, obs))) <= 1e-7 * level
    assert float(rmse(members, obs)) <= 1e-7 * level


def test_rounding_wins_no_sign_test():
    forecast, obs = noise(60, 30)
    ours, theirs = crps(forecast, obs), crps(forecast * 1.1 / 1.1, obs)
    assert (ours != theirs).any()
    assert float(random_walk(compare_scores(ours, theirs)).pvalue) == 1.0
    better = crps(0.5 * (forecast + obs), obs)
    assert float(random_walk(compare_scores(better, theirs)).pvalue) < 1e-6


def test_what_is_unknown_has_no_pvalue():
    unknown = series(np.full(10, np.nan))
    assert np.isnan(random_walk(unknown).pvalue)
    assert np.isnan(correlation_pvalue(acc(unknown, unknown), 10))


def test_skill_over_a_reference_that_is_not_worse_than_perfect_is_missing():
    ours = series([0.1, 0.2, 0.3])
    assert np.isnan(skill(ours, series([-0.2, 0.1, 0.05])))
    assert float(skill(ours, series([0.2, 0.4, 0.6]))) == pytest.approx(0.5)


def test_a_forecast_that_is_the_trend_has_no_residual_correlation():
    rng = np.random.default_rng(0)
    trend = np.linspace(-0.3, 0.4, 40)
    draws = rng.normal(size=(2, 40, 20))
    draws -= draws.mean(2, keepdims=True)
    ours, theirs = (ensemble((trend[:, None] + d).astype(np.float32)) for d in draws)
    obs = series(trend + rng.normal(size=40))
    assert np.isnan(residual_correlation(ours, obs, theirs))
    assert np.isnan(residual_correlation(2 * theirs, obs, theirs))
    flat = ensemble((0.5 + 0.03 * trend[:, None] + draws[0]).astype(np.float32))
    moved = (flat + np.float32(0.7)) - np.float32(0.7)
    assert np.isnan(residual_correlation(moved, obs, flat))


def test_weights_count_times_as_often_as_they_say():
    forecast, obs = noise(12)
    rng = np.random.default_rng(0)
    obs[3] = np.nan
    draws = rng.integers(0, 12, (5, 12))
    counts = np.stack([np.bincount(draw, minlength=12) for draw in draws])
    weights = xr.DataArray(counts, dims=("sample", "time"))
    event = (obs > 0).astype(float).where(obs.notnull())
    chance = (forecast > 0).mean("realization")
    error = abs(forecast.mean("realization") - obs)
    trend = series(np.arange(12.0))
    for score in (
        lambda t, w: acc(forecast[t], obs[t], weights=w),
        lambda t, w: acc(forecast[t], obs[t], weights=w, centred=False),
        lambda t, w: residual_correlation(forecast[t], obs[t], trend[t], weights=w),
        lambda t, w: rmse(forecast[t], obs[t], weights=w),
        lambda t, w: bias(forecast[t], obs[t], weights=w),
        lambda t, w: msess(forecast[t], obs[t], weights=w),
        lambda t, w: roc_area(chance[t], event[t], weights=w),
        lambda t, w: skill(error[t], error[t] ** 2 + 1, weights=w),
    ):
        found = score(slice(None), weights)
        assert found.dims == ("sample",)
        expected = [float(score(list(draw), None)) for draw in draws]
        np.testing.assert_allclose(found, expected, rtol=1e-10)


# Terciles


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("round_to", [None, 0])
def test_terciles_from_one_sort_are_numpys(seed, round_to):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(19, 40))
    values = values if round_to is None else np.round(values * 3, round_to)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 0] = np.nan
    values[5:, 1] = np.nan
    edges = tercile_edges(series(values, "x"))
    for k in range(19):
        others = np.delete(values, k, 0)
        for x in range(40):
            known = others[np.isfinite(others[:, x]), x]
            if known.size < 5:
                assert np.isnan(edges[k, :, x]).all()
            elif np.isfinite(edges[k, :, x]).all():
                expected = np.quantile(known, [1 / 3, 2 / 3])
                np.testing.assert_allclose(edges[k, :, x], expected, rtol=4e-16, atol=4e-16)
    assert np.isfinite(edges).mean() > 0.5


def test_terciles_of_a_large_field_take_a_moment():
    values = np.random.default_rng(0).normal(size=(40, 90, 60))
    began = time.process_time()
    tercile_edges(series(values, "y", "x"))
    ours = time.process_time() - began
    began = time.process_time()
    np.nanquantile(values[1:], [1 / 3, 2 / 3], axis=0)  # one time of forty
    assert ours < 20 * (time.process_time() - began) + 0.1


def wet(share: float, times: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rain = rng.gamma(2.0, size=times)
    rain[: round((1 - share) * times)] = 0.0
    return rng.permutation(rain)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3])
def test_cells_where_terciles_coincide_are_missing(share):
    obs = series(wet(share))
    edges = tercile_edges(obs)
    dry = ensemble(np.zeros((60, 10)))
    assert np.isnan(edges).all()
    assert np.isnan(category_of(obs, edges)).all()
    assert np.isnan(probabilities(dry, edges)).all()
    assert np.isnan(rpss(dry, obs, edges))
    assert np.isnan(quantile_edges(obs)).all()


@pytest.mark.parametrize("share", [0.35, 0.4, 0.5, 0.6, 0.66, 0.8])
def test_ties_with_a_tercile_leave_each_category_its_share(share):
    obs = series(wet(share))
    edges = quantile_edges(obs)
    observed = probabilities(obs, edges)
    if np.isfinite(edges).all():
        np.testing.assert_allclose(observed.mean("time"), 1 / 3, atol=0.02)
    assert not (category_of(obs, tercile_edges(obs)).values[obs == 0] == 2).any()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.4, 0.5, 0.6, 0.8])
def test_an_always_dry_forecast_has_no_skill(share):
    rng = np.random.default_rng(1)
    obs = series(wet(share))
    edges = tercile_edges(obs)
    dry, right = (ensemble(np.stack([v] * 10, 1)) for v in (0 * obs.values, obs.values))
    scores = [float(rpss(x, obs, edges, fair=fair)) for x in (dry,) for fair in (True, False)]
    assert all(not score > 0 for score in scores)
    if np.isfinite(edges).all():
        assert max(scores) < 0
        assert float(rpss(right, obs, edges)) == 1.0
        draws = ensemble(rng.choice(obs.values, (60, 2000)))
        same = quantile_edges(obs).expand_dims(time=60)
        assert float(rpss(draws, obs, same)) == pytest.approx(0, abs=0.03)


def test_dry_anomalies_are_tied_in_either_precision():
    rain = wet(0.5)
    obs = series(rain - rain.mean())
    edges = tercile_edges(obs)
    dry = ensemble(np.full((60, 10), -rain.mean(), np.float32))
    np.testing.assert_allclose(
        probabilities(dry, edges), probabilities(dry.astype(float) * 0 + obs.min(), edges)
    )


def test_a_year_beside_dry_ones_is_divided_by_hand():
    obs = series([0.0, 0, 0, 0, 1, 2, 3, 4, 5])
    edges = quantile_edges(obs)  # 0 and 2.33: a third of 9 is 3 of the 4 dry years
    np.testing.assert_allclose(edges, [0, 7 / 3])
    np.testing.assert_allclose(edges.tied_below, [0.75, 0])
    dry = ensemble([[0.0, 0.0]])
    np.testing.assert_allclose(probabilities(dry, edges)[0], [0.75, 0.25, 0])
    wet_year = series([5.0])
    np.testing.assert_allclose(rps(dry, wet_year, edges, fair=False), [0.75**2 + 1])
    np.testing.assert_allclose(
        climatological_rps(series([0.0]), edges), [(1 / 3 - 0.75) ** 2 + 1 / 9]
    )


def test_ranks_and_events_are_tied_within_rounding():
    members = ensemble(np.full((10, 3), 0.1 + 0.2))
    np.testing.assert_allclose(rank_histogram(members, series(np.full(10, 0.3)), bins=4), 0.25)
    chance = series([0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2])
    assert float(roc_area(chance, series([1.0, 0.0, 1.0, 0.0]))) == 0.5


# By SciPy


def test_tests_are_those_of_scipy():
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 0.0, 1.0], (40, 300), p=[0.3, 0.1, 0.6])
    walk = random_walk(series(signs, "x"))
    for x in range(300):
        wins, losses = int((signs[:, x] > 0).sum()), int((signs[:, x] < 0).sum())
        expected = stats.binomtest(wins, wins + losses).pvalue
        assert float(walk.pvalue[x]) == pytest.approx(expected, rel=1e-12)
    pvalues = rng.random((20, 30)) ** 3
    pvalues[2, 3] = np.nan
    known = np.isfinite(pvalues)
    expected = np.zeros(pvalues.shape, bool)
    expected[known] = stats.false_discovery_control(pvalues[known]) <= 0.1
    assert np.array_equal(control_fdr(xr.DataArray(pvalues)).values, expected)
    assert not control_fdr(xr.DataArray([np.nan, np.nan])).any()


def test_scores_have_no_attributes_of_the_data():
    forecast, obs = noise()
    leaks = {"units": "K", "standard_name": "air_temperature", "cell_methods": "time: mean"}
    forecast, obs = forecast.assign_attrs(leaks), obs.assign_attrs(leaks)
    forecast = forecast.assign_coords(time=series(np.arange(30.0)).assign_attrs(axis="T"))
    obs = obs.assign_coords(time=forecast.time)
    edges = tercile_edges(obs)
    for score in (
        acc(forecast, obs),
        rps(forecast, obs, edges),
        rpss(forecast, obs, edges),
        probabilities(forecast, edges),
        crpss(forecast, obs, forecast),
        rank_histogram(forecast, obs),
        random_walk(compare_scores(crps(forecast, obs), crps(obs + 1, obs))).pvalue,
    ):
        assert not score.attrs
    assert probabilities(forecast, edges).time.attrs == {"axis": "T"}
