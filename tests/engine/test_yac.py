"""Emulators coupled to another model by YAC: numbers, areas, calendars, errors on either side."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import yaml

from conftest import random_emulator, small_card, small_world
from xai4land import InputError
from xai4land.coupling import Stepper
from xai4land.coupling.clock import Clock
from xai4land.coupling.yac import YacJob, main
from xai4land.coupling.yac_couplings import step_fits
from xai4land.coupling.yac_lag import read_initial
from xai4land.coupling.yac_ports import Vertices, list_inputs, list_outputs
from xai4land.coupling.yac_settings import YacRunFile, name_calendar
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from yac_runs import (
    LIMIT,
    areas,
    conserve,
    couple,
    edges,
    long,
    run,
    with_yac,
    words_of,
    write_couplings,
)

STATES = ("wood", "field", "town")
UNITS = {"P1Y": "year", "P1M": "month", "P1D": "day"}
LAND = (32, 48)
"""Rows and columns of the land model, whose centres lie on no border between two pixels."""
LAND_EDGES, CELL_EDGES = edges((0, -90, 360, 90), LAND), edges((-180, -90, 180, 90), (18, 36))
LAND_GRID = ("land", "land_grid")
ON_CELLS, ON_PIXELS = ("emulator", "emulator_cells"), ("emulator", "emulator_pixels")
NEAREST = {"nnn": {"n": 1}}


@pytest.fixture
def job(tmp_path):
    """Return a function that writes the files of a run, with some settings changed."""
    world = small_world(times=1).isel(time=0, drop=True)
    world[[*STATES, "height", "zone"]].to_netcdf(tmp_path / "world.nc")
    random_emulator(small_card()).save(tmp_path / "small.safetensors")

    def write(land=(), coupling=(), couples=None, **changes):
        part = {
            "component": "emulator",
            "grid": "emulator",
            "couplings": "couplings.yaml",
            "inputs": {"states": list(STATES)},
            "outputs": {"cover": "land_cover", "areas": "cell_fractions"},
            "timeout": 60,
        }
        settings = {
            "emulator": "small.safetensors",
            "like": "world.nc",
            "static": "world.nc",
            "start": 1850,
            "end": 1870,
            "calendar": "365_day",
            "checkpoint": "state.safetensors",
            "yac": {**part, **dict(coupling)},
        }
        (tmp_path / "run.yaml").write_text(yaml.safe_dump({**settings, **changes}, sort_keys=False))
        write_couplings(
            tmp_path / "couplings.yaml",
            *(
                couples
                or (
                    couple(LAND_GRID, ON_CELLS, "states", "conservative"),
                    couple(ON_CELLS, LAND_GRID, "areas", "conservative"),
                    couple(ON_PIXELS, LAND_GRID, "cover", NEAREST),
                )
            ),
        )
        model = {
            "grid": LAND,
            "dates": ["1850-01-01T00:00:00", "1870-01-01T00:00:00"],
            "calendar": "YEAR_OF_365_DAYS",
            "step": "P1Y",
            "steps": 20,
            "region": [0, -90, 360, 90],
            "gives": {"states": 3},
            "takes": {"cover": 1, "areas": 3},
            "prescribed": "",
            "takes_first": False,
            "failure": "",
            "out": str(tmp_path / "land.npz"),
        }
        (tmp_path / "land.json").write_text(json.dumps({**model, **dict(land)}))
        return tmp_path

    return write


def fractions_of(maps):
    """Return fractions of three classes in coarse cells of 4 x 4 pixels, rows from the south."""
    blocks = maps.reshape(-1, 18, 4, 36, 4)[:, ::-1]
    return np.stack([(blocks == code).mean((2, 4)) for code in range(3)], 1)


def nearest(maps):
    """Return the pixel that is nearest to each cell of the land model, rows from the south."""
    lat, lon = ((np.arange(n) + 0.5) * span / n for n, span in zip(LAND, (180, 360), strict=True))
    rows = np.floor((180 - lat) / 2.5).astype(int)
    columns = np.floor(((lon + 180) % 360) / 2.5).astype(int)
    return maps[:, rows[:, None], columns]


def check_exchange(folder, lag=0, first=None):
    """Check what went between both models against remapping done here; return the maps."""
    land, emulator = np.load(folder / "land.npz"), np.load(folder / "emulator.npz")
    given = land["states"].reshape(-1, 3, *LAND)
    received = np.stack([emulator[name] for name in STATES], 1)[..., ::-1, :]
    np.testing.assert_allclose(
        received, conserve(given, LAND_EDGES, CELL_EDGES), rtol=0, atol=1e-12
    )
    check_areas(given, LAND_EDGES, received, CELL_EDGES, 1e-12)

    maps = emulator["land_cover"]
    made = maps if not lag else np.concatenate([first[None], maps[:-1]])
    back, fractions = land["areas"].reshape(-1, 3, *LAND), fractions_of(made)
    np.testing.assert_allclose(back, conserve(fractions, CELL_EDGES, LAND_EDGES), rtol=0, atol=1e-7)
    check_areas(fractions, CELL_EDGES, back, LAND_EDGES, 1e-6)
    np.testing.assert_array_equal(land["cover"].reshape(-1, *LAND), nearest(made))
    return maps


def check_areas(one, on, two, to, tolerance):
    """Check that fields on two grids cover the same area."""
    first, second = (np.einsum("tkrc,rc->tk", v, areas(g)) for v, g in ((one, on), (two, to)))
    np.testing.assert_allclose(first, second, rtol=tolerance)


def replay(folder):
    """Step the emulator again with what it received, outside of any coupled run."""
    world, emulator = xr.open_dataset(folder / "world.nc"), np.load(folder / "emulator.npz")
    stepper = Stepper(folder / "small.safetensors", world, static=world)
    for step, date in enumerate(emulator["dates"]):
        fields = {name: emulator[name][step] for name in STATES}
        yield str(date), stepper.step(fields, str(date))


@with_yac
def test_a_coupled_run_has_the_numbers_of_an_uncoupled_one_and_keeps_areas(job):
    folder = job()
    done = run(folder, recorded=True)
    assert done.returncode == 0, done.stderr
    maps = check_exchange(folder)
    assert len(np.unique(maps)) == 3
    steps = list(replay(folder))
    assert [date for date, _ in steps] == [f"{year}-01-01" for year in range(1850, 1870)]
    for made, (_, outputs) in zip(maps, steps, strict=True):
        np.testing.assert_array_equal(made, outputs["land_cover"])
    assert (folder / "state.safetensors").exists()


@long
@with_yac
def test_a_lagged_run_gives_the_step_before_and_goes_on_after_a_restart(job):
    world = small_world(times=1)
    first = world.truth[0].rename("land_cover").values
    takes = {"takes_first": True, "steps": 3}
    for start, end in ((1850, 1853), (1853, 1856)):
        folder = job(
            land={**takes, "dates": [f"{start}-01-01T00:00:00", f"{end}-01-01T00:00:00"]},
            coupling={"lag": 1, "initial": "first.nc"},
            start=start,
            end=end,
        )
        world.truth.isel(time=0, drop=True).rename("land_cover").to_netcdf(folder / "first.nc")
        done = run(folder, recorded=True)
        assert done.returncode == 0, done.stderr
        first = check_exchange(folder, lag=1, first=first)[-1]
    assert [p.name for p in folder.glob("state.safetensors.*")] == [
        "state.safetensors.given-1855-01-01"
    ]


FAILURES = {
    "nan": ("'wood' has", "missing values that it had not in the first step"),
    "shape": ("cannot reshape array",),
    "error": ("the land model has lost its water",),
    "death": ("signal 9",),
    "stop": ("no field 'states' comes at 1853-01-01 in 6 s", "has ended early"),
}


@with_yac
@pytest.mark.parametrize(
    "failure", [n if n == "nan" else pytest.param(n, marks=long) for n in FAILURES]
)
def test_an_error_on_either_side_ends_the_run_and_leaves_the_checkpoint(job, failure):
    folder = job(
        land={"failure": failure, "fails_at": 3},
        coupling={"timeout": 6 if failure == "stop" else 60},
    )
    world = xr.open_dataset(folder / "world.nc")
    stepper = Stepper(folder / "small.safetensors", world, static=world)
    stepper.step({name: world[name].values for name in STATES}, "1849-01-01")
    stepper.checkpoint(folder / "state.safetensors")
    before = (folder / "state.safetensors").read_bytes()
    done = run(folder)
    assert done.returncode != 0
    for words in FAILURES[failure]:
        assert words in words_of(done)
    assert (folder / "state.safetensors").read_bytes() == before
    assert not list(folder.glob("*.draft*"))


MISFITS = {
    "step": ({"step": "P7D"}, {}, "gives 'states' every P7D, which does not meet each year"),
    "end": (
        {"dates": ["1850-01-01T00:00:00", "1860-01-01T00:00:00"]},
        {},
        'inconsistent "end_datetime" definition ("1870-01-01T00:00:00.000" != "1860-01-01',
    ),
    "uncoupled": (
        {},
        {"outputs": {"cover": "land_cover", "areas": "cell_fractions", "sure": "confidence"}},
        "field 'sure' of component 'emulator' on grid 'emulator_pixels' is the source of no",
    ),
}


@long
@with_yac
@pytest.mark.parametrize("misfit", MISFITS)
def test_runs_that_cannot_be_served_end_before_the_first_step(job, misfit):
    land, coupling, words = MISFITS[misfit]
    done = run(job(land=land, coupling=coupling))
    assert done.returncode != 0
    assert words in words_of(done)


CALENDAR = """
import json, sys
import numpy as np
import yac

calendar, start, end = sys.argv[1:]
yac.def_calendar(yac.Calendar[calendar])
run = yac.YAC()
a, b = run.def_comps(["a", "b"])
run.def_datetime(start, end)
grid = yac.Reg2dGrid("grid", [0.0, 0.1, 0.2], [0.0, 0.1, 0.2])
points = grid.def_points(yac.Location.CELL, [0.05, 0.15], [0.05, 0.15])
unit, stack, fields = yac.TimeUnit.ISO_FORMAT, yac.InterpolationStack(), {}
stack.add_nnn()
for step in ("P1Y", "P1M", "P1D"):
    one, two = (yac.Field.create(step, c, points, 1, step, unit) for c in (a, b))
    couple = ("a", "grid", step, "b", "grid", step)
    run.def_couple(*couple, step, unit, yac.Reduction.TIME_NONE, stack)
    fields[step] = one, two
run.enddef()
dates = {step: [] for step in fields}
for step, (one, two) in fields.items():
    while two.action != yac.Action.OUT_OF_BOUND:
        dates[step].append((two.datetime[:10], two.action.name))
        one.put(np.ones((1, 4)))
        two.get()
print(json.dumps(dates))
"""


@with_yac
@pytest.mark.parametrize("calendar", ["365_day", "360_day", "standard"])
def test_steps_of_yac_do_not_drift_from_those_of_the_calendar(calendar):
    start, end = "1999-03-01", "2005-03-01"
    clocks = {step: Clock.of(start, end, unit, calendar) for step, unit in UNITS.items()}
    name = name_calendar(clocks["P1Y"])
    command = [sys.executable, "-c", CALENDAR, name, f"{start}T00:00:00", f"{end}T00:00:00"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    for step, dates in json.loads(done.stdout.splitlines()[-1]).items():
        clock = clocks[step]
        assert [date for date, _ in dates] == [str(clock.date(n)) for n in range(clock.steps + 1)]
        assert {action for _, action in dates[:-1]} == {"COUPLING"}


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
