"""Training of an emulator of leaf area on a user's land cover, climate and leaf area."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.settings import resolve_settings
from xai4land.training.settings import MapSettings
from xai4land_land.leaf.climate import list_climate
from xai4land_land.leaf.cover import CROSSWALK
from xai4land_land.leaf.emulator import LeafArea, LeafAreaEmulator
from xai4land_land.leaf.inputs import form_inputs, mask_climate
from xai4land_land.leaf.observed import read_leaf_area
from xai4land_land.leaf.outputs import GrowingClass
from xai4land_land.leaf.steps import Step, count_steps, find_step
from xai4land_land.legends import LEGENDS, flag_meanings

__all__ = ["fit_leaf_area"]

BOUND = 8.0
"""Largest leaf area index of a class that nothing else is said of."""
BOUNDS = {"urban": 5.0, "pasture": 6.0, "grass_shrub": 6.0, "nonforest_natural": 7.0}
BARE = ("water", "ocean_other", "ice", "barren", "sparse", "ocean", "no_data")
"""Classes without leaves, if nothing else is said."""
WINDOW = 32
PARAMETERS = {"months-rnn": {"compress": True}, "months-mlp": {"compress": True}}
"""Of architectures, if nothing else is said."""
ABSENT = 0.2
"""Share of what is learned from without some of rain and radiation."""


def fit_leaf_area(
    data: xr.Dataset,
    /,
    climate: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    *,
    static: xr.Dataset | None = None,
    bounds: Mapping[str, float] | None = None,
    inputs: Sequence[str] = (),
    lags: int = 12,
    name: str = "my-leaf-area",
    title: str = "",
    licence: str = "",
    command: str = "",
    training_data: str = "",
    architecture: str = "months-rnn",
    parameters: dict[str, Any] | None = None,
    window: int = WINDOW,
    validation: float = 0.15,
    validation_years: Sequence[int] = (),
    absent: float = ABSENT,
    settings: MapSettings | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: bool = True,
    **changes: Any,
) -> LeafAreaEmulator:
    """Train an emulator of leaf area of months, dekads or days.

    Whole blocks of 30 x 30 cells of the land cover are held out for validation, and whole years if
    ``validation_years`` names some: then only these years of these blocks judge which weights are
    best and how wide the spread is, and nothing is learned from either. To keep regions or years
    out of all of this, for a test, set the truth there to missing.

    Parameters
    ----------
    data : Dataset
        Land cover, as of :func:`leaf_area`.
    climate : Dataset
        As of :func:`leaf_area`, at the steps of the truth. Where there are ``pr`` and ``rsds``, the
        emulator learns to do with and without them; see ``absent``.
    truth : Dataset or DataArray
        Leaf area index on the grid of the outputs, missing where it is unknown: in gaps, under
        clouds, and where quality flags say so. Of months, dekads (from days 1, 11 and 21) or days,
        which are among those of the climate.
    static : Dataset, optional
        Static features.
    bounds : mapping from str to float, optional
        Classes that have leaves, and their largest leaf area index; all others have none. By
        default all classes but water, ice, barren and sparse land.
    inputs : sequence of str
        Static features that the emulator sees, such as ``["elevation"]``.
    lags : int
        Months of climate that it sees: the step itself, and means of the months before.
    name, title, licence, command, training_data : str
        For the card.
    architecture : {"months-rnn", "months-mlp", "unet", ...}
        A registered architecture, built with ``parameters``. The first two work on each pixel
        alone.
    window : int
        Pixels along a side of a window.
    validation : float
        Share of the blocks that are held out.
    validation_years : sequence of int, optional
        Years that are held out, such as the last ones.
    absent : float
        Share of what is learned without rain, without radiation, or without both, so that the
        emulator can do without; more of it costs skill where they are there.
    settings : MapSettings, dict or path-like, optional
        How to train; in float32 if nothing else is said, see :func:`leaf_area`.
    device : str
    progress : bool
    **changes
        Single settings, such as ``epochs=5``.

    Returns
    -------
    LeafAreaEmulator
        With the weights that were best on the validation blocks.

    Raises
    ------
    InputError
        Listing what does not fit together.

    Examples
    --------
    >>> import xai4land
    >>> land = xai4land.sample("leaf_area", years=[2000])
    >>> climate = xai4land.sample("land_climate", years=[1999, 2000])
    >>> emulator = land.ai4land.fit_leaf_area(
    ...     climate, land.leaf_area_index, epochs=1, steps=1, batch_size=1, progress=False)
    >>> emulator.card.outputs.lags
    12
    """
    from xai4land.training.fit import fit_maps
    from xai4land.training.regions import Region

    training = resolve_settings(MapSettings, settings, changes, parameters=_PARAMETERS)
    if training.precision == "auto":
        training = replace(training, precision="float32")
    observed = read_leaf_area(truth)
    leaves = describe_classes(data, bounds, lags, find_step(observed))
    formed = form_inputs(data, climate, leaves)
    formed, observed = _match_steps(formed, observed, leaves.step)
    held = _find_held(observed, validation_years)
    regions = [
        Region(part, [observed], static, weight, held)
        for part, weight in _list_views(formed, absent)
    ]
    named = [str(n) for n in formed.data_vars if str(n) not in leaves.coarse_inputs]
    emulator = fit_maps(
        regions,
        leaves,
        inputs=[*named, *inputs],
        name=name,
        title=title or "Monthly leaf area index",
        licence=licence,
        command=command or "ds.ai4land.fit_leaf_area(climate, truth, ...)",
        training_data=training_data or str(observed.attrs.get("title", "")),
        architecture=architecture,
        parameters={**PARAMETERS.get(architecture, {}), **(parameters or {})},
        window=window,
        validation=validation,
        settings=training,
        kind=LeafAreaEmulator,
        device=device,
        progress=progress,
    )
    assert isinstance(emulator, LeafAreaEmulator)
    return emulator


def _list_views(formed: xr.Dataset, absent: float) -> list[tuple[xr.Dataset, float]]:
    """Return the inputs with all and with some of the optional climate, and the share of each."""
    if not 0 <= absent < 1:
        raise InputError(f"absent={absent}, expected a share of the windows from 0 to below 1")
    optional = [v for v in list_climate(formed) if v != "tas"]
    lost = [s for n in range(len(optional)) for s in combinations(optional, n + 1)]
    if not lost or not absent:
        return [(formed, 1.0)]
    return [(formed, 1 - absent), *((mask_climate(formed, s), absent / len(lost)) for s in lost)]


def _find_held(observed: xr.DataArray, years: Sequence[int]) -> list[int]:
    """Return the steps of the years that are held out."""
    there = observed["time"].dt.year.values
    if absent := sorted({*years} - {*there.tolist()}):
        raise InputError(
            f"validation_years= names {', '.join(map(str, absent))}, but the truth that has inputs "
            f"is of {there.min()} to {there.max()}"
        )
    held = np.isin(there, list(years))
    if held.all():
        raise InputError(
            f"validation_years= holds out all of {there.min()} to {there.max()}; name fewer years"
        )
    return np.flatnonzero(held).tolist()


_PARAMETERS = tuple(inspect.signature(fit_leaf_area).parameters)


def describe_classes(
    data: xr.Dataset,
    bounds: Mapping[str, float] | None,
    lags: int = 12,
    step: Step = "month",
) -> LeafArea:
    """Describe the classes of a land cover: those with leaves, bare ones, and their other names.

    Parameters
    ----------
    data : Dataset
        Fractions, or a map with flags.
    bounds : mapping from str to float, optional
        Of the classes that have leaves.
    lags : int
    step : {"month", "dekad", "day"}

    Raises
    ------
    InputError
        If a class of ``bounds`` is not there.
    """
    maps = [a for a in data.data_vars.values() if "flag_meanings" in a.attrs]
    if maps:
        names = list(flag_meanings(maps[0]).values())
    else:
        known = {c.name for legend in LEGENDS.values() for c in legend.classes}
        names = [str(n) for n in data.data_vars if str(n) in known | {*(bounds or ())}]
    if absent := sorted({*(bounds or ())} - {*names}):
        raise InputError(
            f"bounds= names {', '.join(absent)}, but the land cover has {', '.join(names)}"
        )
    growing = dict(bounds or {n: BOUNDS.get(n, BOUND) for n in names if n not in BARE})
    if not growing:
        raise InputError(
            f"the land cover has no class that leaves grow in: {', '.join(names) or 'none at all'};"
            " give bounds={'forest': 8, ...}"
        )
    merged = {
        other: c.name
        for legend in LEGENDS.values()
        for c in legend.classes
        for other in c.merges
        if c.name in names
    }
    merged |= {other: name for other, name in CROSSWALK.items() if name in names}
    return LeafArea(
        classes=tuple(GrowingClass(name=n, bound=float(b)) for n, b in growing.items()),
        bare=tuple(n for n in names if n not in growing),
        legend={k: v for k, v in merged.items() if k not in names},
        step=step,
        lags=lags,
    )


def _match_steps(
    formed: xr.Dataset, truth: xr.DataArray, step: Step
) -> tuple[xr.Dataset, xr.DataArray]:
    """Return inputs and truth of the steps that both have, on one time axis."""
    ours, theirs = count_steps(formed, step), count_steps(truth, step)
    if np.unique(theirs).size < theirs.size:
        raise InputError(
            f"the truth seems to be of {step}s, but has several steps in some; average it over "
            "months, over dekads (from days 1, 11 and 21), or over days"
        )
    both, at, of = np.intersect1d(ours, theirs, return_indices=True)
    if not both.size:
        years = [d["time"].dt.year.values for d in (truth, formed)]
        raise InputError(
            f"the truth is of {years[0][0]} to {years[0][-1]}, land cover and climate give "
            f"leaf area from {years[1][0]} to {years[1][-1]}; bring the same {step}s"
        )
    formed = formed.isel(time=at)
    grid = Grid.of(truth, "the truth")
    matched = truth.isel(time=of).transpose("time", *grid.names)
    return formed, matched.assign_coords(time=formed["time"].values)
