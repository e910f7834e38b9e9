"""Intervals of scores, from resampled years."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.base import compute

from xai4land.progress import progress_bar
from xai4land_seasonal.verification.comparison import ForecastsBySeason
from xai4land_seasonal.verification.metrics import METRICS, average_over
from xai4land_seasonal.verification.scores import concatenate

__all__ = ["compute_intervals"]


VALUES_PER_BATCH = 5_000_000
"""Scores of cells in resamples that are computed at once."""

YEARS_PER_BLOCK = 2
"""Years in a row that a resample keeps together."""

TAILS = (0.05, 0.95)


def compute_intervals(
    forecasts: ForecastsBySeason,
    metrics: Sequence[str],
    mean_dims: set[str],
    samples: int,
    *,
    seed: int = 0,
    units: str = "1",
    progress: bool = False,
) -> xr.Dataset:
    """Compute intervals of scores and gains from resampled years, the same for all forecasts."""
    names = [m for m in metrics if not METRICS[m].pooled and not m.endswith("pvalue")]
    needs = sorted({need for name in names for need in METRICS[name].needs})
    lazy = {
        name: {
            season: (xr.Dataset({need: one.field(need) for need in needs}), years)
            for season, (one, years) in seasons.items()
        }
        for name, seasons in forecasts.items()
    }
    # In one call, since they share observations and references.
    fields: dict[str, dict[str, tuple[xr.Dataset, npt.NDArray[np.int64]]]] = compute(lazy)[0]
    first = next(iter(fields.values()))
    years = np.unique(np.concatenate([y for _, y in first.values()]))
    drawn = _draw_years(years, samples, seed)
    cells = [array.size // len(y) for part, y in first.values() for array in part.values()]
    batch = max(VALUES_PER_BATCH // max(cells), 1)
    by_forecast = []
    with progress_bar(progress) as bar:
        task = bar.add_task("intervals", total=samples * len(fields) * len(first), note="")
        for seasons in fields.values():
            by_season = []
            for part, season_years in seasons.values():
                counts = _count_years(drawn, season_years)
                scores = []
                for at in range(0, samples, batch):
                    some = counts.isel(sample=slice(at, at + batch))
                    scores.append(_score_resampled(part, some, names, mean_dims))
                    bar.advance(task, some.sizes["sample"])
                by_season.append(concatenate(scores, "sample"))
            by_forecast.append(concatenate(by_season, "season"))
    every = concatenate(by_forecast, "forecast")
    every = every.mean("season") if "season" in mean_dims else every
    intervals = {}
    for name in names:
        gain = every[name].isel(forecast=0) - every[name]
        for key, values in (("interval", every[name]), ("gain_interval", gain)):
            bounds = _quantiles(values)
            what = "90 % interval" + (" of the gain over" if key == "gain_interval" else "")
            bounds.attrs = {
                "long_name": f"{METRICS[name].long_name}: {what}",
                "units": units if METRICS[name].has_units else "1",
            }
            intervals[f"{name}_{key}"] = bounds
    found = xr.Dataset(intervals).transpose("forecast", ..., "bound")
    found = found.assign_coords(bound=["lower", "upper"], forecast=list(forecasts))
    labels = list(next(iter(forecasts.values())))
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


def _score_resampled(
    values: xr.Dataset, counts: xr.DataArray, names: Sequence[str], mean_dims: set[str]
) -> xr.Dataset:
    """Compute scores of each resample, averaged over ``mean_dims``."""
    scores = {}
    for name in names:
        fields = (values[need] for need in METRICS[name].needs)
        score = METRICS[name].score(*fields, weights=counts)
        assert isinstance(score, xr.DataArray)
        scores[name] = average_over(score, mean_dims)
    return xr.Dataset(scores)


def _quantiles(values: xr.DataArray) -> xr.DataArray:
    """Return the bounds of the interval; missing where no resample has a score."""
    known = values.notnull().any("sample")
    bounds = values.where(known, 0.0).quantile(list(TAILS), "sample")
    found: xr.DataArray = bounds.where(known).rename(quantile="bound")
    return found
