"""The contestant that all is about: reconstruct and write, from Zarr to Zarr."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from common import Taken, clock
from emulators import make_emulator, warm
from world import World

from xai4land import write
from xai4land.emulator import Card
from xai4land_land import reconstruct

__all__ = ["ours"]


def ours(folder: Path, world: World, card: Card, **options: Any) -> Taken:
    """Describe and compute the map of a world; options are those of ``reconstruct``."""
    emulator, out = make_emulator(card), folder / "ours.zarr"
    warm(emulator.network("cpu"), card)

    def run() -> None:
        made = reconstruct(world.open(folder), emulator, device="cpu", **options)
        write(made, out, progress=False)

    world.open(folder)  # imports what reading takes, too
    try:
        return clock(run)
    finally:
        shutil.rmtree(out, ignore_errors=True)
