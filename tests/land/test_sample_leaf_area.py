"""The sample's leaf area follows from its climate and land cover by the law that it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xai4land
from compliance import complaints
from xai4land import InputError
from xai4land.samples.leaf_law import LEAVES, grow_leaves, respond

YEARS = range(2000, 2003)
SECONDS_PER_DAY = 86400


@pytest.fixture(scope="module")
def climate():
    return xai4land.sample("land_climate", years=range(1999, 2003))


@pytest.fixture(scope="module")
def leaves():
    return xai4land.sample("leaf_area", years=YEARS)


def interpolate(field, lat, lon):
    """Weigh the four cells around a point; rows run south from 87.5, columns east from -177.5."""
    row, column = min(max((87.5 - lat) / 5, 0), 35), (lon + 177.5) / 5
    i, j = math.floor(row), math.floor(column)
    a, b = row - i, column - j
    below, right = min(i + 1, 35), (j + 1) % 72
    north = (1 - b) * field[i, j % 72] + b * field[i, right]
    south = (1 - b) * field[below, j % 72] + b * field[below, right]
    return (1 - a) * north + a * south


def expected_by_hand(leaves, climate, at, row, column):
    """Compute one month of one pixel; ``at`` counts months since January 2000."""
    lat, lon = float(leaves.lat[row]), float(leaves.lon[column])
    now = 12 + at
    tas = [interpolate(climate.tas.values[now - k], lat, lon) for k in range(3)]
    warmth = 0.5 * tas[0] + 0.3 * tas[1] + 0.2 * tas[2]
    total = 0.0
    for name, law in LEAVES.items():
        weights = [law.persistence**k for k in range(6)]
        pr = [interpolate(climate.pr.values[now - k], lat, lon) for k in range(6)]
        rain = SECONDS_PER_DAY * sum(w * p for w, p in zip(weights, pr, strict=True)) / sum(weights)
        warm = 1 / (1 + math.exp(-(warmth - law.half_warmth) / law.width))
        full = law.maximum * (law.evergreen + (1 - law.evergreen) * warm)
        fraction = float(leaves[name][at // 12, row, column])
        total += fraction * full * rain / (rain + law.half_rain)
    return total


def test_the_law_holds_by_hand(leaves, climate):
    expected = leaves.expected_leaf_area_index.values
    rng = np.random.default_rng(0)
    land = rng.permutation(np.argwhere(np.isfinite(expected[0])))[:60].tolist()
    land += [p for p in np.argwhere(np.isfinite(expected[0])).tolist() if p[1] in (0, 359)][:6]
    for row, column in land:
        at = int(rng.integers(0, 36))
        by_hand = expected_by_hand(leaves, climate, at, row, column)
        assert expected[at, row, column] == pytest.approx(by_hand, rel=1e-4, abs=1e-6)


@given(
    st.sampled_from(list(LEAVES)),
    st.floats(200, 330),
    st.floats(0, 100),
    st.floats(0, 50),
    st.floats(0, 50),
)
def test_more_warmth_and_rain_never_take_leaves_and_the_maximum_holds(
    name, warmth, rain, warmer, wetter
):
    law = LEAVES[name]
    less = float(respond(law, np.float64(warmth), np.float64(rain)))
    more = float(respond(law, np.float64(warmth + warmer), np.float64(rain + wetter)))
    assert 0 <= less <= more <= law.maximum


def test_nothing_grows_in_towns_on_water_and_without_rain(leaves):
    expected = leaves.expected_leaf_area_index
    growing = sum(leaves[name] for name in LEAVES).isel(year=0)
    bare = (growing == 0).values
    assert bare.sum() > 20
    assert (expected.values[:12, bare] == 0).all()
    sea = np.isnan(leaves.forest.values[0])
    assert np.isnan(expected.values[:, sea]).all()
    assert np.isfinite(expected.values[:, ~sea]).all()
    assert float(respond(LEAVES["forest"], np.array(300.0), np.array(0.0))) == 0


def test_fractions_are_those_of_the_planet(leaves, planet):
    year = leaves.sel(year="2001").isel(year=0)
    states = planet.sel(time="2001").isel(time=0)
    forest, towns = states.primf + states.secdf, states.urban
    np.testing.assert_allclose(year.forest.values, forest.values, atol=1e-6)
    np.testing.assert_allclose(year.urban.values, towns.values, atol=1e-6)
    np.testing.assert_allclose(leaves.lat.values, states.lat.values)


def test_seasons_of_the_hemispheres_are_half_a_year_apart(leaves):
    monthly = leaves.expected_leaf_area_index.groupby("time.month").mean()
    north = monthly.sel(lat=slice(65, 45)).mean(("lat", "lon"))
    south = monthly.sel(lat=slice(-45, -65)).mean(("lat", "lon"))
    assert int(north.idxmax("month")) in (6, 7, 8, 9)
    assert int(south.idxmax("month")) in (12, 1, 2, 3)
    assert float(north.max()) > 2 * float(north.min())
    assert float(south.max()) > 1.5 * float(south.min())


def test_nothing_jumps_at_the_end_of_the_year(leaves, climate):
    cover = leaves[list(LEAVES)].isel(year=[0, 0, 0]).assign_coords(year=leaves.year)
    grown = grow_leaves(cover, climate).leaf_area_index
    steps = np.nanmean(np.abs(np.diff(grown.values, axis=0)), axis=(1, 2))
    turns = steps[[11, 23]]
    assert turns.max() < np.delete(steps, [11, 23]).max()


def test_a_month_does_not_depend_on_the_years_that_are_wanted(leaves, climate):
    xr.testing.assert_identical(
        xai4land.sample("land_climate", years=[2001]), climate.sel(time="2001")
    )
    some = xai4land.sample("leaf_area", years=[2002])
    chosen = leaves.sel(time="2002", year="2002")
    xr.testing.assert_identical(some, chosen)
    other = xai4land.sample("land_climate", seed=1, years=[2001])
    assert float(abs(other.tas - climate.tas.sel(time="2001")).mean()) > 1


def test_droughts_last_for_months_and_are_hot():
    years = xai4land.sample("land_climate", years=range(1900, 1940))
    rain = np.log(years.pr).groupby("time.month")
    rain = (rain - rain.mean()).values.reshape(480, -1)
    heat = years.tas.groupby("time.month")
    heat = (heat - heat.mean()).values.reshape(480, -1)

    def correlate(x, y):
        return np.mean(x * y) / np.sqrt(np.mean(x**2) * np.mean(y**2))

    assert correlate(rain[1:], rain[:-1]) == pytest.approx(0.75, abs=0.04)
    assert correlate(rain[12:], rain[:-12]) == pytest.approx(0.0, abs=0.06)
    assert correlate(rain, heat) == pytest.approx(-0.4, abs=0.08)
    assert rain.std() == pytest.approx(0.5, abs=0.05)


def test_leaves_follow_the_rain_of_the_months_before(leaves, climate):
    def anomaly(series):
        monthly = series.groupby("time.month")
        return (monthly - monthly.mean()).values

    tropics = {"lat": slice(10, -10)}
    leaf = anomaly(leaves.expected_leaf_area_index.sel(tropics).coarsen(lat=5, lon=5).mean())
    rain = np.log(climate.pr).rolling(time=6).mean().isel(time=slice(12, None))
    rain = anomaly(rain.sel(tropics))
    land = np.isfinite(leaf)
    assert np.corrcoef(leaf[land], rain[land])[0, 1] > 0.6


def test_the_noise_of_observation_is_what_it_says(leaves):
    expected, observed = leaves.expected_leaf_area_index, leaves.leaf_area_index
    ratio = np.log((observed / expected).where(expected > 0.01)).values
    noise = ratio[np.isfinite(ratio)]
    assert noise.std() == pytest.approx(0.1, abs=0.002)
    assert noise.mean() == pytest.approx(-0.005, abs=0.002)
    now, then = ratio[1:], ratio[:-1]
    both = np.isfinite(now) & np.isfinite(then)
    assert abs(np.corrcoef(now[both], then[both])[0, 1]) < 0.01
    assert (observed.values[expected.values == 0] == 0).all()


def test_radiation_is_that_of_the_sun(climate):
    sun = climate.rsds.sel(time="2000").mean("lon")
    assert (sun.sel(lat=87.5).isel(time=[10, 11, 0, 1]) == 0).all()
    assert (sun.sel(lat=-87.5).isel(time=[4, 5, 6, 7]) == 0).all()
    # A clear equinox at the equator has 1361 / pi W m-2 above the clouds.
    march = sun.isel(time=2).sel(lat=2.5)
    assert 0.45 * 1361 / np.pi < float(march) < 0.75 * 1361 / np.pi


def test_metadata_follow_cf(leaves, climate):
    for data, names in ((leaves, ["leaf_area_index"]), (climate, ["tas", "pr", "rsds"])):
        assert (data.time >= data.time_bnds[:, 0]).all()
        assert (data.time_bnds.dt.day == 1).all()
        assert data.time.attrs["bounds"] == "time_bnds"
        for name in names:
            assert data[name].attrs["cell_methods"] == "time: mean area: mean"
            assert data[name].attrs["standard_name"]
    assert leaves.leaf_area_index.attrs["units"] == "1"
    assert climate.pr.attrs["units"] == "kg m-2 s-1"
    assert leaves.year.dt.year.values.tolist() == list(YEARS)


def test_the_checker_finds_no_error_in_their_files(leaves, climate, tmp_path):
    for data in (leaves.isel(lat=slice(60, 70), lon=slice(0, 20)), climate):
        data.to_netcdf(tmp_path / "made.nc")
        assert not complaints(tmp_path / "made.nc", "lenient")
        with xr.open_dataset(tmp_path / "made.nc") as again:
            xr.testing.assert_allclose(again.load(), data)


def test_a_climate_too_short_for_the_law_and_a_cover_without_leaves_are_refused(leaves, climate):
    with pytest.raises(InputError, match="year before"):
        grow_leaves(leaves.isel(year=[0]), climate.isel(time=slice(9, 14)))
    with pytest.raises(InputError, match="no class with leaves"):
        grow_leaves(leaves[["urban"]], climate)


def test_months_without_enough_before_are_left_out(leaves, climate):
    grown = grow_leaves(leaves, climate.isel(time=slice(12, 24)))
    assert grown.time.dt.month.values.tolist() == [6, 7, 8, 9, 10, 11, 12]
    xr.testing.assert_allclose(
        grown.leaf_area_index,
        leaves.expected_leaf_area_index.isel(time=slice(5, 12)),
    )
