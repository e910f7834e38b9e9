"""Graph: cost of making the dask graph of a map of the globe at up to 1/120°."""

from __future__ import annotations

import pickle
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle  # type: ignore[import-untyped]
import dask
import dask.threaded
import pandas as pd
from common import Settings, median_and_spread, run_in_turn
from emulators import make_card, make_emulator
from world import World

from xai4land.emulator import Emulator
from xai4land_land import reconstruct

__all__ = ["table"]

TARGET_ROWS = (3600, 18_000, 21_600)
STATE_ROWS = 720
"""Rows of states: 0.25°."""


class GraphCost(NamedTuple):
    """Cost and size of the graph of one lazy map."""

    first: float
    again: float
    computed: int
    blocks: int
    tasks: int
    own: int
    pickled: int
    weights: int


def table(settings: Settings) -> pd.DataFrame:
    """Measure each target with a small and a large network."""
    sizes = (360, 1800) if settings.quick else TARGET_ROWS
    cells = 72 if settings.quick else STATE_ROWS
    jobs = {
        f"{rows} x {2 * rows}, {network}": partial(
            describe, settings.folder, _globe(rows, cells), network
        )
        for rows in sizes
        for network in ("tiny", "8M")
    }
    rows = []
    for what, runs in run_in_turn(jobs, settings.repeats).items():
        first, spread = median_and_spread([run.first for run in runs])
        found = runs[0]
        rows.append(
            {
                "target, network": what,
                "seconds": first,
                "spread %": spread,
                "again": median_and_spread([run.again for run in runs])[0],
                "computed": found.computed,
                "blocks": found.blocks,
                "tasks": found.tasks,
                "own tasks a block": found.own / found.blocks,
                "pickle MB": found.pickled / 1e6,
                "weights MB": found.weights / 1e6,
            }
        )
    return pd.DataFrame(rows)


def describe(folder: Path, world: World, network: str) -> GraphCost:
    """Call ``reconstruct`` twice, and examine its graph."""
    file = folder / f"{network}.safetensors"
    make_emulator(make_card(world, network)).save(file)
    emulator = Emulator.load(file)
    inputs = world.open(folder)
    computed: list[int] = []

    def count_computations(graph: Any, keys: Any, **options: Any) -> Any:
        computed.append(len(graph))
        return dask.threaded.get(graph, keys, **options)

    seconds = []
    with dask.config.set(scheduler=count_computations):
        for _ in range(2):
            start = time.perf_counter()
            made = reconstruct(inputs, emulator, device="cpu")
            seconds.append(time.perf_counter() - start)
    graph = made.__dask_graph__()
    reading = set(inputs.__dask_graph__())
    return GraphCost(
        first=seconds[0],
        again=seconds[1],
        computed=len(computed),
        blocks=made["land_cover"].data.npartitions,
        tasks=len(graph),
        own=sum(key not in reading for key in graph),
        pickled=_pickled(graph),
        weights=_pickled(emulator),
    )


def _pickled(what: Any) -> int:
    try:
        return len(pickle.dumps(what))
    except (pickle.PicklingError, AttributeError, TypeError):
        return len(cloudpickle.dumps(what))


def _globe(rows: int, cells: int) -> World:
    return World(rows, 2 * rows, 180 / rows, rows // cells, chunk=2048, written=False)
