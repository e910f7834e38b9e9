"""Seasonal means and anomalies, in any calendar."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from seasonal_worlds import monthly
from xai4land import InputError
from xai4land_seasonal import anomalies, hindcast_seasons, seasonal_means
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import extrapolate_trend


def ramp(months: int) -> np.ndarray:
    return np.arange(months, dtype=float)[:, None, None] + np.zeros((1, 2, 4))


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "julian"])
def test_winter_belongs_to_januarys_year_and_days_count(calendar):
    made = seasonal_means(monthly(ramp(36), "2003-01-01", calendar), "DJF")
    assert made.season_year.values.tolist() == [2004, 2005]
    days = {"standard": 29, "julian": 29, "noleap": 28, "360_day": 30}[calendar]
    long = 30 if calendar == "360_day" else 31
    expected = (11 * long + 12 * long + 13 * days) / (2 * long + days)
    assert made.tas.values[0, 0, 0] == pytest.approx(expected)
    first, last = made.time_bnds.values[0]
    assert (first.astype("M8[D]").astype(str) if calendar == "standard" else str(first)[:10]) == (
        "2003-12-01"
    )
    assert made.dropped_seasons.split(", ")[0] == "DJF 2003"
    assert made.time.values[0] == first + (last - first) / 2


def test_every_season_has_its_three_months():
    for name in [
        "JFM",
        "FMA",
        "MAM",
        "AMJ",
        "MJJ",
        "JJA",
        "JAS",
        "ASO",
        "SON",
        "OND",
        "NDJ",
        "DJF",
    ]:
        made = seasonal_means(monthly(ramp(36), "2001-01-01", "360_day"), name)
        middle = 12 * (made.season_year.values[0] - 2001) + Season.of(name).month
        middle -= 12 * Season.of(name).crosses
        assert made.tas.values[0, 0, 0] == pytest.approx(middle)


def test_a_missing_month_is_named_and_a_missing_value_stays_in_its_season():
    data = monthly(ramp(24))
    with pytest.raises(InputError, match="1900-05"):
        seasonal_means(data.isel(time=[0, 1, 2, 3, 5, 6, 7]))
    data.tas[4, 0, 0] = np.nan
    made = seasonal_means(data)
    assert made.tas.isnull().sum() == 1
    assert np.isnan(made.tas.sel(time=made.season == "MAM").values[0, 0, 0])


def test_half_seasons_are_dropped_visibly_and_none_is_refused():
    made = seasonal_means(monthly(ramp(13), "2000-02-01"))
    assert made.dropped_seasons == "DJF 2000, DJF 2001" or "DJF 2000" in made.dropped_seasons
    with pytest.raises(InputError, match="no whole season"):
        seasonal_means(monthly(ramp(2), "2000-01-01"), "DJF")


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
def test_anomalies_and_absolute_values_are_told_apart_whatever_the_units(world, lazy):
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


@pytest.mark.parametrize("kind", ["line", "shrunk"])
def test_trends_know_nothing_of_their_own_year_or_later(kind):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3))
    changed = values.copy()
    changed[30:] = 1e6
    one, other = (extrapolate_trend(v, kind)[:31] for v in (values, changed))
    assert np.array_equal(one, other, equal_nan=True)


def test_the_trend_is_the_line_and_its_slope_is_held_back_by_chance():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3)) + 0.05 * np.arange(40)[:, None]
    area = np.array([1.0, 2.0, 0.5])
    fits = [linregress(np.arange(30), values[:30, k]) for k in range(3)]
    slope, error = (np.array([getattr(f, n) for f in fits]) for n in ("slope", "stderr"))
    level = values[:30].mean(0)
    assert extrapolate_trend(values)[30] == pytest.approx(level + slope * 15.5)
    held = 1 - (area * error**2).sum() / (area * slope**2).sum()
    assert 0 < held < 1
    assert extrapolate_trend(values, "shrunk", area)[30] == pytest.approx(
        level + held * slope * 15.5
    )


def test_a_shrunk_trend_forgets_noise_and_keeps_warming():
    noise = np.random.default_rng(1).normal(size=(41, 500))
    still, warming = noise, noise + 0.2 * np.arange(41)[:, None]
    error = {
        (kind, name): np.sqrt((((extrapolate_trend(v, kind) - (v - noise))[40]) ** 2).mean())
        for kind in ("line", "shrunk")
        for name, v in (("still", still), ("warming", warming))
    }
    # A mean of 40 years errs by 40 ** -0.5, a line's continuation by twice as much.
    assert error["shrunk", "still"] == pytest.approx(40**-0.5, rel=0.1)
    assert error["line", "still"] == pytest.approx(2 * 40**-0.5, rel=0.1)
    assert error["shrunk", "warming"] == pytest.approx(error["line", "warming"], rel=0.1)


def test_a_missing_cell_does_not_touch_a_shrunk_trend_of_others():
    values = np.random.default_rng(0).normal(size=(40, 6))
    holed = np.concatenate([values, np.full((40, 1), np.nan)], 1)
    made = extrapolate_trend(holed, "shrunk")
    np.testing.assert_allclose(made[:, :6], extrapolate_trend(values, "shrunk"))
    assert np.isnan(made[:, 6]).all()


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 11), length=st.integers(200, 420), lead=st.integers(0, 4))
def test_inputs_are_the_months_before_whatever_month_the_data_begin_in(start, length, lead):
    values = np.arange(length, dtype=float)[:, None, None] ** 2 / 1e3
    history = History(values, 12 * 1900 + start)
    season = Season.of("DJF")
    year = 1900 + (start + length) // 12
    inputs = history.inputs(season, lead, np.array([year]))
    last = 12 * (year - 1) + 11 - 1 - lead - (12 * 1900 + start)
    if not 0 <= last < length:
        return
    month = history.values.reshape(-1)[last + start % 12]
    assert month == values[last, 0, 0]
    trend = extrapolate_trend(history.values)[:, (last + start) % 12, 0, 0]
    expected = month - trend[(last + start) // 12]
    np.testing.assert_allclose(inputs.months[0, 0, 0, 0], expected)


def test_a_hindcast_becomes_seasons_of_its_months():
    starts = xr.date_range("2000-11-01", periods=3, freq="YS-NOV")
    values = np.arange(3 * 4 * 2.0).reshape(3, 4, 2)
    data = xr.Dataset(
        {"tas": (("init", "lead", "member"), values)}, {"init": starts, "lead": [1, 2, 3, 4]}
    )
    made = hindcast_seasons(data, "DJF", anomalies=False)
    assert made.season_year.values.tolist() == [2001, 2002, 2003]
    expected = np.average(values[0, 1:, 0], weights=[31, 31, 28])
    assert made.tas.values[0, 0] == pytest.approx(expected)
    with pytest.raises(InputError, match="needs lead months"):
        hindcast_seasons(data, "JFM")
    with pytest.raises(InputError, match="no dimension of starts"):
        hindcast_seasons(data.rename(init="x"), "DJF")
