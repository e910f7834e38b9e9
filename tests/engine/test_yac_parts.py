"""Parts of an emulator's component of YAC: settings, couplings, fields and their grids."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import pytest
import xarray as xr

from conftest import random_emulator, small_card, small_world
from xai4land import InputError
from xai4land.coupling import Stepper
from xai4land.coupling.clock import Clock
from xai4land.coupling.yac.component import import_yac
from xai4land.coupling.yac.couplings import step_fits
from xai4land.coupling.yac.job import YacJob, main
from xai4land.coupling.yac.lag import read_initial
from xai4land.coupling.yac.ports import Vertices, list_inputs, list_outputs
from xai4land.coupling.yac.settings import YacRunFile
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from yac_runs import (
    LAND_GRID,
    NEAREST,
    ON_CELLS,
    ON_PIXELS,
    STATES,
    couple,
    fractions_of,
    write_job,
)


@pytest.fixture
def job(tmp_path):
    """Return a function that writes the files of a run, with some settings changed."""
    return partial(write_job, tmp_path)


@pytest.mark.parametrize(
    ("changes", "coupling", "words"),
    [
        ({}, {"lags": 1}, "no setting 'lags' (is it 'lag'?)"),
        ({}, {"lag": 2}, "lag=2"),
        ({}, {"timeout": 0}, "timeout=0"),
        ({}, {"initial": "first.nc"}, "initial: is given without lag: 1"),
        ({}, {"lag": 1}, "lag: 1 without initial:"),
        ({}, {"inputs": {}}, "names no inputs"),
        ({"yak": {}}, {}, "no setting 'yak' (is it 'yac'?)"),
        ({"calendar": "julian"}, {}, "calendar='julian' is none of YAC's"),
        ({"calendar": "standard", "start": 1500}, {}, "set calendar: proleptic_gregorian"),
        ({"end": "1850-07-01"}, {}, "no whole year from 1850-01-01 to 1850-07-01"),
        ({"end": "1870-07-01"}, {"at_end": True}, "the last one ends at 1870-01-01"),
        ({}, {"inputs": {"states": ["wood", "feild"]}}, "'feild' (is it 'field'?)"),
        ({}, {"inputs": {"a": ["wood", "field", "town"], "b": "wood"}}, "'wood' is given twice"),
        ({}, {"outputs": {"areas": "cell_fraction"}}, "(is it 'cell_fractions'?)"),
        ({"static": "absent.nc"}, {}, "absent.nc"),
    ],
)
def test_settings_that_do_not_fit_end_the_job_before_mpi(job, changes, coupling, words):
    folder = job(coupling=coupling, **changes)
    with pytest.raises(SystemExit, match="xai4land: ") as caught:
        main([str(folder / "run.yaml")])
    assert words in str(caught.value)


def test_a_checkpoint_of_another_date_is_refused(job):
    folder = job()
    world = xr.open_dataset(folder / "world.nc")
    stepper = Stepper(folder / "small.safetensors", world, static=world)
    stepper.step({name: world[name].values for name in STATES}, "1869-01-01")
    stepper.checkpoint(folder / "state.safetensors")
    with pytest.raises(InputError, match="the checkpoint of 1869-01-01, expected 1849-01-01"):
        YacJob(YacRunFile.read(folder / "run.yaml"))


IN = (LAND_GRID, ON_CELLS, "states")
AREAS, COVER = (ON_CELLS, LAND_GRID, "areas"), (ON_PIXELS, LAND_GRID, "cover")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (couple(*COVER, "conservative"), "whose values cannot be averaged; expected nnn with n: 1"),
        (couple(*COVER, {"nnn": {"n": 3}}), "whose values cannot be averaged"),
        (couple(*COVER, NEAREST, scale_factor=2), "scaled classes are no classes"),
        (couple(*AREAS, NEAREST), "keeps no areas; expected conservative"),
        (couple(*AREAS, {"conservative": {"order": 2}}), "keeps no areas"),
        (couple(*IN, {"average": {}}), "keeps no areas"),
        (couple(*IN, "conservative", coupling_period="P1M"), "'P1M', expected P1Y"),
        (couple(*IN, "conservative", coupling_period="often"), "'often', expected P1Y"),
        (couple(*IN, "conservative", tgt_lag=1), "tgt_lag moves the dates of the emulator"),
        (couple(*AREAS, "conservative", src_lag=-1), "src_lag moves the dates of the emulator"),
        (
            couple(LAND_GRID, ON_CELLS, {"src": "veg", "tgt": "state"}, "conservative"),
            "'state': component 'emulator' has no such field, expected one of states, cover, areas",
        ),
    ],
)
def test_couplings_that_spoil_the_values_are_refused(job, entry, words):
    folder = job(couples=[entry])
    with pytest.raises(InputError, match="couplings.yaml: the coupling of") as caught:
        YacJob(YacRunFile.read(folder / "run.yaml"))
    assert words in str(caught.value)


def test_couplings_in_other_words_are_accepted(job):
    spelt = {
        "src_component": "land",
        "src_grid": "land_grid",
        "tgt_component": "emulator",
        "tgt_grid": ["emulator_cells"],
        "src_lag": 1,
        "coupling_period": "P12M",
        "field": [{"src": "veg", "tgt": "states"}],
        "interpolation": [{"conservative": {"order": 1}}, {"fixed": {"user_value": 0.0}}],
    }
    others = couple(("a", "x"), ("b", "y"), "cover", "average")
    YacJob(YacRunFile.read(job(couples=[spelt, others]) / "run.yaml"))


@pytest.mark.parametrize(
    ("step", "unit", "calendar", "fits"),
    [
        ("P1Y", "year", "standard", True),
        ("P2Y", "year", "standard", False),
        ("P5M", "year", "standard", False),
        ("PT30M", "year", "standard", True),
        ("PT03600.000S", "month", "standard", True),
        ("P5D", "month", "standard", False),
        ("P5D", "month", "360_day", True),
        ("P30D", "year", "365_day", False),
        ("P1Y", "month", "standard", False),
        ("P1M", "day", "standard", False),
        ("PT7H", "day", "standard", False),
    ],
)
def test_steps_of_another_component_meet_those_of_the_emulator(step, unit, calendar, fits):
    assert step_fits(step, Clock.of(1850, 1870, unit, calendar)) is fits


@pytest.fixture(scope="module")
def stepper():
    world = small_world(times=1).isel(time=0, drop=True)
    return Stepper(random_emulator(small_card()), world, static=world, probabilities=True)


def test_fractions_of_a_map_fill_what_is_known_of_it(stepper):
    names = {"a": "cell_fractions", "b": "pixel_fractions", "c": "land_cover"}
    cells = stepper.inputs["wood"].grid
    coarse, fine, classes = list_outputs(names, stepper, cells)
    maps = np.random.default_rng(0).integers(0, 3, (72, 144)).astype("uint8")
    maps[:2, :2] = 255  # a quarter of the first cell, in the north
    outputs = {"land_cover": maps}
    values, share = coarse.pack(outputs)
    assert share is None
    assert values.shape == (3, 18 * 36)
    total = values.sum(0).reshape(18, 36)
    np.testing.assert_allclose(total[-1, 0], 0.75)
    total[-1, 0] = 1
    np.testing.assert_allclose(total, 1, rtol=1e-6)
    np.testing.assert_allclose(values, fractions_of(maps)[0].reshape(3, -1), rtol=1e-6)
    np.testing.assert_array_equal(fine.pack(outputs)[0].sum(0), maps[::-1].ravel() != 255)
    np.testing.assert_array_equal(classes.pack(outputs)[0], maps[::-1].reshape(1, -1))
    assert classes.kind == "classes"
    assert classes.about.endswith("0 wood, 1 field, 2 town; missing 255")


def test_numbers_carry_the_share_that_is_known(stepper):
    (port,) = list_outputs({"sure": "confidence"}, stepper, stepper.grid)
    sure = np.full((72, 144), 0.5, "float32")
    sure[0, 0] = np.nan
    values, share = port.pack({"confidence": sure})
    assert np.isfinite(values).all()
    assert share.sum() == 72 * 144 - 1
    assert share[0, 71 * 144] == 0


def test_probabilities_are_a_collection_of_fractions(stepper):
    (port,) = list_outputs({"p": "land_cover_probability"}, stepper, stepper.grid)
    assert (port.size, port.kind) == (3, "fractions")


def test_rows_of_inputs_run_as_those_of_the_emulator(stepper):
    (port,) = list_inputs({"states": list(STATES)}, stepper)
    south = np.arange(3 * 18 * 36.0).reshape(3, -1)
    made = port.unpack(south)
    assert list(made) == list(STATES)
    np.testing.assert_array_equal(made["field"][::-1].ravel(), south[1])


def test_vertices_are_those_of_bounds():
    lat, lon = Axis(np.array([50.0, 40.0])), Axis(np.array([0.0, 10.0]), circular=True)
    bounds = {"lat_bnds": (("lat", "b"), [[44.0, 60.0], [30.0, 44.0]])}
    like = xr.Dataset(bounds, {"lat": lat.values, "lon": lon.values})
    made = Vertices.of(Grid(lat, lon), like)
    np.testing.assert_allclose(np.rad2deg(made.lat), [30, 44, 60])
    np.testing.assert_allclose(np.rad2deg(made.lon), [-5, 5, 15])
    assert not made.cyclic
    like["lat_bnds"] = ("lat", "b"), [[46.0, 60.0], [30.0, 44.0]]
    with pytest.raises(InputError, match="cells along 'lat' do not touch"):
        Vertices.of(Grid(lat, lon), like)


def test_initial_outputs_must_be_those_of_the_emulator(stepper):
    ports = list_outputs({"c": "land_cover"}, stepper, stepper.grid)
    world = small_world(times=1).rename(truth="land_cover")
    made = read_initial(world, ports, stepper.grid)["land_cover"]
    np.testing.assert_array_equal(made, world.land_cover[0])
    assert made.dtype == np.uint8
    with pytest.raises(InputError, match="has values 7, expected some of 0, 1, 2, 255"):
        read_initial(world.assign(land_cover=world.land_cover * 0 + 7), ports, stepper.grid)
    with pytest.raises(InputError, match="has no variable 'land_cover'"):
        read_initial(world[["wood"]], ports, stepper.grid)
    with pytest.raises(InputError, match="does not lie on the grid of the outputs"):
        read_initial(world[["wood"]].rename(wood="land_cover"), ports, stepper.grid)


def test_a_yac_that_cannot_be_loaded_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "yac", None)
    with pytest.raises(InputError, match=r"pip install 'xai4land\[yac\]', and Open MPI"):
        import_yac()
