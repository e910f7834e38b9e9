"""Latitudes and longitudes of a dataset, found by CF metadata or usual names, and checked."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from xai4land.grids.axis import Axis
from xai4land.typing import Floats

__all__ = [
    "PROJECTED_ADVICE",
    "Coordinate",
    "coord_names",
    "describe_units",
    "find_coord",
    "is_projected",
    "read_latitudes",
    "read_longitudes",
]

Coordinate = Literal["latitude", "longitude"]
BOUNDS_ENDINGS = ("_bnds", "_bounds", "_bound", "_b", "_vertices")
"""Endings of the names of bounds, which are no coordinates themselves."""

PROJECTED_ADVICE = (
    "the grid is projected; bring it to latitudes and longitudes first: "
    "xai4land.regrid(ds, 0.1), or regrid(ds, target) with a dataset on the wanted grid"
)


def coord_names(data: xr.DataArray | xr.Dataset, kind: Coordinate) -> list[str]:
    """Return the names of the coordinates of a kind: by CF attributes, else by usual names.

    Parameters
    ----------
    data : DataArray or Dataset
    kind : {"latitude", "longitude"}

    Examples
    --------
    >>> coord_names(xr.Dataset(coords={"lat": [0.0, 1.0], "lon": [5.0, 6.0]}), "latitude")
    ['lat']
    """
    import cf_xarray  # noqa: F401  (registers .cf)

    if named := sorted(set(map(str, data.cf.coordinates.get(kind, [])))):
        return named
    bare = xr.Dataset(coords=data.coords)
    bounds = {str(n) for names in bare.cf.bounds.values() for n in names}
    unknown = [
        name
        for name, coord in bare.coords.items()
        if str(name) not in bounds
        and not str(name).endswith(BOUNDS_ENDINGS)
        and not {"standard_name", "axis"} & set(coord.attrs)
        and coord.dtype.kind in "fiu"
    ]
    guessed = bare[unknown].cf.guess_coord_axis()
    return sorted(set(map(str, guessed.cf.coordinates.get(kind, []))))


def find_coord(
    data: xr.DataArray | xr.Dataset, kind: Coordinate, what: str, problems: list[str]
) -> xr.DataArray | None:
    """Find the one coordinate of a kind; add what is wrong to ``problems``.

    Parameters
    ----------
    data : DataArray or Dataset
    kind : {"latitude", "longitude"}
    what : str
        How to call the data in errors.
    problems : list of str
        Sentences for an :class:`~xai4land.errors.InputError`; extended here.

    Returns
    -------
    DataArray or None
        None if there is a problem.
    """
    named = coord_names(data, kind)
    if len(named) > 1 and (axes := [n for n in named if data[n].dims == (n,)]):
        named = axes
    if len(named) != 1:
        seen = f"{len(named)} ({', '.join(map(str, named))})" if named else "none"
        problems.append(
            f"{what}: expected one CF coordinate of {kind}, found {seen}; "
            f"{_suggest(data, kind, named)}"
        )
        return None
    coord: xr.DataArray = data[named[0]]
    if problem := describe_units(coord, kind):
        problems.append(f"{what}: {problem}")
        return None
    if coord.ndim != 1:
        problems.append(
            f"{what}: {kind} {coord.name!r} has dimensions {coord.dims}, expected one; "
            "curvilinear and unstructured grids must first be regridded to regular latitudes "
            "and longitudes, e.g. with xESMF"
        )
        return None
    if coord.dims != (coord.name,):
        problems.append(
            f"{what}: {kind} {coord.name!r} lies along {coord.dims[0]!r}; unstructured grids must "
            "first be regridded, and a renamed dimension swapped: "
            f"ds.swap_dims({coord.dims[0]}={coord.name!r})"
        )
        return None
    return coord


def describe_units(coord: xr.DataArray, kind: Coordinate) -> str:
    """Describe units that are not degrees of this direction; empty if they are, or lack."""
    units = str(coord.attrs.get("units", "")).strip()
    direction = units.lower().removeprefix("degrees").removeprefix("degree").lstrip("_")
    other = ("e", "east", "w", "west") if kind == "latitude" else ("n", "north", "s", "south")
    if units in ("", "1", "°") or (units.lower().startswith("deg") and direction not in other):
        return ""
    mend = f"convert it: ds.assign_coords({coord.name}=np.rad2deg(ds.{coord.name}))"
    mend = mend if units.lower().startswith("rad") else "correct its units"
    return f"{kind} {coord.name!r} is in {units!r}, expected degrees; {mend}"


def _suggest(data: xr.DataArray | xr.Dataset, kind: Coordinate, named: list[str]) -> str:
    """Say how data without one latitude or longitude are mended."""
    if len(named) > 1:
        return f"drop the others: ds.drop_vars({named[1:]})"
    if is_projected(data):
        return PROJECTED_ADVICE
    name, units = ("lat", "degrees_north") if kind == "latitude" else ("lon", "degrees_east")
    return f"rename yours to {name!r}, or set its standard_name {kind!r} and units {units!r}"


def is_projected(data: xr.DataArray | xr.Dataset) -> bool:
    """Return whether data lie on the x and y of a map projection.

    Examples
    --------
    >>> x = xr.DataArray([0.0, 1000.0], dims="x", attrs={"units": "m"})
    >>> is_projected(xr.Dataset(coords={"x": x}))
    True
    """
    for name, coord in data.coords.items():
        if str(coord.attrs.get("standard_name", "")).startswith("projection_"):
            return True
        metric = str(coord.attrs.get("units", "")).lower() in (
            "m",
            "km",
            "metre",
            "meter",
            "metres",
        )
        if coord.dims == (name,) and name in ("x", "y") and (metric or _beyond_globe(coord)):
            return True
    return False


def _beyond_globe(coord: xr.DataArray) -> bool:
    return coord.dtype.kind in "fiu" and bool(coord.size and np.abs(coord).max() > 360)


def _read_values(coord: xr.DataArray, what: str, problems: list[str]) -> Floats:
    """Read the values of a coordinate; none if some are missing or duplicated."""
    values = coord.values.astype(np.float64)
    if not np.isfinite(values).all():
        problems.append(f"{what}: {coord.name!r} has missing values; drop them")
        return np.zeros(0)
    if values.size > 1 and len(np.unique(values)) < values.size:
        problems.append(
            f"{what}: {coord.name!r} has duplicated values; run ds.drop_duplicates({coord.name!r})"
        )
        return np.zeros(0)
    return values


def read_latitudes(coord: xr.DataArray, what: str, problems: list[str]) -> Axis:
    """Read an axis of latitudes; add what is wrong to ``problems``."""
    values = _read_values(coord, what, problems)
    steps = np.diff(values)
    if values.size and np.abs(values).max() > 90 + 1e-6:
        problems.append(
            f"{what}: latitudes reach {values[np.abs(values).argmax()]:g}, expected -90 to 90"
        )
    elif values.size > 1 and not ((steps > 0).all() or (steps < 0).all()):
        problems.append(f"{what}: latitudes are not sorted; run ds.sortby({str(coord.name)!r})")
    return Axis(values)


def read_longitudes(coord: xr.DataArray, what: str, problems: list[str]) -> Axis:
    """Read an axis of longitudes, unwrapped; add what is wrong to ``problems``."""
    values = _read_values(coord, what, problems)
    if values.size < 2:
        return Axis(values)
    # A step across the date line is a step east like the others.
    steps = np.mod(np.diff(values), 360)
    if values.size == 2 and steps[0] > 180:
        problems.append(
            f"{what}: longitudes are two columns {steps[0]:g}° apart, expected neighbours; take "
            f"one of them: ds.isel({coord.name}=[0])"
        )
        return Axis(values)
    if (values.size > 2 and steps.max() > 10 * np.median(steps)) or np.median(steps) > 180:
        problems.append(
            f"{what}: longitudes are not sorted from west to east, or a region is split in two "
            f"(a step of {steps.max():g}°); run ds.sortby({str(coord.name)!r}), or count from "
            f"another meridian first: ds.assign_coords({coord.name}=(ds.{coord.name} + 180) % 360 "
            "- 180)"
        )
        return Axis(values)
    unwrapped = values[0] + np.concatenate([[0.0], np.cumsum(steps)])
    span = unwrapped[-1] - unwrapped[0] + steps.mean()
    if span > 360 + 0.5 * steps.mean():
        problems.append(
            f"{what}: longitudes cover {span:g}°, more than the globe; drop the repeated columns"
        )
    around = bool(abs(span - 360) < 0.1 * steps.mean())
    if around and not np.allclose(steps, steps.mean(), rtol=1e-2):
        problems.append(f"{what}: longitudes go around the globe with a gap; fill in the columns")
    return Axis(unwrapped, periodic=around, circular=True)
