"""Where the values of a field lie: areas, and pairs of places."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import xarray as xr

from xai4land.grids.grid import Grid
from xai4land.scores.multivariate import Pairs
from xai4land.typing import Floats

__all__ = ["Space"]

EARTH_RADIUS = 6371.0
"""In km."""

NEAR = 3000.0
"""Distance in km up to which pairs of cells count in the variogram score."""

NEAR_ROWS = 1.5
"""The same in rows of the grid, where these are farther apart."""

MAX_CELLS, MAX_PAIRS = 2_000, 20_000
"""Cells and pairs of them in the variogram score; of more, so many are drawn, always the same."""


@dataclass(frozen=True)
class Space:
    """Cells, or regions.

    Attributes
    ----------
    dims : tuple of str
        Dimensions of a field in space.
    weights : ndarray, shape (places,)
        Areas of cells; equal for regions.
    near : Pairs
        Cells at most 3,000 km apart, weighted by their areas over their distance; all regions.
    beside : Pairs
        Cells with a common edge, weighted by area; none of regions.
    """

    dims: tuple[str, ...]
    weights: Floats
    near: Pairs
    beside: Pairs

    @classmethod
    def of_cells(cls, grid: Grid, area: xr.DataArray) -> Space:
        """Return the cells of a grid."""
        weights = np.asarray(area.transpose(*grid.names).values, np.float64).ravel()
        return cls(grid.names, weights, _pair_near(grid, weights), _pair_beside(grid, weights))

    @classmethod
    def of_regions(cls, dim: Hashable, count: int) -> Space:
        """Return regions, all alike."""
        pairs = np.array(list(combinations(range(count), 2)), np.int64).reshape(-1, 2)
        near = Pairs(pairs[:, 0], pairs[:, 1], np.ones(len(pairs)))
        return cls((str(dim),), np.ones(count), near, Pairs(pairs[:0, 0], pairs[:0, 1], np.ones(0)))


def _pair_near(grid: Grid, area: Floats) -> Pairs:
    """Pair cells whose centres are near, each pair once."""
    rng = np.random.default_rng(0)
    cells = np.sort(rng.permutation(area.size)[:MAX_CELLS])
    rows, columns = np.unravel_index(cells, grid.shape)
    lat, lon = np.deg2rad(grid.lat.values[rows]), np.deg2rad(grid.lon.values[columns])
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)
    distance = EARTH_RADIUS * np.arccos(np.clip(points @ points.T, -1, 1))
    spacing = EARTH_RADIUS * np.deg2rad(grid.spacings[0])
    limit = max(NEAR, NEAR_ROWS * spacing if np.isfinite(spacing) else 0.0)
    one, other = np.nonzero(np.triu((distance <= limit) & (distance > 0), 1))
    some = np.sort(rng.permutation(one.size)[:MAX_PAIRS])
    one, other = one[some], other[some]
    weight = area[cells[one]] * area[cells[other]] / distance[one, other]
    return Pairs(cells[one], cells[other], weight / max(weight.sum(), 1e-300))


def _pair_beside(grid: Grid, area: Floats) -> Pairs:
    """Pair cells with their neighbours to the east and to the north or south."""
    cells = np.arange(area.size).reshape(grid.shape)
    around = grid.lon.periodic
    east = np.roll(cells, -1, 1) if around else cells[:, 1:]
    west = cells if around else cells[:, :-1]
    one = np.concatenate([west.ravel(), cells[:-1].ravel()])
    other = np.concatenate([east.ravel(), cells[1:].ravel()])
    return Pairs(one, other, np.sqrt(area[one] * area[other]))
