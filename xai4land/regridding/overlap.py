"""Area means between regular grids, whose cells overlap by rows and by columns."""

from __future__ import annotations

from functools import partial

import numpy as np
import xarray as xr

from xai4land.grids.cells import cell_edges, overlap_matrix
from xai4land.grids.grid import Grid
from xai4land.regridding.apply import apply_over_grid
from xai4land.regridding.grids import Regular
from xai4land.regridding.means import weighted_means
from xai4land.regridding.operators import Separable

__all__ = ["cell_means", "make_overlap_operator"]


def make_overlap_operator(source: Regular, target: Regular) -> Separable:
    """Make the operator of first-order conservative regridding (Jones 1999)."""
    from scipy.sparse import diags_array

    rows = overlap_matrix(source.sines, target.sines)
    columns = overlap_matrix(source.columns, target.columns, 360.0)
    return Separable(
        (diags_array(1 / np.diff(target.sines)[:, 0]) @ rows).tocsr(),
        (diags_array(1 / np.diff(target.columns)[:, 0]) @ columns).tocsr(),
    )


def cell_means(
    data: xr.DataArray,
    grid: Grid,
    bounds: xr.Dataset | xr.DataArray | None = None,
    min_coverage: float = 0.5,
) -> xr.DataArray:
    """Compute area means of a field over the cells of a grid.

    Parameters
    ----------
    data : DataArray, shape (..., rows, columns)
        On a regular grid with CF coordinates. Lazy data stay lazy.
    grid : Grid
        The target.
    bounds : Dataset, optional
        Data with the bounds of the cells, if ``data`` lack them.
    min_coverage : float
        Part of a cell that must be known (not missing). The mean is that of the known part.

    Returns
    -------
    DataArray, shape (..., rows, columns)
        Float64 on the names and values of ``grid``.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> from xai4land.grids.axis import Axis
    >>> grid = Grid(Axis(np.arange(-75.0, 90, 30)), Axis(np.arange(-165.0, 180, 30)))
    >>> cell_means(planet.urban, grid).shape
    (1, 6, 12)
    """
    source, target = Regular.of(data, bounds=bounds), Regular(grid, *cell_edges(grid))
    operator = make_overlap_operator(source, target)
    function = partial(weighted_means, operator=operator, min_coverage=min_coverage)
    means = apply_over_grid(data.astype(np.float64), function, source, target, np.dtype(np.float64))
    result: xr.DataArray = means.assign_coords(grid.coords())
    return result
