"""Leaf area of dekads and of days: from climate at the same steps, with months before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from test_leaf_area import law, learn, make_climate, make_cover

from xai4land import InputError
from xai4land_land import fit_leaf_area, leaf_area, score_leaf_area
from xai4land_land.leaf.climate import form_lags

YEARS = (2000, 2001)


def dekads(first: int, last: int) -> pd.DatetimeIndex:
    """Return the fifth day or so of each dekad."""
    months = pd.date_range(f"{first}-01-01", f"{last}-12-01", freq="MS")
    return pd.DatetimeIndex(
        [month + pd.Timedelta(days=10 * k + 4) for month in months for k in range(3)]
    )


def dekadal_climate() -> xr.Dataset:
    """Monthly climate, linear in between."""
    monthly = make_climate((1998, 1999, *YEARS, 2002), rain=False)
    time = dekads(1999, 2001)
    fine = monthly.interp(time=time)
    fine["tas"] = fine.tas.astype("f4").assign_attrs(monthly.tas.attrs)
    return fine


@pytest.fixture(scope="module")
def climate() -> xr.Dataset:
    return dekadal_climate()


@pytest.fixture(scope="module")
def cover() -> xr.Dataset:
    return make_cover(YEARS)


@pytest.fixture(scope="module")
def truth(cover, climate) -> xr.DataArray:
    return law(cover, climate)


@pytest.fixture(scope="module")
def emulator(cover, climate, truth):
    return learn(cover, climate, truth, epochs=6)


def test_leaf_area_of_dekads_is_learned(emulator, cover, climate, truth):
    assert emulator.card.outputs.step == "dekad"
    made = leaf_area(cover, climate, emulator)
    assert made.sizes["time"] == 36 * len(YEARS)
    scores = score_leaf_area(made.compute(), truth, intervals=False)
    assert float(scores.r2) > 0.95
    assert float(scores.cycle_share) > 0.9


def test_dekads_have_their_days_as_bounds(emulator, cover, climate):
    made = leaf_area(cover, climate, emulator).sel(time="2000-02")
    bounds = made.time_bnds.values.astype("M8[D]").astype(str).tolist()
    assert bounds == [
        ["2000-02-01", "2000-02-11"],
        ["2000-02-11", "2000-02-21"],
        ["2000-02-21", "2000-03-01"],
    ]


def test_climate_of_other_steps_is_refused(emulator, cover, climate, truth):
    monthly = make_climate((1999, *YEARS), rain=False)
    with pytest.raises(InputError, match="goes on 3 dekads after 1999-01-15, expected every dekad"):
        leaf_area(cover, monthly, emulator)
    days = pd.date_range("1999-01-01", periods=400)
    daily = monthly.interp(time=days, kwargs={"fill_value": "extrapolate"})
    daily["tas"] = daily.tas.assign_attrs(monthly.tas.attrs)
    with pytest.raises(InputError, match="several steps in a dekad .* of days"):
        leaf_area(cover, daily, emulator)
    with pytest.raises(InputError, match="goes on 3 dekads after"):
        fit_leaf_area(cover, monthly, truth, progress=False)
    with pytest.raises(InputError, match="has 20 dekads, expected at least 34"):
        leaf_area(cover, climate.isel(time=slice(20)), emulator)


def test_eight_day_truth_is_refused(cover, climate, truth):
    time = pd.date_range("2000-01-01", periods=46, freq="8D")
    often = truth.isel(time=np.zeros(46, int)).assign_coords(time=time)
    with pytest.raises(InputError, match="several steps in some; average it"):
        fit_leaf_area(cover, climate, often, progress=False)


@pytest.mark.parametrize(("step", "span"), [("dekad", 3), ("day", 30)])
def test_months_before_are_means_of_their_steps(step, span):
    size = 11 * span + 5
    time = (
        dekads(1999, 2000)[:size] if step == "dekad" else pd.date_range("1999-01-01", periods=size)
    )
    values = np.random.default_rng(0).normal(280, 5, (size, 2, 2)).astype("f4")
    coords = {"time": time, "lat": [10.0, 20.0], "lon": [0.0, 10.0]}
    tas = xr.DataArray(values, coords, ("time", "lat", "lon"), attrs={"units": "K"})
    formed = form_lags(tas.to_dataset(name="tas"), 12, step)
    assert formed.sizes["time"] == 5
    at = 11 * span + 2
    np.testing.assert_allclose(formed.tas_lag_0[2], values[at])
    for lag in (1, 2, 11):
        first = at - lag * span
        expected = values[first : first + span].mean(0)
        np.testing.assert_allclose(formed[f"tas_lag_{lag}"][2], expected, rtol=1e-6)
    lazy = form_lags(tas.to_dataset(name="tas").chunk(time=7), 12, step)
    xr.testing.assert_allclose(formed, lazy.compute())


def test_days_have_days_as_bounds_and_the_length_of_their_own(cover):
    monthly = make_climate((1998, 1999, 2000, 2001), rain=False)
    climate = monthly.interp(time=pd.date_range("1999-02-01", "2000-01-20"))
    climate["tas"] = climate.tas.assign_attrs(monthly.tas.attrs)
    truth = law(cover, climate)
    year = cover.isel(time=[0])
    how = {"bounds": {"forest": 8.0, "cropland": 6.0}, "epochs": 1, "steps": 2, "batch_size": 2}
    emulator = fit_leaf_area(year, climate, truth, window=12, progress=False, **how)
    made = leaf_area(year, climate, emulator).sel(time=slice("2000-01-01", None))
    assert made.sizes["time"] == 20
    assert made.time_bnds.values[0].astype("M8[D]").astype(str).tolist() == [
        "2000-01-01",
        "2000-01-02",
    ]
    assert bool(np.isfinite(made.leaf_area_index.compute()).all())
