"""Intervals are those of resampled years, however they are computed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from seasonal_worlds import monthly, red_noise
from xai4land_seasonal import forecast, seasonal_means, verify
from xai4land_seasonal.verification.intervals import _draw_years

METRICS = (
    "acc", "residual_correlation", "rmse", "bias", "msess", "spread_error", "crpss", "rpss",
    "roc_above",
)  # fmt: skip
YEARS = np.arange(1930, 1950)


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    values = red_noise(50, 6, 12)
    values[:, 0, :3] = np.nan  # cells that no one knows
    values[:492, 1, 2] = np.nan  # one that is known for nine of the years
    return monthly(values)


def test_intervals_are_those_of_a_loop_over_resamples(world):
    made = forecast(
        world, "JJA", years=YEARS.tolist(), members=6, emulator="damped persistence"
    ).compute()
    trend = forecast(world, "JJA", years=YEARS.tolist(), members=6, emulator="trend").compute()
    other = forecast(world, "JJA", years=YEARS.tolist(), members=6, emulator="climatology")
    others = {"climatology": other.compute(), "trend": trend}
    how = {"references": others, "metrics": METRICS, "dim": ("time", "lat", "lon")}
    found = verify(made, world, intervals=25, seed=4, progress=False, **how)
    truth = seasonal_means(world, "JJA").compute()
    truth = truth.isel(time=np.flatnonzero(np.isin(truth.season_year, YEARS)))
    samples = []
    for drawn in _draw_years(YEARS, 25, 4):
        at = np.searchsorted(YEARS, drawn)
        samples.append(_score_these(made, truth, others, at))
    lower = xr.concat(samples, "sample").quantile([0.05, 0.95], "sample")
    for metric in ("acc", "rmse", "bias", "msess", "residual_correlation"):
        interval = found[f"{metric}_interval"].squeeze("season").transpose("bound", "forecast")
        np.testing.assert_allclose(interval[:, 0], lower[metric], rtol=1e-6, err_msg=metric)


def _score_these(made, truth, others, at):
    """Score years that are drawn with replacement, cell by cell, with plain functions."""
    x = made.tas.mean("realization").values[at].reshape(len(at), -1)
    y = truth.tas.values[at].reshape(len(at), -1)
    t = others["trend"].tas.mean("realization").values[at].reshape(len(at), -1)
    edges = np.sin(np.deg2rad(np.arange(-90, 91, 30)))
    area = np.repeat(np.diff(edges)[::-1], 12)
    scores = {name: np.full(x.shape[1], np.nan) for name in METRICS[:5]}
    for cell in range(x.shape[1]):
        a, b, c = x[:, cell], y[:, cell], t[:, cell]
        known = np.isfinite(a) & np.isfinite(b)
        if known.sum() < 3:
            continue
        a, b, c = a[known], b[known], c[known]
        scores["acc"][cell] = np.corrcoef(a, b)[0, 1]
        scores["rmse"][cell] = np.sqrt(((a - b) ** 2).mean())
        scores["bias"][cell] = (a - b).mean()
        scores["msess"][cell] = 1 - ((a - b) ** 2).mean() / (b**2).mean()
        if np.isfinite(c).all():
            rest = [s - np.polyval(np.polyfit(c, s, 1), c) for s in (a, b)]
            scores["residual_correlation"][cell] = np.corrcoef(*rest)[0, 1]
    means = {}
    for name, values in scores.items():
        valid = np.isfinite(values)
        means[name] = float((area * np.where(valid, values, 0)).sum() / area[valid].sum())
    return xr.Dataset(means)


def test_scores_with_and_without_intervals_are_the_same(world):
    made = forecast(world, ("DJF", "JJA"), years=YEARS.tolist(), members=6, emulator="persistence")
    metrics = (*METRICS, "rank_histogram", "acc_pvalue", "energy", "variogram_skill")
    how = {"references": ["trend"], "metrics": metrics, "dim": ("time", "lat", "lon")}
    lazy = verify(made, world, **how)
    assert lazy.crpss.chunks is not None
    found = verify(made, world, intervals=5, progress=False, **how)
    for name in lazy.data_vars:
        np.testing.assert_allclose(found[name], lazy[name], rtol=1e-6, err_msg=name)


def test_progress_is_shown(world, capfd):
    made = forecast(world, "JJA", years=YEARS.tolist(), members=3, emulator="persistence")
    how = {"references": [], "metrics": ["acc"], "dim": ("time", "lat", "lon")}
    verify(made, world, intervals=5, **how)
    shown = capfd.readouterr().err
    assert "forecasts" in shown
    assert "intervals" in shown
