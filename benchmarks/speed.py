"""Speed: pixels of the map a second, beside the bare network, MONAI and dask's map_overlap."""

from __future__ import annotations

import inspect
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from bare import PLAIN, bare, best_way
from common import Settings, Taken, fresh, in_turn, middle
from emulators import make_card
from ours import ours
from rivals import DEPTH, map_overlap, monai
from world import World, region

from xai4land.emulator import Card
from xai4land.grids.grid import Grid
from xai4land.windows.lattice import Windows
from xai4land_land import reconstruct

__all__ = ["table"]

BEST, MONAI = "bare network, best way", "MONAI, float32"
OVERLAP = "map_overlap of 256, float32"


def table(settings: Settings) -> pd.DataFrame:
    """Each network on the same region; pixels of the map count once."""
    rows = []
    world = region(settings.domain)
    world.store(settings.folder)
    for network in settings.networks:
        card = make_card(world, network)
        windows = _windows(world, card, settings.folder)
        way = fresh(partial(best_way, card))
        print(f"{network}: {windows} windows; the bare network is fastest with {way}")
        jobs = {
            "bare network, float32 eager": partial(bare, card, windows, PLAIN),
            BEST: partial(bare, card, windows, way),
            **_rivals(settings.folder, world, card),
            **_ours(settings.folder, world, network),
        }
        taken = in_turn(jobs, settings.repeats)
        speeds = {
            what: middle([world.pixels / run.seconds for run in runs])
            for what, runs in taken.items()
        }
        for what, (speed, spread) in speeds.items():
            rows.append(
                {
                    "network": network,
                    "": what,
                    "Mpx/s": speed,
                    "spread %": spread,
                    **{
                        f"of {name}": speed / speeds[base][0] if base in speeds else None
                        for name, base in (("best", BEST), ("MONAI", MONAI), ("overlap", OVERLAP))
                    },
                    "peak MB": round(middle([run.peak for run in taken[what]])[0]),
                }
            )
    return pd.DataFrame(rows)


def _windows(world: World, card: Card, folder: Path) -> int:
    """How many windows of the lattice the region touches."""
    grid = Grid.of(world.open(folder)["height"])
    (top, left), (height, width) = grid.lattice_origin, grid.shape
    touching = Windows(grid.lattice_shape, card.window).touching
    return len(touching((top, top + height), (left, left + width)))


def _rivals(folder: Path, world: World, card: Card) -> dict[str, partial[Taken]]:
    found = {}
    if find_spec("monai"):
        found[MONAI] = partial(monai, folder, world, card)
        found["MONAI, bfloat16"] = partial(monai, folder, world, card, torch.bfloat16)
    else:
        print("MONAI is not installed (pip install monai), and left out")
    inner = card.window.size - 2 * DEPTH
    return {
        **found,
        OVERLAP: partial(map_overlap, folder, world, card, inner),
        f"map_overlap of {world.chunk + 2 * DEPTH}, float32": partial(
            map_overlap, folder, world, card, world.chunk
        ),
    }


def _ours(folder: Path, world: World, network: str) -> dict[str, partial[Taken]]:
    card, free = make_card(world, network), make_card(world, network, conserve=False)
    jobs = {
        "xai4land": partial(ours, folder, world, card),
        "xai4land, no baselines": partial(ours, folder, world, card, baselines=False),
        "xai4land, conserve=False": partial(ours, folder, world, free),
    }
    if "precision" in inspect.signature(reconstruct).parameters:
        jobs["xai4land, float32"] = partial(ours, folder, world, card, precision="float32")
    return jobs
