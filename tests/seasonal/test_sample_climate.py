"""The sample climate: its model, and the best possible forecast of it."""

from __future__ import annotations

import numpy as np
import pytest

import xai4land
from xai4land import InputError
from xai4land.grids.cells import cell_areas
from xai4land.samples import climate as module
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
