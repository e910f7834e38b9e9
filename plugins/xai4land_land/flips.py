"""How often pixels change in a series of maps, and change back."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.grid import Grid
from xai4land_land.comparison import find_positions, find_sources
from xai4land_land.legends import flag_meanings
from xai4land_land.truth import drop_single

__all__ = ["flip_rates"]

LONG_NAMES = {
    "flip_rate": "share of the area whose class differs from the step before",
    "return_share": "share of the area whose class differs from the step before, and is that of "
    "the step before it",
}


def flip_rates(data: xr.Dataset, *, name: str = "land_cover") -> xr.Dataset:
    """Compute which share of the area changes in each step, and which changes back; lazily.

    Land rarely changes back within a year or two: a large share of returns (A, B, A) is noise.
    Weighted by the cosine of latitude, over pixels that are known in all steps in question.

    Parameters
    ----------
    data : Dataset
        A map with at least two steps, and others beside it, as for :func:`evaluate`; or a truth.
    name : str
        The map's variable.

    Returns
    -------
    Dataset
        ``flip_rate`` and ``return_share`` (source, time), from the second step on; returns are
        missing in the second.

    Raises
    ------
    InputError
        If there are fewer than two steps.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[1950, 1975, 2000])
    >>> rates = planet[["land_cover"]].ai4land.flip_rates()
    >>> rates.flip_rate.shape, bool((rates.return_share <= rates.flip_rate)[0, 1])
    ((1, 2), True)
    """
    if name not in data:
        raise InputError(
            f"no variable {name!r}; there are {', '.join(map(str, data.data_vars))}; give name="
        )
    step = time_name(data[name])
    if step is None or data.sizes[step] < 2:
        raise InputError(
            f"{name!r} has {1 if step is None else data.sizes[step]} step, expected at least two "
            "years; reconstruct them, or open their files as one dataset"
        )
    rates = {
        source: _compare_steps(drop_single(variable, "the map"), str(step))
        for source, variable in find_sources(data, name).items()
    }
    found = xr.concat(rates.values(), "source").assign_coords(source=list(rates))
    found["source"].attrs = {"long_name": "emulator, baseline or other map"}
    for key, about in LONG_NAMES.items():
        found[key].attrs = {"long_name": about, "units": "1"}
    what = f"changes of {name!r} from step to step, weighted by area"
    return found.assign_attrs(cf.global_attrs(data, "Changes of a series of maps", what, what))


def _compare_steps(variable: xr.DataArray, step: str) -> xr.Dataset:
    """Return rates of flips and returns of one map, shape (time,)."""
    grid = Grid.of(variable, "the map")
    classes = list(dict.fromkeys(flag_meanings(variable).values()))
    codes = find_positions(variable, classes, "the map")
    area = xr.DataArray(np.cos(np.deg2rad(grid.lat.values)), dims=grid.names[0])
    times = variable[step]

    def share(where: xr.DataArray, among: xr.DataArray) -> Any:
        # Rows are counted before they are weighted, so that no map of floats is made.
        part, total = ((m.sum(grid.names[1]) * area).sum(grid.names[0]) for m in (where, among))
        return part / total.where(total > 0)

    before, after = codes.isel({step: slice(None, -1)}), codes.isel({step: slice(1, None)})
    both = (before < len(classes)) & (after < len(classes))
    flips = both & (before != after)
    first, last = codes.isel({step: slice(None, -2)}), codes.isel({step: slice(2, None)})
    three = both.isel({step: slice(None, -1)}) & both.isel({step: slice(1, None)})
    returns = three & flips.isel({step: slice(None, -1)}) & (first == last)
    rates = {
        "flip_rate": share(flips, both).assign_coords({step: times[1:]}),
        "return_share": share(returns, three).assign_coords({step: times[2:]}),
    }
    return xr.Dataset({key: rate.reindex({step: times[1:]}) for key, rate in rates.items()})
