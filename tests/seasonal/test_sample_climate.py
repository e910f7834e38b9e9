"""The sample climate: its equations, and the best possible forecast."""

from __future__ import annotations

import numpy as np
import pytest

import xai4land
from xai4land import InputError
from xai4land.grids.cells import areas
from xai4land.samples import climate as module
from xai4land.samples.climate import best_correlation, best_forecast, forced


@pytest.fixture(scope="module")
def long():
    return xai4land.sample("climate", seed=3, years=range(1000, 1500))


def anomalies(data):
    years = np.unique(data.time.dt.year)
    values = data.tas.values.reshape(-1, 12, *data.tas.shape[1:]) - forced(years).values
    return values.reshape(-1, *data.tas.shape[1:])


def test_seeds_differ_in_weather_and_share_the_climate():
    one = xai4land.sample("climate", seed=1, years=range(1900, 1903))
    again = xai4land.sample("climate", seed=1, years=range(1900, 1903))
    other = xai4land.sample("climate", seed=2, years=range(1900, 1903))
    assert one.identical(again)
    assert not np.allclose(one.tas, other.tas)
    assert one.tas.attrs["standard_name"] == "air_temperature"
    with pytest.raises(InputError, match="follow one another"):
        xai4land.sample("climate", years=[1900, 1902])


def test_the_best_forecast_reaches_its_computed_correlation(long):
    field = anomalies(long)
    weights = areas(module.GRID).values
    for month in (12, 6):
        told = best_forecast(long, month).values[1:-1]
        start = 12 * np.arange(1, 499) + month - 1
        truth = np.mean([field[start + k] for k in range(3)], 0)
        x, y = told - told.mean(0), truth - truth.mean(0)
        found = (x * y).mean(0) / x.std(0) / y.std(0)
        expected = best_correlation(month).values
        assert ((found - expected) * weights).sum() == pytest.approx(0, abs=0.03)
        # Errors are not told by the forecast: it cannot be bettered by scaling it.
        slope = (x * y).mean(0) / (x * x).mean(0)
        assert (slope * weights).sum() == pytest.approx(1, abs=0.06)


def test_no_regression_on_leading_patterns_does_better(long):
    field = anomalies(long).reshape(6000, -1)
    start = 12 * np.arange(1, 499) + 11
    truth = np.mean([field[start + k] for k in range(3)], 0)
    last = field[start - 2]
    _, _, patterns = np.linalg.svd(last[:300] - last[:300].mean(0), full_matrices=False)
    scores = last @ patterns[:10].T
    slopes = np.linalg.lstsq(scores[:300], truth[:300], rcond=None)[0]
    best = best_forecast(long, 12).values[1:-1].reshape(498, -1)
    error = [((made - truth)[300:] ** 2).mean() for made in (scores @ slopes, best)]
    assert error[1] < error[0]


def test_patterns_are_periodic_and_modes_decay():
    law = module.laws()
    field = law.patterns.reshape(18, 36, -1)
    across = np.abs(field[:, 0] - field[:, -1]).max()
    assert across <= np.abs(np.diff(field, axis=1)).max()
    year = np.eye(5)
    for step in law.steps:
        year = step @ year
    assert np.abs(np.linalg.eigvals(year)).max() < 1
