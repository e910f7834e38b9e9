"""Agreement of a map of classes with the truth: accuracy, overlap of classes, disagreement."""

from __future__ import annotations

import numpy as np
import xarray as xr

__all__ = ["score_agreement", "split_confusion"]

LONG_NAMES = {
    "accuracy": "share of the area where map and truth agree",
    "mean_iou": "mean intersection over union of the truth's classes",
    "macro_f1": "mean F1 score of the truth's classes",
    "quantity_disagreement": "share of the area that disagrees in the amounts of classes",
    "allocation_disagreement": "share of the area that disagrees in the places of classes",
    "iou": "intersection over union",
    "true_area": "share of the area that the class has in the truth",
    "map_area": "share of the area that the class has in the map",
    "area_bias": "area of the class in the map less that in the truth, in percent of the latter",
    "f1": "F1 score",
}


def split_confusion(confusion: xr.DataArray) -> xr.Dataset:
    """Return the areas on which scores depend, by class.

    Parameters
    ----------
    confusion : DataArray, shape (..., true_class, map_class)

    Returns
    -------
    Dataset
        ``right``, ``true`` and ``chosen`` (..., map_class): where map and truth both have a class,
        where the truth has it, and where the map has it.

    Examples
    --------
    >>> confusion = xr.DataArray([[3.0, 1.0], [0.0, 4.0]], dims=("true_class", "map_class"))
    >>> areas = split_confusion(confusion)
    >>> areas.right.values, areas.true.values, areas.chosen.values
    (array([3., 4.]), array([4., 4.]), array([3., 5.]))
    """
    same = xr.DataArray(np.eye(confusion.sizes["true_class"]), dims=("true_class", "map_class"))
    true = confusion.sum("map_class").rename(true_class="map_class")
    right = (confusion * same).sum("true_class")
    return xr.Dataset({"right": right, "true": true, "chosen": confusion.sum("true_class")})


def score_agreement(areas: xr.Dataset) -> xr.Dataset:
    """Score agreement by class and overall.

    Disagreement in quantity is half the sum over classes of the differences in area, the rest of
    what disagrees is one of allocation (Pontius and Millones 2011). Both add up to
    1 - accuracy.

    Parameters
    ----------
    areas : Dataset, shapes (..., map_class)
        ``right``, ``true`` and ``chosen``, as :func:`split_confusion` returns them.

    Returns
    -------
    Dataset
        ``accuracy``, ``mean_iou``, ``macro_f1``, ``quantity_disagreement``,
        ``allocation_disagreement`` (...); ``iou``, ``f1`` (..., map_class), missing for classes
        that the truth lacks, and means are over the others; ``true_area``, ``map_area`` and, in
        percent, ``area_bias`` (..., map_class), missing likewise.

    Examples
    --------
    >>> confusion = xr.DataArray([[3.0, 1.0], [0.0, 4.0]], dims=("true_class", "map_class"))
    >>> scores = score_agreement(split_confusion(confusion))
    >>> float(scores.accuracy), scores.iou.values
    (0.875, array([0.75, 0.8 ]))
    >>> float(scores.quantity_disagreement), float(scores.allocation_disagreement)
    (0.125, 0.0)
    >>> scores.area_bias.values
    array([-25.,  25.])
    """
    right, true, chosen = areas.right, areas.true, areas.chosen
    total = true.sum("map_class").where(lambda area: area > 0)
    there = true > 0
    iou = right / (true + chosen - right).where(there)
    f1 = 2 * right / (true + chosen).where(there)
    least = np.minimum(true, chosen).sum("map_class")
    scores = xr.Dataset(
        {
            "accuracy": right.sum("map_class") / total,
            "mean_iou": iou.mean("map_class"),
            "macro_f1": f1.mean("map_class"),
            "quantity_disagreement": 1 - least / total,
            "allocation_disagreement": (least - right.sum("map_class")) / total,
            "iou": iou,
            "f1": f1,
            "true_area": true / total,
            "map_area": chosen / total,
            "area_bias": 100 * (chosen - true) / true.where(there),
        }
    )
    for name, about in LONG_NAMES.items():
        scores[name].attrs = {"long_name": about, "units": "%" if name == "area_bias" else "1"}
    return scores
