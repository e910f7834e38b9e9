"""Leaf area of the synthetic planet by the law of :mod:`xai4land.samples.leaf_law`, and its noise.

The noise is independent by pixel and month, and known, so what can be explained is known as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xai4land.grids.axis import Axis
from xai4land.grids.cf import grid_coords, time_bounds
from xai4land.grids.grid import Grid
from xai4land.grids.time import number_of_month
from xai4land.samples.land import FINE_DEGREES, RATIO, make_planet
from xai4land.samples.land_climate import land_climate
from xai4land.samples.land_dataset import CLASSES, OCEAN, coarse_means
from xai4land.samples.leaf_law import grow_leaves
from xai4land.typing import Floats

__all__ = ["NOISE", "leaf_area"]

NOISE = 0.1
"""Standard deviation of the logarithm of observed leaf area."""


def leaf_area(seed: int, years: Sequence[int]) -> xr.Dataset:
    """Make fractions of classes, leaf area and its expectation; see :func:`xai4land.sample`."""
    cover = _make_cover(seed, years)
    known = sorted({year - before for year in years for before in (0, 1)})
    grown = grow_leaves(cover, land_climate(seed, known))
    expected = grown["leaf_area_index"]
    months = number_of_month(grown["time"]).tolist()
    noise = np.stack([_draw_noise(seed, month, expected.shape[1:]) for month in months])
    observed = expected.copy(data=(expected.values * noise).astype(np.float32))
    observed.attrs["long_name"] = "observed leaf area index"
    expected.attrs["long_name"] = "leaf area index without the noise of observation"
    attrs = {
        "Conventions": "CF-1.11",
        "title": f"Leaf area of the synthetic planet, seed {seed}",
        "source": "xai4land.sample('leaf_area')",
    }
    leaves = {"leaf_area_index": observed, "expected_leaf_area_index": expected}
    return cover.assign_coords(grown.coords).assign(leaves).assign_attrs(attrs)


def _draw_noise(seed: int, month: int, shape: tuple[int, ...]) -> Floats:
    """Draw factors with mean 1, by the number of the month, so that other years do not matter."""
    drawn = np.random.default_rng([seed, month, 1]).standard_normal(shape)
    return np.asarray(np.exp(NOISE * drawn - NOISE**2 / 2))


def _make_cover(seed: int, years: Sequence[int]) -> xr.Dataset:
    """Make yearly fractions of classes in cells of 1°, missing where all is ocean."""
    fine, relief, truth = make_planet(seed, years)
    step = FINE_DEGREES * RATIO
    grid = Grid(
        Axis(fine.lat.values.reshape(-1, RATIO).mean(1)),
        Axis(np.arange(-180 + step / 2, 180, step), periodic=True, circular=True),
    )
    sea = coarse_means(truth == OCEAN, RATIO) >= 1
    dates = np.array([f"{year:04d}-07-01" for year in years], "M8[s]")
    axis = time_bounds(xr.DataArray(dates, dims="year", name="year"), "year")
    # The time axis of the dataset is that of the months.
    axis["year"].attrs = {"long_name": "year of the map", "bounds": "year_bnds"}
    methods = {"cell_methods": "year: mean area: mean"}
    about = {"standard_name": "area_fraction", "units": "1", **methods}
    fractions = {
        name: xr.DataArray(
            np.where(sea, np.nan, coarse_means(truth == code, RATIO)).astype(np.float32),
            dims=("year", "lat", "lon"),
            attrs={**about, "long_name": f"fraction of {name.replace('_', ' ')}"},
        )
        for code, name in enumerate(CLASSES)
        if code != OCEAN
    }
    elevation = coarse_means(relief.elevation, RATIO)
    height = xr.DataArray(
        np.where(sea[0], np.nan, elevation).astype(np.float32),
        dims=("lat", "lon"),
        attrs={"standard_name": "surface_altitude", "units": "m", "long_name": "mean height"},
    )
    return xr.Dataset({**fractions, "elevation": height}, {**axis, **grid_coords(grid)})
