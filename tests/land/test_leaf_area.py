"""Leaf area: from land cover and climate to monthly maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xai4land import InputError
from xai4land.emulator import load_emulator
from xai4land_land import fit_leaf_area, leaf_area
from xai4land_land.leaf.emulator import LeafAreaEmulator

YEARS = (2000, 2001, 2002)
ROWS = 24
FOREST_BOUND, CROP_BOUND = 6.0, 4.0


def make_climate(years=(1999, *YEARS), rain: bool = True) -> xr.Dataset:
    """Warm summers of both hemispheres with noise, and rain."""
    rng = np.random.default_rng(0)
    lat, lon = np.arange(-16.0, 17, 4), np.arange(2.0, 39, 4)
    time = pd.date_range(f"{years[0]}-01-01", periods=12 * len(years), freq="MS")
    season = np.cos(2 * np.pi * (time.month.values - 7) / 12)[:, None, None]
    tas = 288 + 15 * np.sign(lat)[None, :, None] * season + rng.normal(size=(len(time), 9, 10))
    coords = {
        "time": time + pd.Timedelta(days=14),
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    dims = ("time", "lat", "lon")
    kelvin = {"units": "K", "standard_name": "air_temperature"}
    found = xr.Dataset({"tas": (dims, tas.astype("f4"), kelvin)}, coords)
    if rain:
        flux = {"units": "kg m-2 s-1", "standard_name": "precipitation_flux"}
        found["pr"] = (dims, rng.gamma(2, 2e-5, tas.shape).astype("f4"), flux)
    return found


def make_cover(years=YEARS) -> xr.Dataset:
    """Water, forest and cropland at random, each year the same map."""
    rng = np.random.default_rng(1)
    codes = np.repeat(rng.integers(0, 3, (1, ROWS, ROWS)).astype("u1"), len(years), 0)
    lat, lon = np.arange(ROWS) - ROWS / 2 + 0.5, 8.5 + np.arange(ROWS)
    coords = {
        "time": pd.DatetimeIndex([f"{year}-07-02" for year in years]),
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    flags = {
        "flag_values": np.array([0, 1, 2], "u1"),
        "flag_meanings": "water forest cropland",
    }
    return xr.Dataset({"land_cover": (("time", "lat", "lon"), codes, flags)}, coords)


def law(cover: xr.Dataset, climate: xr.Dataset) -> xr.DataArray:
    """Leaf area by a known law: forest follows last month's temperature, crops this month's."""
    fine = climate.tas.interp(lat=cover.lat, lon=cover.lon)
    before = fine.shift(time=1)
    map_ = cover.land_cover.isel(time=0, drop=True)
    forest = FOREST_BOUND / (1 + np.exp(-(before - 285) / 6))
    crops = CROP_BOUND / (1 + np.exp(-(fine - 290) / 4))
    leaves = forest * (map_ == 1) + crops * (map_ == 2)
    made = leaves.sel(time=slice("2000", None)).astype("f4").transpose("time", "lat", "lon")
    return made.rename("leaf_area_index").assign_attrs(units="1")


@pytest.fixture(scope="module")
def climate() -> xr.Dataset:
    return make_climate()


@pytest.fixture(scope="module")
def cover() -> xr.Dataset:
    return make_cover()


@pytest.fixture(scope="module")
def truth(cover, climate) -> xr.DataArray:
    return law(cover, climate)


def fit_small(cover, climate, truth, **options):
    """Fit a small network on windows of the small world."""
    return fit_leaf_area(
        cover,
        climate,
        truth,
        bounds={"forest": 8.0, "cropland": 6.0},
        architecture="months-mlp",
        window=12,
        progress=False,
        **options,
    )


def learn(cover, climate, truth, epochs):
    """Fit it until it has learned the law."""
    how = {"steps": 40, "batch_size": 4, "learning_rate": 1e-2}
    return fit_small(cover, climate, truth, epochs=epochs, **how)


@pytest.fixture(scope="module")
def emulator(cover, climate, truth) -> LeafAreaEmulator:
    return learn(cover, climate, truth, epochs=8)


def test_a_known_law_is_learned(emulator, cover, climate, truth):
    made = leaf_area(cover, climate, emulator, precision="float32").compute()
    growing = cover.land_cover.isel(time=0, drop=True) > 0
    error = (made.leaf_area_index - truth).where(growing)
    share = 1 - float((error**2).mean() / truth.where(growing).var())
    assert share > 0.95
    inside = abs(error) <= 1.645 * made.leaf_area_index_spread
    assert 0.8 < float(inside.where(growing).mean()) < 0.99


def test_nothing_grows_in_water_and_no_class_exceeds_its_bound(emulator, cover, climate):
    made = (
        leaf_area(
            cover, climate.assign(tas=(climate.tas + 8).assign_attrs(climate.tas.attrs)), emulator
        )
        .compute()
        .leaf_area_index
    )
    map_ = cover.land_cover.isel(time=0, drop=True)
    assert float(made.where(map_ == 0).max()) == 0.0
    assert float(made.where(map_ == 1).max()) <= 8.0
    assert float(made.where(map_ == 2).max()) <= 6.0


def test_a_mixed_pixel_has_the_weighted_mean_of_its_classes(emulator, cover, climate):
    share = xr.zeros_like(cover.land_cover, "f4")

    def mixed(forest: float, cropland: float) -> xr.DataArray:
        parts = {"forest": share + forest, "cropland": share + cropland}
        made = leaf_area(xr.Dataset(parts), climate, emulator, precision="float32")
        return made.leaf_area_index.compute()

    expected = 0.25 * mixed(1, 0) + 0.5 * mixed(0, 1)
    xr.testing.assert_allclose(mixed(0.25, 0.5), expected, atol=1e-4)


def test_maps_fractions_and_probabilities_say_the_same(emulator, cover, climate):
    map_ = cover.land_cover
    fractions = xr.Dataset({"forest": (map_ == 1) * 1.0, "cropland": (map_ == 2) * 1.0})
    classes = xr.DataArray([0, 1, 2], dims="land_cover_class")
    likely = (map_ == classes).astype("f4").transpose("time", "land_cover_class", "lat", "lon")
    both = cover.assign(land_cover_probability=likely.assign_coords(land_cover_class=[0, 1, 2]))
    first, *others = (
        leaf_area(data, climate, emulator, precision="float32").leaf_area_index.compute()
        for data in (cover, fractions, both)
    )
    for other in others:
        xr.testing.assert_allclose(first, other, atol=1e-5)


def test_maps_do_not_depend_on_chunks(emulator, cover, climate):
    whole, parts = (
        leaf_area(cover, climate, emulator, chunks=chunks, precision="float32").compute()
        for chunks in (None, (7, 11))
    )
    xr.testing.assert_allclose(whole, parts, atol=1e-5)


def test_land_cover_changes_without_a_jump_in_january(emulator, climate):
    cover = make_cover((2000, 2001))
    codes = cover.land_cover.values.copy()
    codes[0], codes[1] = 1, 0  # a forest is flooded
    made = leaf_area(cover.assign(land_cover=cover.land_cover.copy(data=codes)), climate, emulator)
    share = made.leaf_area_index.mean(("lat", "lon")).compute()
    alone = (
        leaf_area(
            cover.isel(time=[0]).assign(land_cover=cover.land_cover.isel(time=[0]) * 0 + 1),
            climate,
            emulator,
        )
        .leaf_area_index.mean(("lat", "lon"))
        .sel(time=slice("2000", "2001"))
    )
    forest = (share / alone.compute()).values
    np.testing.assert_allclose(np.diff(forest)[6:16], -1 / 12, atol=0.01)


def test_rain_may_be_absent(emulator, cover, climate, truth):
    assert emulator.card.climate == ("tas", "pr")
    made = leaf_area(cover, climate[["tas"]], emulator).leaf_area_index.compute()
    assert bool(np.isfinite(made).all())
    assert float(abs(made - truth).mean()) < 0.5


def test_units_of_the_climate_are_converted(emulator, cover, climate):
    other = climate.copy()
    other["tas"] = (climate.tas - 273.15).assign_attrs(climate.tas.attrs, units="degC")
    other["pr"] = (climate.pr * 86400).assign_attrs(climate.pr.attrs, units="mm/day")
    first, second = (
        leaf_area(cover, data, emulator).leaf_area_index.compute() for data in (climate, other)
    )
    xr.testing.assert_allclose(first, second, atol=1e-3)


def test_the_output_is_described(emulator, cover, climate):
    made = leaf_area(cover, climate, emulator)
    assert made.leaf_area_index.attrs["standard_name"] == "leaf_area_index"
    assert made.leaf_area_index.attrs["units"] == "1"
    assert made.leaf_area_index_spread.attrs["standard_name"] == "leaf_area_index standard_error"
    assert made.sizes["time"] == 36
    first = made.time_bnds.values[0].astype("M8[D]").astype(str).tolist()
    assert first == ["2000-01-01", "2000-02-01"]
    assert emulator.card.name in made.attrs["emulator"]


def test_nothing_is_computed_before_it_is_asked_for(emulator, cover, climate):
    calls = []

    def count(block):
        calls.append(1)
        return block

    lazy = cover.chunk(lat=8).assign(
        land_cover=cover.land_cover.chunk(lat=8).map_blocks(
            lambda a: a.copy(data=count(a.values)), template=cover.land_cover.chunk(lat=8)
        )
    )
    made = leaf_area(lazy, climate.chunk(time=6), emulator)
    assert not calls
    assert np.isfinite(made.leaf_area_index.isel(time=0).compute()).all()
    assert calls


def test_an_emulator_comes_back_from_its_file(emulator, cover, climate, tmp_path):
    path = tmp_path / "leaves.safetensors"
    emulator.save(path)
    back = load_emulator(path)
    assert isinstance(back, LeafAreaEmulator)
    first, second = (
        leaf_area(cover, climate, one).leaf_area_index.isel(time=3).compute()
        for one in (emulator, path)
    )
    np.testing.assert_array_equal(first, second)


def test_missing_land_cover_and_temperature_are_missing_leaves(emulator, cover, climate):
    holes = cover.land_cover.copy()
    holes[:, :5] = 255
    holes.attrs["_FillValue"] = np.uint8(255)
    holes[:, 5, 5:10] = 9  # no flag names it
    cold = climate.copy(deep=True)
    cold["tas"][:, -3:] = np.nan
    made = leaf_area(cover.assign(land_cover=holes), cold, emulator).leaf_area_index.compute()
    assert bool(made[:, :5].isnull().all())
    assert bool(made[:, 5, 5:10].isnull().all())
    assert bool(made.sel(lat=slice(9, 12)).isnull().all())
    assert bool(made.sel(lat=slice(-5, 3)).notnull().all())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.isel(time=slice(0, 8)), "has 8 months, expected at least 12"),
        (lambda c: c.drop_isel(time=5), "goes on 2 months after 1999-05"),
        (
            lambda c: c.isel(time=[0, 1, 1, *range(2, 24)]),
            "has 1999-02 twice, expected every month",
        ),
        (
            lambda c: c.isel(time=slice(None, None, -1)),
            r"not in order; sort them: ds.sortby\('time'",
        ),
        (lambda c: c.drop_vars("tas"), "has no 'tas'"),
        (lambda c: c.assign(tas=c.tas.assign_attrs(units="furlong")), "furlong"),
        (lambda c: c.assign(pr=c.pr.assign_attrs(units="mm")), "mm"),
        (lambda c: c.assign(tas=c.tas.assign_attrs(units=None)), "units"),
        (
            lambda c: c.assign(tas=c.tas.where(c.time != c.time[20])),
            "has no value in 2000-09",
        ),
    ],
)
def test_climate_that_does_not_do_is_refused(emulator, cover, climate, change, message):
    with pytest.raises(InputError, match=message):
        leaf_area(cover, change(climate), emulator)


def test_unknown_classes_and_other_years_are_refused(emulator, cover, climate):
    moon = cover.land_cover.assign_attrs(flag_meanings="water forest moon")
    with pytest.raises(InputError, match="does not know the classes moon"):
        leaf_area(cover.assign(land_cover=moon), climate, emulator)
    late = cover.assign_coords(time=cover.time + np.timedelta64(3650, "D"))
    with pytest.raises(InputError, match="bring the same years"):
        leaf_area(late, climate, emulator)
    with pytest.raises(InputError, match="neither fractions named"):
        leaf_area(xr.Dataset({"trees": cover.land_cover.drop_attrs()}), climate, emulator)
    with pytest.raises(InputError, match="expected leaf area"):
        leaf_area(cover, climate, "sample-landcover")


def test_a_lazy_map_is_computed_once_for_all_classes_and_months(emulator, cover, climate):
    calls = []

    def count(block):
        calls.append(1)
        return block

    year = cover.isel(time=[0])
    lazy = year.assign(land_cover=xr.map_blocks(lambda a: count(a), year.land_cover.chunk(lat=8)))
    calls.clear()
    made = leaf_area(lazy, climate, emulator, precision="float32").leaf_area_index
    assert not calls
    values = made.sel(time="2000").compute()
    assert len(calls) == 3
    whole = leaf_area(year, climate, emulator, precision="float32").leaf_area_index.sel(time="2000")
    xr.testing.assert_allclose(values, whole.compute(), atol=1e-6)


def test_climate_by_other_names_and_classes_that_begin_like_rain_are_learned(cover, climate, truth):
    named = climate.rename(tas="t2m", pr="tp")
    map_ = cover.land_cover.drop_attrs()
    woods = xr.Dataset({"primf": (map_ == 1) * 1.0, "cropland": (map_ == 2) * 1.0})
    emulator = fit_leaf_area(
        woods,
        named,
        truth,
        bounds={"primf": 8.0, "cropland": 6.0},
        architecture="months-mlp",
        window=12,
        epochs=1,
        steps=2,
        batch_size=2,
        progress=False,
    )
    assert emulator.card.climate == ("tas", "pr")
    assert bool(np.isfinite(leaf_area(woods, named, emulator).leaf_area_index.mean()))


def make_mountains(cover: xr.Dataset) -> xr.Dataset:
    rng = np.random.default_rng(2)
    height = rng.uniform(0, 3000, (ROWS, ROWS)).astype("f4")
    place = {name: cover[name] for name in ("lat", "lon")}
    return xr.Dataset({"elevation": (("lat", "lon"), height, {"units": "m"})}, place)


@pytest.fixture(scope="module")
def climbing(climate, cover):
    """An emulator that sees elevation."""
    return fit_leaf_area(
        cover,
        climate,
        law(cover, climate),
        static=make_mountains(cover),
        inputs=["elevation"],
        epochs=1,
        steps=2,
        batch_size=2,
        progress=False,
    )


def test_temperature_falls_with_the_elevation_of_the_pixel(climbing, climate, cover):
    """As if the climate had been given on the pixels, at their own elevation."""
    mountains, rate = make_mountains(cover), 6.5
    made = leaf_area(
        cover,
        climate.assign(orog=0 * climate.tas[0].drop_attrs() + 500),
        climbing,
        static=mountains,
        lapse_rate=rate,
        precision="float32",
    )
    fine = climate.interp(lat=cover.lat, lon=cover.lon)
    colder = fine.tas - rate / 1000 * (mountains.elevation - 500)
    by_hand = fine.assign(tas=colder.transpose(*fine.tas.dims).assign_attrs(climate.tas.attrs))
    for name in ("lat", "lon"):
        by_hand[name].attrs = cover[name].attrs
    expected = leaf_area(cover, by_hand, climbing, static=mountains, precision="float32")
    np.testing.assert_allclose(made.leaf_area_index, expected.leaf_area_index, atol=2e-4)
    flat = leaf_area(cover, climate, climbing, static=mountains, precision="float32")
    assert float(abs(made.leaf_area_index - flat.leaf_area_index).max()) > 0.01


def test_without_its_own_elevation_a_cell_of_the_climate_has_the_mean_of_its_pixels(
    climbing, climate, cover
):
    mountains = make_mountains(cover)
    mean = mountains.elevation.coarsen(lat=4, lon=4).mean()
    part = climate.interp(lat=mean.lat, lon=mean.lon)
    for name in ("lat", "lon"):
        part[name].attrs = cover[name].attrs
    how = {"static": mountains, "lapse_rate": 6.5, "precision": "float32"}
    own = leaf_area(cover, part.assign(orog=mean.drop_attrs()), climbing, **how)
    found = leaf_area(cover, part, climbing, **how)
    np.testing.assert_allclose(found.leaf_area_index, own.leaf_area_index, atol=2e-3)


def test_a_lapse_rate_needs_elevation(climbing, emulator, climate, cover):
    with pytest.raises(InputError, match="expected K/km") as error:
        leaf_area(cover, climate, emulator, lapse_rate=-1)
    assert "no input 'elevation'" in str(error.value)
    with pytest.raises(InputError, match="orog"):
        leaf_area(cover, climate, climbing, lapse_rate=6.5)
    with pytest.raises(InputError, match="in K/m, expected K/km; give 6.5"):
        leaf_area(cover, climate, climbing, lapse_rate=0.0065)
    with pytest.raises(InputError, match="lapse_rate='6.5', expected K/km"):
        leaf_area(cover, climate, climbing, lapse_rate="6.5")


def fit_once(cover, climate, truth, **options):
    return fit_small(cover, climate, truth, epochs=1, steps=3, batch_size=2, **options)


def test_years_that_are_held_out_judge_the_spread_and_teach_nothing(cover, climate, truth):
    other = truth + 3.0 * (truth.time.dt.year == 2002)
    one, two = (
        fit_once(cover, climate, t, validation_years=[2002], learning_rate=0.05)
        for t in (truth, other.astype("f4"))
    )
    # Sums are rounded in another order now and then, and Adam makes whole steps of that where
    # gradients are next to nothing; another truth would change most weights.
    same = [np.abs(values - two.weights[name]) < 5e-3 for name, values in one.weights.items()]
    assert np.concatenate([np.ravel(part) for part in same]).mean() > 0.9
    assert two.card.outputs.spread > 1.5 * one.card.outputs.spread
    with pytest.raises(InputError, match=r"names 1987, but .* of 2000 to 2002"):
        fit_once(cover, climate, truth, validation_years=[1987])
    with pytest.raises(InputError, match="name fewer years"):
        fit_once(cover, climate, truth, validation_years=YEARS)


def test_a_wrong_climate_is_told_once(emulator, cover, climate):
    celsius = climate.assign(tas=(climate.tas - 273.15).assign_attrs(climate.tas.attrs))
    for data in (celsius, celsius.chunk(time=6)):
        with pytest.raises(InputError, match="variable 'tas' has values from") as error:
            leaf_area(cover, data, emulator).compute()
        assert "tas_lag" not in str(error.value)
    gap = climate.assign(pr=climate.pr.where(climate.time != climate.time[20]))
    with pytest.raises(InputError, match="'pr' has no value in 2000-09"):
        leaf_area(cover, gap, emulator)
    far = climate.assign_coords(lon=climate.lon + 100)
    with pytest.raises(InputError, match="have no place in common"):
        leaf_area(cover, far, emulator)
    with pytest.raises(InputError, match="expected a Dataset"):
        leaf_area(cover, climate.tas, emulator)
