"""Scores of a map beside its baselines, on the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_

import numpy as np
import pandas as pd
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.grid import Grid
from xai4land.scores.agreement import score_agreement, split_confusion
from xai4land.scores.areas import joint_areas
from xai4land.scores.blocks import bootstrap_blocks, sum_blocks
from xai4land.scores.change import (
    CLASS_DIMS,
    PARTS,
    change_parts,
    figure_of_merit,
    score_transitions,
)
from xai4land.scores.texture import LONG_NAMES as TEXTURE_NAMES
from xai4land.scores.windows import match_in_windows
from xai4land_land.comparison import Comparison, Prior, compare_maps
from xai4land_land.diagnostics import Cells, find_calibration, find_coarse, find_texture, stack
from xai4land_land.legends import Legend
from xai4land_land.regions import find_regions

__all__ = ["evaluate", "summarise"]

CHANGED = PARTS[:4]

LONG_NAMES = TEXTURE_NAMES | {
    "confusion": "share of the area by true class and class of the map",
    "left_out": "share of the known area that is left out, since no class takes its code",
    "figure_of_merit": "hits by the union of observed and simulated change",
    "hits": "share of the area that changes to the same class in truth and map",
    "misses": "share of the area that changes in the truth alone",
    "false_alarms": "share of the area that changes in the map alone",
    "wrong_hits": "share of the area that changes in truth and map, to different classes",
    "persistence": "share of the area that changes in neither",
    "observed_transition": "share of the area by class of the prior and of the truth",
    "simulated_transition": "share of the area by class of the prior and of the map",
    "transition_precision": "part of the simulated transition that is observed",
    "transition_recall": "part of the observed transition that is simulated",
    "transition_f1": "F1 score of the transition",
    "observed_gain": "share of the area that the class gains in the truth",
    "simulated_gain": "share of the area that the class gains in the map",
    "observed_loss": "share of the area that the class loses in the truth",
    "simulated_loss": "share of the area that the class loses in the map",
    "source": "emulator, baseline or other map",
    "true_class": "class of the truth",
    "land_cover_class": "class of the map",
    "from_class": "class of the prior",
    "to_class": "class after the change",
    "factor": "pixels along a side of a window",
    "region": "region that is scored",
    "event": "what is said with a probability: that the map is right, or that a class is there",
}


def evaluate(
    data: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    *,
    prior: Prior = None,
    factors: Sequence[int] = (1,),
    blocks: float | None = None,
    cells: Cells = None,
    where: xr.DataArray | None = None,
    weights: xr.DataArray | None = None,
    regions: xr.DataArray | None = None,
    name: str = "land_cover",
    legend: str | Legend | None = None,
) -> xr.Dataset:
    """Score a map, and the maps beside it, against a reference map; lazily.

    Pixels that all maps know are compared, weighted by the cosine of latitude. Mask the truth to
    leave classes out, e.g. ``truth.where(truth != water)`` for land. Sources are the map
    (``emulator``), each variable beside it whose name begins with its name (the baselines, or your
    own ``land_cover_...``), and with a prior ``persistence``, the prior itself.

    Parameters
    ----------
    data : Dataset
        As :func:`reconstruct` returns it.
    truth : Dataset or DataArray
        Classes with CF flags, at the map's resolution; codes that merge into the map's
        classes are merged. Years are matched.
    prior : Dataset, DataArray or int, optional
        The map of an earlier or a later year, to score change: like the truth, but one step, or
        the year of a step of ``data``. The prior's own year is not scored.
    factors : sequence of int
        With a prior: sizes of windows, in pixels, in which change may be anywhere; pixels (1) are
        always scored. Windows are counted from the north pole and 180°W.
    blocks : float, optional
        Degrees along a side of the blocks that are resampled for intervals.
    cells : float, Dataset or DataArray, optional
        Degrees of the coarse cells that the map was made from, or data on them: score its texture.
        A pixel belongs to the cell that holds its centre.
    where : DataArray of bool, optional
        Compare these pixels alone. Of this, of ``weights`` and of ``regions``, each (rows,
        columns) on any grid, a pixel takes the value of the cell that holds its centre: so a mask
        of coarse cells is one, too.
    weights : DataArray, optional
        Weight of each pixel instead of the cosine of its latitude.
    regions : DataArray of whole numbers, optional
        Score each region by itself, along a dimension ``region``: codes, named by their flags;
        missing or negative where there is none. They are read here.
    name : str
        The map's variable.
    legend : str or Legend, optional
        How the codes of truth and prior merge. By default the legend whose classes the map has.

    Returns
    -------
    Dataset
        ``accuracy``, ``mean_iou``, ``macro_f1``, ``quantity_disagreement``,
        ``allocation_disagreement`` (source), the last two adding up to 1 - accuracy (Pontius and
        Millones 2011); ``iou``, ``f1``, ``true_area``, ``map_area`` in shares of the area
        compared, and ``area_bias`` in percent of the truth's (source, land_cover_class);
        ``confusion`` (source, true_class, land_cover_class), in shares, too; ``left_out``
        (source), the
        share of the area where maps are known that is not compared, since no class takes its code
        in one of them. Means are over the classes that the truth has. Lazy where the maps are;
        otherwise a warning names the codes.

        Where the map gives ``confidence``, and the probability of every class: how often they are
        so, for an ``event`` each (the class of the map is right; a class is there):
        ``calibration_error`` (event), and ``reliability_probability``,
        ``reliability_frequency`` and ``reliability_weight`` (event, bin), see
        :func:`xai4land.scores.calibration.describe_calibration`.

        With ``cells``: ``boundary_density`` (source), the share of neighbouring pixels that
        differ, ``border_ratio`` (source), how much more often they do across borders of coarse
        cells than inside, both for the truth as ``true_...``, too, and ``misplaced_area``
        (source), the share of the area that is in another coarse cell than in the truth.

        With a prior, in shares of the area too: ``hits``, ``misses``, ``false_alarms``,
        ``wrong_hits``, ``persistence`` and their ``figure_of_merit`` (source, factor), see
        :func:`xai4land.scores.change.figure_of_merit` and
        :func:`xai4land.scores.windows.match_in_windows`; ``observed_transition``,
        ``simulated_transition``, ``transition_precision``, ``transition_recall``,
        ``transition_f1`` (source, from_class, to_class); ``observed_gain``, ``simulated_gain``,
        ``observed_loss``, ``simulated_loss`` (source, land_cover_class).

        With ``blocks``, of accuracy, mean_iou and figure_of_merit (of pixels): 90 % intervals as
        ``<score>_interval``, and as ``<score>_gain_interval`` that of the emulator's score less
        each other's, on the same blocks (source, bound).

    Raises
    ------
    InputError
        If the grids, years or classes cannot be compared, or masks, weights or regions are none.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> world = planet.ai4land.reconstruct()
    >>> scores = world.ai4land.evaluate(planet.land_cover).compute()
    >>> bool(scores.accuracy.sel(source="emulator") > scores.accuracy.sel(source="nearest"))
    True

    Change from a map of another year:

    >>> before = xai4land.sample("land", years=[1950]).land_cover
    >>> change = world.ai4land.evaluate(planet.land_cover, prior=before, factors=(1, 4)).compute()
    >>> change.source.values.tolist()
    ['emulator', 'bilinear', 'nearest', 'persistence']
    >>> float(change.figure_of_merit.sel(source="persistence", factor=1))
    0.0
    """
    coarse = _check_options(factors, blocks, cells)
    maps = compare_maps(
        data, truth, prior=prior, name=name, legend=legend, where=where, weights=weights
    )
    if regions is None:
        scores = _score(maps, factors, blocks, coarse)
    else:
        parts = {
            region: _score(maps.select(mask), factors, blocks, coarse)
            for region, mask in find_regions(regions, maps.grid)
        }
        names = xr.DataArray(list(parts), dims="region", name="region")
        scores = xr.concat(list(parts.values()), names, combine_attrs="override")
    _describe(scores)
    what = f"scores of {name!r}, weighted by area"
    return scores.assign_attrs(cf.global_attrs(data, "Scores of a map of classes", what, what))


def _score(
    maps: Comparison, factors: Sequence[int], blocks: float | None, coarse: Grid | None
) -> xr.Dataset:
    """Return the scores of maps on the same pixels."""
    every = _sum_areas(maps)
    dims = every.dims[1:]
    areas = every.isel(dict.fromkeys(dims, slice(None, -1)))
    total = areas.sum(dims)
    total = total.where(total > 0)
    confusion = areas if maps.prior is None else areas.sum("prior_class")
    scores = score_agreement(split_confusion(confusion))
    scores["confusion"] = confusion / total
    scores["left_out"] = _find_left_out(every)
    if maps.prior is not None:
        sizes = sorted({*map(int, factors)} - {1})
        parts = _find_parts(maps, change_parts(areas), sizes).assign_coords(factor=[1, *sizes])
        scores["figure_of_merit"] = figure_of_merit(parts)
        scores = scores.merge(parts / total).merge(score_transitions(areas / total))
    if blocks is not None:
        scores = scores.merge(_find_intervals(maps, blocks))
    if coarse is not None:
        scores = scores.merge(find_texture(maps, coarse))
    if maps.probabilities:
        scores = scores.merge(find_calibration(maps))
    classes = {dim: maps.classes for dim in scores.dims if str(dim).endswith("_class")}
    scores = scores.assign_coords({"source": list(maps.sources), **classes})
    return scores.rename(map_class="land_cover_class")


def summarise(scores: xr.Dataset) -> pd.DataFrame:
    """Return scores as a table, one row a source; computed here.

    Parameters
    ----------
    scores : Dataset
        From :func:`evaluate`.

    Returns
    -------
    DataFrame
        Indexed by ``source``, or by region and source; columns ``accuracy``, ``mean_iou``,
        ``macro_f1``; with a prior ``figure_of_merit`` and its four parts, of pixels; the bounds
        of intervals, as ``accuracy_lower`` and ``accuracy_gain_upper``; ``left_out`` if it is not
        zero; the intersection over union of each class that the truth has, as ``IoU forest``.

    Raises
    ------
    InputError
        If the dataset holds no scores.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> scores = planet.ai4land.reconstruct().ai4land.evaluate(planet.land_cover)
    >>> scores.ai4land.summarise().index.tolist()
    ['emulator', 'bilinear', 'nearest']
    """
    means = ["accuracy", "mean_iou", "macro_f1"]
    if absent := [name for name in (*means, "iou") if name not in scores]:
        raise InputError(
            f"the dataset has no {', '.join(absent)}, expected scores; "
            "out.ai4land.evaluate(truth) gives them"
        )
    scores = scores.sel(factor=1, drop=True) if "factor" in scores.dims else scores
    change = [name for name in ("figure_of_merit", *CHANGED) if name in scores]
    intervals = [str(name) for name in scores.data_vars if str(name).endswith("_interval")]
    left = ["left_out"] if "left_out" in scores else []
    scores = scores[[*means, *change, *intervals, *left, "iou"]].compute()
    bounds = {
        f"{name.removesuffix('interval')}{bound}": scores[name].sel(bound=bound, drop=True)
        for name in intervals
        for bound in ("lower", "upper")
    }
    left = [name for name in left if (scores[name] > 0).any()]
    columns = [*means, *change, *bounds, *left]
    order = [dim for dim in ("region", "source") if dim in scores.dims]
    table = scores.assign(bounds)[columns].to_dataframe(dim_order=order)[columns]
    classes = scores.iou.to_series().unstack("land_cover_class")[scores.land_cover_class.values]
    classes = classes.dropna(axis="columns", how="all").add_prefix("IoU ")
    table = table.join(classes)
    # Words from a file are Python objects.
    levels = [table.index.get_level_values(dim).astype(str) for dim in order]
    table.index = levels[0] if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)
    table.columns = table.columns.astype(str)
    return table


def _check_options(factors: Sequence[int], blocks: float | None, cells: Cells) -> Grid | None:
    """Return the grid of the coarse cells, if there are any."""
    problems: list[str] = []
    coarse = None
    try:
        coarse = find_coarse(cells)
    except InputError as error:
        problems += error.problems
    if isinstance(factors, int) or any(factor != int(factor) or factor < 1 for factor in factors):
        problems.append(f"factors={factors!r}, expected numbers of pixels, as factors=(1, 3, 9)")
    if blocks is not None and not blocks > 0:
        problems.append(f"blocks={blocks!r}, expected degrees along a side, as blocks=1.0")
    InputError.raise_if(problems)
    return coarse


def _sum_areas(maps: Comparison) -> xr.DataArray:
    """Return the area of each combination of classes by source, the last one for no class."""
    size = len(maps.classes) + 1
    dims = CLASS_DIMS if maps.prior is not None else CLASS_DIMS[1:]
    areas = [joint_areas(maps.maps(source), maps.weights, size) for source in maps.sources]
    return xr.DataArray(stack(areas), dims=("source", *dims))


def _find_left_out(every: xr.DataArray) -> xr.DataArray:
    """Return the share of an area whose code no class takes in one of the maps."""
    dims = every.dims[1:]
    last = [xr.DataArray(np.arange(every.sizes[d]) == every.sizes[d] - 1, dims=[d]) for d in dims]
    found: xr.DataArray = every.where(reduce(or_, last), 0).sum(dims) / every.sum(dims)
    return found


def _find_parts(maps: Comparison, pixels: xr.Dataset, factors: Sequence[int]) -> xr.Dataset:
    """Return areas of hits, misses, false alarms, wrong hits and persistence by factor."""
    found = [pixels]
    for factor in factors:
        sums = [
            match_in_windows(
                maps.maps(source), maps.weights, maps.windows(factor), len(maps.classes)
            )
            for source in maps.sources
        ]
        areas = xr.DataArray(stack(sums), dims=("source", "part"))
        parts = {name: areas.isel(part=k) for k, name in enumerate(PARTS[:-1])}
        changed = sum(parts.values()) - sum(pixels[name] for name in parts)
        found.append(xr.Dataset({**parts, "persistence": pixels.persistence - changed}))
    return xr.concat(found, "factor").transpose("source", "factor")


def _find_intervals(maps: Comparison, size: float) -> xr.Dataset:
    """Return intervals of scores from blocks of so many degrees."""
    scores = ["accuracy", "mean_iou"] + ["figure_of_merit"] * (maps.prior is not None)
    blocks = maps.blocks(size)
    sums = [
        sum_blocks(maps.maps(source), maps.weights, blocks, len(maps.classes))
        for source in maps.sources
    ]
    areas = xr.DataArray(stack(sums), dims=("source", "block", "area"))
    return bootstrap_blocks(areas, _score_areas, scores)


def _score_areas(areas: xr.Dataset) -> xr.Dataset:
    return score_agreement(areas).assign(figure_of_merit=figure_of_merit(areas))


def _describe(scores: xr.Dataset) -> None:
    """Set attributes of variables and coordinates."""
    for key in map(str, scores.variables):
        score = key.removesuffix("_gain_interval").removesuffix("_interval")
        about = LONG_NAMES.get(score) or str(scores[score].attrs.get("long_name", ""))
        if key.endswith("_gain_interval"):
            about = f"{score}: 90 % interval of the emulator's gain over the source"
        elif key.endswith("_interval"):
            about = f"{score}: 90 % interval"
        units = str(scores[key].attrs.get("units", "1"))
        known = {} if key in scores.coords and key != "bin" else {"units": units}
        scores[key].attrs = {"long_name": about} | known
    if "bound" in scores.coords:
        scores["bound"].attrs = {"long_name": "end of the interval"}
