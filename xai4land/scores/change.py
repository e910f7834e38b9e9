"""Change from an earlier map to a later one: observed, simulated, and where the two meet.

Maps of three kinds are compared: the *prior*, the *truth* of another year, and the *map* that
simulates the truth. Each pixel is one of five parts (Pontius et al. 2008): a hit (observed and
simulated change to the same class), a miss (observed, not simulated), a false alarm (simulated,
not observed), a wrong hit (observed and simulated, to different classes) or persistence.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.typing import Ints

__all__ = [
    "CLASS_DIMS",
    "PARTS",
    "UNKNOWN_PART",
    "change_parts",
    "figure_of_merit",
    "find_parts",
    "score_transitions",
]

CLASS_DIMS = ("prior_class", "true_class", "map_class")

PARTS = ("hits", "misses", "false_alarms", "wrong_hits", "persistence")

UNKNOWN_PART = len(PARTS)
"""Code of a pixel that one of the maps does not know."""


def find_parts(
    prior: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], made: npt.NDArray[np.integer]
) -> Ints:
    """Return which of :data:`PARTS` each pixel is, by position.

    Examples
    --------
    >>> prior, truth, made = np.array([[0, 0, 0, 0, 0], [1, 1, 0, 1, 0], [1, 0, 1, 2, 0]])
    >>> find_parts(prior, truth, made)
    array([0, 1, 2, 3, 4])
    """
    observed, simulated = truth != prior, made != prior
    parts = [observed & (truth == made), observed & ~simulated, ~observed & simulated]
    return np.select([*parts, observed], range(4), default=4)


def change_parts(areas: xr.DataArray) -> xr.Dataset:
    """Divide an area into hits, misses, false alarms, wrong hits and persistence.

    Parameters
    ----------
    areas : DataArray, shape (..., prior_class, true_class, map_class)
        Of each combination of classes, all in the same order.

    Returns
    -------
    Dataset, shapes (...)
        One variable for each of :data:`PARTS`, in the unit of ``areas``.

    Examples
    --------
    >>> areas = xr.DataArray(np.zeros((2, 2, 2)), dims=CLASS_DIMS)
    >>> areas[0, 1, 1], areas[0, 1, 0], areas[0, 0, 0] = 1.0, 3.0, 96.0
    >>> parts = change_parts(areas)
    >>> float(parts.hits), float(parts.misses), float(figure_of_merit(parts))
    (1.0, 3.0, 0.25)
    """
    codes = np.meshgrid(*(np.arange(areas.sizes[dim]) for dim in CLASS_DIMS), indexing="ij")
    part = xr.DataArray(find_parts(*codes), dims=CLASS_DIMS)
    return xr.Dataset(
        {name: areas.where(part == k, 0).sum(CLASS_DIMS) for k, name in enumerate(PARTS)}
    )


def figure_of_merit(parts: xr.Dataset) -> xr.DataArray:
    """Compute hits / (hits + misses + false alarms + wrong hits) (Pontius et al. 2008).

    1 is perfect; persistence has 0. Placing change at random has about c / (2 - c), if a share c
    changes to one class: a share c² is hit, and 2 c - c² changes in either map. Missing where
    nothing changes.
    """
    union = parts.hits + parts.misses + parts.false_alarms + parts.wrong_hits
    found: xr.DataArray = parts.hits / union.where(union > 0)
    return found


def score_transitions(areas: xr.DataArray) -> xr.Dataset:
    """Score change by transition, and sum it by class.

    Parameters
    ----------
    areas : DataArray, shape (..., prior_class, true_class, map_class)

    Returns
    -------
    Dataset
        ``observed_transition`` and ``simulated_transition`` (..., from_class, to_class), areas;
        ``transition_precision`` (part of the simulated that is right), ``transition_recall`` (part
        of the observed that is found), ``transition_f1``, all missing where there is nothing to
        divide by, and from a class to itself. ``observed_gain``, ``simulated_gain``,
        ``observed_loss`` and ``simulated_loss`` (..., map_class), areas.

    Examples
    --------
    >>> areas = xr.DataArray(np.zeros((2, 2, 2)), dims=CLASS_DIMS)
    >>> areas[0, 1, 1], areas[0, 1, 0], areas[0, 0, 1] = 2.0, 6.0, 2.0
    >>> scores = score_transitions(areas)
    >>> float(scores.transition_precision[0, 1]), float(scores.transition_recall[0, 1])
    (0.5, 0.25)
    >>> scores.observed_gain.values, scores.simulated_loss.values
    (array([0., 8.]), array([4., 0.]))
    """
    prior, true, made = CLASS_DIMS
    pair = ("from_class", "to_class")
    size = areas.sizes[prior]
    observed = areas.sum(made).rename({prior: "from_class", true: "to_class"})
    simulated = areas.sum(true).rename({prior: "from_class", made: "to_class"})
    same = xr.DataArray(np.eye(size), dims=(true, made))
    right = (areas * same).sum(true).rename({prior: "from_class", made: "to_class"})
    change = xr.DataArray(~np.eye(size, dtype=bool), dims=pair)
    observed, simulated = (area.where(change) for area in (observed, simulated))
    both = observed + simulated
    scores = {
        "observed_transition": observed,
        "simulated_transition": simulated,
        "transition_precision": right / simulated.where(simulated > 0),
        "transition_recall": right / observed.where(observed > 0),
        "transition_f1": 2 * right / both.where(both > 0),
    }
    for name, area in (("observed", observed), ("simulated", simulated)):
        scores[f"{name}_gain"] = area.sum("from_class").rename(to_class=made)
        scores[f"{name}_loss"] = area.sum("to_class").rename(from_class=made)
    return xr.Dataset(scores)
