"""The UK from 2009 to 2012, in three steps of a year and in one of three: a part of ``drift``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import xai4land
from xai4land_land.change.references import change_reference

STATES = {
    "urban": "urban",
    "crop": "cropland",
    "pasture": "pasture",
    "forest": "forest",
    "nonforest": "grass_shrub",
    "other": "sparse",
    "water": "water",
}
YEARS = (2009, 2010, 2011, 2012)
CELL = 0.5
KM_A_DEGREE = 111.195
BLOCK_DEGREES = 2
SETTINGS: dict[str, Any] = {
    "window": 100,
    "parameters": {"widths": [16, 24, 32]},
    "epochs": 6,
    "steps": 40,
    "batch_size": 2,
    "learning_rate": 3e-3,
    "masked": 0.05,
    "masked_at_end": 0.0,
    "workers": 1,
}


def score_uk(folder: Path, out: Path) -> pd.DataFrame:
    """Score the map of 2012, in the blocks that no emulator has learned from."""
    states, maps = read_years(folder)
    held = _is_held(maps)
    emulators = {rule: change_reference(rule, states, maps) for rule in ("random", "density")}
    emulators["network"] = fit(out / "uk-years.safetensors", states, maps.where(~held))
    prior, truth = maps.isel(time=0), maps.isel(time=1)
    found: dict[str, xr.DataArray] = {}
    for name, emulator in emulators.items():
        for exchange in (False, True)[: 1 + (name == "network")]:
            for every in (1, 3):
                made = states.ai4land.reconstruct(
                    emulator, prior=prior, every=every, exchange=exchange, baselines=False
                )
                last = made.land_cover.isel(time=-1).drop_vars("time").compute()
                label = f"{name}{' with exchange' if exchange else ''}, every={every}"
                found[label] = last
    data = xr.Dataset({f"land_cover_{label}": last for label, last in found.items()})
    data = data.assign(land_cover=next(iter(found.values())))
    scored = truth.drop_vars("time").where(held)
    scores = data.ai4land.evaluate(scored, prior=prior.drop_vars("time"), blocks=BLOCK_DEGREES)
    return scores.drop_sel(source="emulator").ai4land.summarise().iloc[:, :10]


def read_years(folder: Path) -> tuple[xr.Dataset, xr.DataArray]:
    """Return states at 0.5° of four years, and the maps of the first and the last.

    The states are those of 2009 and the yearly changes since, over the area of a cell on the globe
    (the file's own areas are up to twice as large).
    """
    change = xr.open_dataset(folder / "uk_coarse_change_2009_2012_0p5.nc").load()
    fine = xr.open_dataset(folder / "uk_states_0p25.nc").load().isel(time=0, drop=True)
    maps = xr.open_dataset(folder / "uk_hilda_0p01.nc").land_cover.load()
    first = xai4land.regrid(fine, change[["lat", "lon"]], "conservative")
    area = (KM_A_DEGREE * CELL) ** 2 * np.cos(np.deg2rad(change.lat))
    parts = {}
    for name, source in STATES.items():
        moved = (change[source] / area).cumsum("time", skipna=False)
        every = xr.concat([xr.zeros_like(moved.isel(time=0)), moved], "time") + first[name]
        attrs = {"standard_name": "area_fraction", "units": "1"}
        parts[name] = every.clip(0, 1).assign_attrs(attrs)
    dates = [np.datetime64(f"{year}-07-01", "ns") for year in YEARS]
    return xr.Dataset(parts).assign_coords(time=dates), maps


def fit(path: Path, states: xr.Dataset, maps: xr.DataArray) -> xai4land.Emulator:
    """Train forward, in steps of one to three years.

    Of the years between nothing is known but the states: each pixel that changes does so in a year
    drawn at random.
    """
    if path.exists():
        return xai4land.Emulator.load(path)
    before, after = (maps.isel(time=k, drop=True) for k in (0, 1))
    drawn = xr.zeros_like(before).copy(
        data=np.random.default_rng(0).integers(YEARS[1], YEARS[-1] + 1, before.shape)
    )
    every = xr.concat([before.where(drawn > year, after) for year in YEARS], "time")
    every = every.where(before.notnull() & after.notnull()).assign_coords(time=states.time)
    every = every.assign_attrs(maps.attrs).astype("float32")
    pairs = [(a, b) for a in YEARS for b in YEARS if a < b]
    emulator = states.ai4land.fit(
        every, prior=every, pairs=pairs, name=path.stem, progress=False, **SETTINGS
    )
    emulator.save(path)
    return emulator


def _is_held(maps: xr.DataArray) -> xr.DataArray:
    """Return which pixels are scored: every second block, as on a chessboard."""
    row, column = (np.floor(maps[name] / BLOCK_DEGREES) for name in ("lat", "lon"))
    return (row + column) % 2 == 0
