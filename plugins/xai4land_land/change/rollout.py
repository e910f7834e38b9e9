"""Years that follow each other: each map is the prior map of the next, away from a known one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import xarray as xr

from xai4land.emulator import Changes, Emulator
from xai4land.emulator.inputs import DATES, Bound, bind, time_name
from xai4land.emulator.outputs import PRIOR_SUFFIX
from xai4land.errors import InputError
from xai4land.grids.grid import Grid, Target, target_grid
from xai4land.grids.time import move_into_bounds
from xai4land_land.change.demand import Demand, check_overlap, demand_states
from xai4land_land.change.prior import encode_prior, find_years, put_on_target, read_year

if TYPE_CHECKING:
    from xai4land_land.legends import Legend

__all__ = [
    "STEP_YEARS",
    "Steps",
    "Years",
    "check_demand",
    "check_steps",
    "choose_years",
    "drop_date",
    "find_state_years",
    "pair_dates",
    "pair_years",
    "roll_out",
]

Years = int | slice | Sequence[int] | None
STEP_YEARS = "years_from_prior"
"""Input of change emulators: years from the prior map to the map, negative backward in time."""


@dataclass(frozen=True)
class Steps:
    """The steps of a rollout.

    Attributes
    ----------
    years : list of int
        Ascending.
    previous : dict from int to int
        The step that each step follows from, in the order in which they can be made; a step that
        is not named is a prior map itself.
    """

    years: list[int]
    previous: dict[int, int]

    @classmethod
    def away_from(cls, years: list[int], start: int) -> Steps:
        """Return the steps away from the one of the prior map, either way."""
        backward = ((t, t + 1) for t in range(start - 1, -1, -1))
        forward = ((t, t - 1) for t in range(start + 1, len(years)))
        return cls(years, dict(itertools.chain(backward, forward)))

    @property
    def filled(self) -> list[int]:
        """The step that each step follows from; a prior map follows from itself."""
        return [self.previous.get(t, t) for t in range(len(self.years))]

    @property
    def lengths(self) -> list[int]:
        """Years from the one that each step follows from; 0 at the start, negative backward."""
        return [self.years[t] - self.years[before] for t, before in enumerate(self.filled)]


def roll_out(
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
    """Make maps year after year from a prior map; see :func:`xai4land_land.reconstruct`."""
    from xai4land.inference.apply import apply_bound

    outputs = emulator.card.outputs
    assert isinstance(outputs, Changes)
    map_ = encode_prior(prior, outputs, legend)
    pairs, steps, grid = pair_years(outputs, data, map_, years, every, demand, target)
    check_steps(steps, outputs, emulator.card.name)
    bound: Bound = bind(emulator.card, pairs, static, xr.Dataset(coords=grid.coords()))
    return apply_bound(emulator, bound, data, options, previous=steps.previous, **running)


def pair_years(
    outputs: Changes,
    data: xr.Dataset,
    prior: xr.DataArray,
    years: Years,
    every: int,
    demand: Demand,
    target: Target = None,
) -> tuple[xr.Dataset, Steps, Grid]:
    """Return the inputs of the years of a rollout, its steps, and the grid of its maps.

    Inputs are those of :func:`pair_dates`, and the prior map on the pixels of the maps, from which
    its fractions are taken: what the majority of finer pixels changes is no change of the land.
    """
    check_demand(demand)
    known = find_years(prior)
    if len(known) != 1:
        found = ", ".join(map(str, known))
        raise InputError(f"the prior map is of {found}, expected one year; select one of them")
    data = move_into_bounds(data)
    name, available = find_state_years(data, outputs)
    wanted = choose_years(available, known[0], years, every)
    start = wanted.index(known[0])
    steps = Steps.away_from(wanted, start)
    selected = data.isel({name: [available.index(year) for year in wanted]})
    states, own = Grid.of(data[outputs.states[0]], "the states"), Grid.of(prior, "the prior map")
    check_overlap(own, states)
    grid = target_grid(target, states, own)
    map_ = put_on_target(drop_date(prior), grid)
    pairs = pair_dates(selected, outputs, map_, start, steps.filled, demand)
    return pairs.assign({outputs.prior: map_}), steps, grid


def pair_dates(
    data: xr.Dataset,
    outputs: Changes,
    prior: xr.DataArray,
    start: int,
    previous: Sequence[int],
    demand: Demand,
    own: xr.DataArray | None = None,
) -> xr.Dataset:
    """Return the inputs at each step, with those of the step before and the years between.

    Parameters
    ----------
    data : Dataset
        One step for each map.
    outputs : Changes
    prior : DataArray of uint8, shape (rows, columns)
        In the codes of ``outputs``.
    start : int
        The step of the prior map.
    previous : sequence of int
        The step that each step follows from.
    demand : {"change", "level"}
    own : DataArray, optional
        The prior map's fractions, where they are known already.

    Returns
    -------
    Dataset
        For each variable with a time axis another one of the step before, named with ``_prior``;
        and ``years_from_prior``.
    """
    states = demand_states(data, outputs, prior, start, previous, demand, own)
    made = data.assign(states)
    time = time_name(made[outputs.states[0]])
    dates = made[time]
    found: dict[str, xr.DataArray] = {}
    for name, array in made.data_vars.items():
        if time in array.dims:
            before = array.isel({time: list(previous)}).assign_coords({time: dates})
            found[f"{name}{PRIOR_SUFFIX}"] = before
    years = dates.dt.year
    lengths = years - years.isel({time: list(previous)}).assign_coords({time: dates})
    space = xr.zeros_like(made[outputs.states[0]].isel({time: 0}, drop=True), dtype=np.float32)
    between = (lengths.astype(np.float32) + space).transpose(time, ...)
    found[STEP_YEARS] = between.assign_attrs(units="year", long_name="years from the prior map")
    return made.assign(found)


def check_demand(demand: str) -> None:
    """Refuse what is no kind of demand."""
    if demand not in get_args(Demand):
        raise InputError(f"demand={demand!r}, expected 'change' or 'level'")


def drop_date(prior: xr.DataArray) -> xr.DataArray:
    """Return a map without its time axis and other coordinates that are not its grid's."""
    name = time_name(prior)
    prior = prior if name is None else prior.isel({name: 0}, drop=True)
    return prior.reset_coords(drop=True)


def find_state_years(data: xr.Dataset, outputs: Changes) -> tuple[str, list[int]]:
    """Return the name of the states' time axis, and its years."""
    if absent := [name for name in outputs.states if name not in data]:
        raise InputError(
            f"no variables {', '.join(absent)}, expected the states of the prior map's year and of "
            "all others"
        )
    name = time_name(data[outputs.states[0]])
    if name is None:
        raise InputError(
            "the states have no time axis, expected one with the years of the prior map and of the "
            "maps; e.g. xr.concat([states_2009, states_2012], 'time')"
        )
    if not isinstance(data.indexes.get(name), DATES):
        raise InputError(
            f"the time axis {name!r} of the states has no dates; make them from years: "
            f"ds.assign_coords({name}=[np.datetime64(f'{{year}}-07-01') for year in years])"
        )
    years = data[name].dt.year.values.tolist()
    if repeated := sorted({year for year in years if years.count(year) > 1}):
        raise InputError(
            f"the states have {', '.join(map(str, repeated[:8]))} more than once, expected one "
            f"step a year; run ds.drop_duplicates({name!r}) or average each year"
        )
    return str(name), years


def choose_years(available: list[int], anchor: int, years: Years, every: int) -> list[int]:
    """Choose the years of a rollout; they ascend.

    Raises
    ------
    InputError
        If the prior map's year is not among them, states are missing, or steps do not end where
        they are to.
    """
    if not isinstance(every, int | np.integer) or isinstance(every, bool) or every < 1:
        raise InputError(f"every={every!r}, expected a whole number of years of at least 1")
    if isinstance(years, int | float | str | np.generic):
        years = slice(anchor, years)
    problems = []
    if years is None or isinstance(years, slice):
        ends = (None, None) if years is None else (years.start, years.stop)
        if isinstance(years, slice) and years.step is not None:
            raise InputError(f"years={years!r} has a step; give every={abs(years.step)} instead")
        first = min(available) if ends[0] is None else read_year(ends[0])
        last = max(available) if ends[1] is None else read_year(ends[1])
        low, high = min(first, last), max(first, last)
        wanted = [y for y in range(low, high + 1) if (y - anchor) % every == 0]
        if years is None and every == 1:
            wanted = sorted(available)
            problems += _find_gaps(wanted)
        if wanted and (missed := [y for y in ends if y is not None and read_year(y) not in wanted]):
            problems.append(
                f"every={every} from {anchor} does not reach {missed[-1]}; give years= from "
                f"{wanted[0]} to {wanted[-1]}, or another every="
            )
    else:
        wanted = [read_year(y) for y in np.asarray(list(years))]
        if repeated := sorted({y for y in wanted if wanted.count(y) > 1}):
            raise InputError(f"years asks for {', '.join(map(str, repeated))} twice")
        wanted = sorted(wanted)
    known = f"{min(available)} to {max(available)}"
    if anchor not in available:
        problems.append(
            f"there are no states of {anchor}, the prior map's year (they are of {known}); add "
            "them, or give a prior map of one of these years"
        )
    elif anchor not in wanted:
        shown = f"{wanted[0]} to {wanted[-1]}" if wanted else "none"
        problems.append(
            f"the prior map is of {anchor}, which is not among the years asked for ({shown}); "
            f"years must begin or end there, e.g. years=slice({anchor}, {max(available)})"
        )
    elif wanted == [anchor] and (years is None or every > 1):
        problems.append(
            f"every={every} leaves no year but {anchor}, the prior map's own (the states are of "
            f"{known}); add states of other years, or give a smaller every="
        )
    if absent := [y for y in wanted if y not in available and y != anchor]:
        some = ", ".join(map(str, absent[:8])) + (", ..." if len(absent) > 8 else "")
        problems.append(
            f"there are no states of {some} (they are of {known}); add "
            "them, or give years= or every= that the states have"
        )
    InputError.raise_if(problems)
    return wanted


def _find_gaps(years: Sequence[int]) -> list[str]:
    """Say which of the years that ascend are farther apart than others."""
    spans = list(itertools.pairwise(years))
    shortest = min((later - first for first, later in spans), default=0)
    gaps = [f"{first} and {later}" for first, later in spans if later - first > shortest]
    if not gaps:
        return []
    some = "; ".join(gaps[:4]) + ("; ..." if len(gaps) > 4 else "")
    return [
        f"the states have gaps: no year between {some}; add them, or give "
        "years=ds.time.dt.year.values to make a longer step there"
    ]


def check_steps(steps: Steps, outputs: Changes, name: str) -> None:
    """Refuse steps that the emulator was not trained on."""
    low, high = outputs.steps
    lengths = [n for n in steps.lengths if n]
    problems = []
    if odd := sorted({abs(n) for n in lengths if not low <= abs(n) <= high}):
        problems.append(
            f"steps of {', '.join(map(str, odd))} years, expected {low} to {high}, as emulator "
            f"{name!r} was trained on; give every={low if odd[0] < low else high}, and states of "
            "all these years"
        )
    if not outputs.backward and any(n < 0 for n in lengths):
        problems.append(
            f"emulator {name!r} was trained forward in time only; give years= from that of the "
            "prior map on, and one prior map"
        )
    InputError.raise_if(problems)
