"""Intervals of scores, from resampled years."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr
from dask.base import compute

from xai4land_seasonal.verification.comparison import ForecastsBySeason
from xai4land_seasonal.verification.metrics import METRICS, average_over
from xai4land_seasonal.verification.scores import concatenate

__all__ = ["compute_intervals"]


RESAMPLES_PER_BATCH = 50
"""Resamples that are scored at once."""

YEARS_PER_BLOCK = 2
"""Years in a row that a resample keeps together."""


def compute_intervals(
    forecasts: ForecastsBySeason,
    metrics: Sequence[str],
    mean_dims: set[str],
    samples: int,
    seed: int = 0,
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
    rng = np.random.default_rng(seed)
    years = np.unique(np.concatenate([y for _, y in next(iter(fields.values())).values()]))
    resamples = []
    for start in range(0, samples, RESAMPLES_PER_BATCH):
        size = min(RESAMPLES_PER_BATCH, samples - start), -(-years.size // YEARS_PER_BLOCK), 1
        first = rng.integers(0, years.size, size)
        at = (first + np.arange(YEARS_PER_BLOCK)).reshape(size[0], -1)[:, : years.size] % years.size
        one = [
            concatenate(
                [_score_resampled(*part, years[at], names, mean_dims) for part in seasons.values()],
                "season",
            )
            for seasons in fields.values()
        ]
        resamples.append(concatenate(one, "forecast"))
    every = concatenate(resamples, "sample")
    every = every.mean("season") if "season" in mean_dims else every
    intervals = {}
    for name in names:
        gain = every[name].isel(forecast=0) - every[name]
        for key, values in (("interval", every[name]), ("gain_interval", gain)):
            bounds = values.quantile([0.05, 0.95], "sample").rename(quantile="bound")
            long_name = METRICS[name].long_name
            what = "90 % interval" + (" of the gain over" if key == "gain_interval" else "")
            intervals[f"{name}_{key}"] = bounds.assign_attrs(long_name=f"{long_name}: {what}")
    found = xr.Dataset(intervals).transpose("forecast", ..., "bound")
    found = found.assign_coords(bound=["lower", "upper"], forecast=list(forecasts))
    labels = list(next(iter(forecasts.values())))
    return found.assign_coords(season=labels) if "season" in found.dims else found


def _score_resampled(
    values: xr.Dataset,
    season_years: npt.NDArray[np.int64],
    years: npt.NDArray[np.int64],
    names: Sequence[str],
    mean_dims: set[str],
) -> xr.Dataset:
    """Compute scores over (sample, time) years; years that a season lacks are left out."""
    place = {year: k for k, year in enumerate(season_years.tolist())}
    at = np.vectorize(lambda year: place.get(year, -1), otypes=[int])(years)
    times = xr.DataArray(at, dims=("sample", "time"))
    resampled = values.isel(time=times).where(times >= 0)
    scores = {}
    for name in names:
        score = METRICS[name].score(*(resampled[need] for need in METRICS[name].needs))
        assert isinstance(score, xr.DataArray)
        scores[name] = average_over(score, mean_dims)
    return xr.Dataset(scores)
