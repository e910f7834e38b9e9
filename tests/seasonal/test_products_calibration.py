"""Calibration, and several ensembles as one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land_seasonal import (
    calibrate,
    combine,
    forecast,
    seasonal_means,
    verify,
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
