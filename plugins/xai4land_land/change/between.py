"""Years between known maps: forward from the earlier one and backward from the later one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.emulator import Changes, Emulator
from xai4land.emulator.inputs import bind, time_name
from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.errors import InputError
from xai4land.grids.grid import Grid, Target, target_grid
from xai4land.grids.time import move_into_bounds
from xai4land.heads.outputs import CONFIDENCE_STEPS, unpack
from xai4land.typing import Ints
from xai4land_land.change.demand import Demand
from xai4land_land.change.prior import encode_prior, find_years, put_on_target
from xai4land_land.change.rollout import (
    Steps,
    Years,
    check_demand,
    check_steps,
    choose_years,
    drop_date,
    find_state_years,
    pair_dates,
)
from xai4land_land.change.settling import average, find_cells, settle

if TYPE_CHECKING:
    from xai4land_land.legends import Legend

__all__ = ["roll_between"]

CHUNK_SIDE = 2048
"""Rows and columns of the chunks of known maps that have none."""


def roll_between(
    emulator: Emulator,
    data: xr.Dataset,
    prior: xr.Dataset | xr.DataArray,
    *,
    static: xr.Dataset | None = None,
    target: Target = None,
    years: Years = None,
    every: int = 1,
    demand: Demand = "change",
    legend: str | Legend | None = None,
    options: Mapping[str, Any],
    **running: Any,
) -> xr.Dataset:
    """Make the maps of years between known maps, and beyond them from the nearer one.

    Between two known maps the probabilities of two rollouts, forward from the earlier and backward
    from the later, are averaged with weights linear in time, and a pixel takes one of the classes
    that the two give it (:func:`xai4land_land.change.settling.settle`).

    Returns
    -------
    Dataset
        As of :func:`xai4land_land.reconstruct`, and the maps of both rollouts:
        forward from the first known map on, and backward from the last; missing elsewhere. They
        begin anew at each known map.

    Raises
    ------
    InputError
        If a known map is of a year that is not asked for, or as with one known map.
    """
    from xai4land.inference.apply import apply_bound

    outputs, card = emulator.card.outputs, emulator.card
    assert isinstance(outputs, Changes)
    check_demand(demand)
    maps = encode_prior(prior, outputs, legend)
    dates = str(time_name(maps))
    maps = maps.sortby(dates)
    data = move_into_bounds(data)
    name, available = find_state_years(data, outputs)
    known = find_years(maps)
    wanted = _choose_years(available, known, years, every)
    anchors = [wanted.index(year) for year in known]
    chains = _make_chains(wanted, anchors)
    for chain in chains:
        check_steps(chain, outputs, card.name)
    selected = data.isel({name: [available.index(year) for year in wanted]})
    single = [drop_date(maps.isel({dates: [k]})) for k in range(len(known))]
    states = Grid.of(data[outputs.states[0]], "the states")
    grid = target_grid(target, states, Grid.of(single[0], "the prior map"))
    placed = [put_on_target(map_, grid) for map_ in single]
    on_target = dict(zip(anchors, map(_cut, placed), strict=True))
    unknown = xr.full_like(on_target[anchors[0]], MISSING_CLASS)
    every_step = [on_target.get(t, unknown) for t in range(len(wanted))]
    carried = xr.concat(every_step, selected[name], coords="minimal", compat="override")
    made = []
    for chain in chains:
        pairs = _pair_dates(selected, name, outputs, placed, anchors, chain, demand)
        pairs = pairs.assign({outputs.prior: carried})
        bound = bind(card, pairs, static, xr.Dataset(coords=grid.coords()))
        both = {**options, "probabilities": True}
        made.append(apply_bound(emulator, bound, data, both, previous=chain.previous, **running))
    cells = [
        find_cells(own.centres, axis)
        for own, axis in ((grid.lat, states.lat), (grid.lon, states.lon))
    ]
    joined = _join(made, outputs, _split(wanted, anchors), cells)
    if options.get("probabilities"):
        return joined
    return joined.drop_dims(str(joined[f"{outputs.name}_probability"].dims[1]))


def _choose_years(available: list[int], known: list[int], years: Years, every: int) -> list[int]:
    """Choose the years, all those of known maps among them."""
    wanted = choose_years(available, known[0], years, every)
    if absent := [year for year in known if year not in wanted]:
        some = ", ".join(map(str, absent))
        raise InputError(
            f"prior has maps of {some}, which are not among the years asked for ({wanted[0]} to "
            f"{wanted[-1]}, every {every}); add them to years=, or select the other maps of prior"
        )
    return wanted


def _make_chains(years: list[int], anchors: Sequence[int]) -> tuple[Steps, Steps]:
    """Return the steps forward from the first known map on, and backward from the last one."""
    later, earlier = range(anchors[0] + 1, len(years)), range(anchors[-1] - 1, -1, -1)
    return (
        Steps(years, {t: t - 1 for t in later if t not in anchors}),
        Steps(years, {t: t + 1 for t in earlier if t not in anchors}),
    )


def _pair_dates(
    data: xr.Dataset,
    time: str,
    outputs: Changes,
    maps: Sequence[xr.DataArray],
    anchors: Sequence[int],
    chain: Steps,
    demand: Demand,
) -> xr.Dataset:
    """Return the inputs at each step, each with the demand of the known map that it begins at."""
    parts = []
    forward = any(before < t for t, before in chain.previous.items())
    cuts = anchors[1:] if forward else [anchor + 1 for anchor in anchors[:-1]]
    pieces = itertools.pairwise([0, *cuts, len(chain.years)])
    for map_, anchor, (first, last) in zip(maps, anchors, pieces, strict=True):
        previous = [t - first for t in chain.filled[first:last]]
        part = data.isel({time: slice(first, last)})
        parts.append(pair_dates(part, outputs, map_, anchor - first, previous, demand))
    joined: xr.Dataset = xr.concat(
        parts, time, data_vars="minimal", coords="minimal", compat="override", join="override"
    )
    return joined


def _cut(map_: xr.DataArray) -> xr.DataArray:
    """Return a map as dask array, so that maps of many years are not copied into one."""
    return map_ if map_.chunks else map_.chunk(CHUNK_SIDE)


def _split(years: list[int], anchors: Sequence[int]) -> list[tuple[slice, list[float]]]:
    """Split the steps into those of one rollout, and those between two known maps.

    Returns
    -------
    list of (slice, list of float)
        With the weight of the backward rollout at each step: 0 or 1 for all, or all between.
    """
    pieces = [(slice(0, anchors[0]), [1.0] * anchors[0])]
    for one, two in itertools.pairwise(anchors):
        span = years[two] - years[one]
        pieces.append((slice(one, one + 1), [0.0]))
        pieces.append(
            (slice(one + 1, two), [(years[t] - years[one]) / span for t in range(one + 1, two)])
        )
    pieces.append((slice(anchors[-1], len(years)), [0.0] * (len(years) - anchors[-1])))
    return [(part, weights) for part, weights in pieces if weights]


def _join(
    made: Sequence[xr.Dataset],
    outputs: Changes,
    pieces: list[tuple[slice, list[float]]],
    cells: Sequence[Ints],
) -> xr.Dataset:
    """Join two rollouts to one series of maps."""
    import dask.array as da

    forward, backward = made
    name, probability = outputs.name, f"{outputs.name}_probability"
    names = (name, "confidence", probability)
    parts: dict[str, list[Any]] = {key: [] for key in names}
    for part, weights in pieces:
        one, two = ([rollout[key].data[part] for key in names] for rollout in made)
        alone = {0.0: one, 1.0: two}.get(weights[0])
        found = _blend(one, two, weights, cells, outputs) if alone is None else alone
        for key, array in zip(names, found, strict=True):
            parts[key].append(array)
    joined = forward.copy(data={key: da.concatenate(parts[key]) for key in names})
    for rollout, way in ((forward, "forward"), (backward, "backward")):
        long_name = f"{rollout[name].attrs.get('long_name', name)}, {way} from a known map"
        joined[f"{name}_{way}"] = rollout[name].assign_attrs(long_name=long_name)
    return joined


def _blend(
    forward: Sequence[Any],
    backward: Sequence[Any],
    weights: Sequence[float],
    cells: Sequence[Ints],
    outputs: Changes,
) -> list[Any]:
    """Return the map, its confidence and the probabilities of two rollouts, lazy."""
    import dask.array as da

    share = da.from_array(np.array(weights, np.float32), chunks=1)
    likely = da.blockwise(
        average, "tcyx", forward[2], "tcyx", backward[2], "tcyx", share, "t", dtype=np.float32
    )
    sizes = forward[0].chunks[1:]
    whole = [_align(n, line) for n, line in zip(sizes, cells, strict=True)]
    lines = [da.from_array(line, chunks=(n,)) for line, n in zip(cells, whole, strict=True)]
    in_cells = dict(zip((-2, -1), whole, strict=True))
    operands = [
        a.rechunk({a.ndim + d: n for d, n in in_cells.items()})
        for a in (forward[0], backward[0], likely)
    ]
    both = da.blockwise(
        settle,
        "tkyx",
        *itertools.chain(*zip(operands, ("tyx", "tyx", "tcyx"), strict=True)),
        share,
        "t",
        lines[0],
        "y",
        lines[1],
        "x",
        new_axes={"k": 2},
        concatenate=True,
        dtype=np.uint8,
        outputs=outputs,
    )
    map_, steps = (both[:, k].rechunk({1: sizes[0], 2: sizes[1]}) for k in range(2))
    sure = steps.map_blocks(unpack, CONFIDENCE_STEPS, "float32", dtype=np.float32)
    return [map_, sure, likely]


def _align(sizes: Sequence[int], cells: Ints) -> tuple[int, ...]:
    """Return sizes of chunks near given ones that cut no coarse cell."""
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    ends = np.cumsum(sizes)[:-1]
    places = np.searchsorted(starts, ends)
    inner = starts[places[places < starts.size]]
    return tuple(np.diff(np.unique([0, *inner, cells.size])).tolist())
