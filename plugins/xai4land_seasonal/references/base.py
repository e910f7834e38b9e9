"""Simple forecasts: means from the past, and members from their errors."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.forecaster import Forecaster, member_rng
from xai4land_seasonal.references.dressing import dress

__all__ = ["DressedMean", "fit_past_slope", "latest_month", "select_by_year"]

ERROR_YEARS = 60
"""Past years whose errors are added to a mean."""


class DressedMean(Forecaster):
    """A mean for each year from the years before, and members from its past errors."""

    name = ""
    description = ""

    @abstractmethod
    def means(self, history: History, season: Season, lead: int) -> Floats:
        """Compute the mean for every year of the history, shape (years, variables, cells)."""

    def members(
        self, history: History, season: Season, lead: int, years: Ints, count: int, seed: int
    ) -> Floats:
        """Compute anomalies of members; see :class:`xai4land_seasonal.forecaster.Forecaster`."""
        # For all years at once, so that a forecast does not depend on the others.
        key = (type(self), *sorted(vars(self).items()), season, lead)
        means = history.cached(key, lambda: self.means(history, season, lead))
        errors = select_by_year(history, history.seasons, season) - means
        members = []
        for year in years:
            at = int(year) - history.first_year
            past = errors[max(at - ERROR_YEARS, 0) : at]  # known when the forecast is made
            members.append(dress(means[at], past, count, member_rng(seed, season, int(year))))
        return np.stack(members)


def fit_past_slope(
    history: History, months: Floats, seasons: Floats, season: Season, lead: int
) -> Floats:
    """Regress a season on its last known month over the years before each; slopes from 0 to 1.

    Seasons that begin a month earlier and later are pooled, which triples the cases. There is no
    intercept, since both are anomalies.

    Parameters
    ----------
    months, seasons : ndarray, shape (years, 12, variables, cells)
    """
    products, squares = [], []
    for shift in (-1, 0, 1):
        beside = Season("", (season.month - 1 + shift) % 12 + 1)
        x = latest_month(history, months, beside, lead)
        y = select_by_year(history, seasons, beside)
        known = np.isfinite(x) & np.isfinite(y)
        # A season a month off may end after the forecast is made: leave out its last year.
        late = int(shift != 0)
        products.append(_sum_before(np.where(known, x * y, 0.0), late))
        squares.append(_sum_before(np.where(known, x * x, 0.0), late))
    square = sum(squares[1:], squares[0])
    product = sum(products[1:], products[0])
    return np.clip(product / np.where(square > 0, square, 1.0), 0.0, 1.0)


def _sum_before(values: Floats, late: int) -> Floats:
    """Compute the sum over the years before each, without the last of them if it is late."""
    total = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, 0)])[: len(values)]
    return np.concatenate([np.zeros_like(total[:1]), total[:-1]]) if late else total


def select_by_year(history: History, values: Floats, season: Season) -> Floats:
    """Return values of a season, ordered by its year rather than that of its first month."""
    selected = values[:, season.month - 1]
    if not season.crosses:
        return selected
    return np.concatenate([np.full_like(selected[:1], np.nan), selected[:-1]])


def latest_month(history: History, values: Floats, season: Season, lead: int) -> Floats:
    """Return the last known month before each year's season."""
    flat = values.reshape(-1, *values.shape[2:])
    years = np.arange(history.first_year, history.first_year + len(values))
    at = season.start(years) - 12 * history.first_year - 1 - lead
    inside = (at >= 0) & (at < len(flat))
    return np.where(inside[:, None, None], flat[at.clip(0, len(flat) - 1)], np.nan)
