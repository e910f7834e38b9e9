"""Workers: the same job with one and with two processes of one thread each."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from common import Settings, in_turn, middle
from distributed import Client, LocalCluster
from emulators import make_card, make_emulator, warm
from ours import ours
from world import World, region

from xai4land.emulator import Card
from xai4land.tables import Table

__all__ = ["table"]

COUNTS = (1, 2)


def table(settings: Settings) -> Table:
    """The region that speed is measured on; starting the workers is not counted."""
    world = region(settings.domain)
    world.store(settings.folder)
    card = make_card(world, "2M")
    jobs = {
        f"{count} worker{'s'[: count - 1]}": partial(shared, settings.folder, world, card, count)
        for count in COUNTS
    }
    rows: list[dict[str, Any]] = []
    for what, runs in in_turn(jobs, settings.repeats).items():
        seconds, spread = middle(runs)
        base = rows[0]["seconds"] if rows else seconds
        rows.append(
            {"": what, "seconds": seconds, "spread %": spread, "times as fast": base / seconds}
        )
    return Table(rows)


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
