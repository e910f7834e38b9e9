"""What maps on the same pixels tell beside their agreement: texture, and calibration."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid, global_grid
from xai4land.scores.areas import UNKNOWN
from xai4land.scores.calibration import describe_calibration, sum_reliability
from xai4land.scores.texture import count_neighbours, score_texture, sum_misplaced
from xai4land_land.comparison import CHOSEN, Comparison

__all__ = ["Cells", "find_calibration", "find_coarse", "find_texture", "stack"]

Cells = float | xr.Dataset | xr.DataArray | None
"""Coarse cells: their degrees, or data on them."""


def find_coarse(cells: Cells) -> Grid | None:
    """Return the grid of coarse cells, if there are any.

    Raises
    ------
    InputError
        If they are neither degrees nor data on a grid.
    """
    if cells is None:
        return None
    if isinstance(cells, xr.Dataset | xr.DataArray):
        return Grid.of(cells, "cells")
    number = isinstance(cells, numbers.Real) and not isinstance(cells, bool)
    if number and 0 < float(cells) < 90:
        return global_grid(float(cells))
    raise InputError(f"cells={cells!r}, expected degrees of coarse cells, as cells=0.25")


def find_texture(maps: Comparison, coarse: Grid) -> xr.Dataset:
    """Return boundaries, and what the coarse cells leave in the maps."""
    sources, count = list(maps.sources.values()), len(maps.classes)
    cells = maps.cells(coarse)
    pairs = count_neighbours([maps.truth, *sources], cells, count)
    found = xr.DataArray(pairs, dims=("source", "where", "kind"))
    scores = score_texture(found.isel(source=slice(1, None)))
    true = score_texture(found.isel(source=0))
    scores = scores.assign({f"true_{name}": true[name] for name in true.data_vars})
    sums = [sum_misplaced(maps.truth, made, maps.weights, cells, count) for made in sources]
    misplaced = xr.DataArray(stack(sums), dims=("source", "kind"))
    total = misplaced.isel(kind=1)
    scores["misplaced_area"] = misplaced.isel(kind=0) / total.where(total > 0)
    return scores


def find_calibration(maps: Comparison) -> xr.Dataset:
    """Return how often what the map says with a probability is so."""
    known = (maps.truth < len(maps.classes)) & (maps.sources["emulator"] < len(maps.classes))
    sums = []
    for event, probability in maps.probabilities.items():
        like = maps.sources["emulator"] if event == CHOSEN else maps.classes.index(event)
        happened = (maps.truth == like).astype(np.uint8).where(known, UNKNOWN)
        sums.append(sum_reliability(probability, happened, maps.weights))
    events = [*maps.probabilities]
    found = xr.DataArray(stack(sums), dims=("event", "sum", "bin"), coords={"event": events})
    return describe_calibration(found)


def stack(items: list[Any]) -> Any:
    """Return arrays along a new first axis, lazily if one of them is lazy."""
    if any(not isinstance(item, np.ndarray) for item in items):
        import dask.array as da

        return da.stack(items)
    return np.stack(items)
