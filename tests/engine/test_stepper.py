"""Emulators of maps called step by step: numbers of the lazy graph, errors, states, threads."""

from __future__ import annotations

import datetime
import threading

import cftime
import numpy as np
import pytest
import xarray as xr

from conftest import random_emulator, small_card, small_world
from xai4land import InputError
from xai4land.coupling import Stepper
from xai4land.coupling.dates import read_date
from xai4land.errors import CouplingError
from xai4land.inference.apply import apply

STATES = ("wood", "field", "town")


@pytest.fixture(scope="module")
def world():
    return small_world(times=3)


@pytest.fixture(scope="module")
def emulator():
    return random_emulator(small_card())


def fields_of(world, step):
    return {name: world[name].values[step] for name in STATES}


def make(emulator, world, **how):
    return Stepper(emulator, world, static=world, **how)


def test_steps_give_the_numbers_of_the_graph(emulator, world):
    whole = apply(emulator, world, chunks=-1, precision="float32", device="cpu", probabilities=True)
    stepper = make(emulator, world, probabilities=True)
    for step in (0, 2, 1):
        for name, values in stepper.step(fields_of(world, step)).items():
            np.testing.assert_array_equal(values, whole[name].values[step], err_msg=name)


def test_a_dataset_gives_a_cf_dataset_of_the_same_numbers(emulator, world):
    stepper = make(emulator, world)
    arrays = stepper.step(fields_of(world, 0), 2000)
    data = stepper.step(world.isel(time=1))
    assert data.land_cover.attrs["flag_meanings"] == "wood field town"
    assert data.time.dt.year == 2001
    assert stepper.step(world.isel(time=[2])).land_cover.dims == ("lat", "lon")
    again = make(emulator, world).step(world.isel(time=0))
    np.testing.assert_array_equal(again.land_cover.values, arrays["land_cover"])


def test_rows_run_as_the_model_has_them(emulator, world):
    north = make(emulator, world).step(fields_of(world, 0))["land_cover"]
    turned = world.isel(lat=slice(None, None, -1), lat_fine=slice(None, None, -1))
    south = make(emulator, turned).step(fields_of(turned, 0))["land_cover"]
    np.testing.assert_array_equal(north, south[::-1])


def test_units_of_plain_arrays_are_converted(emulator, world):
    expected = make(emulator, world).step(fields_of(world, 0))["land_cover"]
    percent = {name: 100 * values for name, values in fields_of(world, 0).items()}
    stepper = make(emulator, world, units=dict.fromkeys(STATES, "%"))
    np.testing.assert_array_equal(stepper.step(percent)["land_cover"], expected)
    with pytest.raises(InputError, match="values from 0 to 100, expected 0 to 1"):
        make(emulator, world).step(percent)
    with pytest.raises(InputError, match="cannot be converted"):
        make(emulator, world, units={"wood": "kg"})


def test_all_that_is_wrong_with_a_step_is_said_at_once(emulator, world):
    stepper = make(emulator, world)
    fields = fields_of(world, 0) | {"wod": np.zeros((18, 36))}
    fields["field"] = fields["field"].T
    del fields["wood"]
    with pytest.raises(InputError) as caught:
        stepper.step(fields)
    text = str(caught.value)
    assert "'wod' is none of wood, field, town; is it 'wood'?" in text
    assert "no field 'wood'" in text
    assert "shape (36, 18), expected (rows, columns) = (18, 36), rows from 85 to -85°N" in text


def test_a_step_that_fails_leaves_the_stepper_as_it_was(emulator, world):
    stepper, other = make(emulator, world), make(emulator, world)
    stepper.step(fields_of(world, 0), 2000)
    broken = fields_of(world, 1)
    broken["wood"] = broken["wood"].copy()
    broken["wood"][3, 4] = np.nan
    with pytest.raises(InputError, match="'wood' has 1 missing values that it had not"):
        stepper.step(broken, 2001)
    with pytest.raises(InputError, match="2000 was the last step already"):
        stepper.step(fields_of(world, 1), 2000)
    assert stepper.time == read_date(2000)
    expected = other.step(fields_of(world, 1), 2001)
    np.testing.assert_array_equal(
        stepper.step(fields_of(world, 1), 2001)["land_cover"], expected["land_cover"]
    )


def test_fields_of_another_grid_are_refused(emulator, world):
    shifted = world.isel(time=0).assign_coords(lon=world.lon + 5)
    with pytest.raises(InputError, match="'wood' lies on another grid"):
        make(emulator, world).step(shifted)
    with pytest.raises(InputError, match="has 3 values along 'time', expected one step"):
        make(emulator, world).step(world)


def test_a_second_thread_is_refused(emulator, world, monkeypatch):
    stepper = make(emulator, world)
    entered, leave = threading.Event(), threading.Event()
    run = stepper._domain.run

    def slow(values):
        entered.set()
        leave.wait(30)
        return run(values)

    monkeypatch.setattr(stepper._domain, "run", slow)
    thread = threading.Thread(target=stepper.step, args=(fields_of(world, 0),))
    thread.start()
    entered.wait(30)
    with pytest.raises(CouplingError, match="one stepper for each thread"):
        stepper.step(fields_of(world, 1))
    leave.set()
    thread.join()
    stepper.step(fields_of(world, 1))


def test_static_features_are_read_once(emulator, world):
    reads = []
    static = world[["height", "zone"]].chunk()
    counted = static.map(
        lambda a: a.copy(data=a.data.map_blocks(lambda b: reads.append(1) or b, dtype=a.dtype))
    )
    reads.clear()
    stepper = Stepper(emulator, world, static=counted)
    for step in range(3):
        stepper.step(fields_of(world, step))
    assert len(reads) == 2


def test_damaged_and_foreign_checkpoints_are_refused(emulator, world, tmp_path):
    stepper = make(emulator, world)
    stepper.step(fields_of(world, 0), 2000)
    stepper.checkpoint(tmp_path / "a")
    (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:-9])
    with pytest.raises(CouplingError, match="no checkpoint of a stepper, or damaged"):
        stepper.restore(tmp_path / "b")
    with pytest.raises(CouplingError, match="no checkpoint"):
        stepper.restore(tmp_path / "absent")
    with pytest.raises(InputError, match="another options"):
        make(emulator, world, probabilities=True).restore(tmp_path / "a")
    with pytest.raises(InputError, match="another emulator"):
        make(random_emulator(small_card(), seed=1), world).restore(tmp_path / "a")
    fresh = make(emulator, world)
    fresh.restore(tmp_path / "a")
    assert fresh.time == read_date(2000)


def test_what_an_emulator_has_no_use_for_is_refused(emulator, world):
    with pytest.raises(InputError, match="leave prior= out"):
        make(emulator, world, prior=world.truth.isel(time=0))
    with pytest.raises(InputError, match="leave history= out"):
        make(emulator, world, history=world)
    with pytest.raises(InputError, match="unknown options sead"):
        make(emulator, world, sead=1)
    with pytest.raises(InputError, match="like= is a DataArray"):
        Stepper(emulator, world.wood, static=world)
    with pytest.raises(InputError, match=r"ds\.seasonal\.forecast"):
        Stepper("seasonal", world)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (1850, "1850-07-01"),
        ("1850", "1850-07-01"),
        ("1850-02", "1850-02-01"),
        ("1850-02-03T12:00:00", "1850-02-03"),
        (np.datetime64("1850-02-03", "ns"), "1850-02-03"),
        (datetime.date(1850, 2, 3), "1850-02-03"),
        (np.array("1850-02-03", "M8[s]"), "1850-02-03"),
        (xr.DataArray(np.datetime64("1850-02-03", "s")), "1850-02-03"),
        (xr.DataArray(cftime.DatetimeNoLeap(1850, 2, 3)), "1850-02-03"),
        (cftime.Datetime360Day(1850, 2, 30), "1850-02-30"),
    ],
)
def test_dates_of_all_kinds_are_read(time, expected):
    assert str(read_date(time)) == expected


@pytest.mark.parametrize("time", ["soon", "1850-13", True, 1850.5, None])
def test_what_is_no_date_is_refused(time):
    with pytest.raises(InputError, match="time="):
        read_date(time)


def test_grids_come_from_coordinates_alone(emulator, world):
    like = xr.Dataset(coords={"lat": world.lat, "lon": world.lon})
    made = Stepper(emulator, like, static=world[["height", "zone"]]).step(fields_of(world, 0))
    expected = make(emulator, world).step(fields_of(world, 0))
    np.testing.assert_array_equal(made["land_cover"], expected["land_cover"])


def test_masked_values_are_missing(emulator, world):
    fields = fields_of(world, 0)
    holes = np.zeros((18, 36), bool)
    holes[4, 5] = True
    missing = {name: np.where(holes, np.nan, values) for name, values in fields.items()}
    masked = {name: np.ma.array(values, mask=holes) for name, values in fields.items()}
    expected = make(emulator, world).step(missing)["land_cover"]
    made = make(emulator, world).step(masked)["land_cover"]
    np.testing.assert_array_equal(made, expected)
    assert (made == 255).any()


def test_arrays_of_xarray_keep_their_grid_and_units(emulator, world):
    expected = make(emulator, world).step(fields_of(world, 0))["land_cover"]
    now = world.isel(time=0)
    percent = {n: (100 * now[n]).assign_attrs(units="%") for n in STATES}
    made = make(emulator, world).step(percent)["land_cover"]
    np.testing.assert_array_equal(made, expected)
    turned = {n: now[n].isel(lat=slice(None, None, -1)) for n in STATES}
    with pytest.raises(InputError, match="lies on another grid"):
        make(emulator, world).step(turned)


def test_dates_are_those_of_their_bounds(emulator, world):
    edges = np.array(["2000-01-01", "2001-01-01"], "M8[s]")
    time = xr.DataArray(edges[1:], dims="time", attrs={"bounds": "time_bnds"})
    year = world.isel(time=[0]).assign_coords(time=time, time_bnds=(("time", "bnds"), edges[None]))
    for data in (year, year.isel(time=0)):
        stepper = make(emulator, world)
        made = stepper.step(data)
        assert stepper.time.year == 2000
        assert made.time.dt.year == 2000


def test_a_map_has_the_date_that_was_given(emulator, world):
    made = make(emulator, world).step(world.isel(time=0).drop_vars("time"), 1990)
    assert made.time.dt.year == 1990


def test_static_features_are_those_of_the_start(emulator, world):
    static = world[["height", "zone"]].copy(deep=True)
    stepper = Stepper(emulator, world, static=static)
    static["height"].values[:] = 0
    made = stepper.step(fields_of(world, 0))["land_cover"]
    expected = make(emulator, world).step(fields_of(world, 0))["land_cover"]
    np.testing.assert_array_equal(made, expected)


def test_inputs_are_listed_in_the_units_that_were_named(emulator, world):
    stepper = make(emulator, world, units={"wood": "%"})
    assert [stepper.inputs[name].units for name in STATES] == ["%", "1", "1"]


def test_fields_without_any_value_are_refused(emulator, world):
    fields = fields_of(world, 0) | {"wood": np.full((18, 36), np.nan)}
    with pytest.raises(InputError, match="'wood' has no value at all"):
        make(emulator, world).step(fields)


def test_a_checkpoint_of_other_static_features_is_refused(emulator, world, tmp_path):
    make(emulator, world).checkpoint(tmp_path / "state")
    static = world[["height", "zone"]].assign(height=world.height + 1)
    with pytest.raises(InputError, match="another static features"):
        Stepper(emulator, world, static=static).restore(tmp_path / "state")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"units": ["%"]}, "expected names of fields with units"),
        ({"batch_size": 0}, "batch_size=0, expected"),
        ({"batch_size": True}, "batch_size=True, expected"),
    ],
)
def test_odd_arguments_are_refused(emulator, world, how, message):
    with pytest.raises(InputError, match=message):
        make(emulator, world, **how)
