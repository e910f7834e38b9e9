"""Predictive distributions that are fitted to past forecasts, for many cells at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr, ndtri

from xai4land.typing import Floats

__all__ = [
    "Gaussian",
    "Logistic",
    "draw_from_past",
    "fit_gaussian",
    "fit_logistic",
    "has_skill",
    "quantile_of",
]

MAX_STEPS = 200
"""Steps of the optimiser."""

LARGEST_SLOPE = 5.0
"""Of standardised observations on the standardised mean: separable terciles have no largest one."""

SMALLEST_SPREAD = 0.05
"""In standard deviations of the observations."""


def quantile_of(members: Floats) -> Floats:
    """Return which quantile each member is of its ensemble, (cells, members); ties share theirs.

    Examples
    --------
    >>> quantile_of(np.array([[3.0, 1.0, np.nan, 2.0]])).round(3)
    array([[0.833, 0.167,   nan, 0.5  ]])
    """
    from scipy.stats import rankdata  # slow to import

    ranks = rankdata(members, axis=-1, nan_policy="omit")
    return np.asarray((ranks - 0.5) / np.isfinite(members).sum(-1, keepdims=True).clip(1))


def draw_from_past(quantiles: Floats, y: Floats) -> Floats:
    """Return quantiles of past observations, (cells, members) of (cells, years) with gaps.

    Linear between the k-th of n values, which is the quantile (k - 1/2) / n.

    Examples
    --------
    >>> draw_from_past(np.array([[0.25, 0.5, 0.99]]), np.array([[2.0, np.nan, 4.0]]))
    array([[2., 3., 4.]])
    """
    ordered = np.sort(y, -1)  # NaN sorts last
    count = np.isfinite(y).sum(-1, keepdims=True)
    place = np.clip(quantiles * count - 0.5, 0, np.maximum(count - 1, 0))
    low = np.floor(np.nan_to_num(place)).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below, above = (np.take_along_axis(ordered, k, -1) for k in (low, high))
    return np.asarray(below + (above - below) * (place - low))


def has_skill(x: Floats, y: Floats, rounding: float) -> npt.NDArray[np.bool_]:
    """Return whether a regression of y on x predicts years that are left out, (cells,).

    Its squared error in years that are left out one by one (Allen 1974) is compared with that of
    the mean of the others; the slope must be positive.

    Parameters
    ----------
    x, y : ndarray, shape (cells, years)
        Missing in the same years.
    rounding : float
        What x varies by no more than, relative to its size, counts as nothing.
    """
    known = np.isfinite(x)
    n = np.maximum(known.sum(-1, keepdims=True), 2)
    dx, dy = (np.where(known, a - _mean(a)[:, None], 0.0) for a in (x, y))
    xx, xy = (dx * dx).sum(-1, keepdims=True), (dx * dy).sum(-1, keepdims=True)
    size = rounding * np.where(known, np.abs(x), 0.0).max(-1, keepdims=True, initial=0.0)
    varies = xx > n * size**2
    square = np.where(varies, xx, 1.0)
    leverage = np.minimum(1 / n + dx**2 / square, 1 - 1e-9)
    left_out = (dy - xy / square * dx) / (1 - leverage)
    of_mean = dy * n / (n - 1)
    better = (left_out**2).sum(-1) < (of_mean**2).sum(-1)
    return np.asarray(better & varies[:, 0] & (xy[:, 0] > 0))


@dataclass(frozen=True)
class Gaussian:
    """Gaussians whose mean and variance are linear in those of ensembles, one a cell.

    Attributes
    ----------
    intercept, slope : ndarray, shape (cells,)
        Of the mean.
    constant, factor : ndarray, shape (cells,)
        Of the variance.
    """

    intercept: Floats
    slope: Floats
    constant: Floats
    factor: Floats

    def draw(self, members: Floats, quantiles: Floats) -> Floats:
        """Return quantiles for a forecast, (cells, members)."""
        mean, variance = np.nanmean(members, -1), np.nanvar(members, -1)
        centre = self.intercept + self.slope * mean
        spread = np.sqrt(self.constant + self.factor * variance)
        return np.asarray(centre[:, None] + spread[:, None] * ndtri(quantiles))


@dataclass(frozen=True)
class Logistic:
    """Logistic distributions whose location is linear in the mean of ensembles, one a cell.

    Attributes
    ----------
    intercept, slope, scale : ndarray, shape (cells,)
    """

    intercept: Floats
    slope: Floats
    scale: Floats

    def draw(self, members: Floats, quantiles: Floats) -> Floats:
        """Return quantiles for a forecast, (cells, members)."""
        centre = self.intercept + self.slope * np.nanmean(members, -1)
        return np.asarray(centre[:, None] + self.scale[:, None] * logit(quantiles))


def fit_gaussian(x: Floats, y: Floats, v: Floats) -> Gaussian:
    """Fit Gaussians by the smallest mean CRPS (Gneiting et al. 2005).

    Parameters
    ----------
    x, y, v : ndarray, shape (cells, years)
        Means and variances of ensembles, and observations, missing in the same years.
    """
    known = np.isfinite(x)
    sx, sy = _standard(x), _standard(y)
    mean_variance = _mean(v)
    flat = mean_variance <= 0
    relative = np.where(known, v, 0.0) / np.where(flat, 1.0, mean_variance)[:, None]

    def loss(given: Floats) -> tuple[Floats, Floats]:
        a, b, c, d = given[:, :, None]
        spread = np.sqrt(c**2 + d**2 * relative)
        z = (sy.values - a - b * sx.values) / spread
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        tail = 2 * ndtr(z) - 1
        crps = spread * (z * tail + 2 * density - 1 / np.sqrt(np.pi))
        by_mean = np.where(known, -tail, 0.0)
        by_spread = np.where(known, 2 * density - 1 / np.sqrt(np.pi), 0.0) / spread
        parts = (by_mean, by_mean * sx.values, by_spread * c, by_spread * d * relative)
        return np.where(known, crps, 0.0), np.stack([part.sum(-1) for part in parts])

    ones = np.ones(len(x))
    correlation = np.clip(_mean(np.where(known, sx.values * sy.values, np.nan)), 0.0, 0.99)
    rest = np.sqrt((1 - correlation**2) / 2)
    start = np.stack([0 * ones, correlation, rest, np.where(flat, 0.0, rest)])
    bounds = (None, None), (0.0, LARGEST_SLOPE), (SMALLEST_SPREAD, None), (0.0, None)
    a, b, c, d = _minimise(loss, start, bounds)
    slope = b * sy.size / sx.size
    factor = np.where(flat, 0.0, (d * sy.size) ** 2 / np.where(flat, 1.0, mean_variance))
    return Gaussian(sy.centre + a * sy.size - slope * sx.centre, slope, (c * sy.size) ** 2, factor)


def fit_logistic(x: Floats, y: Floats, v: Floats) -> Logistic:
    """Fit logistic distributions by the likelihood of the observed terciles (Wilks 2009).

    Where the terciles coincide the result is missing.

    Parameters
    ----------
    x, y, v : ndarray, shape (cells, years)
        Means and variances of ensembles (which are not used), and observations.
    """
    known = np.isfinite(x)
    sx, sy = _standard(x), _standard(y)
    values = np.where(known, sy.values, np.nan)
    edges = np.nanquantile(values, [1 / 3, 2 / 3], -1)[:, :, None]
    coincide = edges[1, :, 0] - edges[0, :, 0] <= 1e-6
    low, high = np.where(values <= edges[0], -np.inf, edges[0]), edges[1] + 0 * sy.values
    lower = np.where(values > edges[1], high, low)
    upper = np.where(values <= edges[0], edges[0], np.where(values <= edges[1], high, np.inf))

    def loss(given: Floats) -> tuple[Floats, Floats]:
        a, b, s = given[:, :, None]
        centre = a + b * sx.values
        zs = [(edge - centre) / s for edge in (lower, upper)]
        shares = [expit(z) for z in zs]
        probability = np.maximum(shares[1] - shares[0], 1e-9)
        densities = [share * (1 - share) for share in shares]
        by_centre = (densities[1] - densities[0]) / probability / s
        flats = [np.where(np.isfinite(z), z, 0.0) for z in zs]
        by_scale = (densities[1] * flats[1] - densities[0] * flats[0]) / probability / s
        parts = (by_centre, by_centre * sx.values, by_scale)
        gradient = np.stack([np.where(known, part, 0.0).sum(-1) for part in parts])
        return np.where(known, -np.log(probability), 0.0), gradient

    ones = np.ones(len(x))
    correlation = np.clip(_mean(np.where(known, sx.values * sy.values, np.nan)), 0.0, 0.99)
    start = np.stack([0 * ones, correlation, np.sqrt(1 - correlation**2) * np.sqrt(3) / np.pi])
    bounds = (None, None), (0.0, LARGEST_SLOPE), (SMALLEST_SPREAD, None)
    a, b, s = _minimise(loss, start, bounds)
    slope = b * sy.size / sx.size
    intercept = sy.centre + a * sy.size - slope * sx.centre
    return Logistic(np.where(coincide, np.nan, intercept), slope, s * sy.size)


@dataclass(frozen=True)
class _Standardised:
    """Series less their mean, over their standard deviation; zero where they are missing."""

    values: Floats
    centre: Floats
    size: Floats


def _standard(series: Floats) -> _Standardised:
    centre = _mean(series)
    departures = np.where(np.isfinite(series), series - centre[:, None], 0.0)
    count = np.isfinite(series).sum(-1)
    size = np.sqrt((departures**2).sum(-1) / np.maximum(count, 1))
    size = np.where(size > 0, size, 1.0)
    return _Standardised(departures / size[:, None], centre, size)


def _mean(series: Floats) -> Floats:
    known = np.isfinite(series)
    return np.asarray(np.where(known, series, 0.0).sum(-1) / np.maximum(known.sum(-1), 1))


def _minimise(
    loss: Callable[[Floats], tuple[Floats, Floats]],
    start: Floats,
    bounds: tuple[tuple[float | None, float | None], ...],
) -> Floats:
    """Minimise losses of all cells together, (parameters, cells): their sum is separable."""
    from scipy.optimize import minimize  # slow to import

    def total(flat: Floats) -> tuple[float, Floats]:
        values, gradient = loss(flat.reshape(start.shape))
        return float(values.sum()), gradient.ravel()

    each = [bound for bound in bounds for _ in range(start.shape[1])]
    found = minimize(
        total,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        bounds=each,
        options={"maxiter": MAX_STEPS, "ftol": 1e-12, "gtol": 1e-4},
    )
    return np.asarray(found.x).reshape(start.shape)
