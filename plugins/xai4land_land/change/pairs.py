"""Pairs of maps of two years, from which change is learned."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xai4land.emulator import Changes
from xai4land.emulator.inputs import time_name
from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.time import move_into_bounds
from xai4land.training.distributed import World
from xai4land.training.regions import Region
from xai4land_land.change.demand import Demand, prior_fractions
from xai4land_land.change.prior import encode_prior, find_years
from xai4land_land.change.rollout import pair_dates
from xai4land_land.legends import Legend
from xai4land_land.truth import align

__all__ = ["choose_pairs", "make_pairs"]

YearPair = tuple[int, int]
"""Year of the prior map, and of the map."""


def choose_pairs(
    priors: Sequence[int], years: Sequence[int], steps: Sequence[int] | None = None
) -> list[YearPair]:
    """Return pairs of a prior map's year with another year, forward and backward.

    Parameters
    ----------
    priors, years : sequence of int
        Years of the prior maps, and of the truth.
    steps : sequence of int, optional
        Years between the two: all such pairs. By default maps that follow each other, and those
        2, 4, 8, ... maps apart, one after another without overlap: two pairs for each map and
        direction at most, while all pairs of 60 maps would be 3,540.

    Examples
    --------
    >>> choose_pairs([2009, 2012], [2009, 2012])
    [(2009, 2012), (2012, 2009)]
    >>> choose_pairs(range(2000, 2005), range(2000, 2005), steps=[4])
    [(2000, 2004), (2004, 2000)]
    >>> len(choose_pairs(range(1950, 2011), range(1950, 2011)))
    232
    """
    known = sorted({*priors, *years})
    if steps is None:
        lengths = [2**k for k in range(len(known).bit_length()) if 2**k < len(known)]
        spans = [(known[i], known[i + n]) for n in lengths for i in range(0, len(known) - n, n)]
    else:
        spans = [(a, a + n) for n in steps for a in known if a + n in known]
    ordered = [*spans, *((b, a) for a, b in spans)]
    return [(a, b) for a, b in ordered if a in priors and b in years]


def make_pairs(
    data: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    prior: xr.Dataset | xr.DataArray,
    outputs: Changes,
    pairs: Sequence[YearPair],
    *,
    static: xr.Dataset | None = None,
    legend: str | Legend | None = None,
    demand: Demand = "change",
    world: World | None = None,
) -> Region:
    """Return inputs and truth of pairs of years, one step a pair.

    The truth has two layers, the map to learn and the prior map, as the head of changes wants it.

    Parameters
    ----------
    data : Dataset
        Coarse states of all years, and static features.
    truth, prior : Dataset or DataArray
        Class maps with dates; of one grid.
    outputs : Changes
    pairs : sequence of tuple of int
        Year of the prior map, and of the map to learn.
    static : Dataset, optional
    legend : str or Legend, optional
    demand : {"change", "level"}
    world : World, optional
        The processes that train together; the first one computes the prior maps' fractions.

    Raises
    ------
    InputError
        If states or maps of a year are missing.
    """
    data = move_into_bounds(data)
    name = time_name(data[outputs.states[0]])
    if name is None:
        raise InputError("the states have no time axis, expected the years of both maps")
    years = data[name].dt.year.values.tolist()
    reference = encode_prior(truth, outputs, legend)
    maps = encode_prior(prior, outputs, legend)
    aligned = align(maps, Grid.of(reference, "the truth"))
    known = aligned.where(aligned >= 0, MISSING_CLASS).astype(np.uint8).assign_attrs(maps.attrs)
    before, after = _by_year(known), _by_year(reference)
    _check_years(pairs, years, before, after)
    states = Grid.of(data[outputs.states[0]], f"variable {outputs.states[0]!r}")
    first_years = sorted({first for first, _ in pairs})
    fractions = _compute_fractions([before[y] for y in first_years], states, outputs, world)
    own = dict(zip(first_years, fractions, strict=True))
    steps, truths, priors = [], [], []
    codes = np.array([c.value for c in outputs.classes], np.uint8)
    for number, (first, last) in enumerate(pairs):
        both = data.isel({name: [years.index(first), years.index(last)]})
        made = pair_dates(both, outputs, before[first], 0, [0, 0], demand, own[first])
        made = made.isel({name: [1]})
        made = made.assign({outputs.prior: before[first].expand_dims({name: made[name]})})
        # Pairs may have one year in common, and times must increase: the number stands for it.
        date = np.datetime64("2000-01-01") + np.timedelta64(number, "D")
        steps.append(made.assign_coords({name: [date]}))
        learned = _positions(after[last], codes)
        known = _positions(before[first], codes).where(learned != MISSING_CLASS, MISSING_CLASS)
        truths.append(learned.expand_dims({name: [date]}))
        priors.append(known.astype(np.uint8).expand_dims({name: [date]}))
    joined = xr.concat(steps, name, data_vars="minimal", coords="minimal", compat="override")
    return Region(joined, [xr.concat(truths, name), xr.concat(priors, name)], static)


def _compute_fractions(
    maps: Sequence[xr.DataArray], grid: Grid, outputs: Changes, world: World | None
) -> list[xr.DataArray]:
    """Compute the fractions of maps in coarse cells: each map is read once for all its pairs."""
    lazy = [prior_fractions(one, grid, outputs) for one in maps]

    def compute() -> bytes:
        content = io.BytesIO()
        np.save(content, xr.concat(lazy, "map").compute().values)
        return content.getvalue()

    values = np.load(io.BytesIO((world or World()).share(compute)), allow_pickle=False)
    return [part.copy(data=one) for part, one in zip(lazy, values, strict=True)]


def _by_year(maps: xr.DataArray) -> dict[int, xr.DataArray]:
    """Return each year's map, without its date."""
    name, years = time_name(maps), find_years(maps)
    parts = [maps] if name is None else [maps.isel({name: k}) for k in range(len(years))]
    attrs = maps.attrs
    bare = (part.reset_coords(drop=True).assign_attrs(attrs) for part in parts)
    return dict(zip(years, bare, strict=True))


def _check_years(
    pairs: Sequence[YearPair],
    years: Sequence[int],
    before: dict[int, xr.DataArray],
    after: dict[int, xr.DataArray],
) -> None:
    problems = [] if pairs else ["there is no pair of two different years; give maps of more years"]
    for what, needed, there in (
        ("states", {y for pair in pairs for y in pair}, years),
        ("prior maps", {a for a, _ in pairs}, before),
        ("truth", {b for _, b in pairs}, after),
    ):
        if absent := sorted(needed - set(there)):
            problems.append(
                f"there are no {what} of {', '.join(map(str, absent))} (they are of "
                f"{', '.join(map(str, sorted(there)))}); give pairs= that the data have"
            )
    InputError.raise_if(problems)


def _positions(coded: xr.DataArray, codes: np.ndarray) -> xr.DataArray:
    """Return positions among the classes, as training encodes the truth."""
    table = np.full(256, MISSING_CLASS, np.uint8)
    table[codes] = np.arange(codes.size)
    found: xr.DataArray = xr.apply_ufunc(
        lambda values: table[values], coded, dask="parallelized", output_dtypes=[np.uint8]
    )
    return found
