"""Ocean: what a map costs of which two thirds are known before the network is asked."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import xarray as xr
from common import Settings, in_turn, middle
from emulators import make_card
from ours import ours
from world import STATICS, World
from zarr.storage import LocalStore, WrapperStore

__all__ = ["table"]

WINDOW = 64, 16
"""Smaller than elsewhere, as the pixels are larger: as wide as 256 pixels at 0.025°."""


class Counting(WrapperStore[LocalStore]):
    """A store that counts the bytes of static features that are read from it."""

    read = 0

    async def get(self, key: str, *args: Any, **options: Any) -> Any:
        """Count what the wrapped store gives."""
        found = await super().get(key, *args, **options)
        if found is not None and "/c/" in key and key.split("/")[0] in STATICS:
            Counting.read += len(found)  # all reads share one event loop
        return found


class Counted(World):
    """A world whose reads are counted."""

    def open(self, folder: Path) -> xr.Dataset:
        """The inputs through the counting store."""
        store = Counting(LocalStore(self.store(folder), read_only=True))
        data: xr.Dataset = xr.open_zarr(store, consolidated=False, chunks={})
        return data


class Sailed(NamedTuple):
    """Seconds, and bytes read of the static features."""

    seconds: float
    read: int


def table(settings: Settings) -> pd.DataFrame:
    """The same globe, with seas of nothing but water, and with 2 % of land in them."""
    height = 360 if settings.quick else 1800
    worlds = {
        what: Counted(height, 2 * height, 180 / height, 5, chunk=256, sea=sea)
        for what, sea in (("2 % of land in the sea", 0.98), ("nothing but water", 1.0))
    }
    for world in worlds.values():
        world.store(settings.folder)
    jobs = {what: partial(sail, settings.folder, world) for what, world in worlds.items()}
    rows: list[dict[str, Any]] = []
    for what, runs in in_turn(jobs, settings.repeats).items():
        seconds, spread = middle([run.seconds for run in runs])
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


def sail(folder: Path, world: World) -> Sailed:
    """Run once, from a store that counts."""
    taken = ours(folder, world, make_card(world, "2M", window=WINDOW), chunks=world.chunk)
    return Sailed(taken.seconds, Counting.read)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in (folder / "c").rglob("*") if file.is_file())
