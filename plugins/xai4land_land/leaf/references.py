"""References that an emulator of leaf area must beat, all fitted and applied in one manner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cf import grid_coords, time_bounds
from xai4land.grids.time import find_time
from xai4land.typing import Floats, Ints
from xai4land_land.leaf.cases import LAGS, Cases, find_classes, form_cases
from xai4land_land.leaf.zones import ZONES

__all__ = ["REFERENCES", "LeafAreaReference", "Name", "leaf_area_reference"]

Name = Literal[
    "zone_climatology",
    "pixel_climatology",
    "regression",
    "persistence",
    "persistence_of_year",
    "boosting",
]
Rule = Callable[[Cases], Floats]
"""From cases to leaf area, shape (months, pixels)."""
MAX_CASES = 100_000
"""Drawn of those that are known, by regression and boosting."""
MIN_CASES = 24
"""Of a zone's month; below, all zones count."""
RIDGE = 1e-3
"""Weight of the squares of coefficients of standardised features."""
BOOSTING = {"num_leaves": 31, "learning_rate": 0.1, "min_data_in_leaf": 100, "verbosity": -1}
ROUNDS = 200


@dataclass(frozen=True)
class LeafAreaReference:
    """A reference that was fitted; see :func:`leaf_area_reference`.

    Attributes
    ----------
    name : str
    classes : tuple of str
    rule : callable
    """

    name: str
    classes: tuple[str, ...]
    rule: Rule

    def leaf_area(
        self, cover: xr.Dataset, climate: xr.Dataset, known: xr.DataArray | None = None
    ) -> xr.Dataset:
        """Return leaf area of all months whose last 12 the climate has; computed at once.

        Parameters
        ----------
        cover, climate : Dataset
            As for the fit, of any pixels and years.
        known : DataArray, optional
            Leaf area of earlier months, which persistence goes on from.

        Returns
        -------
        Dataset
            ``leaf_area_index`` (time, latitude, longitude), missing where the reference knows
            nothing.
        """
        cases = form_cases(cover, climate, known, self.classes)
        values = np.maximum(self.rule(cases), 0)
        axis = str(find_time(climate["tas"]))
        time = climate[axis].isel({axis: slice(LAGS - 1, None)}).reset_coords(drop=True)
        attrs = {
            "standard_name": "leaf_area_index",
            "long_name": f"leaf area index by {self.name.replace('_', ' ')}",
            "units": "1",
            "cell_methods": "area: mean time: mean",
        }
        leaves = xr.DataArray(cases.fill(values), dims=(axis, *cases.grid.names), attrs=attrs)
        coords = {**time_bounds(time, "month"), **grid_coords(cases.grid)}
        return xr.Dataset({"leaf_area_index": leaves}, coords)


def leaf_area_reference(
    name: Name,
    cover: xr.Dataset,
    climate: xr.Dataset,
    leaf_area: xr.DataArray,
    *,
    classes: Sequence[str] | None = None,
) -> LeafAreaReference:
    """Fit a reference on the months and pixels whose leaf area is known.

    Parameters
    ----------
    name : str
        ``"zone_climatology"``: leaf area by class, month and Köppen zone, by non-negative least
        squares on fractions; months of the south are shifted by half a year.
        ``"pixel_climatology"``: the mean of each month at the pixel itself.
        ``"regression"``: linear in fractions, and in temperature, rain and radiation of 12 months.
        ``"persistence"``: the pixel's climatology and the anomaly of the month before, damped as
        it was in training; ``"persistence_of_year"`` that of the same month a year before.
        ``"boosting"``: boosted trees of what the regression sees and the month of the year.
    cover : Dataset
        Fractions of classes on (latitude, longitude), and a time axis or none.
    climate : Dataset
        Monthly ``tas`` and, if there are any, ``pr`` and ``rsds``, from 11 months before.
    leaf_area : DataArray, shape (time, latitude, longitude)
        On the grid of the cover; missing months and pixels are not learned from.
    classes : sequence of str, optional
        By default all variables of the cover whose standard name is ``area_fraction``.

    Raises
    ------
    InputError
        If the name is unknown, inputs do not fit, nothing is known, or LightGBM is not installed.

    Examples
    --------
    >>> import xai4land
    >>> world = xai4land.sample("leaf_area", years=[2000, 2001]).isel(lat=slice(60, 90))
    >>> climate = xai4land.sample("land_climate", years=range(1999, 2002))
    >>> rule = leaf_area_reference("regression", world, climate, world.leaf_area_index)
    >>> rule.leaf_area(world, climate).leaf_area_index.shape
    (25, 30, 360)
    """
    if name not in REFERENCES:
        raise InputError(f"reference {name!r}, expected one of {', '.join(REFERENCES)}")
    classes = list(classes or find_classes(cover))
    cases = form_cases(cover, climate, leaf_area, classes)
    if not np.isfinite(cases.known).any():
        raise InputError(
            "no leaf area is known where fractions and the last 12 months of climate are; bring "
            "a climate that begins 11 months before"
        )
    return LeafAreaReference(name, tuple(classes), REFERENCES[name](cases))


def _fit_zones(cases: Cases) -> Rule:
    """Fit leaf area by class in each zone and month of the year."""
    from scipy.optimize import nnls

    known, seasons = np.isfinite(cases.known), cases.seasons

    def solve(where: Any) -> Floats:
        month, pixel = np.nonzero(where)
        fractions = cases.cover[cases.maps[month], pixel].astype(np.float64)
        return np.asarray(nnls(fractions, cases.known[month, pixel].astype(np.float64))[0])

    leaves = np.zeros((len(ZONES), 12, cases.cover.shape[-1]))
    for season in range(12):
        there = known & (seasons == season)
        leaves[:, season] = solve(there if there.any() else known)
        for zone in range(len(ZONES)):
            own = there & (cases.zones == zone)
            if np.count_nonzero(own) >= MIN_CASES:
                leaves[zone, season] = solve(own)

    def predict(cases: Cases) -> Floats:
        amounts = leaves[cases.zones, cases.seasons]
        return np.asarray((cases.cover[cases.maps] * amounts).sum(-1))

    return predict


def _mean_months(cases: Cases) -> Callable[[Cases], Floats]:
    """Return what gives other cases the mean of their month at their pixel."""
    known = np.full((12, cases.grid.shape[0] * cases.grid.shape[1]), np.nan)
    for month in range(12):
        values = cases.known[cases.months % 12 == month].astype(np.float64)
        count = np.isfinite(values).sum(0)
        known[month, cases.pixels] = np.nansum(values, 0) / np.where(count, count, np.nan)
    places = {place: at for at, place in enumerate(_places(cases, all_pixels=True))}

    def find(other: Cases) -> Floats:
        own = np.array([places.get(place, -1) for place in _places(other)], np.int64)
        rows = known[other.months % 12]
        return np.where(own >= 0, rows[:, own], np.nan)

    return find


def _places(cases: Cases, *, all_pixels: bool = False) -> list[tuple[float, float]]:
    """Return latitude and longitude of pixels, as keys without rounding errors."""
    lat, lon = np.meshgrid(cases.grid.lat.values, cases.grid.lon.values % 360, indexing="ij")
    pairs = np.round(np.stack([lat.ravel(), lon.ravel()], 1), 6)
    return [(a, b) for a, b in (pairs if all_pixels else pairs[cases.pixels]).tolist()]


def _fit_persistence(lag: int) -> Callable[[Cases], Rule]:
    """Return what fits the persistence of the anomaly ``lag`` months before."""

    def earlier(cases: Cases, usual: Floats) -> Floats:
        anomaly = np.full(cases.known.shape, np.nan)
        anomaly[lag:] = (cases.known - usual)[:-lag]
        return anomaly

    def fit(cases: Cases) -> Rule:
        find = _mean_months(cases)
        usual = find(cases)
        then, now = earlier(cases, usual), cases.known - usual
        both = np.isfinite(then) & np.isfinite(now)
        square = float((then[both] ** 2).sum())
        damping = float((then[both] * now[both]).sum()) / square if square > 0 else 0.0

        def predict(cases: Cases) -> Floats:
            usual = find(cases)
            return np.asarray(usual + damping * earlier(cases, usual))

        return predict

    return fit


def _draw(cases: Cases) -> tuple[Ints, Ints, Floats]:
    """Draw month, pixel and leaf area of known cases."""
    month, pixel = np.nonzero(np.isfinite(cases.known))
    if len(month) > MAX_CASES:
        chosen = np.random.default_rng(0).choice(len(month), MAX_CASES, replace=False)
        month, pixel = month[chosen], pixel[chosen]
    return month, pixel, cases.known[month, pixel].astype(np.float64)


def _by_month(cases: Cases, predict: Callable[[Ints, Ints], Floats]) -> Floats:
    """Apply a function of cases to one month after another."""
    pixel = np.arange(len(cases.pixels))
    return np.stack([predict(np.full_like(pixel, k), pixel) for k in range(len(cases.months))])


def _fit_regression(cases: Cases) -> Rule:
    """Fit a ridge regression on features with mean 0 and standard deviation 1."""
    month, pixel, truth = _draw(cases)
    features = cases.features(month, pixel).astype(np.float64)
    centre, scale = features.mean(0), features.std(0)
    scale[scale < 1e-9] = np.inf
    features = (features - centre) / scale
    square = features.T @ features / len(truth) + RIDGE * np.eye(features.shape[1])
    slopes = np.linalg.solve(square, features.T @ (truth - truth.mean()) / len(truth))

    def predict(cases: Cases) -> Floats:
        return _by_month(
            cases, lambda t, p: truth.mean() + (cases.features(t, p) - centre) / scale @ slopes
        )

    return predict


def _fit_boosting(cases: Cases) -> Rule:
    """Train boosted trees, by LightGBM."""
    try:
        import lightgbm
    except ImportError as error:
        raise InputError(
            "this reference is trained by LightGBM, which is not installed: "
            "pip install 'xai4land[boosting]'"
        ) from error
    month, pixel, truth = _draw(cases)
    data = lightgbm.Dataset(_add_season(cases, month, pixel), truth)
    settings = {**BOOSTING, "objective": "regression", "deterministic": True, "seed": 0}
    trees = lightgbm.train(settings, data, num_boost_round=ROUNDS)

    def predict(cases: Cases) -> Floats:
        return _by_month(cases, lambda t, p: np.asarray(trees.predict(_add_season(cases, t, p))))

    return predict


def _add_season(cases: Cases, month: Ints, pixel: Ints) -> Any:
    """Return features of cases with the month of the year, shifted in the south."""
    season = cases.seasons[month, pixel][:, None]
    return np.concatenate([cases.features(month, pixel), season], 1)


REFERENCES: dict[str, Callable[[Cases], Rule]] = {
    "zone_climatology": _fit_zones,
    "pixel_climatology": _mean_months,
    "regression": _fit_regression,
    "persistence": _fit_persistence(1),
    "persistence_of_year": _fit_persistence(12),
    "boosting": _fit_boosting,
}
