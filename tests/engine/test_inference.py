"""The answer depends on the data and the emulator alone."""

from __future__ import annotations

import weakref

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import coordinate, plain_emulator, random_emulator, small_card, small_world
from xai4land import EmulatorError, InputError
from xai4land.emulator import Emulator
from xai4land.inference import predict
from xai4land.inference.blocks import run_block
from xai4land_land import reconstruct

few = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def run(world, emulator, **how):
    return reconstruct(world, emulator, probabilities=True, **how).compute()


@pytest.fixture(scope="module")
def whole(world, emulator):
    return run(world, emulator)


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    """Equal classes and, to 1e-5, equal probabilities."""
    np.testing.assert_allclose(
        one.land_cover_probability.values, other.land_cover_probability.values, atol=1e-5
    )
    np.testing.assert_array_equal(one.land_cover.values, other.land_cover.values)


@few
@given(st.integers(7, 80), st.integers(7, 150), st.integers(1, 9))
def test_chunks_and_batches_do_not_matter(world, emulator, whole, rows, columns, batch):
    same(whole, run(world, emulator, chunks=(rows, columns), batch_size=batch))


@few
@given(st.integers(0, 35))
def test_rotated_longitudes_do_not_matter(world, emulator, whole, turn):
    turned = world.roll(lon=turn, lon_fine=4 * turn, roll_coords=True)
    same(whole, run(turned, emulator).roll(lon=-4 * turn, roll_coords=True))


def test_longitudes_from_0_to_360_do_not_matter(world, emulator, whole):
    east = world.assign_coords(
        {n: world[n].copy(data=world[n].values % 360) for n in ("lon", "lon_fine")}
    ).sortby(["lon", "lon_fine"])
    made = run(east, emulator)
    assert float(made.lon.min()) >= 0
    same(whole, made.roll(lon=made.sizes["lon"] // 2))


def test_rows_may_run_either_way(world, emulator, whole):
    upward = world.isel(lat=slice(None, None, -1), lat_fine=slice(None, None, -1))
    made = run(upward, emulator)
    assert float(made.lat[0]) < float(made.lat[-1])
    same(whole, made.isel(lat=slice(None, None, -1)))


@few
@given(st.integers(1, 18), st.integers(1, 36), st.integers(1, 72), st.integers(1, 144))
def test_chunks_of_the_input_do_not_matter(world, emulator, whole, a, b, c, d):
    same(whole, run(world.chunk(lat=a, lon=b, lat_fine=c, lon_fine=d, time=1), emulator))


def test_a_part_of_the_globe_gives_the_same_inside(world, emulator, whole):
    part = world.isel(lat=slice(3, 16), lat_fine=slice(12, 64), lon=slice(5, 30))
    part = part.isel(lon_fine=slice(20, 120))
    made = run(part, emulator)
    inner = made.isel(lat=slice(24, -24), lon=slice(24, -24))
    there = whole.sel(lat=inner.lat, lon=inner.lon)
    assert inner.sizes["lat"] > 0
    same(there, inner)


def test_a_part_of_the_target_gives_exactly_the_same(world, emulator, whole):
    """Where the inputs reach beyond the target, the edge of the target is not an edge."""
    part = whole[["land_cover"]].isel(lat=slice(10, 50), lon=slice(30, 93))
    same(whole.isel(lat=slice(10, 50), lon=slice(30, 93)), run(world, emulator, target=part))


def test_order_of_variables_does_not_matter(world, emulator, whole):
    same(whole, run(world[sorted(world.data_vars, reverse=True)], emulator))


def test_nothing_is_computed_by_the_call(world, emulator):
    def fail(block):
        raise AssertionError("computed")

    lazy = world.chunk()
    for name in lazy.data_vars:
        array = da.map_blocks(fail, lazy[name].data, dtype=lazy[name].dtype, meta=np.empty(0))
        lazy[name] = lazy[name].copy(data=array)
    made = reconstruct(lazy, emulator, probabilities=True)
    assert all(variable.chunks for variable in made.data_vars.values())


@pytest.mark.parametrize("job", ["compute", "write", "evaluate"])
def test_each_block_is_computed_once(world, emulator, tmp_path, monkeypatch, job):
    """Class, confidence and baselines of a block come from one task, whatever asks for them."""
    seen = []

    def counted(plan, shared, time, number):
        seen.append((time, *number))
        return run_block(plan, shared, time, number)

    monkeypatch.setattr(predict, "run_block", counted)
    made = reconstruct(world, emulator, chunks=36)
    if job == "compute":
        made.compute()
    elif job == "write":
        made.ai4land.write(tmp_path / "map.zarr", progress=False)
    else:
        made.ai4land.evaluate(world.truth).compute()
    assert len(seen) == 2 * 2 * 4
    assert len(set(seen)) == len(seen)


def test_blocks_that_are_written_are_let_go(world, emulator, tmp_path, monkeypatch):
    """Or memory would grow with the map: nothing of a block waits for the end of the run."""
    made, alive = [], []

    def watched(*given):
        maps = run_block(*given)
        made.append(weakref.ref(maps["land_cover"]))
        alive.append(sum(one() is not None for one in made))
        return maps

    monkeypatch.setattr(predict, "run_block", watched)
    out = reconstruct(world, emulator, chunks=18)
    with dask.config.set(scheduler="sync"):
        out.ai4land.write(tmp_path / "map.zarr", progress=False)
    assert len(made) == 2 * 4 * 8
    assert max(alive) <= 2


def test_the_fractions_alone_against_a_plain_version():
    """A network that answers zero leaves interpolated fractions, fitted to the coarse cells."""
    world = small_world(times=1)
    made = run(world, plain_emulator(small_card()))
    names = ["wood", "field", "town"]
    states = world[names].isel(time=0).to_dataarray().values.astype(float)

    # Bilinear by scipy-free loops: wrap in longitude, repeat the edge in latitude.
    fine = np.zeros((3, 72, 144))
    for i in range(72):
        y = np.clip((i + 0.5) / 4 - 0.5, 0, 17)
        y0, y1, fy = int(y), min(int(y) + 1, 17), y - int(y)
        for j in range(144):
            x = (j + 0.5) / 4 - 0.5
            x0 = int(np.floor(x))
            fx = x - x0
            corner = [states[:, r, c % 36] for r in (y0, y1) for c in (x0, x0 + 1)]
            weight = [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]
            fine[:, i, j] = sum(w * c for w, c in zip(weight, corner, strict=True))
    fitted = fine / fine.sum(0) + 1e-3
    fitted /= fitted.sum(0)
    for _ in range(200):
        mean = fitted.reshape(3, 18, 4, 36, 4).mean((2, 4))
        factor = np.where(mean > 0, states / np.maximum(mean, 1e-12), 0)
        fitted = fitted * factor.repeat(4, 1).repeat(4, 2)
        fitted = fitted / fitted.sum(0)
    found = made.land_cover_probability.values[0]
    # Eight rounds are not the limit; they come close.
    assert np.abs(found - fitted).max() < 0.02
    assert np.abs(found - fitted).mean() < 5e-4


def test_class_fractions_agree_with_the_states(world, emulator, whole):
    mean = whole.land_cover_probability.coarsen(lat=4, lon=4).mean()
    mean = mean.transpose("land_cover_class", ...).values
    states = world[["wood", "field", "town"]].to_dataarray().values
    assert np.abs(mean - states).max() < 5e-3


def test_probabilities_sum_to_one_and_confidence_is_the_chosen_ones(whole):
    probability = whole.land_cover_probability
    np.testing.assert_allclose(probability.sum("land_cover_class"), 1, atol=1e-5)
    chosen = probability.sel(land_cover_class=whole.land_cover)
    np.testing.assert_allclose(whole.confidence, chosen, atol=0.0051)


def test_missing_states_stay_local(world, emulator, whole):
    holed = world.copy(deep=True)
    holed["wood"][:, 4, 7] = np.nan
    made = run(holed, emulator)
    missing = made.land_cover.values == 255
    expected = np.zeros_like(missing)
    expected[:, 16:20, 28:32] = True
    np.testing.assert_array_equal(missing, expected)
    assert np.isnan(made.confidence.values[missing]).all()
    # Far away, beyond any window that sees the hole, nothing changes.
    far = (slice(None), slice(48, 72), slice(None))
    np.testing.assert_array_equal(made.land_cover.values[far], whole.land_cover.values[far])


def test_missing_static_features_are_filled(world, emulator):
    holed = world.copy(deep=True)
    holed["height"][10:20, 10:20] = np.nan
    assert (run(holed, emulator).land_cover.values != 255).all()


def test_a_ratio_that_is_not_whole():
    """Cells of 10 degrees under pixels of 2.8: whole cells keep their fractions."""
    world = small_world(times=1)
    target = xr.Dataset(
        coords={
            "lat": coordinate("lat", 90 - 1.4 - 2.8 * np.arange(64)),
            "lon": coordinate("lon", -180 + 1.4 + 2.8 * np.arange(120)),
        }
    )
    emulator = random_emulator(small_card())
    one = run(world, emulator, target=target)
    same(one, run(world, emulator, target=target, chunks=(17, 23)))


def test_rows_on_the_poles_are_reached(world, emulator):
    target = xr.Dataset(
        coords={
            "lat": coordinate("lat", np.linspace(90, -90, 73)),
            "lon": coordinate("lon", np.arange(0, 360, 2.5)),
        }
    )
    one = run(world, emulator, target=target)
    np.testing.assert_allclose(one.land_cover_probability.sum("land_cover_class"), 1, atol=1e-5)
    same(one, run(world, emulator, target=target, chunks=(20, 31)))


def test_a_resolution_as_target(world, emulator):
    made = reconstruct(world, emulator, target=2.0)
    assert made.land_cover.shape == (2, 90, 180)
    np.testing.assert_allclose(made.lat.values, 89 - 2.0 * np.arange(90))


def test_fractions_that_are_wrong_in_lazy_data_name_the_block(world, emulator):
    bad = world.copy(deep=True)
    bad["town"][1, 2, 3] = 1.7
    with pytest.raises(InputError, match="town.*1.7.*in the block from"):
        reconstruct(bad.chunk(), emulator).compute()


@pytest.mark.parametrize("times", [1, 30, 1000])
def test_a_pure_cell_is_pure_whatever_the_network_says(emulator, times):
    world = small_world(times=1)
    pure = np.zeros((18, 36), bool)
    pure[::2, ::3] = True
    for name in ("wood", "field", "town"):
        world[name] = world[name].where(~pure, float(name == "town"))
    head = {k: v * times if k.startswith("head") else v for k, v in emulator.weights.items()}
    made = run(world, Emulator(emulator.card, head), precision="float32")
    fine = pure.repeat(4, 0).repeat(4, 1)
    assert (made.land_cover.values[0][fine] == 2).all()
    assert (made.land_cover_probability.values[0, 2][fine] == 1).all()
    np.testing.assert_allclose(made.land_cover_probability.sum("land_cover_class"), 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_that_answers_no_number_is_told_with_its_block(world, emulator, precision):
    huge = {k: v * 1e30 for k, v in emulator.weights.items()}
    made = reconstruct(world, Emulator(emulator.card, huge), precision=precision)
    with pytest.raises(EmulatorError, match="not finite") as caught:
        made.compute()
    assert any("in the block" in note for note in caught.value.__notes__)
