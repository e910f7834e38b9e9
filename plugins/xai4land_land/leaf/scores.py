"""Scores of leaf area: of all months, of the mean cycle of the year, and of anomalies from it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid
from xai4land.grids.time import middle_of_steps
from xai4land.scores.blocks import MIN_BLOCKS
from xai4land.scores.significance import block_bootstrap
from xai4land.typing import Floats, Ints
from xai4land_land.leaf.observed import read_leaf_area
from xai4land_land.leaf.steps import count_steps, find_step, step_of_year

__all__ = ["score_leaf_area"]

LONG_NAMES = {
    "rmse": "root mean squared error of leaf area index",
    "bias": "mean error of leaf area index",
    "r2": "share of the variance of leaf area index that is explained",
    "cycle_correlation": "correlation of the mean cycle of the year",
    "cycle_share": "share of the variance of the mean cycle that is explained",
    "anomaly_share": "share of the variance of anomalies from the mean cycle that is explained",
}
SAMPLES, LEVEL = 500, 0.9
"""Resamples of the blocks, and how many of them an interval holds."""


def score_leaf_area(
    made: xr.Dataset | xr.DataArray,
    truth: xr.Dataset | xr.DataArray,
    *,
    block: float = 10.0,
    intervals: bool = True,
) -> xr.Dataset:
    """Score leaf area against the truth, at steps and pixels that both know.

    All sums are weighted with the area of pixels. The mean cycle is that of the months (dekads,
    days) of the year at each pixel, without its annual mean; anomalies are departures from it, so
    they have no score where a step of the year is there once.

    Parameters
    ----------
    made, truth : Dataset or DataArray, shape (time, latitude, longitude)
        ``leaf_area_index``. On one grid; their common months, dekads or days count.
    block : float
        Degrees of the square blocks of the area, which are drawn with replacement for the 90 %
        intervals, since neighbours err alike.
    intervals : bool
        Whether to compute them.

    Returns
    -------
    Dataset
        ``rmse``, ``bias``, ``r2``, ``cycle_correlation``, ``cycle_share``, ``anomaly_share``, and
        of each ``<score>_interval`` (bound), missing with fewer than five blocks.

    Raises
    ------
    InputError
        If grids differ, or there is no common step.

    Examples
    --------
    >>> import xai4land
    >>> world = xai4land.sample("leaf_area", years=[2000, 2001]).isel(lat=slice(60, 90))
    >>> truth = world.expected_leaf_area_index
    >>> scores = score_leaf_area(truth + 0.5, truth, intervals=False)
    >>> round(float(scores.bias), 4), round(float(scores.anomaly_share), 4)
    (0.5, 1.0)
    """
    values, months, grid = _align(read_leaf_area(made, "leaf area"), read_leaf_area(truth))
    sums = _sum_parts(values[0], values[1], months)
    weights = cell_areas(grid).values.ravel()
    sums *= (weights / weights.sum())[:, None]
    rows, columns = (np.floor(axis.values / block) for axis in (grid.lat, grid.lon))
    pairs = np.stack(np.meshgrid(rows, columns, indexing="ij"), -1).reshape(-1, 2)
    _, place = np.unique(pairs, axis=0, return_inverse=True)
    grouped = np.zeros((place.max() + 1, len(PARTS)))
    np.add.at(grouped, place.ravel(), sums)
    known = grouped[grouped[:, 0] > 0]
    blocks = xr.DataArray(known, {"part": list(PARTS)}, ("block", "part"))
    scores = _score(blocks)
    found = {name: scores.sel(score=name, drop=True) for name in LONG_NAMES}
    if intervals:
        bounds = block_bootstrap(_score, blocks, dim="block", block=1, samples=SAMPLES, level=LEVEL)
        bounds = bounds.where(len(known) >= MIN_BLOCKS)
        found |= {f"{n}_interval": bounds.sel(score=n, drop=True) for n in LONG_NAMES}
    data = xr.Dataset(found)
    for name, about in LONG_NAMES.items():
        data[name].attrs = {"long_name": about, "units": "1"}
        if intervals:
            data[f"{name}_interval"].attrs = {"long_name": f"{about}, interval", "units": "1"}
    return data


def _align(made: xr.DataArray, truth: xr.DataArray) -> tuple[list[Floats], Ints, Grid]:
    """Return values of both in the steps that they share, (steps, pixels) each."""
    grids = [Grid.of(array) for array in (made, truth)]
    if not (grids[0].lat == grids[1].lat and grids[0].lon == grids[1].lon):
        raise InputError("leaf area and truth are on different grids; regrid one of them")
    step = find_step(truth)
    numbers = [count_steps(array, step) for array in (made, truth)]
    if any(np.unique(n).size < n.size for n in numbers):
        raise InputError(f"leaf area or truth has several steps in a {step}; average them first")
    common, *places = np.intersect1d(numbers[0], numbers[1], return_indices=True)
    if not len(common):
        raise InputError(f"leaf area and truth have no {step} in common")
    dates = middle_of_steps(truth).isel(time=places[1])
    values = [
        array.isel(time=at).transpose("time", *grid.names).values.astype(np.float64)
        for array, at, grid in zip((made, truth), places, grids, strict=True)
    ]
    in_year = step_of_year(common, step, dates)
    return [one.reshape(len(common), -1) for one in values], in_year, grids[1]


PARTS = ("n", "e", "ee", "t", "tt", "mc", "tc", "mtc", "ec", "ta", "ea")
"""Count; error; its square; truth; its square; squares of both cycles, their product, and of their
difference; squares of anomalies of the truth, and of the difference of anomalies."""


def _sum_parts(made: Floats, truth: Floats, calendar: Ints) -> Floats:
    """Sum over time what scores are made of, shape (pixels, parts)."""
    both = np.isfinite(made) & np.isfinite(truth)
    sums, known = np.zeros((both.shape[1], len(PARTS))), both.any(0)
    both = both[:, known]
    made, truth = (np.where(both, one[:, known], np.nan) for one in (made, truth))
    (mc, ma), (tc, ta) = (_split(one, calendar) for one in (made, truth))
    error = made - truth
    terms = [
        both, error, error**2, truth, truth**2,
        mc**2, tc**2, mc * tc, (mc - tc) ** 2, ta**2, (ma - ta) ** 2,
    ]  # fmt: skip
    sums[known] = np.stack([np.nansum(term, 0) for term in terms], -1)
    return sums


def _split(values: Floats, calendar: Ints) -> tuple[Floats, Floats]:
    """Return the mean cycle without its mean, and what is left, both (months, pixels)."""
    usual = np.full(values.shape, np.nan)
    for month in np.unique(calendar):
        own = calendar == month
        count = np.isfinite(values[own]).sum(0)
        usual[own] = np.nansum(values[own], 0) / np.where(count > 0, count, np.nan)
    anomaly = values - usual
    usual = np.where(np.isfinite(values), usual, np.nan)
    count = np.isfinite(usual).sum(0)
    return usual - np.nansum(usual, 0) / np.where(count > 0, count, np.nan), anomaly


def _score(blocks: xr.DataArray) -> xr.DataArray:
    """Return scores from sums of blocks, shape (score,)."""
    n, e, ee, t, tt, mc, tc, mtc, ec, ta, ea = blocks.sum("block").values
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = [
            np.sqrt(ee / n),
            e / n,
            1 - ee / (tt - t * t / n),
            mtc / np.sqrt(mc * tc),
            1 - ec / tc,
            1 - ea / ta,
        ]
    values = np.where(np.isfinite(scores), scores, np.nan)
    return xr.DataArray(values, {"score": list(LONG_NAMES)}, ("score",))
