"""Maps that know the truth in part, to tell what bounds the scores of others."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.scores.areas import Codes
from xai4land.typing import Booleans, Ints
from xai4land_land.comparison import find_positions
from xai4land_land.legends import flag_meanings

__all__ = ["place_by_truth", "place_randomly"]


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
    return _place_changes(prior, truth, cell, seed, informed=False)


def place_by_truth(
    prior: xr.DataArray, truth: xr.DataArray, *, cell: float, seed: int = 0
) -> xr.DataArray:
    """Place the net change of each coarse cell where the truth has it, as far as it can be.

    Each cell has the truth's number of pixels of each class, made with the least change, of which
    as many as possible are the truth's own (a maximum flow from the classes that shrink to those
    that grow); the rest is placed at random, on pixels that do change if there are any. No map
    of the net change can have more hits, so this bounds the figure of merit of all of them.

    Parameters, result and errors are those of :func:`place_randomly`.

    Examples
    --------
    >>> import xai4land
    >>> cover = xai4land.sample("land", years=[1950, 2000]).land_cover
    >>> before, after = cover.isel(time=0, drop=True), cover.isel(time=1, drop=True)
    >>> best, drawn = (place(before, after, cell=1.0) for place in (place_by_truth, place_randomly))
    >>> bool((best == after).sum() > (drawn == after).sum())
    True
    """
    return _place_changes(prior, truth, cell, seed, informed=True)


def _place_changes(
    prior: xr.DataArray, truth: xr.DataArray, cell: float, seed: int, *, informed: bool
) -> xr.DataArray:
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
    rng = np.random.default_rng(seed)
    placed = _place(numbers, old[known], new[known], len(classes), rng, informed=informed)
    codes = np.array([next(c for c, name in flags.items() if name == one) for one in classes])
    found = prior.transpose(*grid.names).copy(deep=True)
    values = found.values
    changed = placed != old[known]
    values[tuple(place[changed] for place in np.nonzero(known))] = codes[placed[changed]]
    return found.copy(data=values).transpose(*prior.dims)


def _place(
    cells: Ints,
    old: Codes,
    new: Codes,
    classes: int,
    rng: np.random.Generator,
    *,
    informed: bool = False,
) -> Ints:
    """Return new classes of pixels, so many of each in a cell as ``new`` has."""
    group, wanted = cells * classes + old, cells * classes + new
    size = (int(cells.max(initial=-1)) + 1) * classes
    before, after = (np.bincount(part, minlength=size) for part in (group, wanted))
    losses, gains = np.maximum(before - after, 0), np.maximum(after - before, 0)
    right = np.zeros(cells.size, bool)
    if informed:
        right = _choose_hits(cells, old, new, losses.reshape(-1, classes), gains, rng)
    changed = (old != new) & informed
    order = np.lexsort((rng.random(cells.size), ~changed, ~right, group))
    rank = np.arange(cells.size) - (np.cumsum(before) - before)[group[order]]
    drawn = order[rank < losses[group[order]]]
    placed = old.astype(np.int64)
    placed[right] = new[right]
    gains = gains - np.bincount(wanted[right], minlength=size)
    drawn = drawn[~right[drawn]]
    # In a random order within each cell, so that which class a pixel becomes is random too.
    drawn = drawn[np.lexsort((rng.random(drawn.size), cells[drawn]))]
    placed[drawn] = np.repeat(np.arange(size), gains) % classes
    return placed


def _choose_hits(
    cells: Ints, old: Codes, new: Codes, losses: Ints, gains: Ints, rng: np.random.Generator
) -> Booleans:
    """Choose pixels whose true change fits into the net change, as many as possible."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    classes = losses.shape[1]
    pair = (cells * classes + old) * classes + new
    counts = np.bincount(pair, minlength=losses.size * classes).reshape(-1, classes, classes)
    limits = np.zeros_like(counts)
    for cell in np.flatnonzero(losses.any(1)):
        # From a source to the classes that shrink, on to those that grow, and to a sink.
        edges = np.zeros((2 * classes + 2, 2 * classes + 2), np.int32)
        edges[0, 1 : classes + 1] = losses[cell]
        edges[1 : classes + 1, classes + 1 : -1] = counts[cell] * (1 - np.eye(classes, dtype=int))
        edges[classes + 1 : -1, -1] = gains.reshape(-1, classes)[cell]
        flow = maximum_flow(csr_array(edges), 0, 2 * classes + 1).flow.toarray()
        limits[cell] = flow[1 : classes + 1, classes + 1 : -1]
    order = np.lexsort((rng.random(cells.size), pair))
    flat = counts.ravel()
    rank = np.arange(cells.size) - (np.cumsum(flat) - flat)[pair[order]]
    right = np.zeros(cells.size, bool)
    right[order[rank < limits.ravel()[pair[order]]]] = True
    return right
