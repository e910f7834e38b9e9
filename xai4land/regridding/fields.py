"""``regrid``: the variables of a dataset that lie on a grid, brought to another."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeVar, get_args

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.regridding import metadata
from xai4land.regridding.apply import applied
from xai4land.regridding.classes import Codes, fractions, has_flags, majority
from xai4land.regridding.detect import no_grid, read_grid, read_target
from xai4land.regridding.engines import Engine, Kind, choose_engine, operator
from xai4land.regridding.grids import Horizontal
from xai4land.regridding.means import means
from xai4land.regridding.nearest import nearest

__all__ = ["Method", "regrid"]

Method = Literal["conservative", "bilinear", "nearest", "majority", "fractions"]
Data = TypeVar("Data", xr.Dataset, xr.DataArray)
UNNAMED = "field"


def regrid(
    data: Data,
    target: float | xr.Dataset | xr.DataArray,
    method: Method = "conservative",
    *,
    engine: Engine = "auto",
    min_coverage: float = 0.5,
) -> Data:
    """Bring fields to another grid, lazily.

    Parameters
    ----------
    data : Dataset or DataArray
        With CF coordinates of latitude and longitude, found by their attributes. Their bounds are
        used if there are any (a DataArray's must be coordinates). All variables on a grid are
        regridded, each from its own; the others are passed on.
    target : float, Dataset or DataArray
        Degrees, for a grid of the whole globe; or what lies on the wanted grid.
    method : {"conservative", "bilinear", "nearest", "majority", "fractions"}
        ``"conservative"``: the mean over the area of each cell. ``"bilinear"``: between the four
        centres around each centre. ``"nearest"``: the nearest centre's value, missing or not.
        For classes: ``"majority"``, the one with the largest area (of equal ones the smaller
        code), and ``"fractions"``, the part of the area that each has, along a new first
        dimension.
    engine : {"auto", "xesmf", "xarray-regrid"}
        By default xESMF where it is installed. The other does regular grids alone. The nearest
        needs no engine.
    min_coverage : float
        Part of a target cell that must be known, from 0 to 1. What is known makes the mean,
        whatever its part; below ``min_coverage`` the cell is missing. Cells beyond the source are.

    Returns
    -------
    Dataset or DataArray
        Of the type that came in, lazy where it was lazy. float32 stays float32; classes keep
        their integer type, missing ones marked by their ``_FillValue``. Coordinates along the
        old grid, areas of its cells and its mapping are left out. Fractions of ``x`` are called
        ``x_fraction``.

    Raises
    ------
    InputError
        If there is no grid, an unstructured mesh, one that the engine cannot do; an engine that
        is not there; classes for which means are asked, or the reverse. All variables are
        listed.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> xai4land.regrid(planet[["urban"]], 5.0, engine="xarray-regrid").urban.shape
    (1, 36, 72)
    >>> cover = xai4land.regrid(planet.land_cover, 5.0, "majority", engine="xarray-regrid")
    >>> cover.dtype
    dtype('uint8')
    """
    _check(method, min_coverage)
    name = choose_engine(engine)
    if isinstance(data, xr.DataArray):
        called = data.name or UNNAMED
        made = _regridded(data.to_dataset(name=called), target, method, name, min_coverage)
        array = made[called if called in made else f"{called}_fraction"]
        array.attrs["history"] = made.attrs["history"]
        for coord in array.coords.values():
            coord.attrs.pop("bounds", None)  # an array has no place for them
        return array if data.name else array.rename(None)
    return _regridded(data, target, method, name, min_coverage)


def _check(method: str, min_coverage: float) -> None:
    problems = []
    if method not in get_args(Method):
        problems.append(f"method={method!r} is none of {', '.join(map(repr, get_args(Method)))}")
    if not 0 <= min_coverage <= 1:
        problems.append(f"min_coverage={min_coverage!r}, expected a part of a cell from 0 to 1")
    InputError.raise_if(problems)


def _regridded(
    data: xr.Dataset,
    target: float | xr.Dataset | xr.DataArray,
    method: str,
    engine: str,
    min_coverage: float,
) -> xr.Dataset:
    old = metadata.no_longer_true(data)
    sources = _sources(data, old)
    wanted = read_target(target, next(iter(sources.values())))
    problems: list[str] = []
    made: dict[str, xr.DataArray] = {}
    for name, source in sources.items():
        try:
            new = _variable(data[name], source, wanted, method, engine, min_coverage)
            made[str(new.name)] = new
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    gone = {dim for source in sources.values() for dim in source.dims}
    kept = [n for n, v in data.variables.items() if not gone & set(v.dims) and n not in old]
    merged = data[[n for n in kept if n in data.data_vars]].assign(made)
    merged = merged.assign_coords({n: data[n] for n in kept if n in data.coords})
    rows, columns = wanted.shape
    by = "" if method == "nearest" else f", engine {engine}"
    what = f"regridded to {rows} x {columns} cells, method {method}{by}"
    return metadata.recorded(merged.assign_coords(wanted.coords()), data, what)


def _sources(data: xr.Dataset, old: set[str]) -> dict[str, Horizontal]:
    """The grid of each variable that has one.

    Raises
    ------
    InputError
        Listing every variable whose grid is broken or unknown; or if none has one.
    """
    found: dict[str, Horizontal] = {}
    same: dict[frozenset[object], Horizontal | None] = {}
    problems: list[str] = []
    helpers = old | {v.attrs.get("bounds", f"{n}_bnds") for n, v in data.variables.items()}
    for name, array in data.data_vars.items():
        if name in helpers:
            continue
        what = f"variable {name!r}"
        key = frozenset({*array.dims, *array.coords})
        try:
            if key not in same:
                same[key] = read_grid(array, data, what)
            if (grid := same[key]) is None:
                continue
            if array.dtype.kind not in "biuf":
                problems.append(f"{what} has {array.dtype} values; drop it: ds.drop_vars({name!r})")
            found[str(name)] = grid
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    if not found:
        raise no_grid(data)
    return found


def _variable(
    array: xr.DataArray,
    source: Horizontal,
    target: Horizontal,
    method: str,
    engine: str,
    min_coverage: float,
) -> xr.DataArray:
    """One variable on the new grid."""
    what = f"variable {array.name!r}"
    if method == "nearest":
        return _taken(array, source, target, what)
    if method in ("majority", "fractions"):
        return _classes(array, source, target, method, engine, min_coverage, what)
    if has_flags(array):
        raise InputError(
            f"{what} has classes (flags), of which there is no mean; use method='majority' or "
            "'fractions'"
        )
    kind: Kind = "bilinear" if method == "bilinear" else "overlap"
    weights = operator(engine, kind, source, target)
    block = partial(means, operator=weights, min_coverage=min_coverage)
    made = applied(array, block, source, target, np.result_type(array.dtype, np.float32))
    return metadata.described(made, array, method)


def _taken(array: xr.DataArray, source: Horizontal, target: Horizontal, what: str) -> xr.DataArray:
    """The nearest value, in its own type."""
    index = nearest(source, target)
    if array.dtype.kind == "f":
        made = applied(array, partial(index, missing=np.nan), source, target, array.dtype)
        return metadata.described(made, array, "nearest")
    codes = Codes.of(array, what)
    block = partial(index, missing=codes.fill)
    made = applied(array.astype(codes.kind), block, source, target, codes.kind)
    return metadata.stored(metadata.described(made, array, "nearest"), array, codes)


def _classes(
    array: xr.DataArray,
    source: Horizontal,
    target: Horizontal,
    method: str,
    engine: str,
    min_coverage: float,
    what: str,
) -> xr.DataArray:
    """The majority of classes, or their fractions."""
    codes = Codes.of(array, what)
    weights = operator(engine, "overlap", source, target)
    if method == "majority":
        block = partial(majority, operator=weights, min_coverage=min_coverage, codes=codes)
        made = applied(array, block, source, target, codes.kind)
        return metadata.stored(metadata.described(made, array, method), array, codes)
    classes = codes.known or _seen(array, codes, what)
    block = partial(
        fractions, operator=weights, min_coverage=min_coverage, codes=codes, classes=classes
    )
    axis = metadata.fraction_axis(array, classes, codes)
    new = (str(axis.name), len(classes))
    made = applied(array, block, source, target, np.dtype(np.float32), new)
    made = made.assign_coords({axis.name: axis}).rename(f"{array.name}_fraction")
    made.encoding, made.attrs = {}, metadata.fraction_attrs(array)
    return made


def _seen(array: xr.DataArray, codes: Codes, what: str) -> tuple[int, ...]:
    """The classes of values in memory."""
    if array.chunks is not None:
        raise InputError(
            f"{what} is lazy and does not say its classes; give it its codes: "
            "array.attrs['flag_values'] = [...]"
        )
    found = np.unique(codes(array.values))
    return tuple(found[found != codes.fill].astype(int).tolist())
