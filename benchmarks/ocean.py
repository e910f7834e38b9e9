"""Ocean: cost of a map of which two thirds need no network."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr
from common import Settings, median_and_spread, run_in_turn
from emulators import make_card
from ours import run_ours
from world import STATICS, World
from zarr.storage import LocalStore, WrapperStore

__all__ = ["table"]

WINDOW_AND_OVERLAP = 64, 16
"""Smaller than in other tables since pixels are larger: as wide as 256 pixels at 0.025°."""


class CountingStore(WrapperStore[LocalStore]):
    """A store that counts the bytes of static features that are read from it."""

    read = 0

    async def get(self, key: str, *args: Any, **options: Any) -> Any:
        """Count the bytes of the wrapped store."""
        found = await super().get(key, *args, **options)
        if found is not None and "/c/" in key and key.split("/")[0] in STATICS:
            CountingStore.read += len(found)  # all reads share one event loop
        return found


class CountedWorld(World):
    """A world whose reads are counted."""

    def open(self, folder: Path) -> xr.Dataset:
        """Open the inputs through the counting store."""
        store = CountingStore(LocalStore(self.store(folder), read_only=True))
        data: xr.Dataset = xr.open_zarr(store, consolidated=False, chunks={})
        return data


class OceanCost(NamedTuple):
    """Seconds, and bytes read of the static features."""

    seconds: float
    read: int


def table(settings: Settings) -> pd.DataFrame:
    """Compare a globe with 2 % of land in the sea with one whose sea is only water."""
    height = 360 if settings.quick else 1800
    worlds = {
        what: CountedWorld(height, 2 * height, 180 / height, 5, chunk=256, sea=sea)
        for what, sea in (("2 % of land in the sea", 0.98), ("nothing but water", 1.0))
    }
    for world in worlds.values():
        world.store(settings.folder)
    jobs = {what: partial(run_counted, settings.folder, world) for what, world in worlds.items()}
    rows: list[dict[str, Any]] = []
    for what, runs in run_in_turn(jobs, settings.repeats).items():
        seconds, spread = median_and_spread([run.seconds for run in runs])
        base = rows[0]["seconds"] if rows else seconds
        stored = sum(_bytes(worlds[what].store(settings.folder) / name) for name in STATICS)
        rows.append(
            {
                "two thirds are sea": what,
                "seconds": seconds,
                "spread %": spread,
                "of the first": seconds / base,
                "MB read": runs[0].read / 1e6,
                "of the store": runs[0].read / stored,
            }
        )
    return pd.DataFrame(rows)


def run_counted(folder: Path, world: World) -> OceanCost:
    """Run once, and count the bytes read."""
    taken = run_ours(
        folder, world, make_card(world, "2M", window=WINDOW_AND_OVERLAP), chunks=world.chunk
    )
    return OceanCost(taken.seconds, CountingStore.read)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "c").rglob("*") if file.is_file())
