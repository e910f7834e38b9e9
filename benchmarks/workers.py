"""Workers: one and two workers of one thread each, and the limit of the machine."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from bare import Setup, run_bare
from common import Settings, median_and_spread, run_in_turn
from distributed import Client, LocalCluster
from emulators import make_card, make_emulator, warm_up
from ours import run_ours
from world import World, region

from xai4land.device import choose_precision
from xai4land.emulator import Card

__all__ = ["table"]

WORKER_COUNTS = (1, 2)
LIMIT_WINDOWS = 256
"""Windows, of all processes together, for the limit."""


def table(settings: Settings) -> pd.DataFrame:
    """Measure the region of the table ``speed``, without the start of the workers."""
    world = region(settings.domain)
    world.store(settings.folder)
    card = make_card(world, "2M")
    jobs = {
        f"{count} worker{'s'[: count - 1]}": partial(
            run_workers, settings.folder, world, card, count
        )
        for count in WORKER_COUNTS
    }
    limits = {
        f"bare network, {count} process{'es'[: 2 * count - 2]}": partial(
            run_bare_processes, card, count
        )
        for count in WORKER_COUNTS
    }
    taken = run_in_turn({**jobs, **limits}, settings.repeats)
    rows: list[dict[str, Any]] = []
    for group in (jobs, limits):
        first = median_and_spread(taken[next(iter(group))])[0]
        for what in group:
            seconds, spread = median_and_spread(taken[what])
            rows.append(
                {"": what, "seconds": seconds, "spread %": spread, "times as fast": first / seconds}
            )
    return pd.DataFrame(rows)


def run_bare_processes(card: Card, count: int) -> float:
    """Measure the bare network in processes that share only the machine."""
    job = partial(_bare, card, LIMIT_WINDOWS // count)
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        return max(future.result() for future in [pool.submit(job) for _ in range(count)])


def _bare(card: Card, windows: int) -> float:
    torch.set_num_threads(1)
    bfloat16 = choose_precision("auto", "cpu") == torch.bfloat16
    return run_bare(card, windows, Setup(bfloat16, prepared=True, batch=1)).seconds


def run_workers(folder: Path, world: World, card: Card, count: int) -> float:
    """Measure a run with some workers."""
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        client.run(_prepare_worker, folder, world, card)
        return run_ours(folder, world, card).seconds


def _prepare_worker(folder: Path, world: World, card: Card) -> None:
    """Import and build everything in a worker."""
    world.open(folder)
    warm_up(make_emulator(card).network("cpu"), card)
