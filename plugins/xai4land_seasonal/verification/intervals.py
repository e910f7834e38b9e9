"""Intervals of scores, from resampled years."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.progress import progress_bar
from xai4land_seasonal.verification.comparison import Comparison, Scored
from xai4land_seasonal.verification.metrics import METRICS, finish
from xai4land_seasonal.verification.scores import concatenate

__all__ = ["compute_intervals"]


VALUES_PER_BATCH = 5_000_000
"""Scores of cells in resamples that are held at once."""

YEARS_PER_BLOCK = 2
"""Years in a row that a resample keeps together."""

TAILS = (0.05, 0.95)


def compute_intervals(
    comparison: Comparison,
    metrics: Sequence[str],
    mean_dims: set[str],
    samples: int,
    *,
    seed: int = 0,
    progress: bool = False,
) -> xr.Dataset:
    """Compute intervals of scores and gains from resampled years, the same for all forecasts.

    Parameters
    ----------
    comparison : Comparison
        Its fields computed, by :func:`xai4land_seasonal.verification.loading.load_fields`.
    metrics : sequence of str
    mean_dims : set of str
        Dimensions that scores are averaged over.
    samples : int
        Number of resamples.
    seed : int
    progress : bool
        Whether to show a bar.
    """
    names = [m for m in metrics if not METRICS[m].pooled and METRICS[m].resampled]
    forecasts = comparison.forecasts
    first = next(iter(forecasts.values()))
    years = np.unique(np.concatenate([y for _, y in first.values()]))
    drawn = _draw_years(years, samples, seed)
    area = comparison.area if mean_dims - {"season"} else None
    area = None if area is None else area.drop_vars(list(area.coords))
    by_forecast = []
    with progress_bar(progress) as bar:
        task = bar.add_task("intervals", total=len(forecasts) * len(first) * len(names), note="")
        for seasons in forecasts.values():
            by_season = []
            for one, season_years in seasons.values():
                counts = _count_years(drawn, season_years)
                scores = {}
                for name in names:
                    scores[name] = _resample(one, name, counts, area)
                    bar.advance(task)
                by_season.append(xr.Dataset(scores))
            by_forecast.append(concatenate(by_season, "season"))
    every = concatenate(by_forecast, "forecast")
    every = every.mean("season") if "season" in mean_dims else every
    intervals = {}
    for name in names:
        score = finish(name, every[name])
        gain = score.isel(forecast=0) - score
        for key, values in (("interval", score), ("gain_interval", gain)):
            bounds = _quantiles(values)
            what = "90 % interval" + (" of the gain over" if key == "gain_interval" else "")
            bounds.attrs = {
                "long_name": f"{METRICS[name].long_name}: {what}",
                "units": comparison.units if METRICS[name].has_units else "1",
            }
            intervals[f"{name}_{key}"] = bounds
    found = xr.Dataset(intervals).transpose("forecast", ..., "bound")
    found = found.assign_coords(bound=["lower", "upper"], forecast=list(forecasts))
    labels = list(first)
    return found.assign_coords(season=labels) if "season" in found.dims else found


def _draw_years(years: npt.NDArray[np.int64], samples: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw years with replacement, some in a row together, shape (samples, years)."""
    size = samples, -(-years.size // YEARS_PER_BLOCK), 1
    first = np.random.default_rng(seed).integers(0, years.size, size)
    at = (first + np.arange(YEARS_PER_BLOCK)).reshape(samples, -1)[:, : years.size] % years.size
    return np.asarray(years[at])


def _count_years(drawn: npt.NDArray[np.int64], season_years: npt.NDArray[np.int64]) -> xr.DataArray:
    """Count how often each year of a season was drawn, shape (sample, time)."""
    counts = np.stack([(drawn == year).sum(1) for year in season_years], 1)
    return xr.DataArray(counts.astype(np.float64), dims=("sample", "time"))


def _resample(
    one: Scored, name: str, counts: xr.DataArray, area: xr.DataArray | None
) -> xr.DataArray:
    """Compute a score in each resample, averaged over the cells whose area is given."""
    metric = METRICS[name]
    # Coordinates would be compared in each operation, which takes longer than these.
    fields = [field.drop_vars(list(field.coords)) for field in map(one.field, metric.needs)]
    places = max(field.size // field.sizes["time"] for field in fields)
    batch = max(VALUES_PER_BATCH // places, 1)
    parts = []
    for at in range(0, counts.sizes["sample"], batch):
        score = metric.score(*fields, weights=counts.isel(sample=slice(at, at + batch)))
        assert isinstance(score, xr.DataArray)
        parts.append(_mean_over_cells(score, area))
    return xr.concat(parts, "sample")


def _mean_over_cells(score: xr.DataArray, area: xr.DataArray | None) -> xr.DataArray:
    """Average over valid cells by area, as :func:`xai4land_seasonal.data.areas.area_mean`."""
    if area is None or not set(area.dims) <= set(score.dims):
        return score
    values = score.transpose(*area.dims, ...)
    flat = values.values.reshape(area.size, -1)
    known = np.isfinite(flat)
    weights = area.values.ravel()
    total = weights.sum() if known.all() else weights @ known
    means = weights @ np.where(known, flat, 0.0) / np.where(total > 0, total, np.nan)
    rest = values.dims[len(area.dims) :]
    return xr.DataArray(means.reshape([values.sizes[dim] for dim in rest]), dims=rest)


def _quantiles(values: xr.DataArray) -> xr.DataArray:
    """Return the bounds of the interval; missing where no resample has a score."""
    known = values.notnull().any("sample")
    bounds = values.where(known, 0.0).quantile(list(TAILS), "sample")
    found: xr.DataArray = bounds.where(known).rename(quantile="bound")
    return found
