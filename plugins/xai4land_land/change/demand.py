"""What coarse cells demand of a map that follows from a prior map: fractions of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from xai4land.emulator import ClassMap, Input
from xai4land.emulator.inputs import sum_problem, time_name, value_problems
from xai4land.errors import InputError
from xai4land.grids.fractions import cell_fractions
from xai4land.grids.grid import Grid
from xai4land.typing import Booleans, Floats32, Ints
from xai4land.units import convert_units

__all__ = [
    "CLIPPED",
    "Demand",
    "check_overlap",
    "correct_states",
    "demand_states",
    "prior_fractions",
]

Demand = Literal["change", "level"]
CLIPPED = "demand_clipped"
ROUNDING = 1e-5
"""Part of a cell that fractions in single precision may lack."""
LARGEST_JUMP = 0.5
"""Share of the area whose state may change from one step to the next; more is another source."""


def demand_states(
    states: xr.Dataset,
    outputs: ClassMap,
    prior: xr.DataArray,
    start: int,
    previous: Sequence[int],
    demand: Demand = "change",
    own: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return the states that maps are to agree with, at all steps; lazy where the inputs are.

    With ``demand="change"`` they are the prior map's own fractions plus the change of the states
    since its date (the delta change method), clipped at zero and renormalised: a map and states
    that differ in level agree from the first step on. What the
    prior map does not know of a cell is taken to be what the states have beyond what it knows.
    With ``demand="level"`` they are the states themselves. Cells whose states are missing at both
    dates keep the prior map's fractions.

    Parameters
    ----------
    states : Dataset
        The emulator's states (time, lat, lon) on one grid: fractions, or in units that convert.
    outputs : ClassMap
        They say which states feed which class.
    prior : DataArray of uint8, shape (rows, columns)
        The map, in the codes of ``outputs``.
    start : int
        Step of the states at the date of the map.
    previous : sequence of int
        For each step, the one that it follows from.
    demand : {"change", "level"}
    own : DataArray, optional
        The map's fractions, see :func:`prior_fractions`, where they are known already.

    Returns
    -------
    Dataset
        The states, and ``demand_clipped`` (time, lat, lon): the share of each cell that the prior
        map lacks of what the states lose, which is taken from the other classes.

    Raises
    ------
    InputError
        If the map lies elsewhere than the states, or these are no fractions or change in more than
        half of the area from one step to the next; where they are lazy, when they are computed.
    """
    names = list(outputs.states)
    arrays = [_read_fraction(states[name]) for name in names]
    grid = Grid.of(arrays[0], f"variable {names[0]!r}")
    check_overlap(Grid.of(prior, "the prior map"), grid)
    time = time_name(arrays[0])
    assert time is not None
    stacked = xr.concat(arrays, "state", coords="minimal", compat="override", join="override")
    stacked = stacked.transpose("state", time, *grid.names).astype(np.float32)
    own = prior_fractions(prior, grid, outputs) if own is None else own
    own = own.assign_coords({n: arrays[0][n] for n in grid.names})
    if stacked.chunks:
        stacked = stacked.chunk(state=-1)
        own = own.chunk({n: stacked.chunksizes[n] for n in grid.names} | {"group": -1})
    elif own.chunks:
        own = own.chunk(-1)
    years = states[time].dt.year
    before = {time: list(previous)}
    made: xr.DataArray = xr.apply_ufunc(
        correct_states,
        stacked,
        stacked.isel({time: start}, drop=True),
        stacked.isel(before).assign_coords({time: states[time]}),
        own,
        years,
        years.isel(before).assign_coords({time: states[time]}),
        input_core_dims=[["state"], ["state"], ["state"], ["group"], [], []],
        output_core_dims=[["state"]],
        exclude_dims={"state"},
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": {"state": len(names) + 1}},
        kwargs={"outputs": outputs, "level": demand == "level"},
    ).transpose("state", time, *grid.names)
    found = {
        name: made.isel(state=k).assign_attrs(array.attrs)
        for k, (name, array) in enumerate(zip(names, arrays, strict=True))
    }
    about = {"long_name": "share of the cell whose demanded change the prior map cannot give"}
    found[CLIPPED] = made.isel(state=-1).assign_attrs(about, units="1")
    return xr.Dataset(found).assign_coords({time: states[time]})


def prior_fractions(prior: xr.DataArray, grid: Grid, outputs: ClassMap) -> xr.DataArray:
    """Return the part of each cell that is known to be of each group of classes."""
    counted = cell_fractions(prior, grid, [c.value for c in outputs.classes])
    fractions = counted.fraction.fillna(0) * counted.known
    groups = [
        fractions.isel(code=[k for k, g in enumerate(outputs.class_groups) if g == number])
        .sum("code", skipna=False)
        .astype(np.float32)
        for number in range(len(outputs.groups))
    ]
    found: xr.DataArray = xr.concat(groups, "group")
    return found


def _read_fraction(state: xr.DataArray) -> xr.DataArray:
    """Return a state as a fraction; without units it is one."""
    return convert_units(state, "1") if str(state.attrs.get("units", "")).strip() else state


def check_overlap(prior: Grid, states: Grid) -> None:
    """Refuse a map of another part of the globe."""
    lat, lon = prior.pixel_coords()
    if not (states.lat.contains_points(lat).any() and states.lon.contains_points(lon).any()):
        raise InputError(
            "the prior map and the states have no pixel in common; compare their latitudes and "
            "longitudes"
        )


def _check_fractions(states: Floats32, names: Sequence[str]) -> None:
    """Refuse states that are no fractions: corrected by a map they would look like some."""
    fraction: dict[str, Any] = {"role": "dynamic", "valid_range": (0.0, 1.0)}
    problems = [
        problem
        for number, name in enumerate(names)
        for problem in value_problems(Input(name=name, **fraction), states[..., number])
    ]
    total = np.nan_to_num(states.sum(-1))
    InputError.raise_if(problems or sum_problem(float(total.max(initial=0))))


def _group_members(outputs: ClassMap) -> list[list[int]]:
    """Return the numbers of the states of each group; none for the rest of the cell."""
    return [[outputs.states.index(name) for name in group] for group in outputs.groups]


def correct_states(
    states: Floats32,
    first: Floats32,
    earlier: Floats32,
    own: Floats32,
    years: Ints,
    earlier_years: Ints,
    *,
    outputs: ClassMap,
    level: bool,
) -> Floats32:
    """Correct states by what the prior map has of each group of classes.

    Parameters
    ----------
    states, first, earlier : ndarray of float32, shape (..., states)
        Of the step itself, of the date of the map, and of the step before.
    own : ndarray of float32, shape (..., groups)
        What the prior map has; see :func:`prior_fractions`.
    years, earlier_years : ndarray of int
        Of the step, and of the one before; their shapes broadcast to (...).
    outputs : ClassMap
    level : bool
        Whether the states themselves are demanded.

    Returns
    -------
    ndarray of float32, shape (..., states + 1)
        The last one is the share of the cell that was clipped.

    Raises
    ------
    InputError
        If the states are no fractions, or jump.
    """
    names, members = list(outputs.states), _group_members(outputs)
    _check_fractions(states, names)
    groups, start = _group(states, members), _group(first, members)
    _check_jump(groups, _group(earlier, members), years, earlier_years)
    own = _complete(own, start)
    offset = own - start
    # Nothing is known of a cell without states; it keeps the map that it has.
    absent = np.asarray(~np.isfinite(groups).any(-1) & ~np.isfinite(first).any(-1))
    moved = groups if level else groups + np.where(np.isfinite(offset), offset, 0)
    clipped = np.maximum(moved, 0)
    total = clipped.sum(-1, keepdims=True)
    wanted = np.where(total > 0, clipped / np.where(total > 0, total, 1), groups)
    wanted = np.where(absent[..., None], own, wanted)
    made = np.empty((*states.shape[:-1], states.shape[-1] + 1), np.float32)
    made[..., -1] = 0 if level else np.maximum(-moved, 0).sum(-1)
    for number, group in enumerate(members):
        whole = groups[..., number]
        for state in group:
            part = states[..., state] / np.where(whole > 0, whole, 1)
            made[..., state] = wanted[..., number] * np.where(whole > 0, part, 1 / len(group))
    return made


def _complete(own: Floats32, start: Floats32) -> Floats32:
    """Complete what a map knows of each cell by what the states have beyond that."""
    known = own.sum(-1, keepdims=True)
    beyond = np.maximum(np.nan_to_num(start) - own, 0)
    total = beyond.sum(-1, keepdims=True)
    completed = own + (1 - known) * beyond / np.where(total > 0, total, 1)
    found = np.where(total > 0, completed, own / np.maximum(known, ROUNDING))
    found = np.where(known > 1 - ROUNDING, own, found)
    return np.where(known < ROUNDING, start, found)


def _group(states: Floats32, members: Sequence[Sequence[int]]) -> Floats32:
    """Add up the states of each group; a group without states takes the rest."""
    groups = np.stack([states[..., list(group)].sum(-1) for group in members], -1)
    rest = np.maximum(1 - states.sum(-1), 0)
    for number, group in enumerate(members):
        if not group:
            groups[..., number] = rest
    return groups


def _check_jump(now: Floats32, before: Floats32, years: Ints, earlier: Ints) -> None:
    """Refuse states that change almost everywhere from one step to the next."""
    change = np.abs(now - before).sum(-1) / 2
    dates = [np.broadcast_to(date, change.shape) for date in (years, earlier)]
    known = np.isfinite(change)
    for year in np.unique(years):
        here: Booleans = known & np.equal(dates[0], year)
        if here.any() and (mean := float(change[here].mean())) > LARGEST_JUMP:
            first = dates[1][here].min()
            raise InputError(
                f"the states jump from {first} to {year}: {mean:.0%} of the area "
                "changes; join series of one source, or end one rollout there and begin another"
            )
