"""Small maps of three classes for scores of change."""

from __future__ import annotations

import numpy as np
import xarray as xr

from conftest import coordinate

UNKNOWN = np.uint8(255)
FLAGS = {
    "flag_values": np.array([0, 1, 2], np.uint8),
    "flag_meanings": "wood field town",
    "_FillValue": UNKNOWN,
}


def map_of(values, year=None, step=0.001, lat=0.0, lon=0.0):
    """Make a map south and east of a point; 0, 0 is a corner of windows of 2, 3, 4, 6 and 9."""
    values = np.asarray(values, np.uint8)
    coords = {
        "lat": coordinate("lat", lat - step * np.arange(values.shape[-2])),
        "lon": coordinate("lon", lon + step * np.arange(values.shape[-1])),
    }
    if values.ndim == 3:
        times = np.array([f"{2000 + k}-07-01" for k in range(len(values))], "M8[ns]")
        coords["time"] = xr.DataArray(times, dims="time", attrs={"standard_name": "time"})
    elif year is not None:
        coords["time"] = np.datetime64(f"{year}-07-01", "ns")
    return xr.DataArray(values, coords, ("time", "lat", "lon")[-values.ndim :], attrs=FLAGS)


def data_of(values, **others):
    made = values if isinstance(values, xr.DataArray) else map_of(values)
    return xr.Dataset({"land_cover": made, **{f"land_cover_{k}": v for k, v in others.items()}})


def three_maps(seed, shape, unknown=0.1):
    rng = np.random.default_rng(seed)
    prior = rng.integers(0, 3, shape[-2:])
    made, truth = (
        np.where(rng.random(shape) < rng.random(), rng.integers(0, 3, shape), prior)
        for _ in range(2)
    )
    for array in (prior, truth, made):
        array[rng.random(array.shape) < unknown] = UNKNOWN
    return prior, truth, made
