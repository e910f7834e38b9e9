"""What a program that embeds Python calls: memory by name, codes in place of exceptions."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from conftest import random_emulator, small_card, small_world
from xai4land.coupling import embedding
from xai4land.coupling.embedding import call
from xai4land.coupling.run_file import RunFile
from xai4land.errors import EmulatorError

STATES = ("wood", "field", "town")


def memory(array: np.ndarray) -> memoryview:
    return memoryview(array.reshape(-1)).cast("B")


@pytest.fixture(scope="module")
def world():
    return small_world(times=3)


@pytest.fixture(scope="module")
def run_file(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    random_emulator(small_card()).save(folder / "e.safetensors")
    world.to_netcdf(folder / "world.nc")
    settings = {"emulator": "e.safetensors", "like": "world.nc", "static": "world.nc"}
    settings |= {"start": 2000, "end": 2003, "checkpoint": "state"}
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    return folder / "run.yaml"


def open_run(path) -> int:
    number = np.zeros(1, "i8")
    assert call("open", 0, str(path), memory(number)) == (0, "")
    return int(number[0])


@pytest.fixture
def number(run_file):
    run_file.with_name("state").unlink(missing_ok=True)
    number = open_run(run_file)
    yield number
    embedding.SESSIONS.pop(number, None)


def pass_array(verb, number, name, array):
    shape = memory(np.array(array.shape, "i8"))
    return call(verb, number, name, array.dtype.str[1:], memory(array), shape)


def set_year(number, world, step, dtype="f4"):
    for name in STATES:
        field = world[name].values[step].astype(dtype)
        assert pass_array("set", number, name, field) == (0, "")
        field[:] = np.nan  # the host's memory is its own again


def read_text(verb, number, *arguments):
    room = bytearray(4096)
    assert call(verb, number, *arguments, memoryview(room)) == (0, "")
    return bytes(room).split(b"\0")[0].decode()


def read_numbers(verb, number, *arguments, count=1, dtype="i8"):
    rooms = [np.zeros(1, dtype) for _ in range(count)]
    assert call(verb, number, *arguments, *map(memory, rooms)) == (0, "")
    return [room[0] for room in rooms]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_maps_are_those_of_a_stepper(number, run_file, world, dtype):
    stepper = RunFile.read(run_file).make_stepper()
    shape = np.zeros(4, "i8")
    assert call("shape", number, "land_cover", memory(shape)) == (0, "")
    made = np.zeros(shape[:2], "i4")
    for step in range(3):
        set_year(number, world, step, dtype)
        assert call("step", number, "") == (0, "")
        assert pass_array("get", number, "land_cover", made) == (0, "")
        fields = {name: world[name].values[step] for name in STATES}
        np.testing.assert_array_equal(made, stepper.step(fields, 2000 + step)["land_cover"])
    assert read_numbers("steps", number, count=2) == [3, 3]
    assert call("step", number, "")[0] == 2


def test_a_host_learns_what_a_step_takes_and_gives(number, world):
    assert read_text("names", number, "inputs").split("\n") == list(STATES)
    assert read_text("names", number, "outputs").split("\n") == ["land_cover", "confidence"]
    assert read_text("attribute", number, "wood", "units") == "1"
    assert read_text("attribute", number, "land_cover", "flag_values") == "0 1 2"
    assert read_text("attribute", number, "land_cover", "nothing") == ""
    lat, lon = np.zeros(18), np.zeros(36)
    assert call("coordinates", number, "wood", memory(lat), memory(lon)) == (0, "")
    np.testing.assert_array_equal(lat, world.lat)
    np.testing.assert_array_equal(lon, world.lon)
    assert call("coordinates", number, "wood", memory(lon), memory(lat))[0] == 1
    window = small_card().window.size
    assert read_numbers("halo", number, dtype="f8") == [window * 2.5]
    assert read_text("time", number) == ""
    assert read_numbers("steps", number, count=2) == [0, 3]


def test_a_closed_run_goes_on_when_it_is_opened_again(number, run_file, world):
    set_year(number, world, 0)
    assert call("step", number, "") == (0, "")
    assert call("close", number) == (0, "")
    again = open_run(run_file)
    assert again != number
    assert read_text("time", again) == "2000-01-01"
    assert read_numbers("steps", again, count=2) == [1, 3]
    assert call("close", again) == (0, "")


def test_a_checkpoint_of_another_date_is_refused(number, run_file, world):
    set_year(number, world, 0)
    assert call("step", number, "") == (0, "")
    assert call("close", number) == (0, "")
    for start, code in ((2001, 0), (2002, 1)):
        later = run_file.read_text().replace("start: 2000", f"start: {start}")
        other = run_file.with_name("later.yaml")
        other.write_text(later)
        found, message = call("open", 0, str(other), memory(np.zeros(1, "i8")))
        assert found == code
    assert "the checkpoint of 2000-01-01, expected 2001-01-01" in message


def test_an_error_is_a_code_and_fields_are_still_there_after_it(number, world, monkeypatch):
    small = np.zeros((2, 2), "f4")
    for answer, code, message in (
        (pass_array("set", number, "wod", small), 1, "no input 'wod', expected one of wood"),
        (pass_array("set", number, "wood", small), 1, "has shape (2, 2)"),
        (pass_array("get", number, "land_cover", small), 1, "an array (2, 2) for output"),
        (pass_array("get", number, "wool", small), 1, "no input or output 'wool'"),
        (call("names", number, "fields", memoryview(bytearray(9))), 1, "names of 'fields'"),
        (call("names", number, "inputs", memoryview(bytearray(9))), 1, "9 bytes for a text of 16"),
        (call("step", number, ""), 1, "3 problems"),
        (call("restore", number, "/absent"), 2, "/absent is no checkpoint"),
        (call("checkpoint", number, "/absent/state"), 3, "could not write"),
        (call("step", number + 99, ""), 1, f"no emulator {number + 99} is open"),
        (call("open", 0, "/absent.yaml", memoryview(bytearray(8))), 1, "cannot be read"),
        (call("time", number, memoryview(b"")), 1, "0 bytes for a text of 1"),
        (call("halo", number, memoryview(bytearray(7))), 1, "no array of f8"),
        (call("leap", number), 6, "KeyError"),
    ):
        assert answer[0] == code
        assert message in answer[1]
    set_year(number, world, 0)
    stepper = embedding.SESSIONS[number].stepper
    with monkeypatch.context() as patch:
        patch.setattr(stepper, "step", lambda *_: (_ for _ in ()).throw(EmulatorError("no")))
        assert call("step", number, "") == (4, "no")
    assert call("step", number, "") == (0, "")
    assert "no field 'wood'" in call("step", number, "")[1]


def test_reals_are_not_written_to_integers(number, world):
    set_year(number, world, 0)
    assert call("step", number, "") == (0, "")
    made = np.zeros((72, 144), "i4")
    code, message = pass_array("get", number, "confidence", made)
    assert (code, message) == (1, "output 'confidence' is float32, which is no int32")
    wide = np.zeros((72, 144), "f8")
    assert pass_array("get", number, "confidence", wide) == (0, "")
    assert 0 < np.nanmax(wide) <= 1
