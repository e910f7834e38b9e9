"""Cases that references of leaf area learn from: months and pixels, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.interpolation import Interpolation
from xai4land.grids.time import count_months, find_time
from xai4land.typing import Floats, Floats32, Ints
from xai4land.units import convert_units
from xai4land_land.leaf.zones import find_zones

__all__ = ["LAGS", "Cases", "find_classes", "form_cases"]

LAGS = 12
"""Months of climate that a case sees, the month itself included."""
UNITS = {"tas": "degC", "pr": "kg m-2 s-1", "rsds": "W m-2"}
MM_A_MONTH = 86400 * 365.25 / 12
"""Of a flux of 1 kg m-2 s-1."""


@dataclass(frozen=True)
class Cases:
    """Months and pixels.

    Attributes
    ----------
    grid : Grid
    pixels : ndarray of int, shape (pixels,)
        Where in the flattened grid fractions and climate are known.
    lat : ndarray, shape (pixels,)
    months : ndarray of int, shape (months,)
        Numbers of months since year 0, each after the one before.
    maps : ndarray of int, shape (months,)
        Which map of land cover each month has.
    cover : ndarray, shape (maps, pixels, classes)
    climate : mapping of str to ndarray, shape (LAGS - 1 + months, pixels)
        In degC, mm a month and W m-2.
    zones : ndarray of int, shape (pixels,)
    known : ndarray, shape (months, pixels)
        Leaf area, missing where it is not known.
    """

    grid: Grid
    pixels: Ints
    lat: Floats
    months: Ints
    maps: Ints
    cover: Floats32
    climate: dict[str, Floats32]
    zones: Ints
    known: Floats32

    @property
    def seasons(self) -> Ints:
        """Months of the year from 0, shifted by half a year in the south: (months, pixels)."""
        return np.asarray((self.months[:, None] + 6 * (self.lat < 0)) % 12)

    def features(self, month: Ints, pixel: Ints) -> Floats32:
        """Return fractions and climate of cases, the newest month first, (cases, features)."""
        lags = [
            values[month + LAGS - 1 - lag, pixel][:, None]
            for values in self.climate.values()
            for lag in range(LAGS)
        ]
        return np.concatenate([self.cover[self.maps[month], pixel], *lags], 1)

    def fill(self, values: Floats | Floats32) -> Floats32:
        """Return values (months, pixels) on the grid, (months, rows, columns)."""
        filled = np.full(
            (len(values), self.grid.lat.values.size * self.grid.lon.values.size), np.nan
        )
        filled[:, self.pixels] = values
        return filled.reshape(-1, *self.grid.shape).astype(np.float32)


def find_classes(cover: xr.Dataset) -> list[str]:
    """Return the names of the fractions of classes in a dataset.

    Raises
    ------
    InputError
        If there is none.
    """
    names = [
        str(name)
        for name, array in cover.data_vars.items()
        if array.attrs.get("standard_name") == "area_fraction"
    ]
    if not names:
        raise InputError(
            "the land cover has no fractions of classes; give variables the standard_name "
            "'area_fraction', or name them: classes=[...]"
        )
    return names


def form_cases(
    cover: xr.Dataset,
    climate: xr.Dataset,
    known: xr.DataArray | None,
    classes: Sequence[str],
) -> Cases:
    """Read all months that a climate has with enough months before.

    A month has the map of its year, or of the nearest year. Climate is linear between the centres
    of its cells.

    Parameters
    ----------
    cover : Dataset
        Fractions of ``classes`` on (latitude, longitude), and a time axis or none.
    climate : Dataset
        Monthly ``tas`` and, if there are any, ``pr`` and ``rsds``.
    known : DataArray, optional
        Leaf area on the grid of the cover, in any months.
    classes : sequence of str

    Raises
    ------
    InputError
        If classes, months or units are not there, or grids differ.
    """
    if lost := [name for name in classes if name not in cover]:
        raise InputError(f"the land cover has no {', '.join(lost)}; it has {list(cover.data_vars)}")
    grid = Grid.of(cover[classes[0]])
    fields, months = _read_climate(climate, grid)
    fractions, years = _read_cover(cover, grid, classes)
    months, before = months[LAGS - 1 :], months[: LAGS - 1]
    valid = np.isfinite(fractions).all((0, 2)) & np.isfinite(list(fields.values())).all((0, 1))
    pixels = np.flatnonzero(valid)
    lat = np.repeat(grid.lat.values, len(grid.lon))[pixels]
    chosen = {name: values[:, pixels] for name, values in fields.items()}
    calendar = np.concatenate([before, months]) % 12
    means = {
        name: np.stack([values[calendar == k].mean(0, dtype=np.float64) for k in range(12)])
        for name, values in chosen.items()
    }
    return Cases(
        grid,
        pixels,
        lat,
        months,
        np.abs(months[:, None] // 12 - years).argmin(1),
        fractions[:, pixels],
        chosen,
        find_zones(means["tas"], means.get("pr"), lat),
        _read_known(known, grid, months)[:, pixels],
    )


def _read_climate(climate: xr.Dataset, grid: Grid) -> tuple[dict[str, Floats32], Ints]:
    """Return fields of shape (months, all pixels), and the numbers of their months."""
    if "tas" not in climate:
        raise InputError(f"the climate has no 'tas', only {list(climate.data_vars)}; rename it")
    axis = str(find_time(climate["tas"], "the climate"))
    months = count_months(climate, axis)
    if len(months) < LAGS or (np.diff(months) != 1).any():
        raise InputError(
            f"the climate has {len(months)} months, expected {LAGS} or more that follow one another"
        )
    coarse = Grid.of(climate["tas"])
    interpolate = Interpolation(coarse, grid)
    fields = {}
    for name in (name for name in UNITS if name in climate):
        array = convert_units(climate[name], UNITS[name], differences=False)
        values = interpolate(array.transpose(axis, *coarse.names).values)
        scale = MM_A_MONTH if name == "pr" else 1.0
        fields[name] = (scale * values).reshape(len(months), -1).astype(np.float32)
    return fields, months


def _read_cover(cover: xr.Dataset, grid: Grid, classes: Sequence[str]) -> tuple[Floats32, Ints]:
    """Return fractions of shape (maps, all pixels, classes), and the years of the maps."""
    axis = find_time(cover[classes[0]], "the land cover")
    dims = grid.names if axis is None else (axis, *grid.names)
    values = [cover[name].transpose(*dims).values.astype(np.float32) for name in classes]
    years = np.zeros(1, np.int64) if axis is None else cover[axis].dt.year.values
    stacked = np.stack(values, -1).reshape(len(years), -1, len(classes))
    return stacked, np.asarray(years)


def _read_known(known: xr.DataArray | None, grid: Grid, months: Ints) -> Floats32:
    """Return leaf area of months, missing where it is not known, (months, all pixels)."""
    result = np.full((len(months), grid.shape[0] * grid.shape[1]), np.nan, np.float32)
    if known is None:
        return result
    own = Grid.of(known)
    if not (own.lat == grid.lat and own.lon == grid.lon):
        raise InputError("leaf area and land cover are on different grids; regrid one of them")
    axis = str(find_time(known, "the leaf area"))
    at = {int(month): k for k, month in enumerate(count_months(known, axis))}
    values = known.transpose(axis, *own.names).values.reshape(len(at), -1)
    for row, month in zip(result, months.tolist(), strict=True):
        if month in at:
            row[:] = values[at[month]]
    return result
