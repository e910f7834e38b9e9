"""A small land model that YAC couples to an emulator: ``python yac_land.py settings.json``.

Its states follow from what it receives, so that a field of another step changes all that follow.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import yac

STATES = ("wood", "field", "town")


def define(settings: dict, run: yac.YAC):
    """Define the grid and the fields; return these."""
    rows, columns = settings["grid"]
    component = run.def_comp("land")
    run.def_datetime(*settings["dates"])
    lat = np.deg2rad(np.linspace(-90, 90, rows + 1))
    lon = np.deg2rad(np.linspace(0, 360, columns + 1))
    grid = yac.Reg2dGrid("land_grid", lon[:-1], lat, cyclic=[True, False])
    centres = (lon[1:] + lon[:-1]) / 2, (lat[1:] + lat[:-1]) / 2
    points = grid.def_points(yac.Location.CELL, *centres)
    unit = yac.TimeUnit.ISO_FORMAT
    fields = {
        name: yac.Field.create(name, component, points, size, settings["step"], unit)
        for name, size in (("states", 3), ("cover", 1), ("areas", 3))
    }
    run.sync_def()
    run.enddef()
    return fields


def take(field) -> np.ndarray:
    """Wait for a field without keeping a core busy; the emulator may need it."""
    buffer = np.full((field.collection_size, field.size), np.nan)
    values, _ = field.get(buffer, asyn=True)
    while not field.test():
        time.sleep(0.001)
    return buffer if values is None else values


def begin(cells: int) -> np.ndarray:
    states = np.random.default_rng(0).random((3, cells)) ** 2
    return states / states.sum(0)


def update(states: np.ndarray, areas: np.ndarray, step: int) -> np.ndarray:
    """Return the states of the next step."""
    noise = np.random.default_rng(step + 1).random(states.shape) ** 4
    mixed = 0.7 * states + 0.2 * np.nan_to_num(areas) + 0.1 * noise
    return mixed / mixed.sum(0)


def disturb(states: np.ndarray, failure: str) -> np.ndarray:
    if failure == "nan":
        states = states.copy()
        states[0, 100] = np.nan
    elif failure == "shape":
        states = states[:, :-7]
    elif failure == "error":
        raise ArithmeticError("the land model has lost its water")
    elif failure == "death":
        os.kill(os.getpid(), signal.SIGKILL)
    return states


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    yac.def_calendar(yac.Calendar[settings["calendar"]])
    run = yac.YAC()
    fields = define(settings, run)
    states = begin(fields["states"].size)
    given, got = [], {"cover": [], "areas": []}
    for step in range(settings["steps"]):
        fails = step == settings.get("fails_at")
        if fails and settings["failure"] == "stop":
            break
        sent = disturb(states, settings["failure"]) if fails else states
        if not settings["takes_first"]:
            fields["states"].put(sent)
        for name, values in got.items():
            values.append(take(fields[name]))
        if settings["takes_first"]:
            fields["states"].put(sent)
        given.append(states)
        states = update(states, got["areas"][-1], step)
    np.savez(settings["out"], given=given, **got)
    run.cleanup()


main()
