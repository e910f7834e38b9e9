"""The climate that leaves have seen: the months before, and the length of the day."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.time import count_months, move_into_bounds, refuse_lost_bounds
from xai4land.typing import Floats, Ints
from xai4land.units import convert_units

__all__ = ["CLIMATE", "compute_day_length", "find_climate", "form_lags", "is_lag", "list_climate"]

CLIMATE = {
    "tas": ("air_temperature", "K"),
    "pr": ("precipitation_flux", "kg m-2 s-1"),
    "rsds": ("surface_downwelling_shortwave_flux_in_air", "W m-2"),
}
"""Variables of climate by name, as in CMIP6: standard name and units."""
ALIASES = {"tas": ("t2m",), "pr": ("tp", "precip"), "rsds": ("ssrd",)}
LAG = re.compile(r"(\w+)_lag_(\d+)")
OBLIQUITY = 23.44


def is_lag(name: str, variable: str | None = None) -> bool:
    """Return whether an input is a month of climate (of one variable).

    Examples
    --------
    >>> is_lag("pr_lag_3"), is_lag("pr_lag_3", "tas"), is_lag("elevation")
    (True, False, False)
    """
    match = LAG.fullmatch(name)
    return match is not None and variable in (None, match[1])


def list_climate(names: Iterable[Hashable]) -> tuple[str, ...]:
    """Return the variables of climate among the names of inputs.

    Examples
    --------
    >>> list_climate(["primf", "tas_lag_0", "tas_lag_1", "pr_lag_0"])
    ('tas', 'pr')
    """
    found = {match[1] for name in names if (match := LAG.fullmatch(str(name)))}
    return tuple(variable for variable in CLIMATE if variable in found)


def form_lags(climate: xr.Dataset, lags: int, needed: tuple[str, ...] = ("tas",)) -> xr.Dataset:
    """Form the inputs of an emulator of leaf area from monthly climate; lazily.

    Parameters
    ----------
    climate : Dataset
        Monthly ``tas`` and, where there are any, ``pr`` and ``rsds`` on (time, lat, lon), in any
        units that can be converted, without gaps.
    lags : int
        Months that the emulator sees, the month itself included.
    needed : tuple of str
        Variables that must be there; the others are missing where they are not.

    Returns
    -------
    Dataset
        ``tas_lag_0`` (the month itself) to ``tas_lag_<lags - 1>``, and so on, ``day_length`` and
        ``day_length_change`` (hours), for each month that has enough months before.

    Raises
    ------
    InputError
        Listing variables that are not there, units that cannot be converted, months that are
        missing, and too few months.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-15", periods=14, freq="MS") + pd.Timedelta(days=14)
    >>> tas = xr.DataArray(
    ...     np.arange(14.0)[:, None, None] + np.zeros((14, 2, 2)),
    ...     {"time": time, "lat": [10.0, 20.0], "lon": [0.0, 10.0]}, ("time", "lat", "lon"),
    ...     attrs={"units": "degC"})
    >>> formed = form_lags(tas.to_dataset(name="tas"), 12)
    >>> formed.tas_lag_1.isel(lat=0, lon=0).values.tolist()
    [283.15, 284.15, 285.15]
    """
    climate = move_into_bounds(climate)
    problems: list[str] = []
    found: dict[str, xr.DataArray] = {}
    for name in CLIMATE:
        try:
            array = find_climate(climate, name)
            if array is not None:
                found[name] = array
            elif name in needed:
                problems.append(
                    f"the climate has no {name!r} ({CLIMATE[name][0]}): there are "
                    f"{', '.join(map(str, climate.data_vars)) or 'none'}; rename it"
                )
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    dim, months = _check_months(found["tas"], lags)
    problems += [
        f"variable {name!r} has other months than 'tas'; align them"
        for name, array in found.items()
        if not np.array_equal(array[time_name(array)].values, found["tas"][dim].values)
    ]
    problems += [p for name, array in found.items() if (p := _find_gap(name, array))]
    InputError.raise_if(problems)
    time = found["tas"][dim].isel({dim: slice(lags - 1, None)})
    formed = {
        f"{name}_lag_{lag}": _shift(array, lag, lags, time)
        for name, array in found.items()
        for lag in range(lags)
    }
    grid = Grid.of(found["tas"])
    now, before = (compute_day_length(grid.lat.values, months[lags - 1 :] - k) for k in (0, 1))
    template = formed["tas_lag_0"]
    for name, values in (("day_length", now), ("day_length_change", now - before)):
        column = xr.DataArray(values.astype(np.float32), dims=(dim, grid.names[0]))
        spread = column.expand_dims({grid.names[1]: template[grid.names[1]].values}, axis=2)
        coords = {d: template[d] for d in (dim, *grid.names)}
        formed[name] = spread.assign_coords(coords).assign_attrs(
            units="hours", long_name=name.replace("_", " ")
        )
    return xr.Dataset(formed)


def compute_day_length(lat: Floats, months: Ints) -> Floats:
    """Compute the hours between sunrise and sunset in the middle of months.

    From the declination of the sun (Cooper 1969); 0 in the polar night, 24 in the polar day.

    Parameters
    ----------
    lat : ndarray, shape (rows,)
    months : ndarray of int, shape (months,)
        Counted from January of any year.

    Returns
    -------
    ndarray, shape (months, rows)

    Examples
    --------
    >>> compute_day_length(np.array([0.0, 80.0, -80.0]), np.array([5])).round(1).tolist()
    [[12.0, 24.0, 0.0]]
    """
    day = (np.asarray(months) % 12 + 0.5) * 365 / 12
    declination = np.deg2rad(OBLIQUITY) * np.sin(2 * np.pi * (284 + day) / 365)
    product = -np.tan(np.deg2rad(np.clip(lat, -89.9, 89.9))) * np.tan(declination)[:, None]
    return np.asarray(24 / np.pi * np.arccos(product.clip(-1, 1)))


def find_climate(climate: xr.Dataset, name: str) -> xr.DataArray | None:
    """Return a variable by name, alias or standard name, in the wanted units; None without it."""
    standard, units = CLIMATE[name]
    named = [n for n in (name, *ALIASES[name]) if n in climate]
    named = named or [
        str(n) for n, a in climate.data_vars.items() if a.attrs.get("standard_name") == standard
    ]
    if not named:
        return None
    array = climate[named[0]]
    if "units" not in array.attrs:
        raise InputError(
            f"variable {named[0]!r} has no units, expected {units!r} or others that convert to "
            f"it; set them: ds[{named[0]!r}].attrs['units'] = ..."
        )
    if time_name(array) is None:
        raise InputError(f"variable {named[0]!r} has no time axis, expected months")
    return convert_units(array, units, standard_name=standard, differences=False)


def _check_months(array: xr.DataArray, lags: int) -> tuple[str, Ints]:
    """Return the time axis and the number of each month; none may be missing."""
    dim = str(time_name(array))
    refuse_lost_bounds(array, dim)
    months = count_months(array, dim)
    steps = np.diff(months)
    if (steps != 1).any():
        at = int(np.flatnonzero(steps != 1)[0])
        year, month = divmod(int(months[at]), 12)
        raise InputError(
            f"the climate goes on {int(steps[at])} months after {year:04d}-{month + 1:02d}, "
            "expected every month once; bring the missing months, or resample to months"
        )
    if len(months) < lags:
        raise InputError(
            f"the climate has {len(months)} months, expected at least {lags}: the month itself and "
            f"the {lags - 1} before it; bring earlier months"
        )
    return dim, months


def _find_gap(name: str, array: xr.DataArray) -> str:
    """Return what is wrong with a month in memory that has no value at all, or an empty text."""
    if array.chunks is not None or name != "tas":
        return ""
    dim = str(time_name(array))
    known = array.notnull().any([d for d in array.dims if d != dim])
    if bool(known.all()):
        return ""
    date = str(array[dim].values[~known.values][0])[:7]
    return f"variable {name!r} has no value in {date}; fill the month, or leave its year out"


def _shift(array: xr.DataArray, lag: int, lags: int, time: xr.DataArray) -> xr.DataArray:
    """Return what was ``lag`` months before each month."""
    dim = str(time.name)
    earlier = array.isel({dim: slice(lags - 1 - lag, array.sizes[dim] - lag)})
    earlier = earlier.drop_vars([c for c in earlier.coords if c not in earlier.dims])
    return earlier.assign_coords({dim: time.values})
