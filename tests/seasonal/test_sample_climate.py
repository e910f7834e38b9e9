"""The sample climate: its model, and the best possible forecast of it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

import xai4land
from xai4land import InputError
from xai4land.grids.cells import cell_areas
from xai4land.samples import climate as module
from xai4land.samples import rain
from xai4land.samples.climate import best_correlation, best_forecast, forced


@pytest.fixture(scope="module")
def long_run():
    return xai4land.sample("climate", seed=3, years=range(1000, 1500))


def anomalies(data):
    years = np.unique(data.time.dt.year)
    values = data.tas.values.reshape(-1, 12, *data.tas.shape[1:]) - forced(years).values
    return values.reshape(-1, *data.tas.shape[1:])


def test_a_seed_changes_the_weather_and_not_the_climate():
    one = xai4land.sample("climate", seed=1, years=range(1900, 1903))
    again = xai4land.sample("climate", seed=1, years=range(1900, 1903))
    other = xai4land.sample("climate", seed=2, years=range(1900, 1903))
    assert one.identical(again)
    assert not np.allclose(one.tas, other.tas)
    assert one.tas.attrs["standard_name"] == "air_temperature"
    with pytest.raises(InputError, match="follow one another"):
        xai4land.sample("climate", years=[1900, 1902])


def test_the_best_forecast_is_as_good_as_the_model_allows(long_run):
    field = anomalies(long_run)
    weights = cell_areas(module.GRID).values
    for month in (12, 6):
        forecast = best_forecast(long_run, month).values[1:-1]
        start = 12 * np.arange(1, 499) + month - 1
        truth = np.mean([field[start + k] for k in range(3)], 0)
        x, y = forecast - forecast.mean(0), truth - truth.mean(0)
        found = (x * y).mean(0) / x.std(0) / y.std(0)
        expected = best_correlation(month).values
        assert ((found - expected) * weights).sum() == pytest.approx(0, abs=0.03)
        # Errors are uncorrelated with the forecast: scaling cannot improve it.
        slope = (x * y).mean(0) / (x * x).mean(0)
        assert (slope * weights).sum() == pytest.approx(1, abs=0.06)


def test_regression_on_leading_patterns_is_not_better(long_run):
    field = anomalies(long_run).reshape(6000, -1)
    start = 12 * np.arange(1, 499) + 11
    truth = np.mean([field[start + k] for k in range(3)], 0)
    last = field[start - 2]
    _, _, patterns = np.linalg.svd(last[:300] - last[:300].mean(0), full_matrices=False)
    scores = last @ patterns[:10].T
    slopes = np.linalg.lstsq(scores[:300], truth[:300], rcond=None)[0]
    best = best_forecast(long_run, 12).values[1:-1].reshape(498, -1)
    error = [((made - truth)[300:] ** 2).mean() for made in (scores @ slopes, best)]
    assert error[1] < error[0]


def test_patterns_are_continuous_across_the_date_line_and_modes_decay():
    model = module.model_parameters()
    field = model.patterns.reshape(18, 36, -1)
    seam = np.abs(field[:, 0] - field[:, -1]).max()
    assert seam <= np.abs(np.diff(field, axis=1)).max()
    year = np.eye(5)
    for step in model.propagators:
        year = step @ year
    assert np.abs(np.linalg.eigvals(year)).max() < 1


def test_rain_leaves_temperature_and_pressure_as_they_were():
    climate = xai4land.sample("climate", seed=3, years=range(1900, 1920))
    expected = {
        "tas": "078814b811de69b767470a8059490a9c5def9986",
        "psl": "a04527a3694ab2b072637e4a60411cded029236c",
    }
    for name, digest in expected.items():
        assert hashlib.sha1(climate[name].values.tobytes()).hexdigest() == digest
    assert climate.pr.attrs["standard_name"] == "precipitation_flux"


def test_rain_is_skewed_and_some_seasons_are_dry(long_run):
    rain = long_run.pr.values.reshape(500, 12, -1)
    assert rain.min() == 0
    dry = (rain == 0).mean(0)
    assert (dry > 2 / 3).mean() > 0.02
    assert (dry < 0.01).mean() > 0.3
    summer = rain[:, 5:8].mean(1)
    departures = summer - summer.mean(0)
    assert np.median((departures**3).mean(0) / summer.std(0) ** 3) > 0.8


def test_expected_rain_is_the_mean_of_outcomes_and_as_good_as_said(long_run):
    flat = long_run.pr.values.reshape(6000, -1).astype(float)
    start = 12 * np.arange(1, 499) + 11
    truth = np.mean([flat[start + k] for k in range(3)], 0)
    expected = best_forecast(long_run, 12, variable="pr").values[1:-1].reshape(498, -1)
    assert expected.mean() == pytest.approx(truth.mean(), rel=0.01)
    best = best_correlation(12, variable="pr").values.ravel()
    some = best > 0.4
    x, y = (part[:, some] - part[:, some].mean(0) for part in (expected, truth))
    found = (x * y).mean(0) / x.std(0) / y.std(0)
    assert found.mean() == pytest.approx(best[some].mean(), abs=0.03)
    assert ((x * y).mean(0) / (x * x).mean(0)).mean() == pytest.approx(1, abs=0.08)


def test_drawn_rain_has_the_expected_mean():
    model = module.model_parameters()
    modes = np.array([[1.0, 0, 0, 0, 0]])
    members = rain.draw_members(model, modes, last=9, lead=1, count=4000)[0]
    expected = rain.expect(model, modes, last=9, lead=1)[0]
    error = members.std(0) / np.sqrt(4000)
    assert np.abs((members.mean(0) - expected) / np.maximum(error, 1e-12)).mean() < 1.0
