"""Small climates whose answers are known."""

from __future__ import annotations

import numpy as np
import xarray as xr

from conftest import coordinate


def monthly(
    values: np.ndarray,
    start: str = "1900-01-01",
    calendar: str = "standard",
    name: str = "tas",
    units: str = "K",
) -> xr.Dataset:
    """Monthly fields of (months, rows, columns) on a global grid."""
    months, rows, columns = values.shape
    lat = 90 - (np.arange(rows) + 0.5) * 180 / rows
    lon = -180 + (np.arange(columns) + 0.5) * 360 / columns
    use = None if calendar == "standard" else True
    time = xr.date_range(start, periods=months, freq="MS", calendar=calendar, use_cftime=use)
    coords = {"lat": coordinate("lat", lat), "lon": coordinate("lon", lon), "time": time}
    field = xr.DataArray(values, coords, ("time", "lat", "lon"), attrs={"units": units})
    data = xr.Dataset({name: field})
    data["time"].attrs["standard_name"] = "time"
    return data


def red_noise(
    years: int, rows: int = 3, columns: int = 6, stays: float = 0.8, seed: int = 0
) -> np.ndarray:
    """AR(1) months with variance one."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(12 * years, rows, columns)) * np.sqrt(1 - stays**2)
    noise[0] /= np.sqrt(1 - stays**2)
    for m in range(1, len(noise)):
        noise[m] += stays * noise[m - 1]
    return noise
