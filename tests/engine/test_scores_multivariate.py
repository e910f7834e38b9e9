"""Scores of whole fields against slow plain versions, hand cases and known laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from xai4land.scores.ensembles import crps
from xai4land.scores.multivariate import Pairs, energy_score, pair_products, variogram_score

ROWS, COLUMNS = 2, 3


def case(times: int = 4, members: int = 6, seed: int = 0) -> tuple[xr.DataArray, xr.DataArray]:
    rng = np.random.default_rng(seed)
    forecast = rng.normal(size=(times, members, ROWS, COLUMNS))
    obs = rng.normal(size=(times, ROWS, COLUMNS))
    return (
        xr.DataArray(forecast, dims=("time", "realization", "lat", "lon")),
        xr.DataArray(obs, dims=("time", "lat", "lon")),
    )


def all_pairs() -> Pairs:
    both = np.array(list(itertools.combinations(range(ROWS * COLUMNS), 2)))
    return Pairs(both[:, 0], both[:, 1], np.arange(1.0, len(both) + 1))


AREA = np.array([1.0, 2, 3, 4, 5, 6])


def slow_energy(members: np.ndarray, obs: np.ndarray, area: np.ndarray) -> float:
    def size(departure: np.ndarray) -> float:
        return float(np.sqrt((area * departure**2).sum() / area.sum()))

    count = len(members)
    error = sum(size(member - obs) for member in members) / count
    between = sum(size(a - b) for a, b in itertools.permutations(members, 2))
    return error - between / (2 * count * (count - 1))


def slow_variogram(members: np.ndarray, obs: np.ndarray, pairs: Pairs, power: float) -> float:
    total = 0.0
    for i, j, weight in zip(*pairs, strict=True):
        apart = [abs(member[i] - member[j]) ** power for member in members]
        mean = sum(apart) / len(apart)
        variance = sum((a - mean) ** 2 for a in apart) / (len(apart) - 1)
        total += weight * ((abs(obs[i] - obs[j]) ** power - mean) ** 2 - variance / len(apart))
    return total / pairs.weight.sum()


def test_energy_score_is_the_double_sum_over_members():
    forecast, obs = case()
    found = energy_score(forecast, obs, dims=("lat", "lon"), weights=AREA)
    for t in range(4):
        flat = forecast.values[t].reshape(-1, 6)
        expected = slow_energy(flat, obs.values[t].ravel(), AREA)
        assert float(found[t]) == pytest.approx(expected)


def test_of_one_place_it_is_the_fair_crps():
    forecast, obs = case()
    one = {"lat": slice(0, 1), "lon": slice(0, 1)}
    found = energy_score(forecast.isel(one), obs.isel(one), dims=("lat", "lon"))
    expected = crps(forecast[..., 0, 0], obs[:, 0, 0])
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_variogram_score_is_the_sum_over_pairs(power):
    forecast, obs = case()
    pairs = all_pairs()
    found = variogram_score(forecast, obs, dims=("lat", "lon"), pairs=pairs, power=power)
    for t in range(4):
        flat = forecast.values[t].reshape(-1, 6)
        expected = slow_variogram(flat, obs.values[t].ravel(), pairs, power)
        assert float(found[t]) == pytest.approx(expected)


def test_what_is_missing_is_left_out():
    forecast, obs = case()
    fewer = forecast.copy(deep=True)
    fewer[0, 2] = np.nan  # a member
    fewer[1, 3, 0, 1] = np.nan  # a place of a member
    obs[2, 1, 1] = np.nan
    obs[3] = np.nan
    how = {"dims": ("lat", "lon")}
    for score, more in (
        (energy_score, {"weights": AREA}),
        (variogram_score, {"pairs": all_pairs()}),
    ):
        found = score(fewer, obs, **how, **more)
        kept = forecast.isel(time=[0], realization=[0, 1, 3, 4, 5])
        assert float(found[0]) == pytest.approx(float(score(kept, obs[:1], **how, **more)[0]))
        assert np.isfinite(found[1:3]).all()
        assert np.isnan(found[3])
    one = energy_score(forecast.isel(realization=[0]), obs, weights=AREA, **how)
    error = (forecast[0, 0] - obs[0]).values.ravel()
    assert float(one[0]) == pytest.approx(np.sqrt(np.average(error**2, weights=AREA)))


@pytest.mark.parametrize("name", ["energy", "variogram"])
def test_fair_scores_do_not_depend_on_the_number_of_members(name):
    """The mean score of few members is that of many, and a false law has a worse one."""
    rng = np.random.default_rng(1)
    shape = (6000, ROWS * COLUMNS)
    pattern = np.linalg.cholesky(0.8 + 0.2 * np.eye(ROWS * COLUMNS))

    def draw(members: int, coherent: bool = True) -> xr.DataArray:
        noise = rng.normal(size=(shape[0], members, shape[1]))
        values = noise @ pattern.T if coherent else noise
        return xr.DataArray(values, dims=("time", "realization", "x"))

    obs = draw(1).isel(realization=0)

    def score(forecast: xr.DataArray) -> float:
        if name == "energy":
            found = energy_score(forecast, obs, dims=["x"])
        else:
            found = variogram_score(forecast, obs, dims=["x"], pairs=all_pairs())
        return float(found.mean())

    few, many, incoherent = score(draw(3)), score(draw(30)), score(draw(30, coherent=False))
    assert few == pytest.approx(many, rel=0.02)
    assert incoherent > many * 1.01


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(6)), st.floats(1e-6, 1e6))
def test_the_order_of_members_and_the_unit_do_not_matter(order, size):
    forecast, obs = case(2)
    how = {"dims": ("lat", "lon")}
    mixed = forecast.isel(realization=list(order)) * size
    found = energy_score(mixed, obs * size, **how)
    np.testing.assert_allclose(found, size * energy_score(forecast, obs, **how), rtol=1e-9)
    pairs = all_pairs()
    found = variogram_score(mixed, obs * size, pairs=pairs, **how)
    expected = size * variogram_score(forecast, obs, pairs=pairs, **how)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * size)


def test_lazy_data_give_lazy_scores():
    forecast, obs = case()
    how = {"dims": ("lat", "lon")}
    found = energy_score(forecast.chunk(time=2, lat=1), obs.chunk(time=2), **how)
    assert found.chunks is not None
    np.testing.assert_allclose(found, energy_score(forecast, obs, **how))


def test_pair_products_average_to_correlations():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(50, 7, 3)) @ np.array([[1.0, 0.8, 0], [0, 0.6, 0], [0, 0, 1]])
    values[..., 2] *= 10
    values -= values.mean(1, keepdims=True)
    array = xr.DataArray(values, dims=("time", "realization", "x"))
    pairs = Pairs(np.array([0, 1]), np.array([1, 2]), np.array([1.0, 3.0]))
    found = float(pair_products(array, dims=["x"], pairs=pairs).mean())
    correlation = np.corrcoef(values.reshape(-1, 3).T)
    expected = (correlation[0, 1] + 3 * correlation[1, 2]) / 4
    assert found == pytest.approx(expected)
