"""What an emulator reads, found in a user's datasets and checked against the card."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from xai4land.adapters.xarray import is_in_memory
from xai4land.emulator.card import Input, MapCard
from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.errors import InputError
from xai4land.grids.grid import Grid, Target, target_grid
from xai4land.grids.missing import mask_misspelt_fill_values
from xai4land.grids.time import describe_no_dates, find_time, move_into_bounds
from xai4land.units import convert_units

__all__ = [
    "Bound",
    "Layer",
    "bind",
    "check_static",
    "find_layer",
    "scalar_dates",
    "sum_problem",
    "time_name",
    "value_problems",
]

TOLERANCE = 1e-3
DATES = (pd.DatetimeIndex, xr.CFTimeIndex)


@dataclass(frozen=True)
class Layer:
    """One input variable: its card entry, its grid, and its data as (time,) lat, lon."""

    spec: Input
    grid: Grid
    data: xr.DataArray


@dataclass(frozen=True)
class Bound:
    """Inputs that fit a card, and the grid to work on.

    Attributes
    ----------
    layers : tuple of Layer
        In the card's order.
    target, coarse : Grid
        The grid of the outputs, and of the coarse inputs.
    time : DataArray or None
        The time axis of the dynamic inputs.
    """

    layers: tuple[Layer, ...]
    target: Grid
    coarse: Grid
    time: xr.DataArray | None


def bind(card: MapCard, data: xr.Dataset, static: xr.Dataset | None, target: Target) -> Bound:
    """Find the card's inputs and check them; looks at values only where they are in memory.

    Raises
    ------
    InputError
        Listing everything that does not fit.
    """
    check_static(static)
    problems: list[str] = []
    layers: list[Layer] = []
    try:
        data = move_into_bounds(data)
    except InputError as error:
        problems += error.problems
    for spec in card.inputs:
        try:
            layer = find_layer(spec, data, static)
            same = next((known.grid for known in layers if known.grid == layer.grid), layer.grid)
            layers.append(replace(layer, grid=same))
        except InputError as error:
            problems += error.problems
    problems += _time_problems(layers)
    coarse = [layer for layer in layers if layer.spec.name in card.outputs.coarse_inputs]
    fractions = [layer for layer in layers if layer.spec.name in card.outputs.fraction_inputs]
    problems += _sum_problems(fractions)
    if any(layer.grid != coarse[0].grid for layer in coarse):
        problems.append("the states lie on different grids; regrid them to one")
    if not layers or (target is None and len(layers) < len(card.inputs)):
        raise InputError(problems)  # the finest grid may be that of a faulty input
    grid = states = (coarse or layers)[0].grid
    finest = min((layer.grid for layer in layers), key=lambda grid: grid.resolution)
    try:
        grid = target_grid(target, states, finest)
        problems += _resolution_problems(card, grid, states)
        problems += _overlap_problems(layers, grid)
    except InputError as error:
        problems += error.problems
    InputError.raise_if(problems)
    dynamic = [layer for layer in layers if layer.spec.role == "dynamic"]
    time = next((layer.data[name] for layer in dynamic if (name := time_name(layer.data))), None)
    return Bound(tuple(layers), grid, states, time)


def check_static(static: object) -> None:
    """Check that static features come as a dataset."""
    if not isinstance(static, xr.Dataset | None):
        raise InputError(f"static= is a {type(static).__name__}, expected a Dataset: .to_dataset()")


def find_layer(spec: Input, data: xr.Dataset, static: xr.Dataset | None) -> Layer:
    """Find and check one input in ``data`` or else in ``static``."""
    source = data if spec.name in data or static is None else static
    if spec.name not in source:
        raise InputError(_absent(spec, [data] if static is None else [data, static]))
    array = mask_misspelt_fill_values(source[spec.name])
    problems: list[str] = []
    grid = None
    try:
        grid = Grid.of(array, f"variable {spec.name!r}")
        if len(grid.lat) == 1 or len(grid.lon) == 1:
            problems.append(
                f"variable {spec.name!r} has {grid.shape[0]} x {grid.shape[1]} cells, expected at "
                "least 2 x 2: one cell has no neighbours to interpolate from; select a larger area"
            )
    except InputError as error:
        problems += error.problems
    if array.dtype.kind not in "fiub":
        problems.append(f"variable {spec.name!r} is of type {array.dtype}, expected numbers")
    else:
        array = _convert(array, spec, problems)
        if grid is not None:
            array = _ordered(array, spec, grid, problems)
        if is_in_memory(array):
            problems += value_problems(spec, array.values)
            if array.dtype.kind == "f" and not np.isfinite(array.values).any():
                problems.append(
                    f"variable {spec.name!r} has no value at all; check how it was read"
                )
    InputError.raise_if(problems)
    assert grid is not None
    return Layer(spec, grid, array)


def time_name(array: xr.DataArray) -> str | None:
    """Return the dimension of the time axis; see :func:`xai4land.grids.time.find_time`."""
    return find_time(array, f"variable {array.name!r}")


def scalar_dates(data: xr.DataArray | xr.Dataset) -> list[Hashable]:
    """Return coordinates of a single date: the time of data without a time axis."""
    return [name for name in data.coords if data[name].ndim == 0 and hasattr(data[name], "dt")]


def value_problems(spec: Input, values: np.ndarray) -> list[str]:
    """List what is wrong with the values of an input; missing ones are fine."""
    if spec.coded:
        codes = np.unique(values[~np.isnan(values)] if values.dtype.kind == "f" else values)
        missing = [MISSING_CLASS] if spec.role == "prior" else []
        unknown = np.setdiff1d(codes, [*spec.codes, *missing])
        if not unknown.size:
            return []
        return [
            f"variable {spec.name!r} has codes {_some(unknown)} that the emulator never saw "
            f"(it knows {_some(np.array(spec.codes))}); recode them, or mask them as missing"
        ]
    if np.isinf(values).any() if values.dtype.kind == "f" else False:
        return [f"variable {spec.name!r} has infinite values; mask them as missing"]
    if spec.valid_range is None or not values.size or np.isnan(values).all():
        return []
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    slack = TOLERANCE * (spec.valid_range[1] - spec.valid_range[0])
    if low >= spec.valid_range[0] - slack and high <= spec.valid_range[1] + slack:
        return []
    fraction = spec.valid_range == (0.0, 1.0)
    mend = "mask or correct these values"
    if fraction and 1.5 < high <= 100 * (1 + TOLERANCE):
        mend = "if these are percent, set its units attribute to '%' and they are converted"
    return [
        f"variable {spec.name!r} has values from {low:g} to {high:g}, expected "
        f"{spec.valid_range[0]:g} to {spec.valid_range[1]:g}; {mend}"
    ]


def sum_problem(highest: float) -> list[str]:
    """List what is wrong with fractions of a cell that add up to ``highest`` at most."""
    if not highest > 1 + 2 * TOLERANCE:
        return []
    return [
        f"the states add up to {highest:g} in a cell, expected at most 1; "
        "check that no state is counted twice"
    ]


def _sum_problems(fractions: list[Layer]) -> list[str]:
    arrays = [layer.data for layer in fractions]
    if not arrays or not all(map(is_in_memory, arrays)):
        return []
    if len({a.shape for a in arrays}) > 1:
        return []
    total = np.sum([a.values for a in arrays], axis=0)
    return sum_problem(float(np.nanmax(total))) if not np.isnan(total).all() else []


def _absent(spec: Input, sources: Iterable[xr.Dataset]) -> str:
    there = [str(name) for source in sources for name in source.data_vars]
    close = difflib.get_close_matches(spec.name, there, n=1)
    what = f" ({spec.long_name})" if spec.long_name else ""
    hint = f"; is it {close[0]!r}? then rename it" if close else "; add it, or give static="
    return f"no variable {spec.name!r}{what}: there are {', '.join(there) or 'none'}{hint}"


def _convert(array: xr.DataArray, spec: Input, problems: list[str]) -> xr.DataArray:
    if spec.coded:
        return array
    if spec.units == "1" and not str(array.attrs.get("units", "")).strip():
        return array
    try:
        return convert_units(array, spec.units, standard_name=spec.standard_name)
    except InputError as error:
        problems += error.problems
        return array


def _ordered(array: xr.DataArray, spec: Input, grid: Grid, problems: list[str]) -> xr.DataArray:
    dims: tuple[Hashable, ...] = grid.names
    time = time_name(array)
    extra = [d for d in array.dims if d not in dims and d != time]
    if time is not None and spec.role not in ("dynamic", "prior"):
        if array.sizes[time] == 1:
            array = array.squeeze(time, drop=True)
        else:
            problems.append(
                f"variable {spec.name!r} changes along {time!r} but is a fixed input; "
                f"select one step: .isel({time}=0)"
            )
    elif time is not None:
        dims = (time, *dims)
    for dim in extra:
        if array.sizes[dim] == 1:
            array = array.squeeze(dim, drop=True)
        else:
            problems.append(
                f"variable {spec.name!r} has a dimension {dim!r} that is neither time, latitude "
                f"nor longitude; select from it: .isel({dim}=0)"
            )
    return array if problems else array.transpose(*dims)


def _time_problems(layers: list[Layer]) -> list[str]:
    problems = []
    times: list[xr.DataArray] = []
    for layer in layers:
        name = time_name(layer.data)
        if name is None or any(layer.data[name].identical(t) for t in times):
            continue
        time = layer.data[name]
        if not isinstance(layer.data.indexes.get(name), DATES):
            problems.append(f"the time axis {describe_no_dates(time)}")
            times.append(time)
            continue
        if times and not np.array_equal(time.values, times[0].values):
            problems.append(
                f"variable {layer.spec.name!r} has other times than the inputs before it; "
                "align them: xr.align(..., join='inner')"
            )
        times.append(time)
        steps = time.values[1:] > time.values[:-1]
        if not np.all(steps):
            problems.append(
                f"the time axis {str(name)!r} is not strictly increasing; "
                f"run ds.sortby({str(name)!r}).drop_duplicates({str(name)!r})"
            )
    return list(dict.fromkeys(problems))


def _overlap_problems(layers: list[Layer], target: Grid) -> list[str]:
    """List the inputs that lie elsewhere on the globe than the target."""
    lat, lon = target.pixel_coords()
    problems = []
    for layer in layers:
        if not (
            layer.grid.lat.contains_points(lat).any() and layer.grid.lon.contains_points(lon).any()
        ):
            problems.append(
                f"variable {layer.spec.name!r} and the target have no pixel in common; "
                "compare their latitudes and longitudes"
            )
    return problems


def _resolution_problems(card: MapCard, target: Grid, states: Grid) -> list[str]:
    problems = []
    ranges = card.resolution.ranges
    for what, found, (low, high), mend in (
        ("target", target.resolution, ranges[0], f"={card.resolution.target:g}"),
        ("states", states.resolution, ranges[1], ": regrid them"),
    ):
        if not (found / low > 0.49 and found / high < 2.01):
            trained = f"{low:g}°" if low == high else f"{low:g} to {high:g}°"
            problems.append(
                f"the {what} at {found:g}° is far from the {trained} that emulator "
                f"{card.name!r} was trained at (within a factor of 2); give {what}{mend}, "
                "or fit an emulator of your own"
            )
    return problems


def _some(values: np.ndarray) -> str:
    shown = ", ".join(f"{v:g}" for v in values[:8])
    return shown + (", ..." if values.size > 8 else "")
