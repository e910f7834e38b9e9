"""The law of leaf area on the synthetic planet, from land cover and the climate of the last months.

    leaf area = sum over classes of fraction x maximum x (e + (1 - e) warm) x moist
    warm = 1 / (1 + exp(-(T - T_half) / width))      moist = P / (P + P_half)

e is the evergreen share of a class; T is the mean temperature of three months and P that of the
rain of six, weighted towards the month itself, of the coarse climate, linear between its cells.
Water and towns have no leaves. Nothing in it knows the calendar: seasons, hemispheres and
droughts come from the climate, so nothing jumps at the end of a year but where the land cover does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cf import grid_coords
from xai4land.grids.grid import Grid
from xai4land.grids.interpolation import Interpolation
from xai4land.grids.time import find_time, number_of_month
from xai4land.samples.land_climate import SECONDS_PER_DAY, month_axis
from xai4land.typing import Floats

__all__ = ["LEAVES", "RAIN_MONTHS", "WARMTH_WEIGHTS", "Leaves", "grow_leaves"]


@dataclass(frozen=True)
class Leaves:
    """How the leaf area of a class depends on climate.

    Attributes
    ----------
    maximum : float
        Leaf area index that no climate exceeds.
    evergreen : float
        Share of the leaves that stay in the cold.
    half_warmth, width : float
        K at which half of the other leaves are there, and over which they come.
    half_rain : float
        mm a day at which half of the leaves find water.
    persistence : float
        Weight of a month of rain relative to the month after it: near 1 where roots are deep.
    """

    maximum: float
    evergreen: float
    half_warmth: float
    width: float
    half_rain: float
    persistence: float


LEAVES: Mapping[str, Leaves] = {
    "cropland": Leaves(5.0, 0.0, 285.0, 2.5, 1.2, 0.6),
    "pasture": Leaves(3.5, 0.05, 280.0, 2.5, 0.9, 0.5),
    "forest": Leaves(7.0, 0.2, 279.0, 3.0, 1.5, 0.9),
    "grass_shrub": Leaves(3.0, 0.1, 278.0, 2.5, 0.8, 0.6),
    "sparse": Leaves(0.8, 0.1, 277.0, 3.0, 1.0, 0.4),
}
WARMTH_WEIGHTS = (0.5, 0.3, 0.2)
"""Of temperature in the month itself and in the two before."""
RAIN_MONTHS = 6
"""Months of rain that count, the month itself included."""


def grow_leaves(cover: xr.Dataset, climate: xr.Dataset) -> xr.Dataset:
    """Apply the law to land cover of any resolution.

    Parameters
    ----------
    cover : Dataset
        Fractions from 0 to 1 of the classes of :data:`LEAVES` on (year, latitude, longitude); those
        that are not there are 0. Missing where no leaf area is wanted.
    climate : Dataset
        ``tas`` (K) and ``pr`` (kg m-2 s-1) as :func:`xai4land.sample` makes them.

    Returns
    -------
    Dataset
        ``leaf_area_index`` (time, latitude, longitude), for the months of the years of the cover
        whose last six months the climate has.

    Raises
    ------
    InputError
        If there is no such month, or no such class.

    Examples
    --------
    >>> import xai4land
    >>> climate = xai4land.sample("land_climate", years=[1999, 2000])
    >>> place = {
    ...     "year": np.array(["2000-07-01"], "M8[s]"),
    ...     "lat": [10.0, 9.0],
    ...     "lon": [20.0, 21.0],
    ... }
    >>> forest = xr.DataArray(np.ones((1, 2, 2)), place, ("year", "lat", "lon"))
    >>> leaves = grow_leaves(forest.to_dataset(name="forest"), climate).leaf_area_index
    >>> leaves.sizes["time"], bool((leaves <= 7).all())
    (12, True)
    """
    names = [name for name in LEAVES if name in cover]
    if not names:
        raise InputError(f"the cover has no class with leaves, expected some of {list(LEAVES)}")
    axis, grid = str(find_time(cover[names[0]])), Grid.of(cover[names[0]])
    years = {int(year): at for at, year in enumerate(cover[axis].dt.year.values)}
    places = {int(month): at for at, month in enumerate(number_of_month(climate["time"]))}
    months = [
        month
        for month in sorted(places)
        if month // 12 in years and all(month - lag in places for lag in range(RAIN_MONTHS))
    ]
    if not months:
        raise InputError(
            f"the climate has no month of {sorted(years)} with {RAIN_MONTHS - 1} months before it; "
            "take the year before, too"
        )
    fractions = [cover[name].transpose(axis, *grid.names).values for name in names]
    own = [np.array([places[month - lag] for lag in range(RAIN_MONTHS)]) for month in months]
    interpolate = Interpolation(Grid.of(climate["tas"]), grid)
    result = np.zeros((len(months), *grid.shape), np.float32)
    warmth, rain = climate["tas"].values, climate["pr"].values * SECONDS_PER_DAY
    for leaf, month, at in zip(result, months, own, strict=True):
        warm = interpolate(average(warmth[at], WARMTH_WEIGHTS))
        for name, fraction in zip(names, fractions, strict=True):
            law = LEAVES[name]
            moist = interpolate(average(rain[at], law.persistence ** np.arange(RAIN_MONTHS)))
            leaf += fraction[years[month // 12]] * respond(law, warm, moist)
    attrs = {
        "standard_name": "leaf_area_index",
        "units": "1",
        "cell_methods": "time: mean area: mean",
    }
    coords = {**month_axis(np.array(months)), **grid_coords(grid)}
    leaves = xr.DataArray(result, dims=("time", *grid.names), attrs=attrs)
    return xr.Dataset({"leaf_area_index": leaves}, coords)


def respond(law: Leaves, warmth: Floats, rain: Floats) -> Floats:
    """Return the leaf area index of a class.

    Examples
    --------
    >>> float(respond(LEAVES["cropland"], np.array(285.0), np.array(1.2)))  # half of a half
    1.25
    """
    warm = 1 / (1 + np.exp(-(warmth - law.half_warmth) / law.width))
    leaves = law.maximum * (law.evergreen + (1 - law.evergreen) * warm)
    return np.asarray(leaves * rain / (rain + law.half_rain))


def average(values: Floats, weights: npt.ArrayLike) -> Floats:
    """Average the months of a field, the month itself first, with the weights of the first ones."""
    shares = np.asarray(weights) / np.sum(weights)
    return np.asarray(np.tensordot(shares.astype(np.float32), values[: len(shares)], 1))
