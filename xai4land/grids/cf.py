"""CF-1.11 metadata of outputs: coordinates with bounds, flags, history."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import CellEdges, cell_edges
from xai4land.grids.grid import Grid
from xai4land.grids.periods import Period, number_of_period, period_edges

__all__ = [
    "extend_attrs",
    "extend_history",
    "find_mapping",
    "geographic_mapping",
    "global_attrs",
    "grid_coords",
    "time_bounds",
]

CONVENTIONS = "CF-1.11"
ADVICE = {
    "year": ("annual", "run ds.resample(time='YS').mean()"),
    "month": ("monthly", "run ds.resample(time='MS').mean()"),
    "dekad": ("of dekads", "average the steps from days 1, 11 and 21 of each month"),
    "day": ("daily", "run ds.resample(time='D').mean()"),
}
"""What maps are, and what to do where steps are finer."""


WGS84 = (
    'GEOGCRS["WGS 84",DATUM["World Geodetic System 1984",ELLIPSOID["WGS 84",6378137,298.257223563,'
    'LENGTHUNIT["metre",1]]],PRIMEM["Greenwich",0,ANGLEUNIT["degree",0.0174532925199433]],'
    'CS[ellipsoidal,2],AXIS["geodetic latitude (Lat)",north,ORDER[1],'
    'ANGLEUNIT["degree",0.0174532925199433]],AXIS["geodetic longitude (Lon)",east,ORDER[2],'
    'ANGLEUNIT["degree",0.0174532925199433]],ID["EPSG",4326]]'
)


def geographic_mapping(source: xr.Dataset | xr.DataArray | None = None) -> xr.DataArray:
    """Return the grid mapping of latitudes and longitudes: the source's own, or WGS 84.

    Examples
    --------
    >>> mapping = geographic_mapping()
    >>> mapping.name, mapping.attrs["grid_mapping_name"]
    ('crs', 'latitude_longitude')
    """
    found = None if source is None else find_mapping(source)
    if found is not None and found.attrs["grid_mapping_name"] == "latitude_longitude":
        return found
    attrs = {
        "grid_mapping_name": "latitude_longitude",
        "long_name": "coordinate reference system",
        "semi_major_axis": 6378137.0,
        "inverse_flattening": 298.257223563,
        "longitude_of_prime_meridian": 0.0,
        "crs_wkt": WGS84,
    }
    return xr.DataArray(np.int32(0), attrs=attrs, name="crs")


def find_mapping(data: xr.Dataset | xr.DataArray) -> xr.DataArray | None:
    """Return the only grid mapping variable of some data, without coordinates, if there is one."""
    names = data.variables if isinstance(data, xr.Dataset) else data.coords
    named = [n for n in names if "grid_mapping_name" in data[n].attrs and data[n].ndim == 0]
    return data[named[0]].reset_coords(drop=True) if len(named) == 1 else None


def grid_coords(grid: Grid, cells: CellEdges | None = None) -> dict[str, xr.DataArray]:
    """Make latitude, longitude and their bounds, as coordinates of an output.

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
    for name, pairs in zip(grid.names, cells or cell_edges(grid), strict=True):
        centre = coords[name]
        upward = centre.values[-1] >= centre.values[0]
        centre.attrs["bounds"] = f"{name}_bnds"
        coords[f"{name}_bnds"] = xr.DataArray(
            np.round(pairs if upward else pairs[:, ::-1], 10), dims=(name, "bnds")
        )
    for coord in coords.values():
        coord.encoding["_FillValue"] = None  # CF has none on coordinates
    return coords


def time_bounds(time: xr.DataArray, period: Period) -> dict[str, xr.DataArray]:
    """Return a time axis with the calendar year, month, dekad or day of each step as its bounds.

    Parameters
    ----------
    time : DataArray
    period : {"year", "month", "dekad", "day"}
        What a step stands for.

    Raises
    ------
    InputError
        If several steps lie in one period.

    Examples
    --------
    >>> time = xr.DataArray(np.array(["2009-07-01"], "M8[ns]"), dims="time", name="time")
    >>> time_bounds(time, "year")["time_bnds"].values.astype("M8[D]").astype(str).tolist()
    [['2009-01-01', '2010-01-01']]
    >>> time_bounds(time, "month")["time_bnds"].values.astype("M8[D]").astype(str).tolist()
    [['2009-07-01', '2009-08-01']]
    """
    name = str(time.name)
    if len(set(number_of_period(time, period).tolist())) < time.size:
        adjective, mend = ADVICE[period]
        mend = mend.replace("time=", f"{name}=")
        raise InputError(
            f"the time axis {name!r} has several steps in a {period}, but maps are {adjective}; "
            f"{mend}"
        )
    edges = period_edges(time, period)
    attrs = {k: v for k, v in time.attrs.items() if k not in ("bounds", "climatology")}
    attrs = {"standard_name": "time", "axis": "T", **attrs, "bounds": f"{name}_bnds"}
    if np.issubdtype(time.dtype, np.datetime64):
        attrs.setdefault("units_metadata", "leap_seconds: unknown")
    # One epoch for both, far back enough for 850 to 2100 in whole days.
    encoding = {"units": "days since 1850-01-01", "dtype": "float64", "_FillValue": None}
    if not np.issubdtype(time.dtype, np.datetime64):
        encoding["calendar"] = time.values[0].calendar
    coords = {
        name: xr.DataArray(time.values, dims=name, attrs=attrs, name=name),
        f"{name}_bnds": xr.DataArray(edges, dims=(name, "bnds")),
    }
    for coord in coords.values():
        coord.encoding = dict(encoding)
    return coords


def extend_history(source: xr.Dataset, what: str) -> str:
    """Return the source's history with a line on top that says what was done."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now}: {what} (xai4land {version('xai4land')})"
    return "\n".join([line, *filter(None, [str(source.attrs.get("history", ""))])])


def extend_attrs(source: xr.Dataset, what: str) -> dict[str, str]:
    """Return the source's global attributes for an output, whose history says what was done."""
    return {**source.attrs, "Conventions": CONVENTIONS, "history": extend_history(source, what)}


def global_attrs(source: xr.Dataset, title: str, made_by: str, what: str) -> dict[str, str]:
    """Return the global attributes of an output."""
    return {
        "Conventions": CONVENTIONS,
        "title": title,
        "institution": str(source.attrs.get("institution", "unknown")),
        "source": made_by,
        "history": extend_history(source, what),
        "references": "https://github.com/xai4land/xai4land",
        "comment": f"made from: {source.attrs.get('title', 'untitled input')}",
    }
