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

few_examples = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def run(world, emulator, **options):
    return reconstruct(world, emulator, probabilities=True, **options).compute()


@pytest.fixture(scope="module")
def global_map(world, emulator):
    return run(world, emulator)


def assert_same_map(one: xr.Dataset, other: xr.Dataset) -> None:
    """Equal classes and, to 1e-5, equal probabilities."""
    np.testing.assert_allclose(
        one.land_cover_probability.values, other.land_cover_probability.values, atol=1e-5
    )
    np.testing.assert_array_equal(one.land_cover.values, other.land_cover.values)


@few_examples
@given(st.integers(7, 80), st.integers(7, 150), st.integers(1, 9))
def test_chunks_and_batches_do_not_matter(world, emulator, global_map, rows, columns, batch):
    assert_same_map(global_map, run(world, emulator, chunks=(rows, columns), batch_size=batch))


@few_examples
@given(st.integers(0, 35))
def test_rotated_longitudes_do_not_matter(world, emulator, global_map, shift):
    rotated = world.roll(lon=shift, lon_fine=4 * shift, roll_coords=True)
    assert_same_map(global_map, run(rotated, emulator).roll(lon=-4 * shift, roll_coords=True))


def test_longitudes_from_0_to_360_do_not_matter(world, emulator, global_map):
    east = world.assign_coords(
        {n: world[n].copy(data=world[n].values % 360) for n in ("lon", "lon_fine")}
    ).sortby(["lon", "lon_fine"])
    result = run(east, emulator)
    assert float(result.lon.min()) >= 0
    assert_same_map(global_map, result.roll(lon=result.sizes["lon"] // 2))


def test_rows_may_run_either_way(world, emulator, global_map):
    upward = world.isel(lat=slice(None, None, -1), lat_fine=slice(None, None, -1))
    result = run(upward, emulator)
    assert float(result.lat[0]) < float(result.lat[-1])
    assert_same_map(global_map, result.isel(lat=slice(None, None, -1)))


@few_examples
@given(st.integers(1, 18), st.integers(1, 36), st.integers(1, 72), st.integers(1, 144))
def test_chunks_of_the_input_do_not_matter(world, emulator, global_map, a, b, c, d):
    assert_same_map(
        global_map, run(world.chunk(lat=a, lon=b, lat_fine=c, lon_fine=d, time=1), emulator)
    )


def test_a_part_of_the_globe_gives_the_same_inside(world, emulator, global_map):
    part = world.isel(lat=slice(3, 16), lat_fine=slice(12, 64), lon=slice(5, 30))
    part = part.isel(lon_fine=slice(20, 120))
    result = run(part, emulator)
    inner = result.isel(lat=slice(24, -24), lon=slice(24, -24))
    there = global_map.sel(lat=inner.lat, lon=inner.lon)
    assert inner.sizes["lat"] > 0
    assert_same_map(there, inner)


def test_a_part_of_the_target_gives_exactly_the_same(world, emulator, global_map):
    """Where the inputs reach beyond the target, the edge of the target is not an edge."""
    part = global_map[["land_cover"]].isel(lat=slice(10, 50), lon=slice(30, 93))
    assert_same_map(
        global_map.isel(lat=slice(10, 50), lon=slice(30, 93)), run(world, emulator, target=part)
    )


def test_order_of_variables_does_not_matter(world, emulator, global_map):
    assert_same_map(global_map, run(world[sorted(world.data_vars, reverse=True)], emulator))


def test_nothing_is_computed_by_the_call(world, emulator):
    def fail(block):
        raise AssertionError("computed")

    lazy = world.chunk()
    for name in lazy.data_vars:
        array = da.map_blocks(fail, lazy[name].data, dtype=lazy[name].dtype, meta=np.empty(0))
        lazy[name] = lazy[name].copy(data=array)
    result = reconstruct(lazy, emulator, probabilities=True)
    assert all(variable.chunks for variable in result.data_vars.values())


@pytest.mark.parametrize("job", ["compute", "write", "evaluate"])
def test_each_block_is_computed_once(world, emulator, tmp_path, monkeypatch, job):
    """Class, confidence and baselines of a block come from one task, whatever asks for them."""
    computed = []

    def record_call(plan, cache, time, index):
        computed.append((time, *index))
        return run_block(plan, cache, time, index)

    monkeypatch.setattr(predict, "run_block", record_call)
    result = reconstruct(world, emulator, chunks=36)
    if job == "compute":
        result.compute()
    elif job == "write":
        result.ai4land.write(tmp_path / "map.zarr", progress=False)
    else:
        result.ai4land.evaluate(world.truth).compute()
    assert len(computed) == 2 * 2 * 4
    assert len(set(computed)) == len(computed)


def test_blocks_that_are_written_are_freed(world, emulator, tmp_path, monkeypatch):
    """Or memory would grow with the map: nothing of a block waits for the end of the run."""
    references, alive = [], []

    def record_result(*arguments):
        maps = run_block(*arguments)
        references.append(weakref.ref(maps["land_cover"]))
        alive.append(sum(one() is not None for one in references))
        return maps

    monkeypatch.setattr(predict, "run_block", record_result)
    out = reconstruct(world, emulator, chunks=18)
    with dask.config.set(scheduler="sync"):
        out.ai4land.write(tmp_path / "map.zarr", progress=False)
    assert len(references) == 2 * 4 * 8
    assert max(alive) <= 2


def test_the_fractions_alone_against_a_plain_version():
    """A network that gives zero leaves interpolated fractions, fitted to the coarse cells."""
    world = small_world(times=1)
    result = run(world, plain_emulator(small_card()))
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
    found = result.land_cover_probability.values[0]
    # Eight rounds are not the limit; they come close.
    assert np.abs(found - fitted).max() < 0.02
    assert np.abs(found - fitted).mean() < 5e-4


def test_class_fractions_agree_with_the_states(world, emulator, global_map):
    mean = global_map.land_cover_probability.coarsen(lat=4, lon=4).mean()
    mean = mean.transpose("land_cover_class", ...).values
    states = world[["wood", "field", "town"]].to_dataarray().values
    assert np.abs(mean - states).max() < 5e-3


def test_probabilities_sum_to_one_and_confidence_is_the_chosen_ones(global_map):
    probability = global_map.land_cover_probability
    np.testing.assert_allclose(probability.sum("land_cover_class"), 1, atol=1e-5)
    chosen = probability.sel(land_cover_class=global_map.land_cover)
    np.testing.assert_allclose(global_map.confidence, chosen, atol=0.0051)


def test_missing_states_stay_local(world, emulator, global_map):
    with_hole = world.copy(deep=True)
    with_hole["wood"][:, 4, 7] = np.nan
    result = run(with_hole, emulator)
    missing = result.land_cover.values == 255
    expected = np.zeros_like(missing)
    expected[:, 16:20, 28:32] = True
    np.testing.assert_array_equal(missing, expected)
    assert np.isnan(result.confidence.values[missing]).all()
    # Far away, beyond any window that sees the hole, nothing changes.
    far = (slice(None), slice(48, 72), slice(None))
    np.testing.assert_array_equal(result.land_cover.values[far], global_map.land_cover.values[far])


def test_missing_static_features_are_filled(world, emulator):
    with_hole = world.copy(deep=True)
    with_hole["height"][10:20, 10:20] = np.nan
    assert (run(with_hole, emulator).land_cover.values != 255).all()


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
    assert_same_map(one, run(world, emulator, target=target, chunks=(17, 23)))


def test_rows_on_the_poles_are_reached(world, emulator):
    target = xr.Dataset(
        coords={
            "lat": coordinate("lat", np.linspace(90, -90, 73)),
            "lon": coordinate("lon", np.arange(0, 360, 2.5)),
        }
    )
    one = run(world, emulator, target=target)
    np.testing.assert_allclose(one.land_cover_probability.sum("land_cover_class"), 1, atol=1e-5)
    assert_same_map(one, run(world, emulator, target=target, chunks=(20, 31)))


def test_a_resolution_as_target(world, emulator):
    result = reconstruct(world, emulator, target=2.0)
    assert result.land_cover.shape == (2, 90, 180)
    np.testing.assert_allclose(result.lat.values, 89 - 2.0 * np.arange(90))


def test_fractions_that_are_wrong_in_lazy_data_name_the_block(world, emulator):
    bad = world.copy(deep=True)
    bad["town"][1, 2, 3] = 1.7
    with pytest.raises(InputError, match="town.*1.7.*in the block from"):
        reconstruct(bad.chunk(), emulator).compute()


@pytest.mark.parametrize("times", [1, 30, 1000])
def test_a_pure_cell_is_pure_whatever_the_network_gives(emulator, times):
    world = small_world(times=1)
    pure = np.zeros((18, 36), bool)
    pure[::2, ::3] = True
    for name in ("wood", "field", "town"):
        world[name] = world[name].where(~pure, float(name == "town"))
    head = {k: v * times if k.startswith("head") else v for k, v in emulator.weights.items()}
    result = run(world, Emulator(emulator.card, head), precision="float32")
    fine = pure.repeat(4, 0).repeat(4, 1)
    assert (result.land_cover.values[0][fine] == 2).all()
    assert (result.land_cover_probability.values[0, 2][fine] == 1).all()
    np.testing.assert_allclose(result.land_cover_probability.sum("land_cover_class"), 1, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_that_gives_no_finite_number_is_reported_with_its_block(
    world, emulator, precision
):
    huge = {k: v * 1e30 for k, v in emulator.weights.items()}
    result = reconstruct(world, Emulator(emulator.card, huge), precision=precision)
    with pytest.raises(EmulatorError, match="not finite") as caught:
        result.compute()
    assert any("in the block" in note for note in caught.value.__notes__)


def test_chunks_may_be_named(world, emulator, global_map):
    result = reconstruct(world, emulator, chunks={"lat": 20, "lon": -1})
    assert result.land_cover.chunks[1:] == ((20, 20, 20, 12), (144,))
    assert_same_map(global_map, run(world, emulator, chunks={"lon": 31}))
    with pytest.raises(InputError, match="names x, expected lat and lon"):
        reconstruct(world, emulator, chunks={"x": 20})
