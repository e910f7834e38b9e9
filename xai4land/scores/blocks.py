"""Intervals of scores of maps, from resampled blocks of the area."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.scores.areas import find_known, spread_weights, sum_over_chunks
from xai4land.scores.change import PARTS, find_parts
from xai4land.typing import Floats, Ints

__all__ = ["MIN_BLOCKS", "bootstrap_blocks", "sum_blocks"]

SAMPLES = 1000
"""Resamples of the blocks."""

SAMPLES_AT_ONCE = 50

TAILS = (0.05, 0.95)

MIN_BLOCKS = 5
"""Known blocks that an interval needs."""


def sum_blocks(
    maps: Sequence[xr.DataArray],
    weights: xr.DataArray,
    blocks: tuple[xr.DataArray, xr.DataArray],
    classes: int,
) -> Any:
    """Sum in each block the areas on which scores depend.

    Parameters
    ----------
    maps : sequence of DataArray, shape (..., lat, lon)
        Codes of truth and map, or of prior, truth and map; pixels where one is not below
        ``classes`` are left out.
    weights : DataArray, shape (lat,) or (lat, lon)
        Area of a pixel, or its weight.
    blocks : tuple of DataArray, shapes (lat,) and (lon,)
        Number of the block that a row, and a column, is in, from 0.
    classes : int

    Returns
    -------
    array, shape (block, 3 * classes + 5)
        By class, the area where truth and map agree, that of the truth and that of the map; then
        that of each of :data:`xai4land.scores.change.PARTS`. Lazy where the maps are.
    """
    rows, columns = (int(numbers.max()) + 1 for numbers in blocks)
    shape = rows, columns
    count = partial(_count_blocks, maps=len(maps), classes=classes, shape=shape)
    wide = 3 * classes + len(PARTS)
    return sum_over_chunks(count, [*maps, weights, *blocks], (rows * columns, wide))


def _count_blocks(
    *arrays: npt.NDArray[Any], maps: int, classes: int, shape: tuple[int, int]
) -> Floats:
    codes, (weights, rows, columns) = arrays[:maps], arrays[maps:]
    known = find_known(codes, classes)
    block = np.broadcast_to(rows[:, None] * shape[1] + columns, known.shape)[known]
    area = spread_weights(weights, known.shape)[known]
    *prior, truth, made = (one[known] for one in codes)

    def count(places: Ints, size: int, area: Floats) -> Floats:
        found = np.bincount(block * size + places, area, shape[0] * shape[1] * size)
        return found.astype(np.float64).reshape(-1, size)

    sums = [count(truth, classes, area * (truth == made))]
    sums += [count(places, classes, area) for places in (truth, made)]
    parts = find_parts(prior[0], truth, made) if prior else np.zeros(truth.shape, np.int64)
    return np.concatenate([*sums, count(parts, len(PARTS), area)], 1)


def bootstrap_blocks(
    sums: xr.DataArray, score: Callable[[xr.Dataset], xr.Dataset], scores: Sequence[str]
) -> xr.Dataset:
    """Compute 90 % intervals of scores from blocks drawn with replacement.

    The same blocks are drawn for all sources, so that their differences are paired.
    Neighbouring pixels err alike, so pixels drawn one by one would give intervals that are too
    narrow; blocks should be wider than their likeness reaches (Lahiri 2003).

    Parameters
    ----------
    sums : DataArray, shape (source, block, 3 * classes + 5)
        As :func:`sum_blocks` returns them for each source.
    score : callable
        Takes a dataset with ``right``, ``true``, ``chosen`` (..., map_class) and
        :data:`xai4land.scores.change.PARTS` (...), and returns ``scores`` (...).
    scores : sequence of str

    Returns
    -------
    Dataset
        ``<score>_interval``, and ``<score>_gain_interval``, of the first source's score less each
        other's, (source, bound). Missing where fewer than :data:`MIN_BLOCKS` blocks are known.
        Lazy where ``sums`` are.
    """
    found = xr.apply_ufunc(
        partial(_resample, score=score, scores=tuple(scores)),
        sums,
        input_core_dims=[["source", "block", "area"]],
        output_core_dims=[["score", "kind", "source", "bound"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "allow_rechunk": True,
            "output_sizes": {"score": len(scores), "kind": 2, "bound": 2},
        },
    ).assign_coords(bound=["lower", "upper"])
    kinds = ("interval", "gain_interval")
    return xr.Dataset(
        {
            f"{name}_{kind}": found.isel(score=i, kind=k)
            for i, name in enumerate(scores)
            for k, kind in enumerate(kinds)
        }
    )


def _resample(
    sums: Floats, score: Callable[[xr.Dataset], xr.Dataset], scores: tuple[str, ...]
) -> Floats:
    """Return intervals, shape (score, kind, source, bound), from sums (source, block, area)."""
    sources, _, wide = sums.shape
    sums = sums[:, sums.any((0, 2))]
    blocks = sums.shape[1]
    if blocks < MIN_BLOCKS:
        return np.full((len(scores), 2, sources, len(TAILS)), np.nan)
    flat = sums.transpose(1, 0, 2).reshape(blocks, -1)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(0, SAMPLES, SAMPLES_AT_ONCE):
        places = rng.integers(0, blocks, (SAMPLES_AT_ONCE, blocks))
        counts = np.stack([np.bincount(row, minlength=blocks) for row in places])
        drawn.append(counts.astype(np.float64) @ flat)
    found = score(_name_areas(np.concatenate(drawn).reshape(SAMPLES, sources, wide)))
    values = np.stack([found[name].transpose("sample", "source").values for name in scores])
    kinds = np.stack([values, values[:, :, :1] - values], 1)
    # A source without a score in any sample has none in the interval, without a warning.
    known = np.isfinite(kinds).any(2)
    bounds = np.nanquantile(np.where(known[:, :, None], kinds, 0.0), TAILS, axis=2)
    return np.where(known[..., None], np.moveaxis(bounds, 0, -1), np.nan)


def _name_areas(sums: Floats) -> xr.Dataset:
    """Return the areas of :func:`sum_blocks` by name, from an array (sample, source, area)."""
    dims = ("sample", "source")
    classes = (sums.shape[-1] - len(PARTS)) // 3
    named = {
        name: ((*dims, "map_class"), sums[..., k * classes : (k + 1) * classes])
        for k, name in enumerate(("right", "true", "chosen"))
    }
    parts = {name: (dims, sums[..., 3 * classes + k]) for k, name in enumerate(PARTS)}
    return xr.Dataset({**named, **parts})
