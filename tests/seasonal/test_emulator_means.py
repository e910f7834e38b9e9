"""The mean of the emulator's forecasts: the blend, and the correction of its drift."""

from __future__ import annotations

import numpy as np
import pytest

from seasonal_worlds import monthly, red_noise
from xai4land_seasonal import forecast
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.state import read_state
from xai4land_seasonal.emulator.card import METHODS
from xai4land_seasonal.emulator.drift import average_zones, estimate_bias
from xai4land_seasonal.emulator.means import compute_errors


@pytest.fixture(scope="module")
def history():
    world = monthly(red_noise(50, 6, 12))
    return world, lambda card: read_state(world, card.predictors, card.cells).history(card.trend)


def test_bias_is_three_quarters_of_the_mean_error_of_ten_years_in_a_zone(seasonal_emulator):
    card = seasonal_emulator.card
    lat = np.repeat(card.lat, len(card.lon))
    area = np.cos(np.deg2rad(lat))
    errors = np.zeros((10, 1, lat.size))
    errors[:, 0, lat > 25] = 2.0
    errors[:, 0, np.flatnonzero(lat > 25)[0]] = np.nan
    bias = estimate_bias(errors, card, area)[0]
    np.testing.assert_allclose(bias[lat > 25], 1.5)
    np.testing.assert_array_equal(bias[lat < 25], 0)
    errors[:5] = np.nan  # not known yet: half of the correction
    np.testing.assert_allclose(estimate_bias(errors, card, area)[0, lat > 25], 0.75)


def test_zones_are_averaged_by_area(seasonal_emulator):
    card = seasonal_emulator.card
    lat = np.repeat(card.lat, len(card.lon))
    area = np.cos(np.deg2rad(lat))
    means = average_zones(lat, card, area)
    north = lat > 25
    assert means[north][0] == pytest.approx(np.average(lat[north], weights=area[north]))
    assert (means[north] == means[north][0]).all()


def test_no_single_method_has_smaller_errors_on_the_validation_years(seasonal_emulator, history):
    """Least squares: any of the methods alone is among the blends that could be chosen."""
    _, read = history
    card, network = seasonal_emulator.card, seasonal_emulator._network
    years = np.arange(1940, 1950)
    past = read(card)

    def square(blend):
        used = card.with_(blend=((tuple(blend),),) * len(card.leads))
        scale = network.scale.double().numpy()
        total = 0.0
        for month in range(12):
            season = Season("", month + 1)
            errors = compute_errors(network, used, past, season, 1, years) / scale[:, month]
            total += np.nansum(errors**2 * past.area)
        return total

    blended = square(card.blend[card.leads.index(1)][0])
    for k in range(len(METHODS)):
        # The correction of drift, which comes after, changes little.
        assert blended < 1.01 * square(np.eye(len(METHODS))[k])


def test_forecasts_recover_from_a_step_that_a_trend_of_a_long_past_misses(seasonal_emulator):
    values = 0.3 * red_noise(110, 6, 12, seed=7)
    values[12 * 80 :] += 1.0
    world = monthly(values)
    how = {"years": range(2000, 2010), "members": 20}
    bias = {
        name: float(forecast(world, "JJA", emulator=one, **how).tas.mean() - 1.0)
        for name, one in (("emulator", seasonal_emulator), ("trend", "trend"))
    }
    assert bias["trend"] < -0.15
    assert abs(bias["emulator"]) < 0.1


def test_with_too_short_a_past_to_regress_on_forecasts_are_made_all_the_same(seasonal_emulator):
    world = monthly(red_noise(18, 6, 12))
    made = forecast(world, "JJA", years=1917, members=4, emulator=seasonal_emulator)
    assert np.isfinite(made.tas).all()
