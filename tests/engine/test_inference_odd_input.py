"""Legal but odd input gives the right map; illegal input one clear error."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import xarray as xr

import xai4land
from conftest import coordinate, plain_emulator, random_emulator, small_card, small_world
from land_training import QUICK, WOOD, train
from xai4land import InputError
from xai4land.grids.grid import Grid
from xai4land_land import evaluate, fit, reconstruct, states_from_luh2


def split_static(world):
    """States, and static features named alike on their own grid."""
    states = world[["wood", "field", "town"]].drop_vars(["lat_fine", "lon_fine"], errors="ignore")
    static = world[["height", "zone"]].drop_vars(["time", "lat", "lon"], errors="ignore")
    lat = coordinate("lat", world.lat_fine.values)
    lon = coordinate("lon", world.lon_fine.values)
    static = static.rename(lat_fine="lat", lon_fine="lon").assign_coords(lat=lat, lon=lon)
    return states, static


def to_eastern_longitudes(data):
    """Longitudes from 0 to 360."""
    return data.assign_coords(lon=coordinate("lon", data.lon.values % 360)).sortby("lon")


@pytest.mark.parametrize("which", ["states", "static", "target", "all"])
def test_regions_may_count_longitudes_differently(world, emulator, which):
    states, static = split_static(world)
    region = states.isel(lon=slice(2, 12), lat=slice(3, 13))
    part = static.isel(lon=slice(8, 48), lat=slice(12, 52))
    target = part[["height"]]
    expected = reconstruct(region, emulator, static=part, target=target).compute()
    assert (expected.land_cover.values != 255).all()
    region, part, target = (
        to_eastern_longitudes(data) if which in (name, "all") else data
        for name, data in (("states", region), ("static", part), ("target", target))
    )
    result = reconstruct(region, emulator, static=part, target=target).compute()
    np.testing.assert_array_equal(result.land_cover.values, expected.land_cover.values)


def test_inputs_elsewhere_are_refused_and_gaps_in_cover_are_missing(world, emulator):
    states, static = split_static(world)
    far = static.isel(lon=slice(100, 140), lat=slice(40, 60))
    with pytest.raises(InputError, match="no pixel in common"):
        reconstruct(states.isel(lon=slice(2, 12), lat=slice(3, 9)), emulator, static=far)
    half = static.isel(lon=slice(0, 72))
    result = reconstruct(states, emulator, static=half, target=2.5).compute().land_cover.values
    assert (result[..., :72] != 255).all()
    assert (result[..., 72:] == 255).all()


def test_a_globe_with_a_missing_column_is_refused(world, emulator):
    states, static = split_static(world)
    with_hole = states.isel(lon=[i for i in range(36) if i != 17])
    with pytest.raises(InputError, match="with a gap"):
        reconstruct(with_hole, emulator, static=static)


def test_negative_and_large_codes_are_no_classes(world, emulator):
    result = reconstruct(world, emulator).compute()
    truth = world.truth
    masked = evaluate(result, truth.where(truth != 0)).accuracy
    for kind, code in (("i2", -1), ("i4", 70000)):
        other = truth.astype(kind).where(truth != 0, code)
        xr.testing.assert_allclose(evaluate(result, other).accuracy, masked)
    part = evaluate(result, truth.isel(lat_fine=slice(0, 40))).accuracy
    small = evaluate(result, truth.astype("i1").isel(lat_fine=slice(0, 40))).accuracy
    xr.testing.assert_allclose(part, small)


def test_lazy_input_of_fit_is_checked_too():
    world = small_world(times=1)
    world["wood"] = world.wood.where(world.wood < 0.9, 5.0).assign_attrs(world.wood.attrs)
    with pytest.raises(InputError, match="expected 0 to 1"):
        train(world.chunk())


def test_the_truth_is_never_an_input():
    world = small_world(times=1)
    quick = {**QUICK, "epochs": 1, "steps": 1}
    emulator = fit(world, world.truth.rename("height"), **quick)
    names = [spec.name for spec in emulator.card.inputs]
    assert "truth" not in names
    assert "height" in names


def test_whole_numbers_with_units_are_quantities_and_small_ones_keep_their_scale():
    world = small_world(times=1)
    world["height"] = world.height.round().astype("i2").assign_attrs(units="m")
    world["rain"] = (world.height * 1e-8).assign_attrs(units="kg m-2 s-1")
    emulator = train(world, epochs=1, steps=1)
    specs = {spec.name: spec for spec in emulator.card.inputs}
    assert specs["height"].role == "static"
    assert specs["rain"].scale == pytest.approx(specs["height"].scale * 1e-8, rel=1e-4)


def test_years_of_one_step_are_compared(world, emulator):
    result = reconstruct(world.isel(time=[0]), emulator)
    evaluate(result, world.truth.isel(time=0))
    with pytest.raises(InputError, match="lacks the years 2000"):
        evaluate(result, world.truth.isel(time=1))


def test_several_steps_in_a_chunk_are_scored(world, emulator):
    result = reconstruct(world, emulator).compute()
    plain = evaluate(result, world.truth)
    lazy = evaluate(result.chunk(time=2, lat=30), world.truth.chunk(time=2)).compute()
    xr.testing.assert_allclose(plain, lazy)


def test_nothing_to_compare_has_no_score(world, emulator):
    scores = evaluate(reconstruct(world, emulator), world.truth.where(world.lat_fine > 90))
    assert np.isnan(scores.compute().accuracy).all()


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_region_of_a_result_can_be_written(world, emulator, tmp_path, ending):
    result = reconstruct(world, emulator, chunks=30).isel(lat=slice(5, 50))
    path = result.ai4land.write(tmp_path / f"part{ending}", progress=False)
    engine = {"engine": "zarr", "consolidated": False} if ending == ".zarr" else {}
    again = xr.open_dataset(path, mask_and_scale=False, **engine)
    np.testing.assert_array_equal(again.land_cover, result.land_cover)


def test_states_on_the_poles_with_a_resolution():
    lat, lon = 90.0 - 10 * np.arange(19), -175.0 + 10 * np.arange(36)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), (19, 36)).transpose(2, 0, 1).astype("f4")
    coords = {"lat": coordinate("lat", lat), "lon": coordinate("lon", lon)}
    states = xr.Dataset(
        {n: (("lat", "lon"), v) for n, v in zip(("wood", "field", "town"), shares, strict=True)},
        coords,
    )
    _, static = split_static(small_world(times=1))
    result = reconstruct(states, plain_emulator(small_card()), static=static, target=2.5).compute()
    assert result.land_cover.shape == (72, 144)
    assert float(result.lat.max()) == 88.75
    assert (result.land_cover.values != 255).all()


def test_times_that_are_no_dates_say_how_to_decode_them(world, emulator):
    attrs = {"standard_name": "time", "units": "years since 850-1-1"}
    raw = world.assign_coords(time=("time", [0.0, 1.0], attrs))
    with pytest.raises(InputError, match="xr.date_range"):
        reconstruct(raw, emulator)


def test_a_year_that_is_no_axis_is_kept(world, emulator):
    assert reconstruct(world.isel(time=0), emulator).time.dt.year == 2000


def test_old_years_of_the_sample_are_right():
    assert xai4land.sample("land", years=[850]).time.dt.year.values.tolist() == [850]


def test_koppen_must_reach(planet):
    koppen = xr.full_like(planet.elevation, 30).astype("uint8")
    expected = states_from_luh2(planet, koppen)
    wrapped = koppen.assign_coords(
        lon_fine=coordinate("lon_fine", koppen.lon_fine.values % 360)
    ).sortby("lon_fine")
    xr.testing.assert_allclose(expected, states_from_luh2(planet, wrapped))
    with pytest.raises(InputError, match="does not reach"):
        states_from_luh2(planet, koppen.isel(lat_fine=slice(0, 300)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "abc"}, "neither a resolution"),
        ({"target": (2.5, 2.5)}, "neither a resolution"),
        ({"target": 3.5}, "does not divide"),
        ({"chunks": "ab"}, "rows and columns"),
        ({"chunks": 40.5}, "rows and columns"),
        ({"batch_size": 2.5}, "whole number"),
        ({"device": "meta"}, "cannot be used"),
        ({"static": "height"}, "expected a Dataset"),
    ],
)
def test_arguments_of_reconstruct(world, emulator, options, message):
    with pytest.raises(InputError, match=message):
        reconstruct(world, emulator, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"window": 7},
        {"window": 5000},
        {"name": ""},
        {"learning_rate": -1},
        {"weight_decay": -1.0},
        {"seed": -1},
        {"epochs": 1.5},
        {"parameters": {"x": object()}},
    ],
)
def test_arguments_of_fit(options):
    with pytest.raises(InputError):
        train(small_world(times=1), **options)


def test_weights_that_are_no_numbers_are_refused(emulator):
    weights = dict(emulator.weights)
    name = next(iter(weights))
    weights[name] = weights[name] * np.nan
    with pytest.raises(xai4land.EmulatorFileError, match="not finite"):
        xai4land.Emulator(emulator.card, weights)


def test_truth_with_a_band_is_squeezed(world, emulator):
    result = reconstruct(world, emulator).compute()
    band = world.truth.expand_dims(band=[1])
    xr.testing.assert_allclose(
        evaluate(result, band).accuracy, evaluate(result, world.truth).accuracy
    )
    with pytest.raises(InputError, match="dimension 'band'"):
        evaluate(result, world.truth.expand_dims(band=[1, 2]))


def test_checking_lazy_data_computes_nothing(world):
    lazy = world.chunk()
    assert isinstance(lazy.wood.data, dask.array.Array)
    assert Grid.of(lazy.wood).shape == (18, 36)
    random_emulator(small_card()).check(lazy)


def test_arguments_of_the_wrong_kind(world, emulator):
    with pytest.raises(InputError, match="expected a Dataset"):
        reconstruct(world, static=world.height)
    with pytest.raises(InputError, match="expected a Dataset"):
        train(small_world(times=1), static=world.height)
    with pytest.raises(xai4land.EmulatorFileError, match="neither an emulator"):
        reconstruct(world, 123)
    result = reconstruct(world, emulator)
    with pytest.raises(InputError, match="legend=3"):
        evaluate(result, world.truth, legend=3)
    with pytest.raises(InputError, match="expected a DataArray"):
        evaluate(result, world.truth.values)


def test_the_legend_must_be_one():
    with pytest.raises(InputError, match="expected one of"):
        train(small_world(times=1), legend="none")
    assert WOOD.name == "wood"
