"""The simple forecasts: their values, and what they must not use."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land_seasonal import REFERENCES, forecast, seasonal_means
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.references.analogs import Analogs
from xai4land_seasonal.references.simple import RecentClimatology

YEARS = 60
FIRST = 1900


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return monthly(red_noise(YEARS))


def season_means(values: np.ndarray, data: xr.Dataset, month: int) -> np.ndarray:
    """Day-weighted means of three months from ``month`` on, by start year, the plain way."""
    days = data.time.dt.days_in_month.values
    made = []
    for start in range(month - 1, len(values) - 2, 12):
        span = slice(start, start + 3)
        made.append(np.average(values[span], axis=0, weights=days[span]))
    return np.array(made)


@pytest.mark.parametrize(("season", "month", "lead"), [("DJF", 12, 1), ("JJA", 6, 0)])
def test_persistence_is_the_last_known_month(world, season, month, lead):
    made = forecast(world, season, years=1950, members=20, lead=lead, emulator="persistence")
    last = 12 * (1950 - (month == 12) - FIRST) + month - 1 - 1 - lead
    expected = world.tas.values[last]
    np.testing.assert_allclose(made.tas[0].mean("realization"), expected, atol=1e-5)


def test_the_trend_is_the_line_through_earlier_years(world):
    made = forecast(world, "MAM", years=1950, members=10, emulator="trend")
    before = season_means(world.tas.values, world, 3)[:50]
    slope, offset = np.polyfit(np.arange(50), before.reshape(50, -1), 1)
    expected = (slope * 50 + offset).reshape(before.shape[1:])
    np.testing.assert_allclose(made.tas[0].mean("realization"), expected, atol=1e-5)


def test_damping_is_the_regression_of_earlier_years(world):
    """Through the origin, with the seasons that begin a month earlier and later."""
    made = forecast(world, "MAM", years=1950, members=10, emulator="damped persistence")
    values, product, square = world.tas.values, 0.0, 0.0
    for month, years in ((2, 49), (3, 50), (4, 49)):
        seasons = season_means(values, world, month)[:years]
        last = np.array(
            [
                values[12 * k + month - 3] if 12 * k + month >= 3 else 0 * values[0]
                for k in range(years)
            ]
        )
        product, square = product + (seasons * last).sum(0), square + (last**2).sum(0)
    expected = product / square * values[12 * 50]
    np.testing.assert_allclose(made.tas[0].mean("realization"), expected, atol=1e-4)


@pytest.mark.parametrize("name", [*REFERENCES, "emulator"])
def test_no_forecast_uses_what_comes_after_it(name, seasonal_emulator):
    one = seasonal_emulator if name == "emulator" else name
    values = red_noise(YEARS, 6, 12)
    changed = values.copy()
    start = 12 * (1950 - FIRST) - 1  # December 1949
    changed[start - 1 :] = 50.0  # November is not known at lead 1
    both = [
        forecast(monthly(v), "DJF", years=[1949, 1950], members=5, emulator=one).tas.values
        for v in (values, changed)
    ]
    assert np.isfinite(both[0]).all()
    np.testing.assert_array_equal(both[0], both[1])


@pytest.mark.parametrize("name", [*REFERENCES, "emulator"])
def test_years_together_equal_years_one_by_one(name, seasonal_emulator):
    one = seasonal_emulator if name == "emulator" else name
    data = monthly(red_noise(YEARS, 6, 12))
    seasons, years = ("DJF", "JJA"), [1941, 1950, 1958]
    together = forecast(data, seasons, years=years, members=6, emulator=one).tas
    for k, year in enumerate(years):
        alone = forecast(data, seasons, years=year, members=6, emulator=one).tas
        np.testing.assert_array_equal(together[2 * k : 2 * k + 2], alone)


@pytest.mark.parametrize("name", ["trend", "persistence", "damped persistence"])
def test_a_missing_cell_affects_no_other(name, world):
    holed = world.copy(deep=True)
    holed.tas[:, 1, 2] = np.nan
    made = forecast(holed, "DJF", years=1950, members=4, emulator=name).tas
    whole = forecast(world, "DJF", years=1950, members=4, emulator=name).tas
    missing = np.isnan(made.values)
    assert missing[:, :, 1, 2].all()
    assert missing.sum() == missing[:, :, 1, 2].size
    np.testing.assert_allclose(
        made.mean("realization").values[:, 0, 0],
        whole.mean("realization").values[:, 0, 0],
        atol=1e-5,
    )


@pytest.mark.parametrize("name", ["eof-ridge", "analogs"])
def test_patterns_forecast_where_persistence_cannot(name):
    """A sign in one cell tells of the season in all others, whose own past is noise."""
    rng = np.random.default_rng(0)
    years = 160
    sign = rng.normal(size=years + 1)
    values = 0.3 * rng.normal(size=(12 * years, 3, 6))
    month = np.arange(12 * years) % 12
    year = np.arange(12 * years) // 12
    late = (month >= 7) & (month < 11)
    values[late, 1, 1] += 5 * sign[year[late] + 1]  # August to November
    winter = (month == 11) | (month < 2)
    coming = np.where(month == 11, year + 1, year)
    values[winter] += sign[coming[winter]][:, None, None]
    data = monthly(values, "1800-01-01")
    wanted = range(1900, 1960)
    truth = season_means(values, data, 12)[np.array(wanted) - 1801]
    made = forecast(data, "DJF", years=wanted, members=20, emulator=name).tas.mean("realization")
    stays = forecast(data, "DJF", years=wanted, members=20, emulator="persistence").tas
    elsewhere = (slice(None), 0, 4)
    skill = np.corrcoef(made.values[elsewhere], truth[elsewhere])[0, 1]
    plain = np.corrcoef(stays.mean("realization").values[elsewhere], truth[elsewhere])[0, 1]
    assert skill > 0.8
    assert plain < 0.4


def test_analogs_can_be_drawn_from_simulations():
    rng = np.random.default_rng(1)
    own = History(rng.normal(size=(12 * 40, 1, 8)), 12 * 1900)
    library = History(100 + 100 * rng.normal(size=(12 * 60, 1, 8)), 12 * 1000)
    years = np.array([1935])
    made = Analogs([library]).members(own, Season.of("DJF"), 1, years, 10, 0)
    again = Analogs().members(own, Season.of("DJF"), 1, years, 10, 0)
    assert made.std() > 10 > again.std()


def test_analogs_by_name_are_drawn_from_simulations_lazily(world):
    """A world that always cools after warm months tells so, whatever the own past says."""
    count = 0

    def counted(block):
        nonlocal count
        count += block.size > 0
        return block

    cools = red_noise(120, 6, 12, seed=5, stays=0.0)
    winter = np.arange(11, 12 * 119, 12)
    late = cools[winter - 4].mean((1, 2), keepdims=True) + cools[winter - 3]
    cools[winter] = cools[winter + 1] = cools[winter + 2] = -3 * late
    model = monthly(cools + 280, "0101-01-01", "noleap").chunk(time=12 * 60)
    data = model.tas.data.map_blocks(counted, dtype=float, meta=np.empty((0, 0, 0)))
    model["tas"] = model.tas.copy(data=data)
    how = {"seasons": "DJF", "years": range(1930, 1959), "emulator": "analogs", "members": 20}
    made = world.seasonal.forecast(simulations={"model": model}, **how)
    assert count == 0
    assert made.attrs["simulations"] == "model"
    members = made.tas.compute(scheduler="sync")
    assert count == 2  # each chunk once
    own = world.seasonal.forecast(**how).tas
    trend = world.seasonal.forecast(**{**how, "emulator": "trend"}).tas
    seen = world.tas.values.reshape(60, 12, -1)[29:58, 7:10].mean((1, 2))
    told, past = (
        np.corrcoef((x - trend).mean(("realization", "lat", "lon")), seen)[0, 1]
        for x in (members, own)
    )
    assert told < -0.5
    assert past > told + 0.5
    with pytest.raises(InputError, match="drawn from by 'analogs', and the emulator is 'trend'"):
        world.seasonal.forecast(simulations={"model": model}, emulator="trend")
    with pytest.raises(InputError, match="model: expected one variable 'tas'"):
        world.seasonal.forecast(simulations={"model": model.rename(tas="x")}, emulator="analogs")


def test_spread_of_references_equals_their_errors(world):
    made = forecast(world, "DJF", years=range(1945, 1960), members=200, emulator="persistence").tas
    truth = season_means(world.tas.values, world, 12)[np.arange(1945, 1960) - 1901]
    error = np.sqrt(((made.mean("realization").values - truth) ** 2).mean())
    assert float(made.std("realization").mean()) == pytest.approx(error, rel=0.2)


def test_too_few_years_before_a_season_are_refused(world):
    with pytest.raises(InputError, match="DJF 1905 has 4 years before it, expected at least 15"):
        forecast(world, "DJF", years=1905, emulator="trend")


def test_the_climatology_of_the_last_years_is_their_mean():
    world = monthly(red_noise(60, 3, 6))
    summers = seasonal_means(world, "JJA").tas.values  # from 1900
    for name, years in (("climatology of 10 years", 10), ("climatology of 30 years", 30)):
        made = forecast(world, "JJA", years=[1950], members=60, emulator=name)
        found = made.tas.mean("realization").squeeze()
        np.testing.assert_allclose(found, summers[50 - years : 50].mean(0), atol=1e-5)
    own = forecast(world, "JJA", years=[1950], members=60, emulator=RecentClimatology(7))
    expected = summers[43:50].mean(0)
    np.testing.assert_allclose(own.tas.mean("realization").squeeze(), expected, atol=1e-5)
