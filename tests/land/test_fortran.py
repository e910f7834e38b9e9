"""A Fortran program that calls an emulator in its own process: same maps, errors, two halves."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xai4land
from xai4land.coupling.run_file import RunFile

EXAMPLE = Path(__file__).parents[2] / "examples" / "fortran"
SECONDS = 180
"""No program may hang for longer."""


def find_what_is_missing() -> str:
    absent = [name for name in ("gfortran", "cmake") if shutil.which(name) is None]
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        absent.append("Python.h")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(sysconfig.get_config_var("LIBDIR") or ".")
    if not [p for p in folder.glob(f"**/libpython{version}*") if ".so" in p.name]:
        absent.append(f"shared library of Python {version}")
    return ", ".join(absent)


MISSING = find_what_is_missing() if sys.platform == "linux" else "Linux"
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"there is no {MISSING}")


def run(*command: object, folder: Path, status: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    run("cmake", "-S", EXAMPLE, "-B", ".", f"-DPython_EXECUTABLE={sys.executable}", folder=folder)
    run("cmake", "--build", ".", folder=folder)
    return folder


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return xai4land.sample("land", years=[2000])


@pytest.fixture(scope="module")
def inputs(world, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    runpy.run_path(str(EXAMPLE / "make_inputs.py"))["make_inputs"](world, folder)
    return folder


def clear_forest(states: xr.Dataset) -> xr.Dataset:
    """Return the states after a year of the model's own law, by coordinates."""
    fast = (states.lon > -40) & (states.lat > 44)
    cleared = xr.where(fast, np.float32(0.08), np.float32(0.01)) * states.primf
    return states.assign(primf=states.primf - cleared, c3ann=states.c3ann + cleared)


@pytest.fixture(scope="module")
def expected(world, inputs) -> xr.Dataset:
    """The years of Python's own stepper."""
    run_file = RunFile.read(inputs / "run.yaml")
    stepper = run_file.make_stepper()
    states = world.isel(time=0, drop=True)[[*stepper.inputs]]
    states = states.sel(lat=slice(70, 18), lon=slice(-60, -20))
    years = []
    for step in range(run_file.clock.steps):
        states = clear_forest(states)
        fields = {name: states[name].values for name in stepper.inputs}
        cover = stepper.step(fields, run_file.clock.date(step))["land_cover"]
        lat, lon = stepper.grid.lat.values, stepper.grid.lon.values
        pixels = xr.DataArray(cover, {"lat_fine": lat, "lon_fine": lon})
        years.append(states.to_array("state").to_dataset(name="states").assign(cover=pixels))
    return xr.concat(years, "year")


@pytest.fixture(scope="module")
def printed(programs, inputs) -> str:
    """What the model says of its 20 years."""
    return run(programs / "model", "run.yaml", "states.bin", "maps.bin", folder=inputs)


def test_maps_and_states_are_those_of_python(printed, inputs, expected):
    cells, pixels = expected.states.shape[1:], expected.cover.shape[1:]
    year = np.dtype([("states", "f4", cells), ("cover", "i4", pixels)])
    made = np.fromfile(inputs / "maps.bin", year)
    assert len(made) == 20
    np.testing.assert_array_equal(made["states"], expected.states.values)
    np.testing.assert_array_equal(made["cover"], expected.cover.values)
    assert "start-up" in printed
    assert "a step" in printed
    assert printed.endswith("finalised\n")


def test_maps_are_neither_transposed_nor_upside_down(printed, expected):
    last = expected.cover.isel(year=-1)
    for other in (last[::-1], last[:, ::-1], last[::-1, ::-1]):
        assert (other.values == last.values).mean() < 0.7
    places = re.findall(r"class at (\S+) E (\S+) N: (\d+)", printed)
    assert len({place[2] for place in places}) == 3
    for east, north, found in places:
        there = last.sel(lon_fine=float(east), lat_fine=float(north), method="nearest")
        assert int(there) == int(found)


def test_errors_are_codes_with_messages(programs, inputs):
    """The program itself compares each code with the expected one, and goes on."""
    text = run(programs / "errors", "errors.yaml", "states.bin", folder=inputs)
    for message in (
        "no run file        1  settings='absent.yaml' cannot be read",
        "unknown field      1  no input 'primv', expected one of urban, c3ann",
        "transposed field   1  field 'primf' has shape (40, 52), expected (rows, columns) = (52,",
        "no fields          1  14 problems",
        "small array        1  an array (208, 159) for output 'land_cover', expected (208, 160)",
        "not a number       1  field 'primf' has 1 missing values that it had not",
        "beyond the end     2  the run ended at 2021-01-01",
        "no folder          3  could not write /absent/state",
        "after the end      5  xai4land_finalise ended Python for good",
        "same map of the same states: T",
        "time 2002-01-01",
    ):
        assert message in text
    assert text.endswith("done\n")


def test_a_python_that_is_not_there_is_an_error(programs, inputs):
    text = run(
        programs / "model",
        *("run.yaml", "states.bin", "none.bin"),
        folder=inputs,
        status=1,
        XAI4LAND_PYTHON="/absent/python",
    )
    assert "error 5: there is no Python at /absent/python; set the environment" in text


def find_block(page: Path, language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)
    return next(block for block in found if "program model" in block or "main(" in block)


def test_the_programs_on_the_pages_compile(programs, tmp_path):
    page = EXAMPLE.parents[1] / "docs" / "coupling.md"
    (tmp_path / "page.f90").write_text(find_block(page, "fortran"))
    (tmp_path / "page.c").write_text(find_block(EXAMPLE / "README.md", "c"))
    checks = ("-fsyntax-only", "-Wall", "-Werror")
    run("gfortran", *checks, f"-I{programs}", "page.f90", folder=tmp_path)
    run("gcc", *checks, f"-I{EXAMPLE}", "page.c", folder=tmp_path)


def run_halves(programs: Path, inputs: Path, name: str, status: int = 0) -> str:
    if shutil.which("mpirun") is None or not (programs / "halves").exists():
        pytest.skip("there is no MPI for Fortran with mpirun")
    launcher = ["mpirun", "-n", 2, "--oversubscribe", "--timeout", SECONDS - 20]
    launcher += ["--mca", "mpi_yield_when_idle", "1"]
    if os.geteuid() == 0:
        launcher.append("--allow-run-as-root")
    command = [*launcher, programs / "halves", name, "states.bin", f"maps_{name}"]
    return run(*command, folder=inputs, status=status)


def test_two_ranks_make_the_map_of_one(programs, inputs, expected):
    text = run_halves(programs, inputs, "half")
    assert text.count("finalised") == 2
    rows, columns = expected.cover.shape[1:]
    halves = [
        np.fromfile(inputs / f"maps_half_{rank}.bin", "i4").reshape(-1, rows // 2, columns)
        for rank in (0, 1)
    ]
    joined = np.concatenate(halves, axis=1)
    np.testing.assert_array_equal(joined, expected.cover.values[: len(joined)])
    assert len(joined) == 5


def test_a_halo_that_is_too_thin_is_refused(programs, inputs):
    text = run_halves(programs, inputs, "thin", status=1)
    assert "rank 1: the halo is narrower than a window; give the domains more rows" in text
