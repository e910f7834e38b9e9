"""Resume: what it costs to write so that a killed run can go on, against plain to_zarr."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from common import Settings, clock, in_turn, middle
from emulators import make_card, make_emulator, warm
from world import region

from xai4land import write
from xai4land_land import reconstruct

__all__ = ["table"]


def table(settings: Settings) -> pd.DataFrame:
    """Many cheap chunks, where each costs next to nothing, and a real map."""
    jobs = {
        (what, how): partial(store, settings, make, plainly)
        for what, make in (("cheap chunks", cheap), ("a map, 2M network", real))
        for how, plainly in (("to_zarr", True), ("write", False))
    }
    taken = in_turn({" with ".join(key): job for key, job in jobs.items()}, settings.repeats)
    rows: list[dict[str, Any]] = []
    for (what, how), runs in zip(jobs, taken.values(), strict=True):
        seconds, spread = middle(runs)
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


def store(settings: Settings, make: Callable[[Settings], xr.Dataset], plainly: bool) -> float:
    """Seconds to write a lazy dataset."""
    data, out = make(settings), settings.folder / "out.zarr"
    try:
        if plainly:
            return clock(lambda: data.to_zarr(out, zarr_format=3, consolidated=False)).seconds
        return clock(lambda: write(data, out, progress=False)).seconds
    finally:
        shutil.rmtree(out, ignore_errors=True)


def cheap(settings: Settings) -> xr.Dataset:
    """A thousand chunks of noise, 64 KB each; few in a small trial."""
    side = 128 * (8 if settings.quick else 32)
    noise = da.random.default_rng(0).standard_normal((side, side), chunks=128, dtype=np.float32)
    return xr.Dataset({"noise": (("y", "x"), noise)})


def real(settings: Settings) -> xr.Dataset:
    """A map in sixteen blocks, with its confidence and baselines."""
    world = region(settings.domain // 2)
    card = make_card(world, "2M")
    emulator = make_emulator(card)
    warm(emulator.network("cpu"), card)
    inputs = world.open(settings.folder)
    return reconstruct(inputs, emulator, device="cpu", chunks=world.rows // 4)
