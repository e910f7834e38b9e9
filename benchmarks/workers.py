"""Workers: the same job with one and with two processes of one thread each; and the limit."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from bare import Way, bare
from common import Settings, in_turn, middle
from distributed import Client, LocalCluster
from emulators import make_card, make_emulator, warm
from ours import ours
from world import World, region

from xai4land.device import choose_precision
from xai4land.emulator import Card

__all__ = ["table"]

COUNTS = (1, 2)
WINDOWS = 256
"""Windows of all processes together that the limit is measured with."""


def table(settings: Settings) -> pd.DataFrame:
    """The region that speed is measured on; starting the workers is not counted."""
    world = region(settings.domain)
    world.store(settings.folder)
    card = make_card(world, "2M")
    jobs = {
        f"{count} worker{'s'[: count - 1]}": partial(shared, settings.folder, world, card, count)
        for count in COUNTS
    }
    limits = {
        f"bare network, {count} process{'es'[: 2 * count - 2]}": partial(alone, card, count)
        for count in COUNTS
    }
    taken = in_turn({**jobs, **limits}, settings.repeats)
    rows: list[dict[str, Any]] = []
    for group in (jobs, limits):
        first = middle(taken[next(iter(group))])[0]
        for what in group:
            seconds, spread = middle(taken[what])
            rows.append(
                {"": what, "seconds": seconds, "spread %": spread, "times as fast": first / seconds}
            )
    return pd.DataFrame(rows)


def alone(card: Card, count: int) -> float:
    """Seconds of the bare network in processes that share nothing but the machine."""
    job = partial(_bare, card, WINDOWS // count)
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        return max(future.result() for future in [pool.submit(job) for _ in range(count)])


def _bare(card: Card, windows: int) -> float:
    torch.set_num_threads(1)
    bfloat16 = choose_precision("auto", "cpu") == torch.bfloat16
    return bare(card, windows, Way(bfloat16, prepared=True, batch=1)).seconds


def shared(folder: Path, world: World, card: Card, count: int) -> float:
    """Seconds with some workers."""
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster,  # type: ignore[no-untyped-call]
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        client.run(_ready, folder, world, card)
        return ours(folder, world, card).seconds


def _ready(folder: Path, world: World, card: Card) -> None:
    """A worker that has imported and built everything."""
    world.open(folder)
    warm(make_emulator(card).network("cpu"), card)
