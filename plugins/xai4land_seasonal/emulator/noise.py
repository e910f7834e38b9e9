"""Noise of members: fields with the covariance of forecasts' errors.

Errors of neighbouring cells, and of several variables, occur together, and so must the departures
of members, or means over regions are overconfident. The noise has a standard deviation for each
lead, season and cell, and leading patterns of the errors' correlation over all targets and cells;
what they leave is local.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xai4land.typing import Floats

__all__ = ["PATTERNS", "ErrorCorrelation", "correlate", "draw_noise", "measure_sd"]

PATTERNS = 100
"""Patterns of the noise."""
LOCAL_SHARE = 0.05
"""Share of each cell's variance that is local."""
CORRELATION_LENGTH = 20000.0
"""Kilometres, of the taper: half of the correlation of antipodes is left."""
FIRST_SHARE = 0.75
"""Weight of the first source among the correlations; simulations, whose errors are known in all
cells and years, share the rest."""
MIN_CASES = 10
"""Errors that a standard deviation or a correlation needs."""
EARTH_RADIUS = 6371.0


class ErrorCorrelation(NamedTuple):
    """Leading patterns of a correlation matrix over targets and cells.

    Attributes
    ----------
    patterns : ndarray, shape (patterns, targets * cells)
        Orthonormal by area; zero in cells that are not forecast.
    variances : ndarray, shape (patterns,)
    """

    patterns: Floats
    variances: Floats

    def concentrate(self, power: float) -> Floats:
        """Return the noise's patterns, shape (patterns, targets * cells), of variance 1 in cells.

        Parameters
        ----------
        power : float
            That variances are raised to. Above 1 the noise is of larger scale than the errors
            that were learned from: networks fit the large scales of their training.
        """
        scaled = self.patterns * np.sqrt(self.variances**power)[:, None]
        size = np.sqrt((scaled**2).sum(0))
        return np.asarray(scaled / np.where(size > 0, size, 1.0))


def draw_noise(patterns: Floats, sd: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Draw fields of noise.

    Parameters
    ----------
    patterns : ndarray, shape (patterns, targets, cells)
        As :meth:`ErrorCorrelation.concentrate` gives them.
    sd : ndarray, shape (targets, cells)
    count : int
    rng : Generator

    Returns
    -------
    ndarray, shape (count, targets, cells)

    Examples
    --------
    A pattern with one sign is a noise whose cells move together:

    >>> rng = np.random.default_rng(0)
    >>> fields = draw_noise(np.ones((1, 1, 2)), np.array([[1.0, 3.0]]), 10000, rng)
    >>> fields.std(0).round(1), np.corrcoef(fields[:, 0].T)[0, 1].round(2)
    (array([[1., 3.]]), np.float64(0.95))
    """
    shared = np.tensordot(rng.standard_normal((count, len(patterns))), patterns, 1)
    local = rng.standard_normal((count, *sd.shape))
    return np.asarray(sd * (np.sqrt(1 - LOCAL_SHARE) * shared + np.sqrt(LOCAL_SHARE) * local))


def measure_sd(sources: Sequence[Floats]) -> list[Floats]:
    """Measure the root-mean-square errors of each source, (months, targets, cells).

    Each season is pooled with those a month before and after. Where a source knows too few errors,
    the next one's are taken, times the ratio of both in other cells; and where none knows them, the
    median of all cells.

    Parameters
    ----------
    sources : sequence of ndarray, shape (months, years, targets, cells)
        Errors of forecasts of the season that begins in each month; missing ones are NaN.
    """
    measured = []
    for errors in sources:
        count = np.isfinite(errors).sum(1)
        square = np.nansum(errors**2, 1) / np.maximum(count, 1)
        square = np.where(count >= MIN_CASES, square, np.nan)
        pooled = (np.roll(square, 1, 0) + square + np.roll(square, -1, 0)) / 3
        measured.append(np.sqrt(pooled))
    filled = []
    for found in measured:
        for other in measured:
            both = np.isfinite(found) & np.isfinite(other)
            if both.any():
                ratio = np.median(found[both] / np.maximum(other[both], 1e-9))
                found = np.where(np.isfinite(found), found, ratio * other)
        some = np.isfinite(found)
        filled.append(np.where(some, found, np.median(found[some]) if some.any() else 1.0))
    return filled


def correlate(
    sources: Sequence[Floats], lat: Floats, lon: Floats, area: Floats
) -> ErrorCorrelation:
    """Compute the leading patterns of the errors' correlation.

    Correlations are tapered with distance (Gaspari and Cohn 1999), since small ones far away are
    those of the sample.

    Parameters
    ----------
    sources : sequence of ndarray, shape (months, years, targets, cells)
        Errors over their standard deviation; missing ones are NaN.
    lat, lon : ndarray, shape (cells,)
        Degrees.
    area : ndarray, shape (cells,)
        Weight of each cell; 0 where nothing is forecast.
    """
    used = np.flatnonzero(area > 0)
    shares = [FIRST_SHARE, *[(1 - FIRST_SHARE) / max(len(sources) - 1, 1)] * (len(sources) - 1)]
    total = weight = np.zeros(())
    targets = sources[0].shape[2]
    for share, months in zip(shares, sources, strict=True):
        product = count = np.zeros(())
        for errors in months:
            flat = errors[..., used].reshape(len(errors), -1)
            known = np.isfinite(flat).astype(np.float32)
            values = np.nan_to_num(flat).astype(np.float32)
            product, count = product + values.T @ values, count + known.T @ known
        enough = share * (count >= MIN_CASES)
        total = total + enough * product / np.maximum(count, 1)
        weight = weight + enough
    matrix = total / np.where(weight > 0, weight, 1.0)
    size = np.sqrt(np.maximum(np.diag(matrix), 1e-6))
    matrix = matrix / np.outer(size, size)
    matrix *= np.tile(_taper(_distances(lat[used], lon[used])), (targets, targets))
    root = np.tile(np.sqrt(area[used] / area[used].mean()), targets)
    variances, vectors = _leading(matrix * np.outer(root, root), PATTERNS)
    patterns = np.zeros((len(variances), targets, area.size))
    patterns[..., used] = (vectors / root[:, None]).T.reshape(len(variances), targets, -1)
    return ErrorCorrelation(patterns.reshape(len(variances), -1), variances)


def _leading(matrix: Floats, count: int) -> tuple[Floats, Floats]:
    """Return the largest eigenvalues and their vectors, (size, count); positive ones alone."""
    if len(matrix) <= 2 * count:
        values, vectors = np.linalg.eigh(matrix)
    else:
        from scipy.sparse.linalg import eigsh

        values, vectors = eigsh(matrix, count, v0=np.ones(len(matrix)))
    order = np.argsort(values)[::-1][:count]
    order = order[values[order] > 1e-6 * values.max()]
    return values[order].astype(np.float64), vectors[:, order].astype(np.float64)


def _distances(lat: Floats, lon: Floats) -> Floats:
    """Return distances through the Earth in kilometres, (cells, cells)."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], 1)
    return np.asarray(EARTH_RADIUS * np.sqrt(np.maximum(2 - 2 * points @ points.T, 0.0)))


def _taper(distance: Floats) -> Floats:
    """Return the correlation function of Gaspari and Cohn (1999, eq. 4.10).

    Its part up to the correlation length, which no distance exceeds; a taper by it keeps a
    correlation matrix positive definite.
    """
    x = distance / CORRELATION_LENGTH
    return np.asarray(1 - 5 / 3 * x**2 + 5 / 8 * x**3 + x**4 / 2 - x**5 / 4)
