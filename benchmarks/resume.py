"""Resume: cost of resumable writing, compared with plain to_zarr."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from common import Settings, measure, median_and_spread, run_in_turn
from emulators import make_card, make_emulator, warm_up
from world import region

from xai4land import write
from xai4land_land import reconstruct

__all__ = ["table"]


def table(settings: Settings) -> pd.DataFrame:
    """Measure many chunks that cost almost nothing, and a real map."""
    jobs = {
        (what, how): partial(time_write, settings, make, plain)
        for what, make in (("cheap chunks", make_cheap), ("a map, 2M network", make_map))
        for how, plain in (("to_zarr", True), ("write", False))
    }
    taken = run_in_turn({" with ".join(key): job for key, job in jobs.items()}, settings.repeats)
    rows: list[dict[str, Any]] = []
    for (what, how), runs in zip(jobs, taken.values(), strict=True):
        seconds, spread = median_and_spread(runs)
        base = rows[-1]["seconds"] if how == "write" else seconds
        rows.append(
            {
                "": what,
                "with": how,
                "seconds": seconds,
                "spread %": spread,
                "overhead %": 100 * (seconds / base - 1),
            }
        )
    return pd.DataFrame(rows)


def time_write(settings: Settings, make: Callable[[Settings], xr.Dataset], plain: bool) -> float:
    """Measure seconds to write a lazy dataset."""
    data, out = make(settings), settings.folder / "out.zarr"
    try:
        if plain:
            return measure(lambda: data.to_zarr(out, zarr_format=3, consolidated=False)).seconds
        return measure(lambda: write(data, out, progress=False)).seconds
    finally:
        shutil.rmtree(out, ignore_errors=True)


def make_cheap(settings: Settings) -> xr.Dataset:
    """Make a thousand chunks of noise, 64 KB each; few in a quick run."""
    side = 128 * (8 if settings.quick else 32)
    noise = da.random.default_rng(0).standard_normal((side, side), chunks=128, dtype=np.float32)
    return xr.Dataset({"noise": (("y", "x"), noise)})


def make_map(settings: Settings) -> xr.Dataset:
    """Make a map in sixteen blocks, with its confidence and baselines."""
    world = region(settings.domain // 2)
    card = make_card(world, "2M")
    emulator = make_emulator(card)
    warm_up(emulator.network("cpu"), card)
    inputs = world.open(settings.folder)
    return reconstruct(inputs, emulator, device="cpu", chunks=world.rows // 4)
