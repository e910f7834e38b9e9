"""Small covers and climates for the tests of legends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr


def make_cover(names, values, lat=(10.0, 0.0), lon=(0.0, 10.0)) -> xr.Dataset:
    """Return fractions of classes, shape (classes, rows, columns) or (classes,) for all cells."""
    values = np.asarray(values, np.float64)
    if values.ndim == 1:
        values = np.broadcast_to(values[:, None, None], (len(names), len(lat), len(lon)))
    axis = xr.DataArray(
        np.arange(len(names), dtype="u1"),
        dims="land_cover_class",
        attrs={"flag_values": np.arange(len(names)), "flag_meanings": " ".join(names)},
    )
    coords = {"land_cover_class": axis, "lat": list(lat), "lon": list(lon)}
    fractions = xr.DataArray(values, coords, ("land_cover_class", "lat", "lon"))
    return fractions.to_dataset(name="land_cover_fraction")


def make_climate(tas, pr, lat=(10.0, 0.0), lon=(0.0, 10.0)) -> xr.Dataset:
    """Return a year of temperature (degC) and rain (mm a month), the same in all cells."""
    time = pd.date_range("2001-01-01", periods=12, freq="MS") + pd.Timedelta(days=14)
    coords = {"time": time, "lat": list(lat), "lon": list(lon)}

    def spread(values):
        months = np.broadcast_to(np.asarray(values, float), 12)[:, None, None]
        return np.broadcast_to(months, (12, len(lat), len(lon)))

    days = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    dims = ("time", "lat", "lon")
    rate = np.broadcast_to(np.asarray(pr, float), 12) / days / 86400
    return xr.Dataset(
        {
            "tas": (dims, spread(tas) + 273.15, {"units": "K"}),
            "pr": (dims, spread(rate), {"units": "kg m-2 s-1"}),
        },
        coords,
    )


def shares_of(data: xr.Dataset, row: int = 0, column: int = 0) -> dict[str, float]:
    """Return the fractions of a cell that are not zero, by class."""
    cell = data.land_cover_fraction.isel(lat=row, lon=column)
    pairs = zip(data.class_name.values.tolist(), cell.values.tolist(), strict=True)
    return {name: round(share, 6) for name, share in pairs if share}
