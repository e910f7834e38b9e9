"""Seasonal emulators on 10°, 5° and 2.5°: one epoch of training, and 100 members of a season.

The sample climate, whose cells are divided, so that all grids hold the same information. Patches
have 30° on each. Processor time and peak memory, since the figures should hold on busy machines.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr
from common import Settings, measure, run_in_turn

import xai4land
from xai4land_seasonal import SeasonalEmulator, fit, forecast

__all__ = ["table"]

FACTORS = {"10°": 1, "5°": 2, "2.5°": 4}
YEARS = range(1930, 2001)
MEMBERS = 100


def table(settings: Settings) -> pd.DataFrame:
    """Cost on each grid."""
    factors = {"10°": 1, "5°": 2} if settings.quick else FACTORS
    jobs: dict[str, Callable[[], dict[str, float]]] = {
        name: partial(cost, factor, settings) for name, factor in factors.items()
    }
    rows = []
    for name, runs in run_in_turn(jobs, 1).items():
        rows.append({"grid": name, **runs[0]})
    return pd.DataFrame(rows)


def cost(factor: int, settings: Settings) -> dict[str, float]:
    """Measure training, a first forecast and a second one, whose past is learned already."""
    data = divide(xai4land.sample("climate", years=YEARS)[["tas"]], factor)
    path = settings.folder / f"{factor}.safetensors"

    def train() -> None:
        fit(
            data,
            validation=10,
            parameters={"patch": 3 * factor},
            settings={"epochs": 1},
            progress=False,
        ).save(path)

    def predict() -> None:
        how = {"years": 2000, "members": MEMBERS, "climatology": (1951, 1980)}
        forecast(data, "DJF", emulator=emulator, **how).compute()

    trained = measure(train)
    emulator = xai4land.load_emulator(path)
    assert isinstance(emulator, SeasonalEmulator)
    made = measure(predict)
    return {
        "cells": float(18 * 36 * factor**2),
        "epoch, processor s": round(trained.processor, 1),
        "100 members, processor s": round(made.processor, 1),
        "file, MB": round(path.stat().st_size / 1e6, 1),
        "peak memory, MB": round(made.peak),
    }


def divide(data: xr.Dataset, factor: int) -> xr.Dataset:
    """Divide each cell into equal ones."""
    tas = data["tas"]
    values = np.repeat(np.repeat(tas.values, factor, 1), factor, 2)
    rows, columns = (np.arange(n * factor) for n in tas.shape[1:])
    step = 10.0 / factor
    south_first = float(tas["lat"][1] - tas["lat"][0]) > 0
    lat = -90 + (rows + 0.5) * step
    lon = float(tas["lon"][0]) - 5.0 + (columns + 0.5) * step
    coords = {
        "time": tas["time"],
        "lat": ("lat", lat if south_first else lat[::-1], tas["lat"].attrs),
        "lon": ("lon", lon, tas["lon"].attrs),
    }
    return xr.Dataset({"tas": (tas.dims, values, tas.attrs)}, coords)
