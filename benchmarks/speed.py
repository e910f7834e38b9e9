"""Speed: pixels per second, compared with the bare network, MONAI and dask's map_overlap."""

from __future__ import annotations

import inspect
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import torch
from bare import DEFAULT_SETUP, find_best_setup, run_bare
from common import Cost, Settings, median_and_spread, run_in_new_process, run_in_turn
from emulators import make_card
from ours import run_ours
from rivals import OVERLAP_DEPTH, run_map_overlap, run_monai
from world import World, region

from xai4land.emulator import Card
from xai4land.grids.grid import Grid
from xai4land.windows.lattice import Windows
from xai4land_land import reconstruct

__all__ = ["table"]

BEST, MONAI = "bare network, best setup", "MONAI, float32"
OVERLAP = "map_overlap of 256, float32"


def table(settings: Settings) -> pd.DataFrame:
    """Measure each network on the same region; each pixel of the map counts once."""
    rows = []
    world = region(settings.domain)
    world.store(settings.folder)
    for network in settings.networks:
        card = make_card(world, network)
        windows = _windows(world, card, settings.folder)
        setup = run_in_new_process(partial(find_best_setup, card))
        print(f"{network}: {windows} windows; the bare network is fastest with {setup}")
        jobs = {
            "bare network, float32 eager": partial(run_bare, card, windows, DEFAULT_SETUP),
            BEST: partial(run_bare, card, windows, setup),
            **_rivals(settings.folder, world, card),
            **_ours(settings.folder, world, network),
        }
        taken = run_in_turn(jobs, settings.repeats)
        speeds = {
            what: median_and_spread([world.pixels / run.seconds for run in runs])
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
                    "peak MB": round(median_and_spread([run.peak for run in taken[what]])[0]),
                }
            )
    return pd.DataFrame(rows)


def _windows(world: World, card: Card, folder: Path) -> int:
    """Count the windows of the lattice that the region touches."""
    grid = Grid.of(world.open(folder)["height"])
    (top, left), (height, width) = grid.lattice_origin, grid.shape
    windows = Windows(grid.lattice_shape, card.window)
    return len(windows.find_corners((top, top + height), (left, left + width)))


def _rivals(folder: Path, world: World, card: Card) -> dict[str, partial[Cost]]:
    found = {}
    if find_spec("monai"):
        found[MONAI] = partial(run_monai, folder, world, card)
        found["MONAI, bfloat16"] = partial(run_monai, folder, world, card, torch.bfloat16)
    else:
        print("MONAI is not installed (pip install monai), and left out")
    inner = card.window.size - 2 * OVERLAP_DEPTH
    return {
        **found,
        OVERLAP: partial(run_map_overlap, folder, world, card, inner),
        f"map_overlap of {world.chunk + 2 * OVERLAP_DEPTH}, float32": partial(
            run_map_overlap, folder, world, card, world.chunk
        ),
    }


def _ours(folder: Path, world: World, network: str) -> dict[str, partial[Cost]]:
    card, free = make_card(world, network), make_card(world, network, conserve=False)
    jobs = {
        "xai4land": partial(run_ours, folder, world, card),
        "xai4land, no baselines": partial(run_ours, folder, world, card, baselines=False),
        "xai4land, conserve=False": partial(run_ours, folder, world, free),
    }
    if "precision" in inspect.signature(reconstruct).parameters:
        jobs["xai4land, float32"] = partial(run_ours, folder, world, card, precision="float32")
    return jobs
