"""Monthly data: one reader for all entry points."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xai4land
import xai4land.catalogs
import xai4land_seasonal as seasonal
from xai4land.errors import InputError

CLIMATOLOGY = (1951, 1980)
HOW = {
    "emulator": "persistence",
    "members": 3,
    "years": range(1991, 1999),
    "climatology": CLIMATOLOGY,
}


@pytest.fixture(scope="module")
def obs():
    climate = xai4land.sample("climate").drop_vars(["psl", "pr"])
    return climate.sel(time=slice("1930", "2000")).load()


@pytest.fixture(scope="module")
def forecast(obs):
    return seasonal.forecast(obs, "DJF", **HOW).compute()


def as_era5(obs):
    return obs.rename(lat="latitude", lon="longitude")


def bare(obs):
    plain = obs.drop_vars(["lat_bnds", "lon_bnds"], errors="ignore")
    return plain.assign_coords(lat=("lat", obs.lat.values), lon=("lon", obs.lon.values))


def stamped_at_the_end(obs):
    ends = obs.time_bnds.values[:, 1]
    return obs.assign_coords(time=("time", ends, {**obs.time.attrs, "bounds": "time_bnds"}))


def read_by_cfgrib(obs):
    late = obs.drop_vars("time_bnds")
    valid = late.time.values
    coords = {"time": valid - np.timedelta64(31, "D"), "valid_time": ("time", valid)}
    return late.assign_coords(coords).expand_dims(number=[0])


def with_valid_time(obs):
    return obs.drop_vars("time_bnds").rename(time="valid_time")


FORMS = [as_era5, bare, stamped_at_the_end, read_by_cfgrib, with_valid_time]


@pytest.mark.parametrize("form", FORMS)
def test_forecasts_do_not_depend_on_names_and_stamps(obs, forecast, form):
    made = seasonal.forecast(form(obs), "DJF", **HOW)
    np.testing.assert_array_equal(made.time, forecast.time)
    np.testing.assert_array_equal(made.tas, forecast.tas)


@pytest.mark.parametrize("form", FORMS)
def test_seasonal_means_do_not_depend_on_stamps(obs, form):
    made, right = (seasonal.seasonal_means(d, "DJF").tas.squeeze() for d in (form(obs), obs))
    np.testing.assert_array_equal(made.time, right.time)
    np.testing.assert_array_equal(made.values, right.values)


@pytest.mark.parametrize("form", FORMS)
def test_verification_does_not_depend_on_names_and_stamps(obs, forecast, form):
    for function in (seasonal.calibrate, seasonal.tercile_probabilities):
        made, right = (function(forecast, d, climatology=CLIMATOLOGY) for d in (form(obs), obs))
        xr.testing.assert_identical(made.drop_attrs(), right.drop_attrs())
    how = {"references": ("climatology",), "metrics": ["rmse"], "climatology": CLIMATOLOGY}
    made, right = (seasonal.verify(forecast, d, **how) for d in (form(obs), obs))
    xr.testing.assert_identical(made.drop_attrs(), right.drop_attrs())


def test_celsius_and_its_anomalies_are_read(obs, forecast):
    celsius = obs.assign(tas=(obs.tas - 273.15).assign_attrs(units="degrees_C"))
    made = seasonal.forecast(celsius, "DJF", **HOW)
    np.testing.assert_allclose(made.tas, forecast.tas, atol=1e-4)


ODD = {
    "members": (lambda d: d.expand_dims(member=[0, 1]), r"dimension 'member' \(2 steps\)"),
    "objects": (lambda d: d.assign(tas=d.tas.astype(object)), "holds object, expected numbers"),
    "no time": (lambda d: d.isel(time=0, drop=True), "no time axis|no variable along time"),
    "numbers": (
        lambda d: d.drop_vars("time_bnds").assign_coords(time=np.arange(d.sizes["time"])),
        "expected dates",
    ),
    "wrong bounds": (
        lambda d: d.assign_coords(time_bnds=d.time_bnds - np.timedelta64(365, "D")),
        "lies outside its bounds",
    ),
    "a number": (lambda d: 3, "found int, expected a Dataset"),
    "no name": (lambda d: d.tas.rename(None), "without a name"),
}
DOORS = {
    "forecast": lambda fc, d: seasonal.forecast(d, "DJF", **HOW),
    "verify": lambda fc, d: seasonal.verify(fc, d, climatology=CLIMATOLOGY).compute(),
    "calibrate": lambda fc, d: seasonal.calibrate(fc, d, climatology=CLIMATOLOGY),
    "terciles": lambda fc, d: seasonal.tercile_probabilities(fc, d, climatology=CLIMATOLOGY),
    "plume": lambda fc, d: seasonal.plot_plume(fc, obs=d, climatology=CLIMATOLOGY),
    "fit": lambda fc, d: seasonal.fit(d, progress=False, epochs=1),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("odd", ODD)
def test_all_doors_refuse_the_same(obs, forecast, door, odd):
    make, message = ODD[odd]
    with pytest.raises(InputError, match=message):
        DOORS[door](forecast, make(obs))


NO_FORECASTS = {
    "no season": (lambda fc: fc.drop_vars("season"), "no coordinates 'season'"),
    "an array": (lambda fc: fc.tas, "is a DataArray, expected a Dataset"),
    "levels": (lambda fc: fc.expand_dims(level=[500, 850]), r"dimension 'level' \(2 steps\)"),
    "members": (lambda fc: fc.rename(realization="M"), "rename that of members to 'realization'"),
    "no grid": (lambda fc: fc.isel(lat=0, drop=True), "expected one CF coordinate of latitude"),
    "fixed": (lambda fc: fc.isel(time=0, drop=True), "no coordinates 'season'"),
}


@pytest.mark.parametrize("door", ["verify", "calibrate", "terciles", "plume"])
@pytest.mark.parametrize("odd", NO_FORECASTS)
def test_what_is_no_forecast_is_refused(obs, forecast, door, odd):
    make, message = NO_FORECASTS[odd]
    with pytest.raises(InputError, match=message):
        DOORS[door](make(forecast), obs)


def test_anomalies_of_a_dataset_are_by_bounds(obs):
    right = seasonal.anomalies(obs.tas, CLIMATOLOGY)
    made = seasonal.anomalies(stamped_at_the_end(obs), CLIMATOLOGY)
    np.testing.assert_array_equal(made.tas.values, right.values)
    assert pd.Timestamp(made.time.values[0]).month == 1


def test_anomalies_say_that_they_are_differences(obs):
    absolute = obs.assign(tas=obs.tas.assign_attrs(units_metadata="temperature: on_scale"))
    made = seasonal.anomalies(absolute, CLIMATOLOGY)
    assert made.tas.attrs["units_metadata"] == "temperature: difference"
    celsius = made.assign(tas=made.tas.assign_attrs(units="degC")).isel(lat=[0], lon=[0])
    np.testing.assert_array_equal(xai4land.catalogs.harmonise(celsius).tas, celsius.tas)
