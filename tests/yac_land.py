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
    """Define the grid and the fields; return these by name, those that go and those that come."""
    rows, columns = settings["grid"]
    west, south, east, north = settings["region"]
    component = run.def_comp("land")
    run.def_datetime(*settings["dates"])
    lat = np.deg2rad(np.linspace(south, north, rows + 1))
    lon = np.deg2rad(np.linspace(west, east, columns + 1))
    around = east - west == 360
    grid = yac.Reg2dGrid("land_grid", lon[:-1] if around else lon, lat, cyclic=[around, False])
    centres = (lon[1:] + lon[:-1]) / 2, (lat[1:] + lat[:-1]) / 2
    points = grid.def_points(yac.Location.CELL, *centres)
    unit = yac.TimeUnit.ISO_FORMAT
    gives, takes = (
        {
            name: yac.Field.create(name, component, points, size, settings["step"], unit)
            for name, size in settings[way].items()
        }
        for way in ("gives", "takes")
    )
    run.sync_def()
    run.enddef()
    return gives, takes


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
    prescribed = np.load(settings["prescribed"]) if settings["prescribed"] else {}
    yac.def_calendar(yac.Calendar[settings["calendar"]])
    run = yac.YAC()
    gives, takes = define(settings, run)
    given: dict[str, list] = {name: [] for name in gives}
    got: dict[str, list] = {name: [] for name in takes}
    states = None if prescribed else begin(gives["states"].size)
    for step in range(settings["steps"]):
        fails = step == settings.get("fails_at")
        if fails and settings["failure"] == "stop":
            break
        if not settings["takes_first"]:
            give(gives, states, prescribed, step, settings["failure"] if fails else "", given)
        for name, field in takes.items():
            got[name].append(take(field))
        if settings["takes_first"]:
            give(gives, states, prescribed, step, settings["failure"] if fails else "", given)
        if not prescribed:
            states = update(states, got["areas"][-1], step)
    np.savez(settings["out"], **given, **got)
    run.cleanup()


def give(gives, states, prescribed, step, failure, given) -> None:
    for name, field in gives.items():
        values = prescribed[name][step] if prescribed else states
        given[name].append(values)
        field.put(disturb(values, failure))


if __name__ == "__main__":
    main()
