"""CF-1.11 metadata of outputs: coordinates with bounds, flags, history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from xai4land.emulator.card import OutputClass
from xai4land.errors import InputError
from xai4land.grids.cells import Edges, edges
from xai4land.grids.grid import Grid

__all__ = ["annual_bounds", "flags", "grid_coords", "history", "provenance"]

CONVENTIONS = "CF-1.11"


def grid_coords(grid: Grid, cells: Edges | None = None) -> dict[str, xr.DataArray]:
    """Latitude, longitude and their bounds, as coordinates of an output.

    Parameters
    ----------
    grid : Grid
    cells : tuple of ndarray, optional
        Edges of the rows and columns, if they do not lie midway between the centres.

    Examples
    --------
    >>> from xai4land.grids.axis import Axis
    >>> grid = Grid(Axis(np.array([0.5, 1.5])), Axis(np.array([0.5, 1.5])))
    >>> grid_coords(grid)["lat_bnds"].values
    array([[0., 1.],
           [1., 2.]])
    """
    coords = grid.coords()
    for name, pairs in zip(grid.names, cells or edges(grid), strict=True):
        centre = coords[name]
        upward = centre.values[-1] >= centre.values[0]
        centre.attrs["bounds"] = f"{name}_bnds"
        coords[f"{name}_bnds"] = xr.DataArray(
            np.round(pairs if upward else pairs[:, ::-1], 10), dims=(name, "bnds")
        )
    for coord in coords.values():
        coord.encoding["_FillValue"] = None  # CF has none on coordinates
    return coords


def annual_bounds(time: xr.DataArray) -> dict[str, xr.DataArray]:
    """The time axis of annual maps, with the calendar year of each step as its bounds.

    Examples
    --------
    >>> time = xr.DataArray(np.array(["2009-07-01"], "M8[ns]"), dims="time", name="time")
    >>> annual_bounds(time)["time_bnds"].values.astype("M8[D]").astype(str).tolist()
    [['2009-01-01', '2010-01-01']]
    """
    name = str(time.name)
    years = time.dt.year.values
    if len(set(years.tolist())) < years.size:
        raise InputError(
            f"the time axis {name!r} has several steps in a year, but maps are annual; "
            f"run ds.resample({name}='YS').mean()"
        )
    if np.issubdtype(time.dtype, np.datetime64):
        first, last = (
            np.array([f"{y:04d}-01-01" for y in years + k]).astype(time.dtype) for k in (0, 1)
        )
        edges = np.stack([first, last], axis=-1)
    else:
        start = {"month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0}
        edges = np.array(
            [[d.replace(year=d.year + k, **start) for k in (0, 1)] for d in time.values]
        )
    attrs = {k: v for k, v in time.attrs.items() if k not in ("bounds", "climatology")}
    attrs = {"standard_name": "time", "axis": "T", **attrs, "bounds": f"{name}_bnds"}
    if np.issubdtype(time.dtype, np.datetime64):
        attrs.setdefault("units_metadata", "leap_seconds: unknown")
    # One epoch for both, far back enough for 850 to 2100 in whole days.
    encoding = {"units": "days since 1850-01-01", "dtype": "float64", "_FillValue": None}
    if not np.issubdtype(time.dtype, np.datetime64):
        encoding["calendar"] = time.values[0].calendar
    made = {
        name: xr.DataArray(time.values, dims=name, attrs=attrs, name=name),
        f"{name}_bnds": xr.DataArray(edges, dims=(name, "bnds")),
    }
    for variable in made.values():
        variable.encoding = dict(encoding)
    return made


def flags(classes: Sequence[OutputClass]) -> dict[str, Any]:
    """``flag_values`` (uint8) and ``flag_meanings`` of a legend."""
    return {
        "flag_values": np.array([c.value for c in classes], np.uint8),
        "flag_meanings": " ".join(c.name for c in classes),
    }


def history(source: xr.Dataset, what: str) -> str:
    """The source's history with one line more, the newest first."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now}: {what} (xai4land {version('xai4land')})"
    return "\n".join([line, *filter(None, [str(source.attrs.get("history", ""))])])


def provenance(source: xr.Dataset, title: str, made_by: str, what: str) -> dict[str, str]:
    """Global attributes of an output."""
    return {
        "Conventions": CONVENTIONS,
        "title": title,
        "institution": str(source.attrs.get("institution", "unknown")),
        "source": made_by,
        "history": history(source, what),
        "references": "https://github.com/xai4land/xai4land",
        "comment": f"made from: {source.attrs.get('title', 'untitled input')}",
    }
