"""Training on an emulator's own maps, so that it has met the errors that it makes in a rollout.

In a rollout an emulator sees its own maps, in training true ones; errors make them unlike any prior
map that it knows, and grow. So it is rolled out over the years of the truth and trained further,
with its own map of a year as the prior map of the true one of a later year. This is the
aggregation of data of Ross et al. (2011, DAgger), and does for maps what scheduled sampling (Bengio
et al. 2015) does for words.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import xarray as xr

from xai4land.emulator import Changes, Emulator
from xai4land.emulator.inputs import time_name
from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.errors import InputWarning
from xai4land.grids.time import move_into_bounds
from xai4land.training.fit import train_on
from xai4land.training.regions import Region
from xai4land.training.settings import MapSettings
from xai4land_land.change.pairs import YearPair, make_pairs
from xai4land_land.change.prior import find_years
from xai4land_land.change.rollout import find_state_years, roll_out
from xai4land_land.legends import Legend
from xai4land_land.truth import as_variable

__all__ = ["find_rollouts", "make_own_pairs", "train_on_own_maps"]


def train_on_own_maps(
    emulator: Emulator,
    region: Region,
    rollouts: int,
    data: xr.Dataset,
    truth: xr.DataArray,
    prior: xr.Dataset | xr.DataArray,
    pairs: Sequence[YearPair],
    *,
    static: xr.Dataset | None = None,
    legend: Legend | None = None,
    settings: MapSettings,
    device: str = "auto",
    progress: bool = True,
) -> Emulator:
    """Roll an emulator out and train it further, beside true prior maps on its own; repeat.

    Parameters
    ----------
    emulator : Emulator
        Trained on ``region``.
    region : Region
        Pairs whose prior maps are true.
    rollouts : int
        How often.
    data, truth, prior, pairs, static, legend
        What the region was made from, see :func:`xai4land_land.change.pairs.make_pairs`.
    settings : MapSettings
        Of each training.
    device : str
    progress : bool

    Returns
    -------
    Emulator
        The same one, with a warning, if no rollout reaches the first year of a pair.
    """
    outputs = emulator.card.outputs
    assert isinstance(outputs, Changes)
    _, years = find_state_years(move_into_bounds(data), outputs)
    rolled = list(find_rollouts(years, pairs, outputs.steps))
    if not rolled:
        warnings.warn(
            "rollouts= has no effect: it needs pairs that begin in a year that a rollout reaches; "
            "give maps of three years or more",
            InputWarning,
            stacklevel=3,
        )
        return emulator
    for number in range(1, rollouts + 1):
        own = [
            make_own_pairs(
                emulator, data, truth, prior, *way, static=static, legend=legend, device=device
            )
            for way in rolled
        ]
        emulator = train_on(
            emulator,
            [region, *own],
            settings=settings.name_files(f"rollout-{number}"),
            device=device,
            progress=progress,
        )
    record = {**emulator.card.training, "rollouts": rollouts}
    return type(emulator)(emulator.card.with_(training=record), emulator.weights)


def make_own_pairs(
    emulator: Emulator,
    data: xr.Dataset,
    truth: xr.DataArray,
    prior: xr.Dataset | xr.DataArray,
    years: Sequence[int],
    pairs: Sequence[YearPair],
    *,
    static: xr.Dataset | None = None,
    legend: Legend | None = None,
    device: str = "auto",
) -> Region:
    """Return pairs whose prior maps are an emulator's own; its rollout is computed here.

    What is learned is where the truth changes. Elsewhere the own map stays as it is: which of its
    pixels are wrong cannot be seen, and to undo them is no change that the states demand.

    Parameters
    ----------
    emulator : Emulator
    data, truth, prior, static, legend
        As for :func:`xai4land_land.change.pairs.make_pairs`.
    years : sequence of int
        Of the rollout, beginning with that of the known map.
    pairs : sequence of tuple of int
        They begin in one of these years.
    device : str
    """
    outputs = emulator.card.outputs
    assert isinstance(outputs, Changes)
    maps = as_variable(prior)
    name = time_name(maps)
    known = maps if name is None else maps.isel({name: [find_years(maps).index(years[0])]})
    made = roll_out(
        emulator,
        data,
        known,
        static=static,
        years=years,
        legend=legend,
        options={},
        device=device,
    )
    # Computed once, and read many times.
    own = made[outputs.name].compute()
    from_own, from_true = (
        make_pairs(data, truth, before, outputs, pairs, static=static, legend=legend)
        for before in (own, maps)
    )
    (after, now), (_, before) = from_own.truth, from_true.truth
    learned = xr.where((after == before) & (after != MISSING_CLASS), now, after)
    return replace(from_own, truth=[learned.transpose(*after.dims), now])


def find_rollouts(
    years: Sequence[int], pairs: Sequence[YearPair], steps: tuple[int, int]
) -> Iterator[tuple[list[int], list[YearPair]]]:
    """Give the years of a rollout in each direction, and the pairs that begin in one of them.

    A rollout goes from the first year of all pairs of a direction, in steps as short as may be.
    Pairs that begin in its first year are left out, since the map of that year is the true one.

    Parameters
    ----------
    years : sequence of int
        Of the states.
    pairs : sequence of tuple of int
    steps : tuple of int
        Fewest and most years of a step.

    Examples
    --------
    >>> list(find_rollouts(range(2000, 2004), [(2000, 2001), (2002, 2003)], (1, 1)))
    [([2000, 2001, 2002], [(2002, 2003)])]
    >>> list(find_rollouts([2009, 2012], [(2009, 2012), (2012, 2009)], (3, 3)))
    []
    """
    low, high = steps
    for sign in (1, -1):
        same = [pair for pair in pairs if (pair[1] - pair[0]) * sign > 0]
        if not same:
            continue
        ends = sorted((first for first, _ in same), reverse=sign < 0)
        wanted = ends[:1]
        for year in sorted(years, reverse=sign < 0):
            inside = ends[0] * sign < year * sign <= ends[-1] * sign
            if inside and low <= abs(year - wanted[-1]) <= high:
                wanted.append(year)
        if followed := [pair for pair in same if pair[0] in wanted[1:]]:
            yield wanted, followed
