"""Means over the cells of another regular grid."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.axis import Floats
from xai4land.cells import edges, overlaps
from xai4land.grid import Grid

__all__ = ["cell_means"]


def cell_means(
    data: xr.DataArray,
    grid: Grid,
    bounds: xr.Dataset | xr.DataArray | None = None,
    least: float = 0.5,
) -> xr.DataArray:
    """Area means of a field over the cells of a grid (first-order conservative; Jones 1999).

    Parameters
    ----------
    data : DataArray, shape (..., rows, columns)
        On a regular grid with CF coordinates. Lazy data stay lazy.
    grid : Grid
        What it is brought to.
    bounds : Dataset, optional
        Where the bounds of the data's cells are, if the data do not carry them.
    least : float
        Part of a cell that must be known. The mean is that of the known part.

    Returns
    -------
    DataArray, shape (..., rows, columns)
        Float64 on the names and values of ``grid``.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> from xai4land.axis import Axis
    >>> grid = Grid(Axis(np.arange(-75.0, 90, 30)), Axis(np.arange(-165.0, 180, 30)))
    >>> cell_means(planet.urban, grid).shape
    (1, 6, 12)
    """
    own = Grid.of(data)
    rows, columns = edges(own, data if bounds is None else bounds)
    new_rows, new_columns = edges(grid)
    sines = np.sin(np.deg2rad(rows)), np.sin(np.deg2rad(new_rows))
    left = overlaps(*sines) / np.diff(sines[1])
    right = (overlaps(columns, new_columns, 360.0) / np.diff(new_columns)).T
    core = [f"_{name}" for name in grid.names]
    made: xr.DataArray = xr.apply_ufunc(
        _means,
        data,
        kwargs={"left": left, "right": right, "least": least},
        input_core_dims=[list(own.names)],
        output_core_dims=[core],
        dask="parallelized",
        dask_gufunc_kwargs={
            "output_sizes": dict(zip(core, grid.shape, strict=True)),
            "allow_rechunk": True,
        },
        output_dtypes=[np.float64],
        keep_attrs=True,
    )
    made = made.rename(dict(zip(core, grid.names, strict=True)))
    named: xr.DataArray = made.assign_coords(grid.coords())
    return named


def _means(values: Floats, left: Floats, right: Floats, least: float) -> Floats:
    known = np.isfinite(values)
    total = left @ np.where(known, values, 0.0) @ right
    if known.all() and left.sum(1).min() > 1 - 1e-9 and right.sum(0).min() > 1 - 1e-9:
        return np.asarray(total)
    part = left @ known.astype(np.float64) @ right
    return np.where(part >= least, total / np.maximum(part, 1e-12), np.nan)
