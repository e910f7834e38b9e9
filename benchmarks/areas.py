"""Areas: a band of the globe at 0.05° whose areas agree with the states, and with free areas."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from common import Settings, measure, median_and_spread, run_in_turn

import xai4land
from xai4land_land import reconstruct

__all__ = ["table"]

KINDS = ("free", "exact", 0.05)
BAND, QUICK_BAND = slice(45, 30), slice(45, 42)
"""Latitudes: a twelfth of a year's pixels; all longitudes, so land and sea as they are."""
STATES = {
    "water": ("ocean_other", "water"),
    "forest": ("forest",),
    "nonforest_natural": ("grass_shrub", "pasture"),
    "cropland": ("cropland",),
    "crop_mosaic": (),
    "urban": ("urban",),
    "ice": (),
    "barren": ("sparse",),
}
"""The states of the emulator from the classes of the sample planet."""


def table(settings: Settings) -> pd.DataFrame:
    """Compare seconds of a map, in memory, for each kind of areas."""
    band = QUICK_BAND if settings.quick else BAND
    jobs = {str(areas): partial(run_band, areas, band) for areas in KINDS}
    rows: list[dict[str, Any]] = []
    for areas, runs in run_in_turn(jobs, settings.repeats).items():
        seconds, spread = median_and_spread(runs)
        free = rows[0]["seconds"] if rows else seconds
        rows.append(
            {"areas": areas, "seconds": seconds, "spread %": spread, "of free": seconds / free}
        )
    return pd.DataFrame(rows)


def run_band(areas: str | float, band: slice) -> float:
    """Measure seconds from fields in memory to maps in memory, after a first row of blocks."""
    states, static = make_inputs(band)
    how: dict[str, Any] = {"static": static, "target": 0.05, "baselines": False, "device": "cpu"}
    made = reconstruct(states, "modis-landcover-0p05", areas=areas, **how)
    made.isel(lon=slice(0, 512)).compute()
    return measure(made.compute).seconds


def make_inputs(band: slice) -> tuple[xr.Dataset, xr.Dataset]:
    """Make states of cells of 0.25° that are mixed where classes meet, and static features."""
    planet = xai4land.sample("land", years=[2000])
    fine = planet[["land_cover", "elevation"]].isel(time=0, drop=True)
    fine = fine.rename(lat_fine="lat", lon_fine="lon").sortby("lat", ascending=False)
    fine = fine.sel(lat=band)
    codes = fine.land_cover.attrs["flag_values"]
    names = fine.land_cover.attrs["flag_meanings"].split()
    numbers = dict(zip(names, np.asarray(codes).tolist(), strict=True))
    states = xr.Dataset()
    for name, classes in STATES.items():
        share = fine.land_cover.isin([numbers[c] for c in classes]).astype(np.float32)
        around = share.rolling(lat=3, lon=3, center=True, min_periods=1).mean()
        states[name] = around.assign_attrs(standard_name="area_fraction", units="1")
    states["crop_mosaic"] = (0.25 * states.cropland).assign_attrs(states.cropland.attrs)
    states["cropland"] = (0.75 * states.cropland).assign_attrs(states.cropland.attrs)
    total = states.to_dataarray().sum("variable")
    states = states.map(lambda state: (state / total).assign_attrs(state.attrs))
    elevation = fine.elevation.astype(np.float32).assign_attrs(planet.elevation.attrs)
    koppen = xr.full_like(fine.land_cover, 15, dtype=np.uint8).drop_attrs()
    return states, xr.Dataset({"elevation": elevation, "koppen": koppen})
