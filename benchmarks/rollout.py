"""Rollout: years that follow each other, against years made from states alone; memory and kills.

Seconds are those of the CPU, on all threads.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from common import Cost, Settings, measure, median_and_spread, run_in_new_process, run_in_turn
from emulators import make_card, make_emulator
from world import STATES, World, region

from xai4land import write
from xai4land.emulator import Card, Changes, ClassMap, Emulator, Input
from xai4land.emulator.outputs import PRIOR_SUFFIX, flags
from xai4land.inference import chain
from xai4land_land import reconstruct

__all__ = ["table"]

TARGET = 1.15
"""Cost of a year of a rollout, in years made from states alone."""
PERIOD = 100
"""Years in which the states go to others and back: at most 1 % of the area changes in one."""
GLOBAL_LAND_MPX = 21_600 * 43_200 / 1e6 * 0.29
"""Land of the globe at 1/120°, about 1 km, in millions of pixels."""


def table(settings: Settings) -> pd.DataFrame:
    """Measure a year against today's, a long series, and twenty kills."""
    size = 256 if settings.quick else min(settings.domain, 1024)
    world = region(size)
    few, many = (2, 4) if settings.quick else (3, 6)
    jobs = {
        "from states": partial(run_series, settings.folder, world, few, False),
        "rollout": partial(run_series, settings.folder, world, few, True),
    }
    taken = run_in_turn(jobs, settings.repeats)
    rows: list[dict[str, Any]] = []
    for what, runs in taken.items():
        seconds, spread = median_and_spread([run.processor / few for run in runs])
        rows.append(
            {
                "": f"{what}, {few} years",
                "seconds a year": seconds,
                "spread %": spread,
                "peak MB": round(max(run.peak for run in runs)),
            }
        )
    rows[-1][f"of {TARGET} x states"] = (
        rows[1]["seconds a year"] / rows[0]["seconds a year"] / TARGET
    )
    costs = []
    for years in (many, 5 * many):
        job = partial(run_series, settings.folder, world, years, True)
        cost, megabytes = run_in_new_process(partial(with_size, job, settings.folder))
        costs.append(cost.processor)
        rows.append(
            {
                "": f"rollout, {years} years",
                "seconds a year": cost.processor / years,
                "peak MB": round(cost.peak),
                "store MB a year": megabytes / years,
            }
        )
    # What a series costs once is left out.
    year = (costs[1] - costs[0]) / (4 * many)
    share = GLOBAL_LAND_MPX * 1e6 / size**2
    print(
        f"a year more: {year:.2f} s; 250 years: {250 * year / 60:.0f} minutes of one core; of "
        f"global land at 1 km: {250 * year * share / 86400:.1f} days, "
        f"{250 * share * rows[-1]['store MB a year'] / 1e3:.0f} GB"
    )
    kills, years = (3, 4) if settings.quick else (20, 12)
    print(kill(settings.folder, years, kills))
    return pd.DataFrame(rows)


def run_series(folder: Path, world: World, years: int, rollout: bool) -> Cost:
    """Measure maps of some years, from states alone or from the map of the first year."""
    card = make_card(world, "2M")
    emulator = make_emulator(card)
    data, prior = make_history(world, folder, years + rollout, card)
    options: dict[str, Any] = {}
    if rollout:
        emulator, options = make_change_emulator(card), {"prior": prior}
    emulator.network("cpu")  # no measurement includes loading it
    out = folder / "out.zarr"
    shutil.rmtree(out, ignore_errors=True)
    return measure(
        lambda: write(reconstruct(data, emulator, device="cpu", **options), out, progress=False)
    )


def with_size(job: Any, folder: Path) -> tuple[Cost, float]:
    """Run a job, and measure its store in MB."""
    cost = job()
    return cost, sum(p.stat().st_size for p in (folder / "out.zarr").rglob("*")) / 1e6


def make_change_emulator(card: Card) -> Emulator:
    """Make an emulator of change with a network of the same widths."""
    assert isinstance(card.outputs, ClassMap)
    outputs = Changes(classes=card.outputs.classes, steps=(1, 10))
    values = tuple(sorted(c.value for c in outputs.classes))
    before = [
        Input(name=f"{name}{PRIOR_SUFFIX}", role="dynamic", valid_range=(0, 1)) for name in STATES
    ]
    inputs = (*card.inputs, *before, Input(name=outputs.prior, role="prior", codes=values))
    described = card.model_dump(exclude={"outputs", "inputs"})
    changing = Card(**described, inputs=inputs, outputs=outputs)
    return make_emulator(changing)


def make_history(world: World, folder: Path, years: int, card: Card) -> tuple[xr.Dataset, Any]:
    """Make states that change by about 1 % of the area a year, and a map of the first year."""
    data = world.open(folder)
    rng = np.random.default_rng(1)
    share = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(years) / PERIOD + 0.5)
    first = np.stack([data[name].values[0] for name in STATES])
    other = rng.dirichlet(np.full(len(STATES), 2.0), first.shape[1:]).transpose(2, 0, 1)
    time_ = np.array([f"{2000 + k}-07-01" for k in range(years)], "M8[s]")
    series = first + share[:, None, None, None] * (other - first)
    made = data.drop_dims("time").assign_coords(time=("time", time_, {"standard_name": "time"}))
    for k, name in enumerate(STATES):
        made[name] = ("time", "lat", "lon"), series[:, k].astype(np.float32), data[name].attrs
    assert isinstance(card.outputs, ClassMap)
    classes = card.outputs.classes
    parts = np.stack([c.share * series[0, STATES.index(c.states[0])] for c in classes])
    edges = np.repeat(np.repeat(parts.cumsum(0), world.ratio, 1), world.ratio, 2)
    edges = edges[:, : world.rows, : world.columns]
    codes = (rng.random(edges.shape[1:]) > edges[:-1]).sum(0).astype(np.uint8)
    values = np.array([c.value for c in classes], np.uint8)
    fine = {n: data[n].variable for n in ("lat_fine", "lon_fine")}
    prior = xr.DataArray(values[codes], fine, ("lat_fine", "lon_fine"), attrs=flags(classes))
    return made, prior.assign_coords(time=time_[0]).rename("land_cover")


def kill(folder: Path, years: int, kills: int) -> str:
    """Kill a rollout again and again, and compare its store with that of an uninterrupted run."""
    chances = random.Random(0)
    counts = [run_killed(folder, "whole", years, -1, 0)]
    for _ in range(kills):
        most, delay = chances.randint(1, 3), chances.uniform(0, 0.1)
        counts.append(run_killed(folder, "killed", years, most, delay))
    counts.append(run_killed(folder, "killed", years, -1, 0))
    whole, killed = (xr.open_zarr(folder / f"{name}.zarr") for name in ("whole", "killed"))
    same = "equal" if whole.equals(killed) else "NOT equal"
    return (
        f"{kills} kills: {same} to the uninterrupted run; {sum(counts[1:])} blocks were computed, "
        f"{counts[0]} without kills"
    )


def run_killed(folder: Path, name: str, years: int, most: int, delay: float) -> int:
    """Run a rollout that is killed some time after some blocks; return the blocks computed."""
    log = folder / "blocks.log"
    log.write_text("")
    process = get_context("spawn").Process(target=roll, args=(folder, name, years, most, delay))
    process.start()
    process.join()
    assert process.exitcode == (-signal.SIGKILL if most > 0 else 0), process.exitcode
    return log.stat().st_size


def roll(folder: Path, name: str, years: int, most: int, delay: float) -> None:
    """Write a small rollout, and kill this process after some blocks."""
    run_block, log = vars(chain)["run_block"], folder / "blocks.log"

    def run(*args: Any) -> Any:
        made = run_block(*args)
        with open(log, "a") as noted:
            noted.write("x")
        if log.stat().st_size == most:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return made

    vars(chain)["run_block"] = run
    card = make_card(region(256), "tiny")
    data, prior = make_history(region(256), folder, years + 1, card)
    made = reconstruct(data, make_change_emulator(card), prior=prior, chunks=128, device="cpu")
    write(made, folder / f"{name}.zarr", progress=False)
