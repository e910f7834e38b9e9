"""The Basic Model Interface: driven as a framework does, and by CSDMS' own tester."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("bmipy", reason="bmipy is not installed: pip install 'xai4land[bmi]'")

from conftest import random_emulator, small_card, small_world
from xai4land import InputError
from xai4land.coupling import Stepper
from xai4land.coupling.bmi import BmiEmulator
from xai4land.errors import CouplingError

STATES = ("wood", "field", "town")


@pytest.fixture(scope="module")
def world():
    return small_world(times=3)


@pytest.fixture
def settings(world, tmp_path):
    emulator = random_emulator(small_card())
    emulator.save(tmp_path / "small.safetensors")
    world.isel(time=0, drop=True).to_netcdf(tmp_path / "world.nc")
    lines = (
        *("emulator: small.safetensors", "like: world.nc", "static: world.nc"),
        *("start: 2003", "end: 2006", "step: year", "checkpoint: state.safetensors"),
        "options: {probabilities: true}",
    )
    path = tmp_path / "run.yaml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def model(settings):
    model = BmiEmulator()
    model.initialize(str(settings))
    return model


def give(model, world, step):
    for name in STATES:
        model.set_value(name, world[name].values[step][::-1].ravel())


def test_a_framework_drives_it(model, world, settings):
    stepper = Stepper(
        str(settings.with_name("small.safetensors")), world, static=world, probabilities=True
    )
    assert model.get_input_var_names() == STATES
    assert model.get_output_item_count() == 2 + 3
    assert model.get_time_units() == "d"
    grid = model.get_var_grid("land_cover")
    shape = model.get_grid_shape(grid, np.empty(2, int))
    pointer = model.get_value_ptr("land_cover")
    assert (pointer == 255).all()
    times = []
    for step in range(3):
        give(model, world, step)
        model.update()
        times.append(model.get_current_time())
        expected = stepper.step({name: world[name].values[step] for name in STATES})
        south_first = pointer.reshape(shape)
        np.testing.assert_array_equal(south_first[::-1], expected["land_cover"])
        probability = model.get_value("land_cover_probability_1", np.empty(shape[0] * shape[1]))
        np.testing.assert_array_equal(
            probability.reshape(shape)[::-1], expected["land_cover_probability"][1]
        )
    assert times == [365, 365 + 366, 365 + 366 + 365]
    assert model.get_end_time() == times[-1]
    with pytest.raises(CouplingError, match="the run ended at 2006-01-01"):
        model.update()
    model.finalize()
    with pytest.raises(CouplingError, match="not initialised"):
        model.update()


def test_grids_are_as_the_standard_says(model, world):
    coarse, fine = model.get_var_grid("wood"), model.get_var_grid("land_cover")
    assert coarse != fine
    assert model.get_grid_type(coarse) == "uniform_rectilinear"
    assert model.get_grid_shape(coarse, np.empty(2, int)).tolist() == [18, 36]
    assert model.get_grid_spacing(fine, np.empty(2)).tolist() == [2.5, 2.5]
    assert model.get_grid_origin(coarse, np.empty(2)).tolist() == [-85, -175]
    assert model.get_grid_y(coarse, np.empty(18)).tolist() == sorted(world.lat.values)
    assert model.get_grid_rank(coarse) == 2
    assert model.get_var_nbytes("wood") == 8 * model.get_grid_size(coarse)
    with pytest.raises(NotImplementedError):
        model.get_grid_face_count(coarse)
    with pytest.raises(InputError, match="no grid 7"):
        model.get_grid_size(7)


def test_rectilinear_grids_are_named_so(settings, world):
    gaussian = world.isel(time=0, drop=True)
    gaussian["lat"] = ("lat", 88 * np.sin(np.linspace(1.5, -1.5, 18)), world.lat.attrs)
    gaussian[list(STATES)].to_netcdf(settings.with_name("gaussian.nc"))
    settings.write_text(settings.read_text().replace("like: world.nc", "like: gaussian.nc"))
    model = BmiEmulator()
    model.initialize(str(settings))
    grid = model.get_var_grid("wood")
    assert model.get_grid_type(grid) == "rectilinear"
    np.testing.assert_allclose(model.get_grid_y(grid, np.empty(18)), gaussian.lat.values[::-1])
    with pytest.raises(NotImplementedError, match="use get_grid_x"):
        model.get_grid_spacing(grid, np.empty(2))


def test_a_run_goes_on_from_its_checkpoint(settings, world):
    first = BmiEmulator()
    first.initialize(str(settings))
    give(first, world, 0)
    first.update_until(365)
    first.finalize()
    second = BmiEmulator()
    second.initialize(str(settings))
    assert second.get_current_time() == 365


def test_bad_calls_are_refused_and_can_be_mended(model, world):
    with pytest.raises(CouplingError, match="never set: wood, field, town"):
        model.update()
    with pytest.raises(InputError, match=r"7 values for 'wood', expected 648: .* \(18, 36\)"):
        model.set_value("wood", np.zeros(7))
    with pytest.raises(InputError, match="no variable 'wod'"):
        model.get_value_ptr("wod")
    with pytest.raises(InputError, match="'land_cover' is an output"):
        model.set_value("land_cover", np.zeros(72 * 144))
    with pytest.raises(InputError, match="is not the end of a step, expected e.g. 365"):
        model.update_until(100)
    give(model, world, 0)
    model.update()
    model.set_value_at_indices("wood", np.array([5]), np.array([np.nan]))
    with pytest.raises(InputError, match="'wood' has 1 missing values"):
        model.update()
    give(model, world, 1)
    model.update()
    assert model.get_current_time() == 365 + 366


def test_the_tester_of_csdms_passes(settings):
    pytest.importorskip("bmi_tester", reason="bmi-tester is not installed")
    command = [sys.executable, "-c", "from bmi_tester.main import main; main()"]
    arguments = [
        "xai4land.coupling.bmi:BmiEmulator",
        f"--config-file={settings.name}",
        f"--root-dir={settings.parent}",
    ]
    run = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=settings.parent, timeout=300
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    assert "failed" not in run.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("start: 2003\n", "no start:, expected a date"),
        ("emulator: small.safetensors\n", "no emulator:"),
        ("step: year", "step='weak', expected one of year, month, day"),
        ("end: 2006", "end=1999-01-01 is not after start=2003-01-01"),
        ("like:", "no setting 'lik'"),
    ],
)
def test_settings_are_checked(settings, change, message):
    others = {"step: year": "step: weak", "end: 2006": "end: 1999", "like:": "lik:"}
    settings.write_text(settings.read_text().replace(change, others.get(change, "")))
    with pytest.raises(InputError, match=message):
        BmiEmulator().initialize(str(settings))
