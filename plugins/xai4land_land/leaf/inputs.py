"""What an emulator of leaf area reads, made from land cover and climate before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dask.array as da
import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_land.leaf.climate import CLIMATE, form_lags, is_lag
from xai4land_land.leaf.cover import cover_fractions, select_steps, spread_over_steps
from xai4land_land.leaf.outputs import LeafClasses
from xai4land_land.leaf.steps import count_steps, middle_of_years

__all__ = ["CLIMATE_DIMS", "form_inputs", "mask_climate"]

CLIMATE_DIMS = ("lat_climate", "lon_climate")
"""Names of the climate's rows and columns, beside those of the land cover."""


def form_inputs(
    data: xr.Dataset,
    climate: xr.Dataset,
    leaves: LeafClasses,
    variables: tuple[str, ...] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> xr.Dataset:
    """Form fractions and climate of all steps that both tell something of; lazily.

    Parameters
    ----------
    data : Dataset
        Land cover; see :func:`xai4land_land.leaf.cover.cover_fractions`.
    climate : Dataset
        See :func:`xai4land_land.leaf.climate.form_lags`.
    leaves : LeafClasses
    variables : tuple of str, optional
        Variables of the climate that the emulator reads; but for temperature they may be absent.
        By default all that are there.
    ranges : mapping from str to (float, float), optional
        Of variables of the climate, see :func:`xai4land_land.leaf.climate.form_lags`.

    Returns
    -------
    Dataset
        The inputs by name, each on its own grid, on one time axis.

    Raises
    ------
    InputError
        If land cover or climate are not what they should be.
    """
    formed = form_lags(climate, leaves.lags, leaves.step, ranges)
    if variables is not None:
        formed = _add_absent(formed, leaves.lags, variables)
    grid = Grid.of(formed["tas_lag_0"])
    dim = str(time_name(formed["tas_lag_0"]))
    formed = formed.rename({**dict(zip(grid.names, CLIMATE_DIMS, strict=True)), dim: "time"})
    formed = formed.assign_coords(Grid(grid.lat, grid.lon, CLIMATE_DIMS).coords())
    cover = cover_fractions(data, leaves)
    _check_overlap(grid, next(iter(cover.values())))
    dates = formed["time"]
    middles = middle_of_years(count_steps(formed, leaves.step), leaves.step, dates)
    chosen = select_steps(cover, middles)
    formed = formed.isel(time=chosen)
    spread = {
        name: spread_over_steps(array, middles[chosen], formed["time"])
        for name, array in cover.items()
    }
    return formed.assign(spread)


def _check_overlap(climate: Grid, cover: xr.DataArray) -> None:
    """Refuse a climate of another part of the globe."""
    maps = Grid.of(cover)
    here = climate.lat.contains_points(maps.lat.values).any()
    if not (here and climate.lon.contains_points(maps.lon.values).any()):
        raise InputError(
            f"the climate and the land cover {cover.name!r} have no place in common; compare their "
            "latitudes and longitudes"
        )


def mask_climate(formed: xr.Dataset, variables: Sequence[str]) -> xr.Dataset:
    """Return inputs with some variables of climate missing everywhere; lazily."""
    lost = [n for n in formed for variable in variables if is_lag(str(n), variable)]
    return formed.assign({n: formed[n].chunk().where(False) for n in lost})


def _add_absent(formed: xr.Dataset, lags: int, variables: tuple[str, ...]) -> xr.Dataset:
    """Keep the variables that are wanted; those that are absent are missing everywhere."""
    unwanted = [f"{v}_lag_{lag}" for v in CLIMATE if v not in variables for lag in range(lags)]
    formed = formed.drop_vars(unwanted, errors="ignore")
    like = formed["tas_lag_0"]
    nothing = da.full(like.shape, np.float32(np.nan), chunks=(1, *like.shape[1:]))
    absent = {
        f"{name}_lag_{lag}": like.copy(data=nothing).assign_attrs(units=CLIMATE[name][1])
        for name in variables
        for lag in range(lags)
        if f"{name}_lag_{lag}" not in formed
    }
    return formed.assign(absent)
