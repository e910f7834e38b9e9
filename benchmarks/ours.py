"""xai4land: reconstruct and write, from Zarr to Zarr."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from common import Cost, measure
from emulators import make_emulator, warm_up
from world import World

from xai4land import write
from xai4land.emulator import Card
from xai4land_land import reconstruct

__all__ = ["run_ours"]


def run_ours(folder: Path, world: World, card: Card, **options: Any) -> Cost:
    """Measure the map of a world; options are those of ``reconstruct``."""
    emulator, out = make_emulator(card), folder / "ours.zarr"
    warm_up(emulator.network("cpu"), card)

    def run() -> None:
        made = reconstruct(world.open(folder), emulator, device="cpu", **options)
        write(made, out, progress=False)

    world.open(folder)  # imports the readers, too
    try:
        return measure(run)
    finally:
        shutil.rmtree(out, ignore_errors=True)
