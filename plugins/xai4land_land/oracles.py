"""Maps that know the truth in part, to tell what bounds the scores of others."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.scores.areas import Codes
from xai4land.typing import Ints
from xai4land_land.comparison import find_positions
from xai4land_land.legends import flag_meanings

__all__ = ["place_randomly"]


def place_randomly(
    prior: xr.DataArray, truth: xr.DataArray, *, cell: float, seed: int = 0
) -> xr.DataArray:
    """Place the net change of each coarse cell on pixels drawn at random.

    Each cell has the truth's number of pixels of each class, made with the least change: pixels of
    the classes that shrink are drawn, and become the classes that grow. Who knows the amounts but
    no places does as well; put it beside a map as ``out["land_cover_random"] = ...``.

    Parameters
    ----------
    prior, truth : DataArray, shape (lat, lon)
        Maps with the same CF flags on one grid, in memory.
    cell : float
        Degrees along a side of the coarse cells, which are counted from 90°S and 180°W.
    seed : int

    Returns
    -------
    DataArray
        Like ``prior``; its own class where either map is missing.

    Raises
    ------
    InputError
        If the maps have other grids or classes.

    Examples
    --------
    >>> import xai4land
    >>> cover = xai4land.sample("land", years=[1950, 2000]).land_cover
    >>> before, after = cover.isel(time=0, drop=True), cover.isel(time=1, drop=True)
    >>> made = place_randomly(before, after, cell=1.0)
    >>> bool((made == 1).sum() == (after == 1).sum()), bool((made == after).all())
    (True, False)
    """
    grid, flags = Grid.of(prior, "the prior"), flag_meanings(prior, "the prior")
    if prior.dims != truth.dims or prior.ndim != 2 or Grid.of(truth, "the truth") != grid:
        raise InputError(
            f"the prior is {dict(prior.sizes)}, the truth {dict(truth.sizes)}, expected two maps "
            "on one grid, without time; select a step, .isel(time=0), and regrid to one grid"
        )
    classes = list(dict.fromkeys(flags.values()))
    old, new = (
        find_positions(array, classes, what).transpose(*grid.names).values
        for array, what in ((prior, "the prior"), (truth, "the truth"))
    )
    known = (old < len(classes)) & (new < len(classes))
    rows = np.floor(np.round((grid.lat.values + 90) / cell, 9)).astype(np.int64)
    columns = np.floor(np.round((grid.lon.values + 180) % 360 / cell, 9)).astype(np.int64)
    cells = (rows[:, None] * (columns.max() + 1) + columns)[known]
    numbers = np.unique(cells, return_inverse=True)[1]
    placed = _place(numbers, old[known], new[known], len(classes), np.random.default_rng(seed))
    codes = np.array([next(c for c, name in flags.items() if name == one) for one in classes])
    found = prior.transpose(*grid.names).copy(deep=True)
    values = found.values
    changed = placed != old[known]
    values[tuple(place[changed] for place in np.nonzero(known))] = codes[placed[changed]]
    return found.copy(data=values).transpose(*prior.dims)


def _place(cells: Ints, old: Codes, new: Codes, classes: int, rng: np.random.Generator) -> Ints:
    """Return new classes of pixels, so many of each in a cell as ``new`` has."""
    group = cells * classes + old
    size = (int(cells.max(initial=-1)) + 1) * classes
    before, after = (
        np.bincount(group, minlength=size),
        np.bincount(cells * classes + new, minlength=size),
    )
    order = np.lexsort((rng.random(cells.size), group))
    rank = np.arange(cells.size) - (np.cumsum(before) - before)[group[order]]
    drawn = order[rank < (before - after)[group[order]]]
    # In a random order within each cell, so that which class a pixel becomes is random too.
    drawn = drawn[np.lexsort((rng.random(drawn.size), cells[drawn]))]
    placed = old.astype(np.int64)
    placed[drawn] = np.repeat(np.arange(size), np.maximum(after - before, 0)) % classes
    return placed
