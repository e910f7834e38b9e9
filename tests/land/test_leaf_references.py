"""References of leaf area know what they should, and nothing else."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import xarray as xr

from xai4land import InputError
from xai4land_land.leaf.references import REFERENCES, leaf_area_reference
from xai4land_land.leaf.zones import ZONES, find_zones

LAT = np.array([50.0, 45.0, 40.0, -40.0, -45.0, -50.0])
LON = np.arange(0.0, 40, 5)
FIRST, YEARS = 1999, 5
MONTHS = 12 * YEARS


def make_time(months=MONTHS):
    first = np.arange(months + 1) + 12 * (FIRST - 1970)
    starts = first.astype("M8[M]").astype("M8[s]")
    return starts[:-1] + (starts[1:] - starts[:-1]) / 2


def on_grid(values, units="1", name=None, **attrs):
    coords = {
        "time": make_time(),
        "lat": ("lat", LAT, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", LON, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    dims = ("time", "lat", "lon")[-values.ndim :]
    coords = {k: v for k, v in coords.items() if k in dims}
    return xr.DataArray(values, coords, dims, name=name, attrs={"units": units, **attrs})


@pytest.fixture(scope="module")
def world():
    """Make two classes, and a climate whose seasons are half a year apart."""
    rng = np.random.default_rng(0)
    forest = rng.uniform(0, 1, (len(LAT), len(LON)))
    grass = (1 - forest) * rng.uniform(0, 1, forest.shape)
    about = {"standard_name": "area_fraction"}
    cover = xr.Dataset({"forest": on_grid(forest, **about), "grass": on_grid(grass, **about)})
    month = np.arange(MONTHS)[:, None, None]
    south = (LAT < 0)[None, :, None]
    shape = (MONTHS, len(LAT), len(LON))
    season = -10 * np.cos(2 * np.pi * (month + 6 * south) / 12) + np.zeros(shape)
    tas = 12 + season + rng.normal(0, 1, shape)
    pr = rng.uniform(1, 4, shape) / 86400
    return cover, xr.Dataset({"tas": on_grid(tas, "degC"), "pr": on_grid(pr, "kg m-2 s-1")})


def cut(data, first, last):
    return data.isel(time=slice(first, last))


@pytest.fixture(scope="module")
def by_class(world):
    """Make leaf area by class and month: no reference but that of zones can know it elsewhere."""
    cover, climate = world
    amounts = np.random.default_rng(1).uniform(0, 5, (12, 2))
    season = (np.arange(MONTHS)[:, None, None] + 6 * (LAT < 0)[None, :, None]) % 12
    leaf = amounts[season, 0] * cover.forest.values + amounts[season, 1] * cover.grass.values
    return on_grid(leaf + 0 * climate.tas.values)


def test_climatology_by_zone_finds_what_each_class_has_in_both_hemispheres(world, by_class):
    cover, climate = world
    known = by_class.where(by_class.lon < 20)
    rule = leaf_area_reference("zone_climatology", cover, climate, known)
    made = rule.leaf_area(cover, climate).leaf_area_index
    assert made.sizes["time"] == MONTHS - 11
    np.testing.assert_allclose(made.values, cut(by_class, 11, None).values, atol=1e-4)
    # The climate of the south alone, with what was learned in the north.
    north = by_class.where(by_class.lat > 0)
    rule = leaf_area_reference("zone_climatology", cover, climate, north)
    made = rule.leaf_area(cover, climate).leaf_area_index
    np.testing.assert_allclose(made.values, cut(by_class, 11, None).values, atol=1e-4)


def test_climatology_by_zone_has_nothing_where_nothing_grows(world, by_class):
    cover, climate = world
    rule = leaf_area_reference("zone_climatology", cover, climate, by_class)
    made = rule.leaf_area(cover * 0, climate).leaf_area_index
    assert (made == 0).all()


def test_climatology_of_the_pixel_is_the_mean_of_each_month(world):
    cover, climate = world
    leaf = on_grid(np.random.default_rng(2).uniform(0, 6, (MONTHS, len(LAT), len(LON))))
    known = leaf.where(leaf.lon > 0)
    rule = leaf_area_reference("pixel_climatology", cover, cut(climate, 0, 48), known)
    made = rule.leaf_area(cover.isel(lat=slice(2, 4)), climate).leaf_area_index
    mean = leaf.isel(time=slice(11, 48)).groupby("time.month").mean()
    expected = mean.sel(month=made.time.dt.month).isel(lat=slice(2, 4))
    np.testing.assert_allclose(made[..., 1:].values, expected[..., 1:].values, rtol=1e-5)
    assert made[..., 0].isnull().all()


def test_regression_finds_a_linear_law_of_earlier_climate(world):
    cover, climate = world
    rain = climate.pr.values * 86400
    leaf = 3 + 0.1 * np.roll(climate.tas.values, 3, 0) + 0.4 * np.roll(rain, 2, 0)
    leaf = on_grid(leaf + 0.5 * cover.forest.values)
    known = leaf.where(leaf.lon < 25)
    rule = leaf_area_reference("regression", cover, climate, known)
    made = rule.leaf_area(cover, climate).leaf_area_index
    np.testing.assert_allclose(made.values, cut(leaf, 11, None).values, atol=0.03)


@pytest.mark.parametrize(("name", "lag"), [("persistence", 1), ("persistence_of_year", 12)])
def test_persistence_damps_the_anomaly_as_in_training(world, name, lag):
    cover, climate = world
    rng = np.random.default_rng(3)
    shape = (MONTHS, len(LAT), len(LON))
    leaf = on_grid(3 + 0.5 * rng.normal(size=shape) + 0.5 * rng.normal(size=shape).cumsum(0) / 4)
    rule = leaf_area_reference(name, cover, climate, leaf)
    made = cut(rule.leaf_area(cover, climate, leaf).leaf_area_index, lag, None).values
    seen = cut(leaf, 11, None)
    usual = seen.groupby("time.month").mean().sel(month=seen.time.dt.month).values
    anomaly = seen.values - usual
    then, now = anomaly[:-lag], anomaly[lag:]
    damping = (then * now).sum() / (then**2).sum()
    expected = np.maximum(usual[lag:] + damping * then, 0)
    np.testing.assert_allclose(made, expected, atol=1e-4)


def test_persistence_sees_no_month_that_it_predicts(world, by_class):
    cover, climate = world
    rule = leaf_area_reference("persistence", cover, climate, by_class)
    changed = by_class.copy()
    changed[-1] = 100.0
    one, other = (rule.leaf_area(cover, climate, k).leaf_area_index for k in (by_class, changed))
    xr.testing.assert_identical(one, other)
    assert rule.leaf_area(cover, climate).leaf_area_index.isnull().all()


@pytest.mark.skipif(importlib.util.find_spec("lightgbm") is None, reason="needs lightgbm")
def test_boosting_finds_what_no_line_can(world):
    cover, climate = world
    leaf = on_grid(np.where(abs(climate.tas - 12) < 6, 1.0, 4.0) * cover.forest.values)
    known = leaf.where(leaf.lon < 25)
    truth = cut(leaf, 11, None).where(leaf.lon >= 25)
    errors = {}
    for name in ("boosting", "regression"):
        rule = leaf_area_reference(name, cover, climate, known)
        made = rule.leaf_area(cover, climate).leaf_area_index
        errors[name] = float(((made.values - truth) ** 2).mean() ** 0.5)
    assert errors["boosting"] < 0.7 * errors["regression"]


@pytest.mark.skipif(importlib.util.find_spec("lightgbm") is not None, reason="has lightgbm")
def test_boosting_names_what_to_install(world, by_class):
    with pytest.raises(InputError, match="pip install"):
        leaf_area_reference("boosting", *world, by_class)


@pytest.mark.parametrize("name", [n for n in REFERENCES if n != "boosting"])
def test_all_give_the_same_kind_of_dataset(world, by_class, name):
    cover, climate = world
    rule = leaf_area_reference(name, cover, climate, by_class)
    made = rule.leaf_area(cover, climate, by_class)
    assert list(made.data_vars) == ["leaf_area_index"]
    assert made.leaf_area_index.attrs["standard_name"] == "leaf_area_index"
    assert made.leaf_area_index.attrs["units"] == "1"
    assert made.time_bnds.shape == (MONTHS - 11, 2)
    assert not (made.leaf_area_index < 0).any()
    np.testing.assert_array_equal(made.time.dt.month, cut(climate, 11, None).time.dt.month)


def test_units_of_the_climate_do_not_matter(world, by_class):
    cover, climate = world
    other = climate.assign(
        tas=(climate.tas + 273.15).assign_attrs(units="K"),
        pr=(climate.pr * 86400).assign_attrs(units="mm/day", standard_name="precipitation_flux"),
    )
    rule = leaf_area_reference("regression", cover, climate, by_class)
    one, two = (rule.leaf_area(cover, c).leaf_area_index for c in (climate, other))
    np.testing.assert_allclose(one.values, two.values, atol=1e-3)


def test_what_does_not_fit_is_refused(world, by_class):
    cover, climate = world
    with pytest.raises(InputError, match="expected one of zone_climatology"):
        leaf_area_reference("mean", cover, climate, by_class)
    with pytest.raises(InputError, match="follow one another"):
        leaf_area_reference("regression", cover, climate.isel(time=[0, 2]), by_class)
    with pytest.raises(InputError, match="different grids"):
        leaf_area_reference("regression", cover, climate, by_class.isel(lat=slice(3)))
    with pytest.raises(InputError, match="no leaf area is known"):
        leaf_area_reference("regression", cover, climate, by_class.where(by_class > 99))
    with pytest.raises(InputError, match="no water"):
        leaf_area_reference("regression", cover, climate, by_class, classes=["water"])


STATIONS = {
    "London": (
        "Cf",
        51.5,
        [5.7, 6, 8, 10.5, 13.7, 16.8, 19, 18.7, 16, 12.3, 8.5, 6.1],
        [59, 45, 39, 42, 46, 47, 46, 53, 50, 65, 67, 57],
    ),
    "Rome": (
        "Cs",
        41.9,
        [7.5, 8.2, 10.2, 12.6, 17.2, 21.1, 24.1, 24.5, 20.8, 16.4, 11.4, 8.4],
        [67, 73, 58, 81, 53, 34, 19, 37, 73, 113, 115, 81],
    ),
    "Perth": (
        "Cs",
        -31.9,
        [24.5, 24.9, 23.1, 19.8, 16.5, 14, 13.1, 13.5, 14.9, 17.3, 20.2, 22.6],
        [15, 9, 19, 37, 89, 127, 146, 122, 79, 40, 25, 10],
    ),
    "Cairo": (
        "BW",
        30.0,
        [14, 15, 18, 22, 25, 28, 29, 28, 27, 24, 19, 15],
        [5, 4, 4, 1, 1, 0, 0, 0, 0, 1, 4, 6],
    ),
    "Darwin": (
        "Aw",
        -12.4,
        [28.3, 28.1, 28.2, 28.3, 27, 25.2, 24.9, 26, 27.9, 29.2, 29.4, 29],
        [430, 375, 318, 106, 22, 2, 1, 5, 15, 73, 140, 250],
    ),
    "Moscow": (
        "Df",
        55.8,
        [-6.2, -5.9, -0.7, 6.9, 13.6, 17.3, 19.7, 17.6, 11.9, 5.8, -0.5, -4.4],
        [53, 44, 39, 37, 61, 78, 84, 78, 66, 70, 52, 51],
    ),
    "Seoul": (
        "Dw",
        37.6,
        [-2, 0.7, 6.1, 12.6, 18.2, 22.7, 25.3, 26.1, 21.6, 15, 7.5, 0.2],
        [17, 28, 37, 73, 104, 129, 414, 348, 142, 52, 51, 23],
    ),
    "Utqiagvik": (
        "ET",
        71.3,
        [-25, -25, -24, -16, -6, 2, 5, 4, 0, -8, -17, -22],
        [3, 4, 2, 4, 5, 8, 25, 27, 18, 10, 6, 4],
    ),
    "Vostok": (
        "EF",
        -78.5,
        [-32, -44, -58, -65, -66, -65, -67, -68, -66, -57, -43, -32],
        [1, 1, 2, 3, 3, 3, 3, 3, 3, 2, 1, 1],
    ),
}


@pytest.mark.parametrize("place", list(STATIONS))
def test_zones_are_those_of_known_stations(place):
    zone, lat, tas, pr = STATIONS[place]
    values = (np.array(v, float)[:, None] for v in (tas, pr))
    assert ZONES[find_zones(*values, np.array([lat]))[0]] == zone
