"""One series from the history and a scenario of LUH2 or LUH3, checked where they meet."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache, partial
from itertools import pairwise

import numpy as np
import xarray as xr

from xai4land.errors import InputError, InputWarning
from xai4land.typing import Booleans, Floats32

__all__ = ["STATES", "find_span", "join_in_time"]

LUH2_STATES = (
    *("primf", "primn", "secdf", "secdn", "urban", "pastr", "range"),
    *("c3ann", "c4ann", "c3per", "c4per", "c3nfx"),
)
STATES = (*LUH2_STATES, "pltns")
"""Fractions of the cell that, with ice and water, add up to one; LUH3 has plantations, too."""
MAX_DIFFERENCE = 0.01
"""By which a fraction, or the sum of all, may differ between two descriptions of a year."""
MAX_CHANGE = 0.25
"""Largest change of a fraction within a year that raises no doubt."""


def join_in_time(parts: Sequence[xr.Dataset], ice_water: xr.DataArray | None) -> xr.Dataset:
    """Join parts that follow one another; of years that two have, the earlier part's are kept.

    The states are compared where two parts meet when the first year after it is computed: in the
    last year that both have, or else in the last year of the one and the first of the other.

    Parameters
    ----------
    parts : sequence of Dataset
        On (time, lat, lon) of one grid, in order of their first years.
    ice_water : DataArray or None
        Fraction of ice and water, which adds up to one with the states.

    Raises
    ------
    InputError
        If years are missing between parts, or two parts have the same years. When computed: if
        the states of a year differ, or their sum does.
    """
    holders = {
        name: [k for k, part in enumerate(parts) if name in part]
        for name in dict.fromkeys(str(n) for part in parts for n in part.data_vars)
    }
    pairs = dict.fromkeys(pair for held in holders.values() for pair in pairwise(held))
    problems = [problem for i, j in pairs for problem in _order_problems(parts[i], parts[j])]
    InputError.raise_if(list(dict.fromkeys(problems)))
    check = cache(lambda i, j: _check_seam(parts[i], parts[j], ice_water))
    made = []
    for name, held in holders.items():
        pieces = [parts[held[0]][name]]
        for i, j in pairwise(held):
            later = parts[j][name]
            later = later.isel(time=later.time.values > parts[i].time.values[-1])
            pieces.append(_check_first_year(later, check(i, j)) if name in STATES else later)
        made.append(xr.concat(pieces, "time", coords="minimal", compat="override"))
    return xr.merge(made, compat="override", join="outer")


def _order_problems(earlier: xr.Dataset, later: xr.Dataset) -> list[str]:
    """Say what is wrong with the years of two parts that should follow one another."""
    (begin, end), (first, last) = find_span(earlier), find_span(later)
    if first > end + 1:
        return [
            f"no part has {_name(end + 1, first - 1)}, between the part until {end} and the one "
            f"from {first}; give files that follow one another"
        ]
    if last <= end:
        return [
            f"the parts of {_name(begin, end)} and of {_name(first, last)} overlap; give the "
            "history and one scenario, each once"
        ]
    return []


def find_span(data: xr.Dataset) -> tuple[int, int]:
    """Return the first and the last year."""
    years = data.time.dt.year.values
    return int(years[0]), int(years[-1])


def _name(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first} to {last}"


def _check_seam(
    earlier: xr.Dataset, later: xr.Dataset, ice_water: xr.DataArray | None
) -> xr.DataArray:
    """Compare the states where two parts meet; lazily, where they are lazy."""
    names = [name for name in STATES if name in earlier and name in later]
    end = earlier.time.values[-1]
    both = end in later.time.values
    before = earlier.isel(time=-1, drop=True)
    after = later.isel(time=int(np.argmax(later.time.values >= end)), drop=True)
    rest = xr.full_like(before[names[0]], np.nan) if ice_water is None else ice_water
    year = find_span(earlier)[1]
    checked: xr.DataArray = xr.apply_ufunc(
        partial(_compare, names, year, both),
        *(before[name] for name in names),
        *(after[name] for name in names),
        *(rest, earlier.lat, earlier.lon),
        dask="parallelized",
        output_dtypes=[bool],
    )
    return checked.transpose("lat", "lon")


def _check_first_year(array: xr.DataArray, checked: xr.DataArray) -> xr.DataArray:
    """Let the first year of an array wait for a check."""
    first: xr.DataArray = xr.apply_ufunc(
        _keep,
        array.isel(time=[0]),
        checked,
        dask="parallelized",
        output_dtypes=[array.dtype],
        keep_attrs=True,
    )
    rest = array.isel(time=slice(1, None))
    whole: xr.DataArray = xr.concat([first.transpose(*array.dims), rest], "time")
    return whole


def _keep(values: Floats32, checked: Booleans) -> Floats32:
    """Return the values; that ``checked`` was computed is what matters."""
    return values


def _compare(names: list[str], year: int, both: bool, *fields: Floats32) -> Booleans:
    """Refuse states that do not continue those before; of one year if ``both`` have it."""
    *states, rest, lat, lon = np.broadcast_arrays(*fields)
    before, after = np.stack(states[: len(names)]), np.stack(states[len(names) :])

    def where(values: Floats32) -> str:
        row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
        return f"{np.abs(values).max():.3f} at {lat[row, column]:g}°N {lon[row, column]:g}°E"

    problems = []
    meeting = f"in {year}, which both parts have," if both else f"from {year} to {year + 1}"
    hint = "give files of one version" + (
        f", or the later one from {year + 1} on" if both else ", or each part alone"
    )
    if elsewhere := int((np.isnan(before[0]) != np.isnan(after[0])).sum()):
        problems.append(
            f"{meeting} {elsewhere} cells are land in one part and not in the other; {hint}"
        )
    steps = np.nan_to_num(after - before)
    name, step = max(zip(names, steps, strict=True), key=lambda pair: np.abs(pair[1]).max())
    if both and np.abs(step).max() > MAX_DIFFERENCE:
        problems.append(
            f"{meeting} {name} differs by {where(step)}, expected at most {MAX_DIFFERENCE}; {hint}"
        )
    if set(LUH2_STATES) <= set(names):
        known = ~np.isnan(rest)
        for total in (before.sum(0), after.sum(0)):
            gap = np.nan_to_num(total - np.where(known, 1 - rest, before.sum(0)))
            if np.abs(gap).max() > MAX_DIFFERENCE:
                what = f"the sum of the states {'differs' if both else 'changes'}"
                if known.any():
                    what = "states, ice and water do not add up to one"
                problems.append(
                    f"{meeting} {what}, by {where(gap)}, expected at most {MAX_DIFFERENCE}; {hint}"
                )
                break
    InputError.raise_if(problems)
    if np.abs(step).max() > MAX_CHANGE:
        warnings.warn(
            f"{meeting} {name} changes by {where(step)}; do history and scenario fit together?",
            InputWarning,
            stacklevel=2,
        )
    return np.ones(rest.shape, bool)
