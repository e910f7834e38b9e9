"""Significance of scores, and their intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy.special import bdtr, ndtr, stdtr

from xai4land.scores.deterministic import centre
from xai4land.scores.ensembles import divide
from xai4land.scores.series import TimeMean, apply_over_time, relative_rounding
from xai4land.typing import Floats

__all__ = [
    "block_bootstrap",
    "compare_scores",
    "control_fdr",
    "correlation_pvalue",
    "effective_size",
    "mean_pvalue",
    "random_walk",
]

TIED = 1e-6
"""Relative difference up to which scores are tied."""


def effective_size(one: xr.DataArray, other: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Compute the number of independent pairs of two series (Bretherton et al. 1999).

    n (1 - a b) / (1 + a b) with the lag-1 autocorrelations a and b, from 3 to n.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> one, other = (xr.DataArray(series, dims="time") for series in noise)
    >>> bool(effective_size(one, other) > 450)
    True
    """
    rounding = relative_rounding(one, other)
    return apply_over_time(_effective, one, other, dim=dim, rounding=rounding)


def _effective(mean: TimeMean, x: Floats, y: Floats, rounding: float) -> Floats:
    n = np.isfinite(x).sum(-1)
    product = _lag_one(mean, x, rounding) * _lag_one(mean, y, rounding)
    return np.asarray(np.clip(n * (1 - product) / (1 + product), 3, np.maximum(n, 3)))


def _lag_one(mean: TimeMean, x: Floats, rounding: float) -> Floats:
    x = centre(x, rounding)
    lag = divide(mean(x[..., 1:] * x[..., :-1]), mean(x * x))
    return np.where(np.isfinite(lag), np.clip(lag, -0.99, 0.99), 0.0)


def correlation_pvalue(correlation: xr.DataArray, size: xr.DataArray | float) -> xr.DataArray:
    """Compute the one-sided p-value of a positive correlation, by Fisher's transformation.

    Parameters
    ----------
    correlation : DataArray
    size : DataArray or float
        Independent pairs; see :func:`effective_size`. With three or fewer it is 1.

    Examples
    --------
    >>> p = correlation_pvalue(xr.DataArray([0.0, 0.43]), 21)
    >>> p.values.round(3)
    array([0.5  , 0.026])
    """
    pairs = size + 0 * correlation
    z = np.arctanh(correlation.clip(-0.999999, 0.999999)) * np.sqrt(
        (size - 3 + 0 * correlation).clip(0)
    )
    tail = xr.apply_ufunc(ndtr, -z, dask="parallelized", output_dtypes=[np.float64])
    pvalue: xr.DataArray = tail.where(pairs > 3, 1.0).where(correlation.notnull())
    return pvalue


def mean_pvalue(better: xr.DataArray, *, dim: str = "time") -> xr.DataArray:
    """Compute the one-sided p-value of a positive mean, by Student's t-test.

    The number of independent values is n (1 - a) / (1 + a) with the lag-1 autocorrelation a, from
    3 to n (Wilks 2011, section 5.2.4). One less this p-value is that of a negative mean.

    Parameters
    ----------
    better : DataArray
        Such as a reference's score less a forecast's; see :func:`compare_scores`.

    Examples
    --------
    >>> better = xr.DataArray([1.0, 2.0, 0.0, 1.0, 3.0, -1.0], dims="time")
    >>> round(float(mean_pvalue(better)), 3), float(mean_pvalue(0 * better))
    (0.072, 0.5)
    """
    rounding = relative_rounding(better)
    return apply_over_time(_mean_pvalue, better, dim=dim, rounding=rounding)


def _mean_pvalue(mean: TimeMean, x: Floats, rounding: float) -> Floats:
    count = np.isfinite(x).sum(-1)
    lag = _lag_one(mean, x, rounding)
    size = np.clip(count * (1 - lag) / (1 + lag), 3, np.maximum(count, 3))
    average = mean(x)
    variance = mean((x - average[..., None]) ** 2) * count / np.maximum(count - 1, 1)
    t = divide(average, np.sqrt(variance / size))
    # What never changes is a certain gain, a certain loss, or none.
    certain = np.where(average == 0, 0.0, np.copysign(np.inf, average))
    t = np.where(np.isfinite(t), t, certain)
    return np.asarray(stdtr(size - 1, -t))


def compare_scores(score: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """Return by how much a score is below that of a reference; zero where they are tied.

    Scores that differ by less than a millionth of their size are tied: so much is left by the
    rounding of members in single precision.

    Examples
    --------
    >>> score = xr.DataArray([0.1 + 0.2, 0.1], dims="time")
    >>> compare_scores(score, xr.DataArray([0.3, 0.3], dims="time")).values.round(3)
    array([0. , 0.2])
    """
    difference = reference - score
    size = np.maximum(abs(reference), abs(score))
    tied = abs(difference) <= TIED * size
    return difference.where(~tied, 0.0)


def random_walk(better: xr.DataArray, *, dim: str = "time") -> xr.Dataset:
    """Test whether one forecast is closer more often than another (DelSole and Tippett 2016).

    Parameters
    ----------
    better : DataArray
        Score of the other forecast less that of the first, in each time: positive where the first
        is better. Ties count for none; see :func:`compare_scores` for those within rounding.

    Returns
    -------
    Dataset
        ``wins`` and ``losses``, and the two-sided ``pvalue`` of the exact sign test: 1 where all
        are ties, missing where nothing is known.

    Examples
    --------
    >>> found = random_walk(xr.DataArray([1.0] * 9 + [-1.0], dims="time"))
    >>> int(found.wins), round(float(found.pvalue), 4)
    (9, 0.0215)
    """
    wins, losses = (better > 0).sum(dim), (better < 0).sum(dim)
    pvalue = xr.apply_ufunc(
        _sign_test, wins, losses, dask="parallelized", output_dtypes=[np.float64]
    )
    pvalue = pvalue.where(better.notnull().any(dim))
    found = xr.Dataset({"wins": wins, "losses": losses, "pvalue": pvalue})
    return found.drop_attrs(deep=False).map(lambda part: part.drop_attrs(deep=False))


def _sign_test(wins: Floats, losses: Floats) -> Floats:
    return np.asarray(np.minimum(2 * bdtr(np.minimum(wins, losses), wins + losses, 0.5), 1.0))


def block_bootstrap(
    statistic: Callable[..., xr.DataArray],
    *arrays: xr.DataArray,
    dim: str = "time",
    block: int = 4,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> xr.DataArray:
    """Compute an interval of a statistic from blocks of times, with replacement (Künsch 1989).

    Parameters
    ----------
    statistic : callable
        Function of the arrays, which are resampled alike. Blocks wrap around the end (Politis and
        Romano 1992).
    *arrays : DataArray
        With ``dim``; computed.
    block : int
        Length of the blocks: for four seasons a year, 4 keeps years whole.
    samples : int
    level : float
        Share of the samples in the interval.
    seed : int

    Returns
    -------
    DataArray, shape (bound, ...)
        ``bound`` is ``lower`` and ``upper``.

    Examples
    --------
    >>> noise = xr.DataArray(np.random.default_rng(0).normal(size=200), dims="time")
    >>> found = block_bootstrap(lambda x: x.mean("time"), noise, samples=200)
    >>> bool(found[0] < 0.1), bool(found[1] > -0.1)
    (True, True)
    """
    rng = np.random.default_rng(seed)
    arrays = tuple(array.compute() for array in arrays)
    size = arrays[0].sizes[dim]
    block = min(block, size)
    resampled = []
    for _ in range(samples):
        starts = rng.integers(0, size, -(-size // block))
        at = ((starts[:, None] + np.arange(block)) % size).ravel()[:size]
        resampled.append(statistic(*(array.isel({dim: at}) for array in arrays)))
    drawn = xr.concat(resampled, "sample", coords="minimal", compat="override")
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = drawn.quantile(tails, "sample").rename(quantile="bound")
    return found.assign_coords(bound=["lower", "upper"])


def control_fdr(pvalues: xr.DataArray, *, alpha: float = 0.1) -> xr.DataArray:
    """Return where hypotheses are rejected at a false discovery rate (Wilks 2016).

    Benjamini and Hochberg's procedure over all values that are known.

    Parameters
    ----------
    pvalues : DataArray
        Computed.
    alpha : float
        False discovery rate.

    Examples
    --------
    >>> control_fdr(xr.DataArray([0.01, 0.04, 0.06, np.nan, 0.9]), alpha=0.1).values
    array([ True,  True,  True, False, False])
    """
    values = np.asarray(pvalues.values, np.float64)
    known = np.isfinite(values)
    rejected = np.zeros(values.shape, bool)
    if known.any():
        from scipy.stats import false_discovery_control  # slow to import

        rejected[known] = false_discovery_control(values[known]) <= alpha
    return pvalues.copy(data=rejected).drop_attrs(deep=False)
