"""Scores of a map beside its baselines, on the same pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from xai4land.adapters.xarray import is_in_memory
from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.grid import Grid
from xai4land_land.legends import Legend, flag_meanings, match_classes
from xai4land_land.truth import (
    NO_CLASS,
    UNKNOWN,
    Recoding,
    align,
    as_variable,
    drop_single,
    match_years,
)

__all__ = ["evaluate", "summarise"]

SOURCES = {"emulator": "", "bilinear": "_bilinear", "nearest": "_nearest"}


def evaluate(
    data: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    *,
    name: str = "land_cover",
    legend: str | Legend | None = None,
) -> xr.Dataset:
    """Score a map, and the baselines in it, against a reference map; lazily.

    Pixels where the map and the truth are both known are compared, weighted by the cosine of
    latitude. Mask the truth to compare a part, e.g. ``truth.where(truth != water)`` for land.

    Parameters
    ----------
    data : Dataset
        As :func:`reconstruct` returns it.
    truth : Dataset or DataArray
        Classes with CF flags, at the map's resolution; codes that merge into the map's
        classes are merged. Years are matched.
    name : str
        The map's variable.
    legend : str or Legend, optional
        How the truth's codes merge. By default the legend whose classes the map has.

    Returns
    -------
    Dataset
        ``accuracy``, ``mean_iou``, ``macro_f1`` (source); ``iou``, ``f1`` (source,
        land_cover_class); ``confusion`` (source, true_class, land_cover_class), in shares of
        the area compared; ``left_out`` (source), the share of the area where map and truth are
        known that is not compared, since no class takes its code in one of them. Sources are the
        emulator and the baselines; means are over the classes that the truth has. Lazy where the
        maps are; otherwise a warning names the codes.

    Raises
    ------
    InputError
        If the grids, years or classes cannot be compared.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> world = planet.ai4land.reconstruct()
    >>> scores = world.ai4land.evaluate(planet.land_cover).compute()
    >>> bool(scores.accuracy.sel(source="emulator") > scores.accuracy.sel(source="nearest"))
    True
    """
    if name not in data:
        raise InputError(
            f"no variable {name!r} to evaluate; there are {', '.join(map(str, data.data_vars))}"
        )
    made, reference = drop_single(data[name], "the map"), as_variable(truth)
    meanings = flag_meanings(made)
    classes = list(dict.fromkeys(meanings.values()))
    own = Recoding.of(made, {v: classes.index(m) for v, m in meanings.items()}, "the map")
    theirs = Recoding.of(reference, match_classes(classes, reference, legend))
    grid = Grid.of(made, "the map")
    step = time_name(made)
    reference = match_years(align(reference, grid), made[step] if step else None)
    dims = made.dims
    reference = reference.transpose(*dims)
    area = np.cos(np.deg2rad(grid.lat.values))
    found = {}
    for array, recoding in ((reference, theirs), (made, own)):
        if is_in_memory(array):
            recoding.warn(array.values, recoding(array.values))
    for source, suffix in SOURCES.items():
        if name + suffix in data:
            variable = drop_single(data[name + suffix], "the map").transpose(*dims)
            found[source] = _count_confusion(variable, own, reference, theirs, area, len(classes))
    counted = _stack(list(found.values()))
    confusion = xr.DataArray(
        counted[:, :-1, :-1],
        dims=("source", "true_class", "land_cover_class"),
        coords={
            "source": list(found),
            "true_class": classes,
            "land_cover_class": classes,
        },
    )
    scores = _compute_scores(confusion)
    left = counted[:, -1, :].sum(-1) + counted[:, :-1, -1].sum(-1)
    about = "share of the known area that is left out, since no class takes its code"
    left_out = left / counted.sum((-2, -1))
    scores["left_out"] = ("source", left_out, {"long_name": about, "units": "1"})
    what = f"scores of {name!r}, weighted by area"
    return scores.assign_attrs(cf.global_attrs(data, "Scores of a map of classes", what, what))


def summarise(scores: xr.Dataset) -> pd.DataFrame:
    """Return scores as a table, one row a source; computed here.

    Parameters
    ----------
    scores : Dataset
        From :func:`evaluate`.

    Returns
    -------
    DataFrame
        Indexed by ``source``; columns ``accuracy``, ``mean_iou``, ``macro_f1``, ``left_out`` if
        it is not zero, and the intersection over union of each class that the truth has, as
        ``IoU forest``.

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
    left = ["left_out"] if "left_out" in scores else []
    scores = scores[[*means, "iou", *left]].compute()
    columns = [*means, *(name for name in left if (scores[name] > 0).any())]
    table = scores[columns].to_dataframe()[columns]
    classes = scores.iou.to_pandas().dropna(axis="columns", how="all").add_prefix("IoU ")
    table = table.join(classes)
    # Words from a file are Python objects.
    table.index, table.columns = table.index.astype(str), table.columns.astype(str)
    return table


def _count_confusion(
    made: xr.DataArray,
    own: Recoding,
    reference: xr.DataArray,
    theirs: Recoding,
    area: npt.NDArray[np.float64],
    classes: int,
) -> Any:
    """Return the confusion matrix in area, truth by row; a dask array if either map is.

    The last row and column are of codes that no class takes.
    """
    classes += 1

    def count(
        map_: npt.NDArray[Any], truth: npt.NDArray[Any], weight: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        chosen, right = own(map_), theirs(truth)
        known = (chosen != UNKNOWN) & (right != UNKNOWN)
        chosen, right = (np.where(p == NO_CLASS, classes - 1, p) for p in (chosen, right))
        weights = np.broadcast_to(weight, map_.shape)[known]
        pairs = right[known].astype(np.int64) * classes + chosen[known]
        total = np.bincount(pairs, weights=weights, minlength=classes**2)
        return total.astype(np.float64).reshape(*(1,) * (map_.ndim - 2), classes, classes)

    weight = area[:, None]
    if made.chunks is None and reference.chunks is None:
        return count(made.values, reference.values, weight).reshape(-1, classes, classes).sum(0)
    import dask.array as da

    one = made.data if made.chunks else da.from_array(made.values, chunks=reference.chunks)
    two = da.asarray(reference.data).rechunk(one.chunks)
    weights = da.from_array(weight, chunks=(one.chunks[-2], 1))
    blocks = da.map_blocks(
        count,
        one,
        two,
        weights,
        chunks=(
            *((1,) * n for n in one.numblocks[:-2]),
            *((classes,) * n for n in one.numblocks[-2:]),
        ),
        dtype=np.float64,
    )
    rows, columns = one.numblocks[-2:]
    split = blocks.reshape(-1, rows, classes, columns, classes)
    return split.sum((0, 1, 3))


def _stack(items: list[Any]) -> Any:
    if any(not isinstance(item, np.ndarray) for item in items):
        import dask.array as da

        return da.stack(items)
    return np.stack(items)


def _compute_scores(confusion: xr.DataArray) -> xr.Dataset:
    total = confusion.sum(("true_class", "land_cover_class"))
    confusion = confusion / total
    same = xr.DataArray(np.eye(confusion.true_class.size), dims=("true_class", "land_cover_class"))
    right = (confusion * same).sum("true_class")
    true = confusion.sum("land_cover_class").rename(true_class="land_cover_class")
    chosen = confusion.sum("true_class")
    there = true > 0
    iou = (right / (true + chosen - right)).where(there)
    f1 = (2 * right / (true + chosen)).where(there)
    scores = xr.Dataset(
        {
            "accuracy": right.sum("land_cover_class").where(total > 0),
            "mean_iou": iou.mean("land_cover_class"),
            "macro_f1": f1.mean("land_cover_class"),
            "iou": iou,
            "f1": f1,
            "confusion": confusion,
        }
    )
    for name, about in {
        "accuracy": "share of the area where map and truth agree",
        "mean_iou": "mean intersection over union of the truth's classes",
        "macro_f1": "mean F1 score of the truth's classes",
        "iou": "intersection over union",
        "f1": "F1 score",
        "confusion": "share of the area by true class and class of the map",
    }.items():
        scores[name].attrs = {"long_name": about, "units": "1"}
    for name, about in {
        "source": "emulator or baseline that gave the map",
        "true_class": "class of the truth",
        "land_cover_class": "class of the map",
    }.items():
        scores[name].attrs = {"long_name": about}
    return scores
