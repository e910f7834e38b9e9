"""Coupling: a step inside of a model, and the bare network over the same windows."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from common import Settings, run_in_new_process
from emulators import CHANNELS, make_card, make_emulator
from world import STATES, region

import xai4land
from xai4land.coupling import Stepper
from xai4land.emulator import Resolution, Window
from xai4land.inference.forward import run_in_threads
from xai4land.windows.lattice import Windows
from xai4land_land import fit_leaf_area
from xai4land_land.leaf.climate import CLIMATE

__all__ = ["table"]

LONG_RUN = 10_000
"""Steps over which memory is watched."""


def table(settings: Settings) -> pd.DataFrame:
    """Return milliseconds of a step, and of the bare network in turn with it."""
    sizes = {32: 60, 256: 30, 1024: 7}
    if settings.quick:
        sizes = {32: 3, 64: 3}
    jobs = {
        f"{network}, {size}²": partial(measure_map, settings.folder, network, size, count)
        for network in settings.networks
        for size, count in sizes.items()
    }
    leaves = {1.0: 50, 0.25: 10}
    for step, count in ({1.0: 3} if settings.quick else leaves).items():
        jobs[f"leaf area, globe at {step:g}°"] = partial(measure_leaves, step, count)
    rows = [{"": name, **run_in_new_process(job)} for name, job in jobs.items()]
    growth = run_in_new_process(partial(measure_growth, 50 if settings.quick else LONG_RUN))
    return pd.DataFrame([*rows, {"": "memory of a long run", **growth}])


def measure_map(folder: Path, network: str, size: int, count: int) -> dict[str, float]:
    """Measure steps of a map of ``size`` pixels a side."""
    world = region(max(size, 64))
    data = world.open(folder).load()
    data = data.isel(
        lat=slice(size // 5 + 1),
        lon=slice(size // 5 + 1),
        lat_fine=slice(size),
        lon_fine=slice(size),
    )
    card = make_card(world, network)
    emulator = make_emulator(card)
    stepper = Stepper(emulator, data, static=data)
    fields = {name: data[name].values[0] for name in STATES}
    windows = count_windows(stepper, card.window)
    bare = make_bare(emulator, card.window.size, windows)
    return compare(lambda: stepper.step(fields), bare, count) | {"windows": windows}


def make_bare(emulator: xai4land.Emulator, size: int, windows: int) -> Callable[[], object]:
    """Return the network over as many windows in memory, one a thread, as the stepper runs it."""
    network = emulator.network("cpu", torch.float32)
    x = torch.randn(1, CHANNELS, size, size).contiguous(memory_format=torch.channels_last)
    codes = torch.zeros(1, 0, size, size, dtype=torch.long)

    def run(_: int) -> None:
        with torch.inference_mode():
            network(x, codes)

    return lambda: run_in_threads(torch.device("cpu"), run, range(windows))


def count_windows(stepper: Stepper, window: Window) -> int:
    """Count the windows that a domain touches."""
    grid = stepper.grid
    (top, left), (height, width) = grid.lattice_origin, grid.shape
    windows = Windows(grid.lattice_shape, window)
    return len(windows.find_corners((top, top + height), (left, left + width)))


def measure_leaves(spacing: float, count: int) -> dict[str, float]:
    """Measure steps of leaf area on a global grid of fractions, by the light network."""
    return compare(make_leaf_steps(spacing, 1), None, count)


def make_leaf_steps(spacing: float, part: int) -> Callable[[], object]:
    """Return a function that makes the next month's leaf area on a part of a global grid."""
    land = xai4land.sample("leaf_area", years=[2000])
    climate = xai4land.sample("land_climate", years=[1999, 2000])
    emulator = fit_leaf_area(
        land,
        climate,
        land.leaf_area_index,
        architecture="months-mlp",
        window=180,
        epochs=1,
        steps=1,
        batch_size=1,
        progress=False,
    )
    # Its pixels know nothing of each other, so it makes as good sense on a finer grid.
    resolution = Resolution(target=spacing, states=spacing)
    emulator = type(emulator)(emulator.card.with_(resolution=resolution), emulator.weights)
    rows, columns = round(180 / spacing / part), round(360 / spacing / part)
    lat = 90 - spacing * (np.arange(rows) + 0.5)
    lon = -180 + spacing * (np.arange(columns) + 0.5)
    like = xr.Dataset(
        coords={
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        }
    )
    rng = np.random.default_rng(0)
    names = list(emulator.card.outputs.coarse_inputs)
    shares = rng.dirichlet(np.ones(len(names)), (rows, columns)).astype(np.float32)
    cover = {name: shares[..., k] for k, name in enumerate(names)}
    ranges = {"tas": (260, 300), "pr": (0, 1e-4), "rsds": (50, 300)}
    months = pd.date_range("1999-01-01", periods=12, freq="MS")
    past = like.assign_coords(time=months)
    for name in emulator.card.climate:
        values = rng.uniform(*ranges[name], (12, rows, columns)).astype(np.float32)
        past[name] = ("time", "lat", "lon"), values, {"units": CLIMATE[name][1]}
    climates = {name: past[name].values[0] for name in emulator.card.climate}
    stepper = Stepper(emulator, like, history=past)
    month = 0

    def step() -> object:
        nonlocal month
        month += 1
        return stepper.step(climates | cover, f"{2000 + (month - 1) // 12}-{(month - 1) % 12 + 1}")

    return step


def compare(
    step: Callable[[], object], bare: Callable[[], object] | None, count: int
) -> dict[str, float]:
    """Run both in turn; the first two turns are not counted."""
    taken: dict[str, list[float]] = {"step": [], "bare": []}
    spent: dict[str, list[float]] = {"step": [], "bare": []}
    for _ in range(count + 2):
        for name, action in (("step", step), ("bare", bare)):
            if action is not None:
                start, begun = time.perf_counter(), time.process_time()
                action()
                spent[name].append(1000 * (time.process_time() - begun))
                taken[name].append(1000 * (time.perf_counter() - start))
    times = taken["step"][2:]
    found = {
        "median ms": statistics.median(times),
        "99th percentile ms": float(np.percentile(times, 99)),
        "processor ms": statistics.median(spent["step"][2:]),
    }
    if bare is not None:
        found["bare ms"] = statistics.median(taken["bare"][2:])
        found["of bare"] = found["processor ms"] / statistics.median(spent["bare"][2:])
    return found


def measure_growth(count: int) -> dict[str, float]:
    """Return how memory grows over many steps of leaf area, after a tenth of them."""
    step = make_leaf_steps(1.0, 6)
    seen = []
    for number in range(count):
        step()
        if number >= count // 10 and number % max(count // 100, 1) == 0:
            seen.append((number, _resident()))
    steps, sizes = np.array(seen).T
    slope = np.polyfit(steps, sizes, 1)[0]
    return {"steps": count, "MB": sizes[-1], "bytes a step": 1e6 * slope}


def _resident() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024 / 1e6
