"""Calibration, and several ensembles as one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import optimize, stats

from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land_seasonal import (
    calibrate,
    combine,
    forecast,
    seasonal_means,
    verify,
)
from xai4land_seasonal.products.distributions import (
    fit_gaussian,
    fit_logistic,
    has_skill,
)

YEARS = range(1930, 1960)


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return monthly(red_noise(60, 6, 12))


@pytest.fixture(scope="module")
def made(world) -> xr.Dataset:
    how = {"years": YEARS, "members": 12, "emulator": "persistence"}
    return forecast(world, ("DJF", "JJA"), **how).compute()


def test_calibration_corrects_bias_and_spread(world, made):
    wrong = made.copy(deep=True)
    mean = made.tas.mean("realization")
    wrong["tas"] = mean + 2.0 + 0.1 * (made.tas - mean)
    wrong["tas"] = wrong.tas.transpose(*made.tas.dims)
    right = calibrate(wrong, world)
    raw, mended = (
        verify(x, world, references=[], metrics=["bias", "spread_error", "crps"]).mean().compute()
        for x in (wrong, right)
    )
    assert abs(float(mended.bias)) < 0.1 < 1.5 < float(raw.bias)
    assert float(mended.spread_error) == pytest.approx(1, abs=0.15)
    assert float(mended.crps) < float(raw.crps)
    past = calibrate(wrong, world, years="past")
    assert past.tas[0].identical(wrong.tas[0])  # the first year has no past


@pytest.mark.filterwarnings("error")
def test_missing_cells_stay_missing_and_change_no_others(world, made):
    sea = made.copy(deep=True)
    sea.tas[{"lat": 0, "lon": 1}] = np.nan
    found = calibrate(sea, world).tas
    xr.testing.assert_equal(found, calibrate(made, world).tas.where(sea.tas.notnull()))
    assert int(found.isnull().sum()) == int(sea.tas.isnull().sum()) > 0


def test_several_ensembles_become_one(world, made):
    other = forecast(world, ("DJF", "JJA"), years=YEARS, members=4, emulator="trend").compute()
    both = combine(made, {"b": other})
    assert both.sizes["realization"] == 8
    assert both.source.values.tolist() == ["persistence"] * 4 + ["b"] * 4
    with pytest.raises(InputError, match="weights=\\[1.0\\], expected a share for each"):
        combine(made, {"b": other}, weights=[1.0])
    with pytest.raises(InputError, match="none named 'persistence' like the first"):
        combine(made, {"persistence": other})


@pytest.mark.parametrize("size", [1e-12, 1e-5, 1.0, 1e5])
def test_calibration_does_not_depend_on_units(world, made, size):
    plain = calibrate(made, world)
    scaled = calibrate(made * size, world * size)
    np.testing.assert_allclose(scaled.tas / size, plain.tas, rtol=1e-4, atol=1e-5)


def test_forecasts_that_do_not_change_become_what_is_usual(world, made):
    """Rounding is no signal to be amplified: the mean of the other years is all that is left."""
    for level in (0.1, 288.15):
        constant = made.assign(tas=made.tas * 0 + np.float32(level))
        found = calibrate(constant, world).tas
        truth = seasonal_means(world, ("DJF", "JJA")).tas.sel(time=found.time)
        summer = np.flatnonzero(made.season == "JJA")
        expected = np.delete(truth.values[summer], 3, 0).mean(0)
        np.testing.assert_allclose(found[summer[3], 0], expected, atol=1e-5)
        assert float(found.std("realization").max()) < 1e-6


def law(
    years: int, skill: float, rain: bool = False, seed: int = 0
) -> tuple[xr.Dataset, xr.Dataset]:
    """A biased, overconfident forecast, and observations that it knows a part of."""
    rng = np.random.default_rng(seed)
    obs = monthly(red_noise(years + 1, 3, 6, stays=0.0, seed=seed))
    truth = seasonal_means(obs, "JJA").compute()
    size = float(truth.tas.std())
    signal = truth.tas.values * skill + rng.normal(size=truth.tas.shape) * size * (1 - skill)
    noise = rng.normal(size=(truth.sizes["time"], 40, 3, 6)) * size * 0.3
    members = 1.0 + 2.0 * signal[:, None] + noise
    if rain:
        members, seen = np.exp(members), np.maximum(np.exp(truth.tas / size) - 1, 0)
        truth = truth.assign(tas=seen.assign_attrs(truth.tas.attrs))
    array = xr.DataArray(members, dims=("time", "realization", "lat", "lon"))
    return truth.assign(tas=array.assign_attrs(truth.tas.attrs)), truth


@pytest.mark.parametrize("method", ["crps", "logistic"])
def test_other_methods_correct_bias_and_spread_and_keep_the_order_of_members(method):
    made, truth = law(60, 0.6)
    right = calibrate(made, truth, method=method)
    how = {"references": {}, "metrics": ["bias", "spread_error", "crpss", "rpss"]}
    raw, mended = (verify(x, truth, **how).mean().compute() for x in (made, right))
    assert abs(float(mended.bias)) < 0.05 < 0.9 < float(raw.bias)
    assert float(mended.spread_error) == pytest.approx(1, abs=0.1)
    assert float(mended.rpss) > max(float(raw.rpss), 0.1)
    orders = (x.tas.isel(time=3, lat=1, lon=2).argsort().values for x in (made, right))
    np.testing.assert_array_equal(*orders)


@pytest.mark.parametrize("method", ["crps", "logistic"])
@pytest.mark.parametrize("rain", [False, True])
def test_without_skill_the_forecast_becomes_the_climatology(method, rain):
    """It has no skill over climatology, and no significant loss."""
    made, truth = law(40, 0.0, rain, seed=5)
    right = calibrate(made, truth, method=method)
    scores = verify(right, truth, references={}, metrics=["rpss", "rpss_pvalue"])
    raw = verify(made, truth, references={}, metrics=["rpss"])
    assert float(raw.rpss.mean()) < -0.3
    assert -0.05 < float(scores.rpss.mean()) < 0.03
    assert float(scores.rpss_pvalue.max()) < 0.999
    # Members are quantiles of the other years where no skill was found, as here mostly.
    count = len(truth.time) - 1
    ranks = (np.arange(40) + 0.5) / 40
    same = []
    for cell in np.ndindex(3, 6):
        others = np.sort(np.delete(truth.tas.values[(slice(None), *cell)], 7))
        expected = np.interp(ranks, (np.arange(count) + 0.5) / count, others)
        found = np.sort(right.tas.values[(7, slice(None), *cell)])
        same.append(np.allclose(found, expected, atol=1e-6))
    assert np.mean(same) > 0.7


def test_only_other_years_are_used():
    made, truth = law(30, 0.6)
    other = truth.copy(deep=True)
    other.tas[10] = 1e3
    for method in ("regression", "crps", "logistic"):
        one, two = (calibrate(made, x, method=method).tas for x in (truth, other))
        np.testing.assert_allclose(one[10], two[10])
        past = calibrate(made, other, method=method, years="past").tas
        np.testing.assert_allclose(
            past[:10], calibrate(made, truth, method=method, years="past").tas[:10]
        )
    with pytest.raises(
        InputError, match="method='best', expected 'regression', 'crps' or 'logistic'"
    ):
        calibrate(made, truth, method="best")


def test_gaussians_are_those_of_a_plain_minimisation():
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(6, 40)), np.exp(0.5 * rng.normal(size=(6, 40)))
    y = 0.3 + 0.8 * x + rng.normal(size=(6, 40)) * np.sqrt(0.2 + 0.5 * v)
    y[0, 3] = x[0, 3] = v[0, 3] = np.nan
    found = fit_gaussian(x, y, v)

    def mean_crps(parameters, cell):
        a, b, c, d = parameters
        size = np.sqrt(c + d * v[cell])
        z = (y[cell] - a - b * x[cell]) / size
        crps = size * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - np.pi**-0.5)
        return np.nanmean(crps)

    for cell in range(6):
        mine = found.intercept[cell], found.slope[cell], found.constant[cell], found.factor[cell]
        best = optimize.minimize(
            lambda p, cell=cell: mean_crps((p[0], p[1], p[2] ** 2, p[3] ** 2), cell),
            [0, 0.5, 0.5, 0.5],
            method="Nelder-Mead",
            options={"maxiter": 4000, "xatol": 1e-8, "fatol": 1e-10},
        )
        assert mean_crps(mine, cell) < best.fun + 2e-4


def test_both_fits_find_a_known_law():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1, 20_000))
    v = np.ones_like(x)
    y = 2 + 0.5 * x + 0.7 * rng.normal(size=x.shape)
    gaussian = fit_gaussian(x, y, v)
    assert gaussian.intercept[0] == pytest.approx(2, abs=0.02)
    assert gaussian.slope[0] == pytest.approx(0.5, abs=0.02)
    assert gaussian.constant[0] + gaussian.factor[0] == pytest.approx(0.49, abs=0.02)
    y = 2 + 0.5 * x + 0.4 * rng.logistic(size=x.shape)
    logistic = fit_logistic(x, y, v)
    assert logistic.intercept[0] == pytest.approx(2, abs=0.03)
    assert logistic.slope[0] == pytest.approx(0.5, abs=0.03)
    assert logistic.scale[0] == pytest.approx(0.4, abs=0.03)


def test_skill_is_judged_by_years_left_out():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 50, 15))
    y[:20] += 0.8 * x[:20]
    found = has_skill(x, y, 1e-6)
    for cell in range(50):
        errors = []
        for year in range(15):
            rest = np.arange(15) != year
            slope, intercept = np.polyfit(x[cell, rest], y[cell, rest], 1)
            mean = y[cell, rest].mean()
            errors.append((y[cell, year] - intercept - slope * x[cell, year], y[cell, year] - mean))
        ours, theirs = (np.array(errors) ** 2).sum(0)
        positive = np.polyfit(x[cell], y[cell], 1)[0] > 0
        assert found[cell] == (ours < theirs and positive)
    assert found[:20].mean() > 0.8 > 0.4 > found[20:].mean()
