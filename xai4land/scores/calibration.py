"""Calibration of the probabilities of a map: how often what is said with a probability is so."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.scores.areas import UNKNOWN, spread_weights, sum_over_chunks
from xai4land.typing import Floats

__all__ = ["BINS", "describe_calibration", "sum_reliability"]

BINS = 10
"""Equal bins of probability, from 0 to 1."""

LONG_NAMES = {
    "reliability_probability": "mean probability that is given, by bin",
    "reliability_frequency": "share of the area where it is so, by bin",
    "reliability_weight": "share of the area, by bin",
    "calibration_error": "mean distance of probability and frequency over the bins, by area",
}


def sum_reliability(
    probability: xr.DataArray, happened: xr.DataArray, weights: xr.DataArray
) -> Any:
    """Sum the area, the probability and what happened in each bin of probability.

    Parameters
    ----------
    probability : DataArray, shape (..., lat, lon)
        Missing ones are left out.
    happened : DataArray of uint8, shape (..., lat, lon)
        1 where it is so, 0 where not, :data:`xai4land.scores.areas.UNKNOWN` where not known.
    weights : DataArray, shape (lat,) or (lat, lon)
        Area of a pixel, or its weight.

    Returns
    -------
    array, shape (3, BINS)
        Area; area times probability; area where it happened. Lazy where the maps are.
    """
    return sum_over_chunks(_count_bins, [probability, happened, weights], (3, BINS))


def _count_bins(
    probability: npt.NDArray[Any], happened: npt.NDArray[np.uint8], weights: Floats
) -> Floats:
    known = (happened != UNKNOWN) & np.isfinite(probability)
    likely, area = probability[known], spread_weights(weights, known.shape)[known]
    # Probabilities in steps of .01 are less than a bin's edge by a rounding error.
    place = np.clip(np.floor(likely * BINS + 1e-6).astype(np.int64), 0, BINS - 1)
    sums = [area, area * likely, area * (happened[known] == 1)]
    return np.stack([np.bincount(place, one, BINS) for one in sums])


def describe_calibration(sums: xr.DataArray) -> xr.Dataset:
    """Compute reliability and its error from sums.

    Parameters
    ----------
    sums : DataArray, shape (..., sum, bin)
        As :func:`sum_reliability` returns them.

    Returns
    -------
    Dataset
        ``reliability_probability``, ``reliability_frequency``, ``reliability_weight`` (..., bin),
        and ``calibration_error`` (...), the expected calibration error (Naeini et al. 2015).

    Examples
    --------
    Said with .9, and so in three of four:

    >>> probability = xr.DataArray(np.full((1, 4), 0.9), dims=("lat", "lon"))
    >>> happened = xr.DataArray(np.array([[1, 1, 1, 0]], np.uint8), dims=("lat", "lon"))
    >>> sums = sum_reliability(probability, happened, xr.DataArray([1.0], dims="lat"))
    >>> found = describe_calibration(xr.DataArray(sums, dims=("sum", "bin")))
    >>> round(float(found.calibration_error), 3), float(found.reliability_frequency[-1])
    (0.15, 0.75)
    """
    area, likely, happened = (sums.isel(sum=k, drop=True) for k in range(3))
    used = area.where(area > 0)
    total = used.sum("bin")
    table = xr.Dataset(
        {
            "reliability_probability": likely / used,
            "reliability_frequency": happened / used,
            "reliability_weight": area / total.where(total > 0),
        }
    )
    error = abs(likely - happened).sum("bin") / total.where(total > 0)
    table["calibration_error"] = error
    middles = (np.arange(BINS) + 0.5) / BINS
    about = {"long_name": "middle of a bin of probability", "units": "1"}
    table = table.assign_coords(bin=("bin", middles, about))
    for name, text in LONG_NAMES.items():
        table[name].attrs = {"long_name": text, "units": "1"}
    return table
