"""Cells of regular grids: their edges, their overlap and their area."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.typing import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["cell_areas", "cell_edges", "overlap_matrix"]

CellEdges = tuple[Floats, Floats]


def cell_edges(grid: Grid, data: xr.Dataset | xr.DataArray | None = None) -> CellEdges:
    """Find the edges of the rows and of the columns of a grid.

    Parameters
    ----------
    grid : Grid
    data : Dataset or DataArray, optional
        Whose CF bounds are used if it has them. Otherwise edges lie midway between the centres,
        and the last one on the pole if less than 0.4 of a row is left to it.

    Returns
    -------
    tuple of ndarray, shapes (rows, 2) and (columns, 2)
        Lower and upper edges in degrees; longitudes increase and may go beyond 180 or 360.

    Raises
    ------
    InputError
        If bounds do not fit their coordinate.

    Examples
    --------
    >>> from xai4land.grids.axis import Axis
    >>> grid = Grid(Axis(np.array([90.0, 80.0])), Axis(np.array([0.0, 10.0])))
    >>> cell_edges(grid)[0]
    array([[85., 90.],
           [75., 85.]])
    """
    rows, columns = (
        _read_bounds(data, name, axis.values) if data is not None else None
        for name, axis in zip(grid.names, (grid.lat, grid.lon), strict=True)
    )
    if rows is None:
        rows = _extend_to_poles(_midpoint_edges(grid.lat.values))
    if columns is None:
        columns = _midpoint_edges(grid.lon.values)
    return rows.clip(-90, 90), columns


def _midpoint_edges(centres: Floats) -> Floats:
    """Put edges midway between centres; those at the ends as far out as their inner ones."""
    if centres.size == 1:
        return np.array([[centres[0] - 0.5, centres[0] + 0.5]])
    middle = (centres[1:] + centres[:-1]) / 2
    ends = np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
    return np.sort(np.stack([ends[:-1], ends[1:]], -1), -1)


def _extend_to_poles(rows: Floats) -> Floats:
    """Extend a last row that almost touches a pole, as on Gaussian grids, to the pole."""
    for end, pole in ((rows[:, 0].argmin(), -90.0), (rows[:, 1].argmax(), 90.0)):
        side = 0 if pole < 0 else 1
        if 0 < abs(pole - rows[end, side]) < 0.4 * np.diff(rows[end])[0]:
            rows[end, side] = pole
    return rows


def _read_bounds(data: xr.Dataset | xr.DataArray, name: str, centres: Floats) -> Floats | None:
    """Read a coordinate's CF bounds as lower and upper edges; None if it has none."""
    bounds = data[name].attrs.get("bounds", f"{name}_bnds")
    variables = {**getattr(data, "data_vars", {}), **data.coords}
    if bounds not in variables:
        return None
    values: Floats = np.asarray(variables[bounds].values, np.float64)
    if values.shape != (centres.size, 2) or not np.isfinite(values).all():
        raise InputError(
            f"bounds {bounds!r} have shape {values.shape}, expected {(centres.size, 2)} and no "
            f"missing values; drop them: ds.drop_vars({bounds!r})"
        )
    values = np.sort(values, -1)
    if name != data[name].dims[0] or centres.size < 2:
        return values
    # The longitudes were unwrapped, so their bounds are, too.
    values = values + 360 * np.round((centres - values.mean(-1)) / 360)[:, None]
    inside = (values[:, 0] <= centres + 1e-6) & (centres - 1e-6 <= values[:, 1])
    if not inside.all():
        raise InputError(
            f"bounds {bounds!r} do not contain their centres, e.g. {centres[~inside][0]:g}; "
            f"drop them: ds.drop_vars({bounds!r})"
        )
    ordered = values[np.argsort(values[:, 0])]
    overlap = ordered[:-1, 1] - ordered[1:, 0] > 1e-3 * np.diff(ordered)[:-1, 0] + 1e-6
    if overlap.any():
        raise InputError(
            f"bounds {bounds!r} overlap, e.g. near {ordered[:-1][overlap][0, 1]:g}; "
            f"drop them: ds.drop_vars({bounds!r})"
        )
    return values


def overlap_matrix(of: Floats, on: Floats, period: float | None = None) -> csr_array:
    """Compute the length that each interval of one set shares with each of another.

    Parameters
    ----------
    of, on : ndarray, shapes (n, 2) and (m, 2)
        Lower and upper ends.
    period : float, optional
        Period of the axis, as 360 for longitudes.

    Returns
    -------
    csr_array, shape (m, n)
        Row ``i``, column ``j``: the length of ``on[i]`` that ``of[j]`` covers.

    Examples
    --------
    >>> overlap_matrix(np.array([[0.0, 2.0], [2.0, 4.0]]), np.array([[1.0, 4.0]])).toarray()
    array([[1., 2.]])
    """
    from scipy.sparse import coo_array

    turns = (0.0,) if period is None else (-2 * period, -period, 0.0, period, 2 * period)
    order = np.argsort(of[:, 0], kind="stable")
    low, high = of[order].T
    reach = np.maximum.accumulate(high)
    parts = []
    for turn in turns:
        # Of sorted intervals, those that touch another one are neighbours.
        first = np.searchsorted(reach, on[:, 0] - turn, side="right")
        count = (np.searchsorted(low, on[:, 1] - turn, side="left") - first).clip(0)
        row = np.repeat(np.arange(len(on)), count)
        column = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
        top = np.minimum(on[row, 1], high[column] + turn)
        size = (top - np.maximum(on[row, 0], low[column] + turn)).clip(0)
        parts.append((size, row, order[column]))
    sizes, rows, columns = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return coo_array((sizes, (rows, columns)), shape=(len(on), len(of))).tocsr()


def cell_areas(grid: Grid, data: xr.Dataset | xr.DataArray | None = None) -> xr.DataArray:
    """Compute the part of the globe that each cell covers, shape (rows, columns).

    Examples
    --------
    >>> from xai4land.grids.axis import Axis
    >>> lat, lon = np.arange(-85.0, 90, 10), np.arange(0.0, 360, 10)
    >>> round(float(cell_areas(Grid(Axis(lat), Axis(lon))).sum()), 12)
    1.0
    """
    rows, columns = cell_edges(grid, data)
    height = np.diff(np.sin(np.deg2rad(rows)))[:, 0] / 2
    width = np.diff(columns)[:, 0] / 360
    return xr.DataArray(height[:, None] * width, grid.coords(), grid.names, name="cell_area")
