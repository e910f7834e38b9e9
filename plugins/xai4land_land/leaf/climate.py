"""The climate that leaves have seen: the step itself, the months before, and day length."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping

import numpy as np
import xarray as xr

from xai4land.emulator.card import Input
from xai4land.emulator.inputs import time_name, value_problems
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.sun import DAYS, compute_declination, compute_half_day
from xai4land.grids.time import middle_of_steps, move_into_bounds
from xai4land.typing import Floats, Ints
from xai4land.units import convert_units
from xai4land_land.leaf.steps import MONTH_STEPS, Step, find_step, follow_on, middle_of_years

__all__ = ["CLIMATE", "compute_day_length", "find_climate", "form_lags", "is_lag", "list_climate"]

CLIMATE = {
    "tas": ("air_temperature", "K"),
    "pr": ("precipitation_flux", "kg m-2 s-1"),
    "rsds": ("surface_downwelling_shortwave_flux_in_air", "W m-2"),
}
"""Variables of climate by name, as in CMIP6: standard name and units."""
ALIASES = {"tas": ("t2m",), "pr": ("tp", "precip"), "rsds": ("ssrd",)}
LAG = re.compile(r"(\w+)_lag_(\d+)")
LIMITS = {"tas": (150.0, 350.0), "pr": (-1e-6, 0.05), "rsds": (-5.0, 1000.0)}
"""Least and largest values that there can be, in these units."""


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


def form_lags(
    climate: xr.Dataset,
    lags: int,
    step: Step = "month",
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> xr.Dataset:
    """Form the inputs of an emulator of leaf area from its climate; lazily.

    Parameters
    ----------
    climate : Dataset
        ``tas`` and, where there are any, ``pr`` and ``rsds`` on (time, lat, lon), in any units that
        can be converted, without gaps.
    lags : int
        Months that the emulator sees, the step itself counted as one.
    step : {"month", "dekad", "day"}
        What a step of the climate stands for.
    ranges : mapping from str to (float, float), optional
        Least and largest values that the emulator knows of some variables.

    Returns
    -------
    Dataset
        ``tas_lag_0`` (the step itself) to ``tas_lag_<lags - 1>`` (means of a month each: that
        before the step, the one before that, ...), and so on, ``day_length`` and
        ``day_length_change`` (hours, and hours since a month before), for each step that has enough
        steps before.

    Raises
    ------
    InputError
        Listing variables that are not there, units that cannot be converted, values that cannot
        be, steps that are missing, and too few of them.

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
    found = _read_climate(climate, step, ranges or {})
    span = MONTH_STEPS[step]
    before = (lags - 1) * span
    tas = found["tas"]
    dim, numbers = follow_on(tas, step, before + 1)
    InputError.raise_if(
        f"variable {name!r} has other {step}s than 'tas'; align them"
        for name, array in found.items()
        if not np.array_equal(array[time_name(array)].values, tas[dim].values)
    )
    InputError.raise_if(p for name, array in found.items() if (p := _find_gap(name, array, step)))
    time = tas[dim].isel({dim: slice(before, None)})
    formed = {
        f"{name}_lag_{lag}": lagged
        for name, array in found.items()
        for lag, lagged in enumerate(_shift_by_months(array, lags, span, time))
    }
    grid = Grid.of(tas)
    day = DAYS * (middle_of_years(numbers, step, middle_of_steps(tas, dim))[before:] % 1)
    now, then = (_day_length(grid.lat.values, day - k * DAYS / 12) for k in (0, 1))
    template = formed["tas_lag_0"]
    for name, values in (("day_length", now), ("day_length_change", now - then)):
        column = xr.DataArray(values.astype(np.float32), dims=(dim, grid.names[0]))
        spread = column.expand_dims({grid.names[1]: template[grid.names[1]].values}, axis=2)
        coords = {d: template[d] for d in (dim, *grid.names)}
        formed[name] = spread.assign_coords(coords).assign_attrs(
            units="hours", long_name=name.replace("_", " ")
        )
    return xr.Dataset(formed)


def _read_climate(
    climate: xr.Dataset, step: Step, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, xr.DataArray]:
    """Return the variables that are there, checked; all problems at once."""
    if not isinstance(climate, xr.Dataset):
        raise InputError(
            f"the climate is a {type(climate).__name__}, expected a Dataset: .to_dataset()"
        )
    climate = move_into_bounds(climate)
    problems: list[str] = []
    found: dict[str, xr.DataArray] = {}
    for name, (standard, _) in CLIMATE.items():
        try:
            array = find_climate(climate, name)
            if array is not None:
                found[name] = _check_climate(name, array, ranges.get(name))
            elif name == "tas":
                problems.append(
                    f"the climate has no {name!r} ({standard}): there are "
                    f"{', '.join(map(str, climate.data_vars)) or 'none'}; rename it"
                )
        except InputError as error:
            problems += error.problems
    problems += _find_step_problem(found.get("tas"), step)
    InputError.raise_if(problems)
    return found


def _find_step_problem(tas: xr.DataArray | None, step: Step) -> list[str]:
    """Say that a climate has finer steps than an emulator; coarser ones leave gaps."""
    own = step if tas is None else find_step(tas, str(time_name(tas)))
    if MONTH_STEPS[own] <= MONTH_STEPS[step]:
        return []
    return [
        f"the climate has several steps in a {step} (it seems to be of {own}s), expected {step}s, "
        f"each once; average it over {step}s, or bring an emulator that was fitted to {own}s"
    ]


def _check_climate(
    name: str, array: xr.DataArray, known: tuple[float, float] | None
) -> xr.DataArray:
    """Return a variable whose values are checked: now in memory, or as they are computed."""
    dims = [d for d in array.dims if d != time_name(array)]
    grid = Grid.of(array, f"variable {name!r}")
    if others := [d for d in dims if d not in grid.names]:
        raise InputError(
            f"variable {name!r} has a dimension {others[0]!r} that is neither time, latitude nor "
            f"longitude; select from it: .isel({others[0]}=0)"
        )
    if 1 in grid.shape:
        raise InputError(
            f"variable {name!r} has {grid.shape[0]} x {grid.shape[1]} cells, expected at least "
            "2 x 2: one cell has no neighbours to interpolate from; select a larger area"
        )
    low, high = LIMITS[name]
    if known is not None:
        low, high = max(low, known[0]), min(high, known[1])
    spec = Input(name=name, role="dynamic", valid_range=(low, high))

    def check(values: np.ndarray) -> np.ndarray:
        InputError.raise_if(value_problems(spec, values))
        return values

    if array.chunks is None:
        check(array.values)
        return array
    return array.copy(data=array.data.map_blocks(check, dtype=array.dtype, meta=array.data._meta))


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
    return _day_length(lat, (np.asarray(months) % 12 + 0.5) * DAYS / 12)


def _day_length(lat: Floats, day: Floats) -> Floats:
    """Compute the hours of daylight of days of the year, (days, rows)."""
    return 24 / np.pi * compute_half_day(lat, compute_declination(day)[:, None])


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
        raise InputError(f"variable {named[0]!r} has no time axis, expected a date a step")
    return convert_units(array, units, standard_name=standard, differences=False)


def _find_gap(name: str, array: xr.DataArray, step: Step) -> str:
    """Return what is wrong with a step in memory that has no value at all, or an empty text.

    Rain and radiation may be missing in all steps.
    """
    if array.chunks is not None:
        return ""
    dim = str(time_name(array))
    known = array.notnull().any([d for d in array.dims if d != dim])
    if bool(known.all()) or (name != "tas" and not bool(known.any())):
        return ""
    date = str(array[dim].values[~known.values][0])[: 7 if step == "month" else 10]
    return f"variable {name!r} has no value in {date}; fill the {step}, or leave its year out"


def _shift_by_months(
    array: xr.DataArray, lags: int, span: int, time: xr.DataArray
) -> Iterator[xr.DataArray]:
    """Give each step itself, and the means of months before it, of ``span`` steps each."""
    dim = str(time.name)
    bare = array.drop_vars([c for c in array.coords if c not in array.dims])
    size, first = array.sizes[dim], (lags - 1) * span

    def earlier(values: xr.DataArray, steps: int) -> xr.DataArray:
        """Return what was so many steps before each step that is wanted."""
        end = values.sizes[dim] - steps
        part = values.isel({dim: slice(end - (size - first), end)})
        return part.assign_coords({dim: time.values})

    yield earlier(bare, 0)
    # The mean of a step and of the others of the month that ends with it.
    number = size - span + 1
    parts = [bare.isel({dim: slice(k, k + number)}).drop_vars(dim) for k in range(span)]
    means = parts[0] if span == 1 else sum(parts[1:], parts[0]) / np.float32(span)
    for lag in range(1, lags):
        yield earlier(means, 1 + (lag - 1) * span).assign_attrs(array.attrs)
