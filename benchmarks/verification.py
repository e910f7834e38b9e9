"""Verification: 1,000 resamples of 84 seasons, 8 forecasts of 100 members on 19 x 36 cells.

The baseline resamples as one would by hand: it selects the years of each resample, and scores them
again. Its time is that of 10 resamples, times 100.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from common import Settings, measure, median_and_spread, run_in_turn

import xai4land
from xai4land_seasonal import anomalies, seasonal_means, verify

__all__ = ["table"]

SAMPLES, TRIED = 1000, 10
YEARS = range(2001, 2022)
FORECASTS = 8


def table(settings: Settings) -> pd.DataFrame:
    """Scores, and intervals by both ways, with the ratio of the two."""
    members = 20 if settings.quick else 100
    jobs: dict[str, Callable[[], float]] = {
        "scores alone": partial(score, members),
        "scores and intervals": partial(score, members, SAMPLES),
        "baseline: select years, score again": partial(select_and_score, members),
    }
    rows: list[dict[str, Any]] = []
    for what, runs in run_in_turn(jobs, settings.repeats).items():
        seconds, spread = median_and_spread(runs)
        rows.append({"": what, "seconds": seconds, "spread %": spread})
    slow = rows[-1]["seconds"]
    return pd.DataFrame([{**row, "baseline / this": slow / row["seconds"]} for row in rows])


def score(members: int, samples: int = 0) -> float:
    """Seconds of a verification."""
    forecasts, truth = make_case(members)
    return measure(lambda: verify_these(forecasts, truth, samples)).seconds


def select_and_score(members: int) -> float:
    """Seconds of as many resamples by selection."""
    forecasts, truth = make_case(members)
    years = truth["season_year"].values
    rng = np.random.default_rng(0)

    def resample() -> None:
        for _ in range(TRIED):
            drawn = rng.choice(np.unique(years), len(YEARS))
            at = np.concatenate([np.flatnonzero(years == year) for year in drawn])
            # Years keep their labels, so that forecasts and observations still match.
            some = [one.isel(time=at).assign_coords(truth.coords) for one in (*forecasts, truth)]
            verify_these(some[:-1], some[-1], 0)

    return measure(resample).seconds * SAMPLES / TRIED


def verify_these(forecasts: list[xr.Dataset], truth: xr.Dataset, samples: int) -> xr.Dataset:
    """Score the first forecast beside the others."""
    names = ["climatology", "trend", *(f"forecast {k}" for k in range(3, FORECASTS))]
    return verify(
        forecasts[0],
        truth,
        references=dict(zip(names, forecasts[1:], strict=True)),
        dim=("time", "season", "lat", "lon"),
        intervals=samples,
        progress=False,
    ).compute()


@cache
def make_case(members: int) -> tuple[list[xr.Dataset], xr.Dataset]:
    """Make forecasts of known skill, and observations."""
    climate = xai4land.sample("climate", years=range(1950, 2022))[["tas"]]
    grid = xr.Dataset(
        coords={
            "lat": ("lat", np.linspace(90, -90, 19), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(36) * 10.0, {"units": "degrees_east"}),
        }
    )
    monthly = xai4land.regrid(anomalies(climate, (1951, 1980)), grid)
    truth = seasonal_means(monthly, ("DJF", "MAM", "JJA", "SON")).compute()
    truth = truth.isel(time=np.flatnonzero(np.isin(truth["season_year"], YEARS)))
    rng = np.random.default_rng(0)
    made = []
    for k in range(FORECASTS):
        noise = rng.normal(size=(truth.sizes["time"], members, 19, 36)).astype(np.float32)
        array = xr.DataArray(noise, dims=("time", "realization", "lat", "lon"))
        array = (array + 0.1 * k * truth.tas).transpose(*array.dims).astype(np.float32)
        made.append(truth.assign(tas=array.assign_attrs(truth.tas.attrs)))
    return made, truth
