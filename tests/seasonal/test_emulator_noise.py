"""Members' noise: its covariance is that of the errors, in cells and over regions."""

from __future__ import annotations

import numpy as np
import pytest

import xai4land
from xai4land_seasonal import anomalies, fit, forecast, seasonal_means, verify
from xai4land_seasonal.emulator.noise import (
    LOCAL_SHARE,
    ErrorCorrelation,
    correlate,
    draw_noise,
    measure_sd,
)

LAT, LON = (part.ravel() for part in np.meshgrid([60, 20, -20, -60], np.arange(0, 360, 60.0)))
AREA = np.cos(np.deg2rad(LAT))


def whole_and_halves(cases: int, seed: int = 0) -> np.ndarray:
    """Fields of a globe that varies as a whole, and of hemispheres that differ."""
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(2, cases, 1))
    return (0.8 * one + 0.6 * two * np.sign(LAT))[:, None]


def test_members_have_the_standard_deviation_that_is_given_in_each_cell():
    patterns = correlate([whole_and_halves(2000)[None]], LAT, LON, AREA).concentrate(1.0)
    sd = np.linspace(0.5, 2.0, LAT.size)[None]
    drawn = draw_noise(patterns.reshape(-1, 1, LAT.size), sd, 20000, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.std(0), sd, rtol=0.03)


def test_correlations_are_those_of_the_errors_tapered():
    fields = whole_and_halves(5000)
    patterns = correlate([fields[None]], LAT, LON, AREA).concentrate(1.0)
    drawn = draw_noise(
        patterns.reshape(-1, 1, LAT.size), np.ones((1, LAT.size)), 20000, np.random.default_rng(1)
    )
    at = np.flatnonzero(LAT == 60)[:2]
    assert np.corrcoef(fields[:, 0, at].T)[0, 1] == pytest.approx(1)
    # They are 2 cos 60 sin 30 = .5 radii or 3185.5 km apart: x = .159275, where Gaspari and Cohn's
    # function is .9606.
    found = np.corrcoef(drawn[:, 0, at].T)[0, 1]
    assert found == pytest.approx((1 - LOCAL_SHARE) * 0.9606, abs=0.01)


def test_chance_correlations_of_distant_cells_are_tapered():
    base = np.random.default_rng(0).normal(size=(30, 1))
    errors = np.stack([base, base], -1)
    found = correlate([errors[None]], np.zeros(2), np.array([0.0, 180.0]), np.ones(2))
    patterns = found.concentrate(1.0)
    # Two radii: x = .6371, where the function is .5413.
    assert patterns[:, 0] @ patterns[:, 1] == pytest.approx(0.5413, abs=0.001)


def test_errors_that_are_missing_do_not_weaken_correlations():
    fields = whole_and_halves(4000)
    holed = np.where(np.random.default_rng(1).random(fields.shape) < 0.4, np.nan, fields)
    one, other = (
        correlate([values[None]], LAT, LON, AREA).concentrate(1.0) for values in (fields, holed)
    )
    np.testing.assert_allclose(one.T @ one, other.T @ other, atol=0.08)


def test_correlations_reach_over_targets():
    fields = whole_and_halves(3000)
    both = np.concatenate([fields, -fields], 1)
    patterns = correlate([both[None]], LAT, LON, AREA).concentrate(1.0)
    assert patterns[:, 0] @ patterns[:, LAT.size] == pytest.approx(-1, abs=0.05)


def test_nothing_is_drawn_by_patterns_where_nothing_is_forecast():
    area = np.where(LAT > 0, AREA, 0.0)
    patterns = correlate([whole_and_halves(500)[None]], LAT, LON, area).concentrate(1.0)
    assert (patterns[:, LAT < 0] == 0).all()


def test_a_higher_power_makes_larger_scales_vary_more():
    found = correlate([whole_and_halves(5000)[None]], LAT, LON, AREA)
    globe = AREA / AREA.sum()
    spreads = [((found.concentrate(power) @ globe) ** 2).sum() for power in (1.0, 1.5, 2.0)]
    assert spreads[0] < spreads[1] < spreads[2] <= 1
    equal = ErrorCorrelation(np.eye(2), np.ones(2))
    np.testing.assert_array_equal(equal.concentrate(1.0), equal.concentrate(2.0))


def test_standard_deviations_are_pooled_over_three_seasons():
    errors = np.zeros((12, 40, 1, 1))
    errors[5] = 3.0
    (sd,) = measure_sd([errors])
    np.testing.assert_allclose(sd[[4, 5, 6], 0, 0], np.sqrt(3.0))
    assert sd[8, 0, 0] == 0


def test_a_cell_without_errors_takes_those_of_simulations_in_proportion():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 12, 400, 1, 3)) * np.array([1.0, 1.0, 4.0])
    first, second = 2 * first, second
    first[..., 2] = np.nan
    sd, _ = measure_sd([first, second])
    assert sd[0, 0, 2] == pytest.approx(8, rel=0.1)


def test_means_over_regions_are_as_uncertain_as_their_errors_on_the_sample_climate():
    """Of 120 forecasts, whose errors have a standard deviation known to 7 %."""
    learned = xai4land.sample("climate", seed=1, years=range(1700, 1900))[["tas"]]
    climate = xai4land.sample("climate", years=range(1500, 1721))[["tas"]]
    base = {"climatology": (1500, 1599)}
    emulator = fit(
        learned, progress=False, parameters={"width": 16, "heads": 2, "depth": 1}, epochs=1
    )
    made = forecast(
        climate, ("DJF",), years=range(1600, 1720), members=50, emulator=emulator, **base
    ).compute()
    scores = verify(
        made,
        climate,
        references=["climatology"],
        metrics=["spread_error"],
        regions=["globe", "tropics", "northern_extratropics", "europe", "asia"],
        **base,
    )
    found = scores["spread_error"].isel(forecast=0).values.ravel()
    np.testing.assert_allclose(found, 1, atol=0.2)
    assert np.median(found) == pytest.approx(1, abs=0.1)
    departures = made.tas - made.tas.mean("realization")
    truth = seasonal_means(anomalies(climate.tas, (1500, 1599)).to_dataset(), "DJF").tas
    error = truth.isel(time=np.isin(truth.season_year, made.season_year)).values
    error = error - made.tas.mean("realization").values
    neighbours = [
        np.corrcoef(field[..., 1:].ravel(), field[..., :-1].ravel())[0, 1]
        for field in (departures.values, error)
    ]
    assert neighbours[0] == pytest.approx(neighbours[1], abs=0.1)
