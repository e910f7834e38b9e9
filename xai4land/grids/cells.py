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
    """Compute the edges of the rows and of the columns of a grid.

    Parameters
    ----------
    grid : Grid
    data : Dataset or DataArray, optional
        Whose CF bounds are taken if it has them; else edges lie midway between the centres, and
        the last one on the pole if less than 0.4 of a row is left to it.

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
    found = [
        _bounds(data, name, axis.values) if data is not None else None
        for name, axis in zip(grid.names, (grid.lat, grid.lon), strict=True)
    ]
    rows = _to_poles(_midway(grid.lat.values)) if found[0] is None else found[0]
    columns = _midway(grid.lon.values) if found[1] is None else found[1]
    return rows.clip(-90, 90), columns


def _midway(centres: Floats) -> Floats:
    if centres.size == 1:
        return np.array([[centres[0] - 0.5, centres[0] + 0.5]])
    middle = (centres[1:] + centres[:-1]) / 2
    ends = np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
    return np.sort(np.stack([ends[:-1], ends[1:]], -1), -1)


def _to_poles(rows: Floats) -> Floats:
    """A last row that all but touches a pole, as on Gaussian grids, reaches it."""
    for end, pole in ((rows[:, 0].argmin(), -90.0), (rows[:, 1].argmax(), 90.0)):
        side = 0 if pole < 0 else 1
        if 0 < abs(pole - rows[end, side]) < 0.4 * np.diff(rows[end])[0]:
            rows[end, side] = pole
    return rows


def _bounds(data: xr.Dataset | xr.DataArray, name: str, centres: Floats) -> Floats | None:
    called = data[name].attrs.get("bounds", f"{name}_bnds")
    known = {**getattr(data, "data_vars", {}), **data.coords}
    if called not in known:
        return None
    values: Floats = np.asarray(known[called].values, np.float64)
    if values.shape != (centres.size, 2) or not np.isfinite(values).all():
        raise InputError(
            f"bounds {called!r} have shape {values.shape}, expected {(centres.size, 2)} and no "
            f"missing values; drop them: ds.drop_vars({called!r})"
        )
    values = np.sort(values, -1)
    if name != data[name].dims[0] or centres.size < 2:
        return values
    # Longitudes were unwrapped; their bounds follow.
    values = values + 360 * np.round((centres - values.mean(-1)) / 360)[:, None]
    inside = (values[:, 0] <= centres + 1e-6) & (centres - 1e-6 <= values[:, 1])
    if not inside.all():
        raise InputError(
            f"bounds {called!r} do not hold their centres, e.g. {centres[~inside][0]:g}; "
            f"drop them: ds.drop_vars({called!r})"
        )
    ordered = values[np.argsort(values[:, 0])]
    shared = ordered[:-1, 1] - ordered[1:, 0] > 1e-3 * np.diff(ordered)[:-1, 0] + 1e-6
    if shared.any():
        raise InputError(
            f"bounds {called!r} overlap, e.g. near {ordered[:-1][shared][0, 1]:g}; "
            f"drop them: ds.drop_vars({called!r})"
        )
    return values


def overlap_matrix(of: Floats, on: Floats, period: float | None = None) -> csr_array:
    """How much of intervals lies on others.

    Parameters
    ----------
    of, on : ndarray, shapes (n, 2) and (m, 2)
    period : float, optional
        After which intervals come again, as 360 for longitudes.

    Returns
    -------
    csr_array, shape (m, n)

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
    found = []
    for turn in turns:
        # Of sorted intervals, those that another touches follow one another.
        first = np.searchsorted(reach, on[:, 0] - turn, side="right")
        count = (np.searchsorted(low, on[:, 1] - turn, side="left") - first).clip(0)
        row = np.repeat(np.arange(len(on)), count)
        column = np.arange(count.sum()) + np.repeat(first - np.cumsum(count) + count, count)
        top = np.minimum(on[row, 1], high[column] + turn)
        size = (top - np.maximum(on[row, 0], low[column] + turn)).clip(0)
        found.append((size, row, order[column]))
    sizes, rows, columns = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return coo_array((sizes, (rows, columns)), shape=(len(on), len(of))).tocsr()


def cell_areas(grid: Grid, data: xr.Dataset | xr.DataArray | None = None) -> xr.DataArray:
    """Part of the globe that each cell covers, shape (rows, columns).

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
