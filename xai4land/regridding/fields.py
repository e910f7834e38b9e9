"""``regrid``: bring all variables of a dataset from their grids to another."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal, TypeVar, get_args

import xarray as xr

from xai4land.errors import InputError, InputWarning
from xai4land.grids.flags import has_flags
from xai4land.regridding import metadata
from xai4land.regridding.detect import (
    Target,
    no_grid_error,
    read_grid,
    read_target,
    westward_dim,
)
from xai4land.regridding.engines import Engine, choose_engine
from xai4land.regridding.grids import Horizontal
from xai4land.regridding.variables import regrid_variable

__all__ = ["Method", "regrid"]

Method = Literal["conservative", "bilinear", "nearest", "majority", "fractions"]
Data = TypeVar("Data", xr.Dataset, xr.DataArray)
DEFAULT_NAME = "field"


def regrid(
    data: Data,
    target: Target,
    method: Method | Mapping[str, Method] = "conservative",
    *,
    engine: Engine = "auto",
    min_coverage: float = 0.5,
) -> Data:
    """Bring fields to another grid, lazily.

    Parameters
    ----------
    data : Dataset or DataArray
        With coordinates of latitude and longitude, recognised by CF attributes or usual names, or
        on a map projection that pyproj knows. Bounds are used if there are any (a DataArray's
        must be coordinates). All variables on a grid are regridded, each from its own; other
        variables are kept as they are.
    target : float, tuple of float, Dataset or DataArray
        Degrees (or degrees of latitude and of longitude), for a grid of the whole globe; or data
        on the wanted grid.
    method : {"conservative", "bilinear", "nearest", "majority", "fractions"} or mapping
        One for all variables, or of single ones by name, as ``{"land_cover": "majority"}``, while
        others get the default. Classes among numbers that get means, and words, are left out
        with a warning.
        ``"conservative"``: the mean over the area of each cell. ``"bilinear"``: interpolated
        between the four centres around. ``"nearest"``: the value of the nearest centre, also if
        it is missing. For classes: ``"majority"``, the class with the largest area (of equal ones
        the smaller code), and ``"fractions"``, the part of the area of each class, along a new
        dimension before the rows.
    engine : {"auto", "xesmf", "xarray-regrid"}
        By default xESMF if it is installed. xarray-regrid handles only regular grids.
        ``method="nearest"`` needs no engine.
    min_coverage : float
        Part of a target cell that must be covered by values that are not missing, from 0 to 1. A
        cell with less is missing, one with more the mean of what is known. Cells beyond the source
        are missing.

    Returns
    -------
    Dataset or DataArray
        Of the same type as ``data``, and lazy where it was lazy. float32 stays float32; classes
        keep their integer type and ``_FillValue``. Coordinates along the old grid, areas of its
        cells and its grid mapping are dropped. Fractions of ``x`` are named ``x_fraction``.

    Raises
    ------
    InputError
        If there is no grid, an unstructured mesh or one that the engine does not support; if the
        engine is not installed; if the method does not fit any variable, or not the one that it
        is given for. All variables with a problem are listed.

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
    _check_arguments(method, min_coverage)
    name = choose_engine(engine)
    if isinstance(data, xr.DataArray):
        variable = data.name or DEFAULT_NAME
        dataset = data.to_dataset(name=variable)
        result = _regrid_dataset(dataset, target, method, name, min_coverage)
        array = result[variable if variable in result else f"{variable}_fraction"]
        array.attrs["history"] = result.attrs["history"]
        for coord in array.coords.values():
            coord.attrs.pop("bounds", None)  # a DataArray cannot hold them
        return array if data.name else array.rename(None)
    return _regrid_dataset(data, target, method, name, min_coverage)


def _check_arguments(method: str | Mapping[str, str], min_coverage: float) -> None:
    given = method.values() if isinstance(method, Mapping) else [method]
    problems = [
        f"method={one!r} is none of {', '.join(map(repr, get_args(Method)))}"
        for one in given
        if one not in get_args(Method)
    ]
    if not 0 <= min_coverage <= 1:
        problems.append(f"min_coverage={min_coverage!r}, expected a part of a cell from 0 to 1")
    InputError.raise_if(problems)


def _regrid_dataset(
    data: xr.Dataset,
    target: Target,
    method: str | Mapping[str, str],
    engine: str,
    min_coverage: float,
) -> xr.Dataset:
    by_name = method if isinstance(method, Mapping) else dict.fromkeys(data.data_vars, method)
    if unknown := [repr(name) for name in by_name if name not in data.data_vars]:
        names = ", ".join(map(str, data.data_vars))
        raise InputError(f"method= names {', '.join(unknown)}; there are {names}")
    if (westward := westward_dim(target)) is not None:
        assert isinstance(target, xr.Dataset | xr.DataArray)
        eastward = target.isel({westward: slice(None, None, -1)})
        made = _regrid_dataset(data, eastward, method, engine, min_coverage)
        return made.isel({westward: slice(None, None, -1)})
    stale = metadata.stale_variables(data)
    sources = _find_sources(data, stale)
    wanted = read_target(target, next(iter(sources.values())))
    misfits: dict[str, list[str]] = {}
    regridded: dict[str, xr.DataArray] = {}
    for name, source in sources.items():
        how = by_name.get(name, "conservative")
        try:
            new = regrid_variable(data[name], source, wanted, how, engine, min_coverage)
            regridded[str(new.name)] = new
        except InputError as error:
            misfits[name] = list(error.problems)
    _report({n: (data[n], p) for n, p in misfits.items()}, method, others=bool(regridded))
    old_dims = {dim for source in sources.values() for dim in source.dims}
    kept = [n for n, v in data.variables.items() if not old_dims & set(v.dims) and n not in stale]
    mapping, coords = metadata.locate(target, wanted)
    for variable in regridded.values():
        variable.attrs |= {"grid_mapping": str(mapping.name)} if mapping is not None else {}
    merged = data[[n for n in kept if n in data.data_vars]].assign(regridded)
    merged = merged.assign_coords({n: data[n] for n in kept if n in data.coords})
    rows, columns = wanted.shape
    used = [by_name.get(name, "conservative") for name in sources if name not in misfits]
    methods = list(dict.fromkeys(used))
    by_engine = "" if methods == ["nearest"] else f", engine {engine}"
    what = f"regridded to {rows} x {columns} cells, method {', '.join(methods)}{by_engine}"
    merged = merged.drop_vars(stale, errors="ignore").assign_coords(coords)
    return metadata.add_history(merged, data, what)


def _report(
    misfits: Mapping[str, tuple[xr.DataArray, list[str]]],
    method: str | Mapping[str, str],
    others: bool,
) -> None:
    """Warn of classes and words that are left out; refuse all other misfits.

    They are refused, too, if a method was given for them or nothing is left.
    """
    problems = [problem for _, several in misfits.values() for problem in several]
    means = not isinstance(method, str) or method in ("conservative", "bilinear")
    expected = all(
        not (isinstance(method, Mapping) and name in method)
        and (array.dtype.kind not in "biuf" or (means and has_flags(array)))
        for name, (array, _) in misfits.items()
    )
    if not others or not expected:
        InputError.raise_if(problems)
    if misfits:
        example = f'method={{{next(iter(misfits))!r}: "majority"}}'
        warnings.warn(
            f"left out {', '.join(misfits)}: {'; '.join(problems)} (for classes among numbers, "
            f"give {example})",
            InputWarning,
            stacklevel=4,
        )


def _find_sources(data: xr.Dataset, stale: set[str]) -> dict[str, Horizontal]:
    """Find the grid of each variable that has one.

    Raises
    ------
    InputError
        Listing every variable whose grid is broken or unknown; or if none has one.
    """
    sources: dict[str, Horizontal] = {}
    by_coords: dict[frozenset[object], Horizontal | None] = {}
    problems: list[str] = []
    helpers = stale | {v.attrs.get("bounds", f"{n}_bnds") for n, v in data.variables.items()}
    for name, array in data.data_vars.items():
        if name in helpers:
            continue
        what = f"variable {name!r}"
        key = frozenset({*array.dims, *array.coords})
        try:
            if key not in by_coords:
                by_coords[key] = read_grid(array, data, what)
            if (grid := by_coords[key]) is None:
                continue
            sources[str(name)] = grid
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    if not sources:
        raise no_grid_error(data)
    return sources
