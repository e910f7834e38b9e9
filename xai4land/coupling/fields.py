"""Fields that a model gives at a step: found, converted and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.emulator.card import Input
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.units import convert_units

__all__ = ["Fields", "StepField", "read_fields", "read_numbers"]

Fields = Mapping[str, Any] | xr.Dataset
"""Arrays (rows, columns) by name, or a dataset of one step."""


@dataclass(frozen=True)
class StepField:
    """A field that a step takes.

    Attributes
    ----------
    name, units, standard_name : str
    grid : Grid
        Arrays are (rows, columns) of it, in the order of its own coordinates.
    needed : bool
        Whether each step must have it; otherwise it may be absent.
    fillable : bool
        Whether the emulator fills missing values; otherwise none may appear after the first step.
    """

    name: str
    units: str
    grid: Grid
    standard_name: str = ""
    needed: bool = True
    fillable: bool = False

    @classmethod
    def of(cls, spec: Input, grid: Grid) -> StepField:
        """Return the field that is an input of a card, on a grid."""
        return cls(spec.name, spec.units, grid, spec.standard_name, fillable=spec.fillable)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.grid.shape


def read_fields(
    specs: Mapping[str, StepField], given: Fields, units: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Return the fields of a step as arrays in the wanted units.

    Parameters
    ----------
    specs : mapping from str to StepField
    given : mapping or Dataset
        Of a dataset, variables that are no fields are ignored; a mapping has none.
    units : mapping from str to str
        Units of plain arrays, where they are not those of the fields.

    Raises
    ------
    InputError
        Listing all fields that are absent, unknown, of another shape, type, grid or unit.
    """
    problems: list[str] = []
    found: dict[str, np.ndarray] = {}
    names = [str(name) for name in given]
    if not isinstance(given, xr.Dataset):
        problems += [_describe_unknown(name, specs) for name in names if name not in specs]
    for name, spec in specs.items():
        if name not in names:
            if spec.needed:
                problems.append(
                    f"no field {name!r} ({spec.units}): there are {', '.join(names) or 'none'}"
                )
            continue
        try:
            if isinstance(given[name], xr.DataArray):
                found[name] = _read_variable(given[name], spec)
            else:
                found[name] = _read_array(given[name], spec, units.get(name))
        except InputError as error:
            problems += error.problems
    InputError.raise_if(problems)
    return found


def read_numbers(values: Any, what: str) -> npt.NDArray[Any]:
    """Return an array of numbers, in which what is masked is missing.

    Parameters
    ----------
    values : array-like
    what : str
        How an error begins, such as ``"field 'tas' is"``.

    Raises
    ------
    InputError
        If they are no numbers.

    Examples
    --------
    >>> read_numbers(np.ma.array([1, 2], mask=[False, True]), "rain is")
    array([ 1., nan])
    """
    if np.ma.isMaskedArray(values):
        values = np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} of type {array.dtype}, expected numbers")
    return array


def _read_variable(array: xr.DataArray, spec: StepField) -> np.ndarray:
    """Return a variable of a dataset of one step."""
    grid = Grid.of(array, f"variable {spec.name!r}")
    if grid != spec.grid:
        raise InputError(
            f"variable {spec.name!r} lies on another grid ({_describe(grid)}) than that of the "
            f"stepper ({_describe(spec.grid)}); regrid it, or make a stepper on this grid"
        )
    extra = [dim for dim in array.dims if dim not in grid.names]
    if long := [dim for dim in extra if array.sizes[dim] != 1]:
        raise InputError(
            f"variable {spec.name!r} has {array.sizes[long[0]]} values along {str(long[0])!r}, "
            f"expected one step: ds.isel({long[0]}=0)"
        )
    array = array.squeeze(extra, drop=True).transpose(*grid.names)
    if spec.units != "1" or str(array.attrs.get("units", "")).strip():
        array = convert_units(array, spec.units, standard_name=spec.standard_name)
    return _check_shape(read_numbers(array.values, f"field {spec.name!r} is"), spec)


def _read_array(values: Any, spec: StepField, units: str | None) -> np.ndarray:
    """Return a plain array; its units are those of the field, or as they are named."""
    array = _check_shape(read_numbers(values, f"field {spec.name!r} is"), spec)
    if units is None or units == spec.units:
        return array
    named = xr.DataArray(array, name=spec.name, attrs={"units": units})
    converted = convert_units(named, spec.units, standard_name=spec.standard_name)
    return np.asarray(converted.values)


def _check_shape(values: npt.NDArray[Any], spec: StepField) -> npt.NDArray[Any]:
    if values.shape != spec.shape:
        raise InputError(
            f"field {spec.name!r} has shape {values.shape}, expected (rows, columns) = "
            f"{spec.shape}, rows from {spec.grid.lat.values[0]:g} to "
            f"{spec.grid.lat.values[-1]:g}°N"
        )
    return values


def _describe(grid: Grid) -> str:
    rows, columns = grid.shape
    return f"{rows} x {columns} from {grid.lat.values[0]:g}°N, {grid.lon.values[0]:g}°E"


def _describe_unknown(name: str, specs: Mapping[str, StepField]) -> str:
    close = difflib.get_close_matches(name, specs, n=1)
    hint = f"; is it {close[0]!r}?" if close else "; leave it out"
    return f"field {name!r} is none of {', '.join(specs)}{hint}"
