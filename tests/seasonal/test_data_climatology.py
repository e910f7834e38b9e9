"""Anomalies against climatologies, and how they are recognised."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seasonal_worlds import monthly
from xai4land import InputError
from xai4land_seasonal import anomalies


def ramp(months: int) -> np.ndarray:
    return np.arange(months, dtype=float)[:, None, None] + np.zeros((1, 2, 4))


def test_anomalies_have_no_mean_over_their_climatology_and_stay_lazy():
    rng = np.random.default_rng(0)
    data = monthly(280 + rng.normal(size=(240, 2, 4)) + ramp(240) * 0.01).chunk({"time": 24})
    with_dask = anomalies(data.tas, (1901, 1910))
    assert with_dask.chunks is not None
    period = with_dask.sel(time=slice("1901", "1910")).groupby("time.month").mean()
    assert np.abs(period).max() < 1e-9


@pytest.mark.parametrize(
    ("climatology", "match"),
    [
        ((1915, 1925), "not within the data"),
        ((1910, 1901), "first and last year"),
        ((1901, 1912), "reaches into the years that are forecast"),
        (None, "absolute values"),
    ],
)
def test_bad_climatologies_are_refused(climatology, match):
    data = monthly(280 + np.zeros((240, 2, 4)))
    with pytest.raises(InputError, match=match):
        anomalies(data.tas, climatology, before=1911)


WORLDS = {
    # name: a cell's mean and annual cycle, how it varies from year to year, the lowest value
    "Europe in Celsius": (9, 10, 1.6, -99),
    "tropics in kelvin": (300, 1, 0.4, 0),
    "pressure": (101300, 300, 400, 0),
    "rain": (3, 2, 1.5, 0),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("lazy", [False, True])
def test_anomalies_and_absolute_values_are_distinguished_in_any_units(world, lazy):
    mean, cycle, spread, lowest = WORLDS[world]
    noise = np.random.default_rng(0).normal(size=(360, 3, 6)) * spread
    year = mean + cycle * np.cos(2 * np.pi * np.arange(360) / 12)[:, None, None]
    absolute = monthly((year + noise).clip(lowest), units="1").tas
    departures = monthly(noise + 0.5 * spread, units="1").tas
    if lazy:
        absolute, departures = absolute.chunk(time=50), departures.chunk(time=50, lat=1)
    made = anomalies(absolute, (1900, 1929))
    assert anomalies(departures).identical(departures)
    assert abs(float(made.mean())) < 1e-6 * mean
    with pytest.raises(InputError, match="'tas': its months are .* absolute values"):
        anomalies(absolute).compute()
    with pytest.raises(InputError, match="'tas': its months are .* anomalies already"):
        anomalies(departures, (1900, 1929)).compute()


def test_a_given_climatology_may_have_other_units():
    kelvin = monthly(280 + np.random.default_rng(0).normal(size=(240, 2, 4)))
    celsius = kelvin.copy()
    celsius["tas"] = (kelvin.tas - 273.15).assign_attrs(units="degC")
    with xr.set_options(keep_attrs=True):
        means = celsius.groupby("time.month").mean()
    expected = anomalies(kelvin.tas, (1900, 1919))
    np.testing.assert_allclose(anomalies(kelvin.tas, means), expected, atol=1e-9)
