"""Emulators coupled to another model by YAC: numbers, areas, calendars, errors on either side."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import xarray as xr

from conftest import small_world
from xai4land.coupling import Stepper
from xai4land.coupling.clock import Clock
from xai4land.coupling.yac.settings import name_calendar
from yac_runs import (
    LAND,
    LIMIT,
    STATES,
    areas,
    conserve,
    edges,
    fractions_of,
    long,
    run,
    with_yac,
    words_of,
    write_job,
)

UNITS = {"P1Y": "year", "P1M": "month", "P1D": "day"}
LAND_EDGES, CELL_EDGES = edges((0, -90, 360, 90), LAND), edges((-180, -90, 180, 90), (18, 36))


@pytest.fixture
def job(tmp_path):
    """Return a function that writes the files of a run, with some settings changed."""
    return partial(write_job, tmp_path)


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
    takes = {"takes_first": True, "steps": 4}
    for start, end in ((1850, 1853), (1853, 1856)):
        folder = job(
            land={**takes, "dates": [f"{start}-01-01T00:00:00", f"{end}-01-01T00:00:00"]},
            coupling={"lag": 1, "initial": "first.nc", "at_end": True},
            start=start,
            end=end,
        )
        world.truth.isel(time=0, drop=True).rename("land_cover").to_netcdf(folder / "first.nc")
        done = run(folder, recorded=True)
        assert done.returncode == 0, done.stderr
        # The last exchange, at the end, is the first one of the next run.
        first = check_exchange(folder, lag=1, first=first)[-2]
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
