"""Forecasts: lazy CF ensembles of any season, from any regular grid."""

from __future__ import annotations

import pickle
import warnings

import dask
import numpy as np
import pytest
import xarray as xr

import xai4land
from compliance import complaints
from seasonal_worlds import monthly, red_noise
from xai4land import InputError, write
from xai4land.errors import InputWarning
from xai4land_seasonal import SeasonalEmulator, Settings, fit, forecast


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return monthly(red_noise(50, 6, 12, seed=3))


def test_a_forecast_is_a_cf_ensemble(world, seasonal_emulator, tmp_path):
    made = world.seasonal.forecast("DJF", years=[1940, 1941], members=7, emulator=seasonal_emulator)
    assert made.tas.dims == ("time", "realization", "lat", "lon")
    assert made.tas.shape == (2, 7, 6, 12)
    assert made.tas.dtype == np.float32
    assert made.realization.attrs["standard_name"] == "realization"
    assert made.time.attrs["bounds"] == "time_bnds"
    bounds = made.time_bnds.values.astype("M8[D]").astype(str).tolist()
    assert bounds[0] == ["1939-12-01", "1940-03-01"]
    assert str(made.forecast_reference_time.values[0])[:10] == "1939-11-01"
    hours = (made.time - made.forecast_reference_time) / np.timedelta64(1, "h")
    np.testing.assert_allclose(made.forecast_period, hours)
    assert made.attrs["emulator_sha256"] == seasonal_emulator.sha256
    path = write(made, tmp_path / "made.nc", progress=False)
    again = xr.open_dataset(path)
    np.testing.assert_array_equal(again.tas, made.tas)
    assert again.forecast_reference_time.dtype.kind == "M"


def test_a_written_forecast_passes_the_cf_checker(world, seasonal_emulator, tmp_path):
    made = forecast(world, "JJA", years=1940, members=3, emulator=seasonal_emulator)
    path = write(made, tmp_path / "made.nc", progress=False)
    assert not complaints(path, "lenient")


def test_nothing_is_computed_until_it_is_asked_for(world, seasonal_emulator):
    count = 0

    def counted(block):
        nonlocal count
        count += 1
        return block

    lazy = world.chunk(time=120)
    meta = np.empty((0, 0, 0))
    lazy["tas"] = lazy.tas.copy(data=lazy.tas.data.map_blocks(counted, dtype=float, meta=meta))
    made = forecast(lazy, years=range(1920, 1950), members=5, emulator=seasonal_emulator)
    assert count == 0
    assert made.tas.shape[0] == 30
    made.tas.compute(scheduler="sync")
    assert count == 5  # each chunk once, whatever the number of starts


def test_a_thousand_starts_are_a_small_graph(seasonal_emulator):
    world = monthly(np.zeros((12 * 1030, 6, 12)), "0900-01-01", "noleap")
    made = forecast(
        world.chunk(time=1200), years=range(920, 1920), members=100, emulator=seasonal_emulator
    )
    assert made.tas.shape == (1000, 100, 6, 12)
    assert len(made.__dask_graph__()) < 300
    assert np.isfinite(made.tas[-1]).all()


def test_members_depend_on_seed_and_year_alone(world, seasonal_emulator):
    def members(**how):
        how = {"years": [1940, 1941], "members": 6, "emulator": seasonal_emulator} | how
        return forecast(world, "DJF", **how).tas.values

    base = members()
    np.testing.assert_array_equal(base, members())
    np.testing.assert_array_equal(base[1:], members(years=1941))
    assert not np.allclose(base, members(seed=1))
    assert base.std(1).min() > 0
    assert not np.allclose(base[0] - base[0].mean(0), base[1] - base[1].mean(0), atol=0.05)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_any_calendar(calendar, seasonal_emulator):
    data = monthly(red_noise(50, 6, 12, seed=3), calendar=calendar)
    made = forecast(data, "DJF", years=1940, members=4, emulator=seasonal_emulator)
    assert made.time.dt.calendar == ("proleptic_gregorian" if calendar == "standard" else calendar)
    assert (
        made.time_bnds.values[0, 0].astype(str)[:10] == "1939-12-01"
        if (calendar == "standard")
        else made.time_bnds.values[0, 0].strftime("%Y-%m-%d") == "1939-12-01"
    )
    assert np.isfinite(made.tas).all()


@pytest.mark.parametrize("change", ["rotated", "0-360", "south first", "finer"])
def test_the_layout_of_the_grid_does_not_matter(world, seasonal_emulator, change):
    expected = forecast(world, "DJF", years=1940, members=4, emulator=seasonal_emulator).tas
    other = world
    if change == "rotated":
        other = world.roll(lon=5, roll_coords=True)
    elif change == "0-360":
        other = world.assign_coords(lon=("lon", world.lon.values % 360, world.lon.attrs))
        other = other.sortby("lon")
    elif change == "south first":
        other = world.isel(lat=slice(None, None, -1))
    else:
        fine = np.repeat(np.repeat(world.tas.values, 3, 1), 3, 2)
        other = monthly(fine)
    made = forecast(other, "DJF", years=1940, members=4, emulator=seasonal_emulator).tas
    np.testing.assert_allclose(made, expected, atol=2e-5)
    np.testing.assert_array_equal(made.lon, expected.lon)


def test_anomalies_and_absolute_values_give_the_same(world, seasonal_emulator):
    cycle = 280 + 10 * np.cos(2 * np.pi * np.arange(12) / 12)
    absolute = world.copy(deep=True)
    absolute["tas"] = world.tas + np.tile(cycle, 50)[:, None, None]
    absolute.tas.attrs["units"] = "K"
    mean = world.tas.isel(time=slice(12 * 30)).groupby("time.month").mean()
    plain = world.copy()
    plain["tas"] = (world.tas.groupby("time.month") - mean).drop_vars("month")
    plain.tas.attrs["units"] = "K"
    how = {"seasons": "DJF", "years": 1940, "members": 5, "emulator": seasonal_emulator}
    one = forecast(plain, **how).tas
    other = forecast(absolute, climatology=(1900, 1929), **how).tas
    celsius = absolute.copy()
    celsius["tas"] = absolute.tas - 273.15
    celsius.tas.attrs["units"] = "degC"
    third = forecast(celsius, climatology=(1900, 1929), **how).tas
    np.testing.assert_allclose(one, other, atol=1e-3)
    np.testing.assert_allclose(one, third, atol=1e-3)


def test_a_given_climatology_follows_the_data_to_the_emulators_grid(seasonal_emulator):
    fine = monthly(np.repeat(np.repeat(red_noise(50, 6, 12, seed=3), 2, 1), 2, 2) + 280)
    how = {"seasons": "DJF", "years": 1940, "members": 5, "emulator": seasonal_emulator}
    with xr.set_options(keep_attrs=True):
        means = fine.sel(time=slice("1900", "1929")).groupby("time.month").mean()
    means = means.isel(lat=slice(None, None, -1))
    expected = forecast(fine, climatology=(1900, 1929), **how).tas
    np.testing.assert_allclose(forecast(fine, climatology=means, **how).tas, expected, atol=1e-4)


def test_missing_values_are_filled_for_the_network(world, seasonal_emulator):
    holed = world.copy(deep=True)
    holed.tas[:, 2, 3] = np.nan
    holed.tas[12 * 39 : 12 * 40 - 2, 4, 4] = np.nan
    made = forecast(holed, "DJF", years=1940, members=5, emulator=seasonal_emulator).tas
    assert np.isnan(made[:, :, 2, 3]).all()  # without a past there is no trend to add to
    assert np.isfinite(made).sum() == made.size - 5
    whole = forecast(world, "DJF", years=1940, members=5, emulator=seasonal_emulator).tas
    assert float(abs(made - whole).max()) < 2  # a hole is no anomaly


def test_a_lead_that_was_not_learned_is_refused(world, seasonal_emulator):
    made = forecast(world, "DJF", years=1940, members=3, lead=3, emulator=seasonal_emulator)
    assert str(made.forecast_reference_time.values[0])[:10] == "1939-09-01"
    with pytest.raises(InputError, match="lead=2, expected one that 'my-seasonal' learned: 1, 3"):
        forecast(world, "DJF", years=1940, lead=2, emulator=seasonal_emulator).compute()


def test_a_saved_and_loaded_emulator_forecasts_the_same(world, seasonal_emulator, tmp_path):
    path = tmp_path / "mine.safetensors"
    seasonal_emulator.save(path)
    how = {"seasons": "MAM", "years": 1940, "members": 4}
    expected = forecast(world, emulator=seasonal_emulator, **how).tas
    np.testing.assert_array_equal(forecast(world, emulator=path, **how).tas, expected)
    copy = pickle.loads(pickle.dumps(xai4land.load_emulator(path)))  # noqa: S301
    assert isinstance(copy, SeasonalEmulator)
    assert copy.sha256 == seasonal_emulator.sha256
    np.testing.assert_array_equal(forecast(world, emulator=copy, **how).tas, expected)
    with pytest.raises(InputError, match="expected one of seasons"):
        forecast(world, emulator="sample-landcover")


def test_departures_are_from_the_trend_that_the_card_names(world, seasonal_emulator):
    how = {"seasons": "DJF", "years": 1940, "members": 5}
    card = seasonal_emulator.card
    unsaid = type(card).model_validate(card.model_dump(mode="json", exclude={"trend"}))
    expected = forecast(world, emulator=seasonal_emulator, **how).tas
    old, line, shrunk = (
        forecast(world, emulator=SeasonalEmulator(one, seasonal_emulator.weights), **how).tas
        for one in (unsaid, card.with_(trend="line"), card.with_(trend="shrunk"))
    )
    np.testing.assert_array_equal(shrunk, expected)
    np.testing.assert_array_equal(old, line)
    assert abs(line - shrunk).max() > 0.01


def test_the_next_season_is_forecast_from_data_that_end_before_it(world, seasonal_emulator):
    data = world.sel(time=slice(None, "1949-10"))
    made = forecast(data, "DJF", members=3, emulator=seasonal_emulator)
    assert int(made.season_year[-1]) == 1950
    assert np.isfinite(made.tas[-1]).all()


BAD = {
    "ends too early": (
        lambda d: d.sel(time=slice(None, "1945-09")),
        {"years": 1946},
        "DJF 1946 at lead 1 needs data up to 1945-10, and they end in 1945-09",
    ),
    "a month is missing": (
        lambda d: d.drop_isel(time=100),
        {"years": 1946},
        "1 month is missing \\(1908-05\\)",
    ),
    "absolute values as anomalies": (
        lambda d: (d + 280).assign(tas=(d.tas + 280).assign_attrs(units="K")),
        {"years": 1946},
        "climatology",
    ),
    "anomalies as absolute values": (
        lambda d: d,
        {"years": 1946, "climatology": (1900, 1929)},
        "anomal",
    ),
    "climatology in the forecast": (
        lambda d: d.assign(tas=(d.tas + 280).assign_attrs(units="K")),
        {"years": 1946, "climatology": (1920, 1949)},
        "reaches into the years that are forecast",
    ),
    "coarser grid": (
        lambda d: monthly(red_noise(50, 2, 4)),
        {"years": 1946},
        "coarser than twice the emulator's",
    ),
    "part of the globe": (
        lambda d: d.isel(lon=slice(0, 4)),
        {"years": 1946},
        "lies on 33% of the emulator's grid",
    ),
    "another variable": (
        lambda d: d.rename(tas="pr").assign(pr=d.tas.assign_attrs(units="mm/day")),
        {"years": 1946},
        "tas",
    ),
    "no season": (lambda d: d, {"seasons": "XYZ", "years": 1946}, "first letters of three months"),
    "no members": (lambda d: d, {"years": 1946, "members": 0}, "members=0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case, world, seasonal_emulator):
    change, how, match = BAD[case]
    with pytest.raises(InputError, match=match), dask.config.set(scheduler="sync"):
        forecast(change(world), emulator=seasonal_emulator, **how).compute()


def test_a_reference_is_made_on_the_grid_that_is_asked_for(world):
    how = {"seasons": "DJF", "years": 1940, "members": 2, "emulator": "trend"}
    coarse = forecast(world, grid=60, **how)
    assert (coarse.sizes["lat"], coarse.sizes["lon"]) == (3, 6)
    np.testing.assert_array_equal(forecast(world, grid=coarse, **how).tas, coarse.tas)


def test_a_model_that_was_learned_from_is_no_test(seasonal_emulator):
    obs, seen, other = (
        monthly(red_noise(50, 6, 12, seed=k)).assign_attrs(source_id=name)
        for k, name in enumerate(("", "ACCESS-ESM1-5", "MPI-ESM1-2-LR"))
    )
    emulator = fit(
        obs,
        simulations={"piControl": seen},
        validation=10,
        progress=False,
        parameters={"width": 16, "heads": 2, "depth": 1, "latent": 4},
        settings=Settings(epochs=1),
    )
    with pytest.warns(InputWarning, match="has learned from ACCESS-ESM1-5: scores on this"):
        made = forecast(seen, "JJA", years=1940, members=2, emulator=emulator)
    assert made.attrs["training_models"] == "ACCESS-ESM1-5"
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        forecast(other, "JJA", years=1940, members=2, emulator=emulator)
        forecast(obs, "JJA", years=1940, members=2, emulator=emulator)
        forecast(seen, "JJA", years=1940, members=2, emulator=seasonal_emulator)


def test_a_predictor_that_is_no_target_may_be_missing():
    tas, psl = (red_noise(50, 6, 12, seed=k) for k in (0, 1))
    both = xr.merge([monthly(tas), monthly(100 * psl, name="psl", units="Pa")])
    emulator = fit(
        both,
        targets=["tas"],
        validation=10,
        progress=False,
        parameters={"width": 16, "heads": 2, "depth": 1, "latent": 4},
        settings=Settings(epochs=1),
    )
    how = {"years": 1945, "members": 4, "emulator": emulator}
    with pytest.warns(InputWarning, match="the data have no psl, which 'my-seasonal' looks at"):
        made = forecast(both[["tas"]], "JJA", **how).compute()
    whole = forecast(both, "JJA", **how).compute()
    assert list(made.data_vars) == ["tas"]
    assert np.isfinite(made.tas).all()
    assert abs(made.tas.mean("realization") - whole.tas.mean("realization")).max() > 0
    with pytest.raises(InputError, match="expected one variable 'tas'"):
        forecast(both[["psl"]], "JJA", **how)
