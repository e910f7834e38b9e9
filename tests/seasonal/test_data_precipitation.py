"""Precipitation: its index, units, sums over months, and forecasts that respect its floor."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import xai4land
import xai4land_seasonal as seasonal
from xai4land.errors import InputError
from xai4land_seasonal.data.history import History, Rain
from xai4land_seasonal.data.precipitation import DRY, PrecipitationIndex
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.variables import KNOWN_VARIABLES, find_variable

PR = next(variable for variable in KNOWN_VARIABLES if variable.name == "pr")
HOW = {"years": range(1981, 2001), "climatology": (1951, 1980)}


@pytest.fixture(scope="module")
def short(obs):
    return obs.sel(time=slice("1950", None))


@pytest.fixture(scope="module")
def obs():
    return xai4land.sample("climate", years=range(1900, 2001))[["tas", "pr"]]


def make_rain(years=60, cells=40, dry=0.0):
    rng = np.random.default_rng(1)
    rain = rng.gamma(1.5, 4e-5, (years, 12, 1, cells))
    return np.where(rng.random(rain.shape) < dry, 0.0, rain)


def test_the_index_is_that_of_scipys_gamma_distribution():
    rain = make_rain(years=400, cells=1)
    index = PrecipitationIndex.fit(rain).normalise(rain)[:, 3, 0, 0]
    shape, _, scale = stats.gamma.fit(rain[:, 3, 0, 0], floc=0)
    expected = stats.norm.ppf(stats.gamma.cdf(rain[:, 3, 0, 0], shape, scale=scale))
    usual = np.abs(expected) < 2
    np.testing.assert_allclose(index[usual], expected[usual], atol=0.1)


def test_dry_years_have_the_middle_of_their_share_and_return_to_none():
    rain = make_rain(dry=0.4)
    index = PrecipitationIndex.fit(rain)
    made = index.normalise(rain)
    dry = rain == 0
    for cell in range(5):
        share = dry[:, 0, 0, cell].mean()
        assert made[:, 0, 0, cell].min() == pytest.approx(stats.norm.ppf(share / 2))
    np.testing.assert_allclose(index.restore(made[:, 5], 5), rain[:, 5], rtol=1e-6, atol=DRY)
    assert (index.restore(made[:, 5], 5)[dry[:, 5]] == 0).all()
    assert index.restore(np.full((1, 40), -4.0), 5).max() == 0


def test_mostly_dry_seasons_are_missing_and_dry_months_say_nothing():
    rain = make_rain(dry=0.98).reshape(-1, 1, 40)
    plain = Rain((0,), np.zeros((12, 1, 40)))
    history = History(rain, 12 * 1900, rain=plain)
    assert np.isnan(history.seasons[:-1]).all()
    assert (history.values[:-1] == 0).all()


def test_the_index_knows_the_base_years_alone():
    rain = make_rain().reshape(-1, 1, 40)
    later = rain.copy()
    later[12 * 30 :] *= 3
    base = Rain((0,), np.zeros((12, 1, 40)), (1900, 1929))
    one, other = (History(part, 12 * 1900, rain=base) for part in (rain, later))
    np.testing.assert_array_equal(one.values[:30], other.values[:30])
    np.testing.assert_array_equal(one.seasons[:29], other.seasons[:29])
    years, season = np.array([1950, 1951]), Season.of("DJF")
    members = np.random.default_rng(0).normal(size=(2, 5, 1, 40))
    np.testing.assert_array_equal(
        one.restore(members, season, years, [0]), other.restore(members, season, years, [0])
    )


@pytest.mark.parametrize("reference", ["climatology", "damped persistence", "analogs"])
def test_forecasts_are_anomalies_above_the_floor_with_terciles_of_a_third(obs, reference):
    made = seasonal.forecast(obs, ("MAM", "JJA"), members=60, emulator=reference, **HOW).compute()
    absolute = seasonal.seasonal_means(obs[["pr"]].sel(time=slice("1951", "1980")), ("MAM", "JJA"))
    for season, part in made.pr.groupby("season"):
        mean = absolute.pr.isel(time=absolute.season.values == season).mean("time")
        assert float((part + mean).min()) > -1e-7
    chance = seasonal.tercile_probabilities(made, obs, climatology=(1951, 1980))
    share = chance.pr_probability.mean(("time", "lat", "lon")).values
    np.testing.assert_allclose(share, 1 / 3, atol=0.06)


def test_temperature_is_forecast_as_without_rain(obs):
    how = {"members": 3, "emulator": "damped persistence", **HOW}
    both = seasonal.forecast(obs, "DJF", **how)
    alone = seasonal.forecast(obs[["tas"]], "DJF", **how)
    np.testing.assert_allclose(both.tas.mean("realization"), alone.tas.mean("realization"), 1e-4)


def test_forecasts_do_not_depend_on_units_of_rain(obs):
    how = {"members": 4, "emulator": "damped persistence", **HOW}
    plain = seasonal.forecast(obs[["pr"]], "JJA", **how).compute()
    days = obs.time.dt.days_in_month
    forms = {
        "mm day-1": 86400 * obs.pr,
        "m d-1": 86.4 * obs.pr,
        "mm month-1": 86400 * days * obs.pr,
        "mm/month": 86400 * days * obs.pr,
    }
    for units, values in forms.items():
        other = values.assign_attrs(obs.pr.attrs, units=units).to_dataset(name="tp")
        made = seasonal.forecast(other, "JJA", **how).compute()
        np.testing.assert_allclose(made.pr, plain.pr, rtol=1e-3, atol=3e-8, err_msg=units)


def as_depth(obs):
    return obs.assign(pr=(86.4 * obs.pr).assign_attrs(units="m", cell_methods="time: mean"))


def as_speed(obs):
    return obs.assign(pr=obs.pr.assign_attrs(units="K"))


def as_number(obs):
    return obs.assign(pr=obs.pr.drop_attrs())


def as_negative(obs):
    return obs.assign(pr=(obs.pr - 1e-5).assign_attrs(obs.pr.attrs))


def as_anomalies(obs):
    return seasonal.anomalies(obs, (1951, 1980))


ODD = {
    as_depth: "a depth of water.*mm month-1.*m d-1",
    as_speed: "'K', which cannot be converted",
    as_number: "no units",
    as_negative: "is negative in",
    as_anomalies: "anomalies",
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_rain_is_refused(obs, odd):
    with pytest.raises(InputError, match=ODD[odd]):
        seasonal.forecast(odd(obs)[["pr"]], "DJF", emulator="trend", **HOW).compute()


def test_sums_of_a_month_are_divided_by_its_days():
    time = pd.date_range("2004-01-01", periods=3, freq="MS")
    rain = xr.DataArray(
        np.array([31.0, 29.0, 31.0]),
        {"time": time},
        "time",
        "pr",
        {"units": "mm", "cell_methods": "time: sum"},
    )
    found = find_variable(rain.to_dataset(), PR)
    np.testing.assert_allclose(found * 86400, 1.0)
    daily = rain.assign_attrs(cell_methods="time: sum within days time: mean over days")
    with pytest.raises(InputError, match="over which time"):
        find_variable(daily.to_dataset(), PR)


def test_tiny_negatives_count_as_none(obs):
    noisy = obs.pr.where(obs.pr > 0, -1e-8)
    made, plain = (
        seasonal.forecast(data.to_dataset(name="pr"), "DJF", members=2, emulator="trend", **HOW)
        for data in (noisy, obs.pr)
    )
    np.testing.assert_allclose(made.pr, plain.pr, rtol=1e-5, atol=1e-12)


def test_anomalies_of_rain_are_forecast_as_they_are(obs):
    given = seasonal.anomalies(obs[["pr"]], (1951, 1980))
    made = seasonal.forecast(given, "DJF", members=5, years=[2000], emulator="trend")
    assert made.pr.isnull().sum() == 0
    assert made.pr.units == "kg m-2 s-1"


SMALL = {
    "parameters": {"width": 16, "heads": 2, "depth": 1},
    "epochs": 1,
    "validation": 10,
    "progress": False,
}


def test_an_emulator_forecasts_rain_above_its_floor_from_several_variables(obs, short, tmp_path):
    simulation = xai4land.sample("climate", seed=1, years=range(1900, 1960))[["pr"]]
    emulator = seasonal.fit(short, simulations={"rain alone": simulation}, **SMALL)
    assert emulator.card.sources == ("sample", "rain alone")
    emulator.save(tmp_path / "mine.safetensors")
    how = {"members": 20, "emulator": tmp_path / "mine.safetensors", **HOW}
    made = seasonal.forecast(obs, "JJA", **how).compute()
    assert set(made.data_vars) == {"tas", "pr"}
    base = obs[["pr"]].sel(time=slice("1951", "1980"))
    mean = seasonal.seasonal_means(base, "JJA").pr.mean("time")
    assert float((made.pr + mean).min()) > -1e-7
    assert float(made.pr.notnull().mean()) > 0.9
    given = seasonal.anomalies(obs, (1951, 1980))
    with pytest.raises(InputError, match="holds anomalies"):
        seasonal.forecast(given, "JJA", years=[1999], emulator=how["emulator"])


def test_a_source_without_any_target_is_refused(short):
    pressure = xai4land.sample("climate", seed=1, years=range(1900, 1960))[["psl"]]
    with pytest.raises(InputError, match="other: expected one variable 'tas'"):
        seasonal.fit(short, simulations={"other": pressure}, **SMALL)


def test_smooth_sources_teach_the_ridge_alone(short):
    simulation = xai4land.sample("climate", seed=1, years=range(1900, 1960))
    coarse = simulation[["tas"]].coarsen(lat=3, lon=3).mean()
    coarse = coarse.assign_coords(lat=coarse.lat.values, lon=coarse.lon.values)
    coarse.tas.attrs = simulation.tas.attrs
    how = {"simulations": {"coarse": coarse}, "predictors": ["tas"], **SMALL}
    with pytest.raises(InputError, match="coarser than twice"):
        seasonal.fit(short, **how)
    made = seasonal.fit(short, smooth=["coarse"], **how)
    alone = seasonal.fit(short, predictors=["tas"], **SMALL)
    assert made.card.sources == ("sample",)
    assert made.card.training["smooth"] == "coarse"
    differ = {
        name
        for name, weight in made.weights.items()
        if not np.array_equal(weight, alone.weights[name])
    }
    # The noise is that of the blend's errors.
    assert {n for n in differ if "noise" not in n} == {
        "ridge_patterns",
        "ridge_slopes",
        "ridge_targets",
    }
    assert not alone.weights["ridge_slopes"].any()
    with pytest.raises(InputError, match="smooth='others', expected names among"):
        seasonal.fit(short, smooth=["others"], **how)


def test_anomalies_of_rain_beside_absolute_rain_are_refused(short):
    simulation = xai4land.sample("climate", seed=1, years=range(1900, 1960))[["pr"]]
    given = seasonal.anomalies(simulation, (1900, 1929))
    with pytest.raises(InputError, match="other: variable 'pr' holds anomalies"):
        seasonal.fit(short, simulations={"other": given}, **SMALL)
