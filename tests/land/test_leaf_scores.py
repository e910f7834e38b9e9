"""Scores of leaf area, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from xai4land import InputError
from xai4land_land.leaf.scores import score_leaf_area

NAMES = ("rmse", "bias", "r2", "cycle_correlation", "cycle_share", "anomaly_share")


def series(values, lat=(0.5, 1.5), lon=(0.5, 1.5)):
    """Put values of shape (months, lat, lon) on a grid at the equator, from January 2000."""
    first = (np.arange(len(values)) + 360).astype("M8[M]").astype("M8[s]")
    time = first + np.timedelta64(14, "D")
    coords = {
        "time": time,
        "lat": ("lat", list(lat), {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("lon", list(lon), {"standard_name": "longitude", "units": "degrees_east"}),
    }
    return xr.DataArray(np.asarray(values, float), coords, ("time", "lat", "lon"))


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    cycle = np.tile(2 - np.cos(2 * np.pi * np.arange(12) / 12), 3)[:, None, None]
    return series(cycle + rng.normal(0, 0.3, (36, 2, 2)))


def test_the_truth_is_perfect(truth):
    scores = score_leaf_area(truth, truth, intervals=False)
    assert [round(float(scores[n]), 9) for n in NAMES] == [0, 0, 1, 1, 1, 1]


def test_scores_are_those_of_plain_loops(truth):
    rng = np.random.default_rng(1)
    made = truth * 0.8 + 0.5 + rng.normal(0, 0.2, truth.shape)
    area = np.diff(np.sin(np.deg2rad([0, 1, 2])))
    sums = dict.fromkeys(("n", "e", "ee", "t", "tt", "mt", "mm", "cc", "d", "a", "aa"), 0.0)
    for row in range(2):
        for column in range(2):
            w, m, t = area[row], made.values[:, row, column], truth.values[:, row, column]
            mc, tc = (np.array([x[k::12].mean() for k in range(12)]) for x in (m, t))
            for k in range(36):
                x, y = mc[k % 12] - mc.mean(), tc[k % 12] - tc.mean()
                p, q = m[k] - mc[k % 12], t[k] - tc[k % 12]
                sums["n"] += w
                sums["e"] += w * (m[k] - t[k])
                sums["ee"] += w * (m[k] - t[k]) ** 2
                sums["t"] += w * t[k]
                sums["tt"] += w * t[k] ** 2
                sums["mt"] += w * x * y
                sums["mm"] += w * x * x
                sums["cc"] += w * y * y
                sums["d"] += w * (x - y) ** 2
                sums["a"] += w * q * q
                sums["aa"] += w * (p - q) ** 2
    s, n = sums, sums["n"]
    expected = {
        "rmse": (s["ee"] / n) ** 0.5,
        "bias": s["e"] / n,
        "r2": 1 - s["ee"] / (s["tt"] - s["t"] ** 2 / n),
        "cycle_correlation": s["mt"] / (s["mm"] * s["cc"]) ** 0.5,
        "cycle_share": 1 - s["d"] / s["cc"],
        "anomaly_share": 1 - s["aa"] / s["a"],
    }
    scores = score_leaf_area(made, truth, intervals=False)
    for name, value in expected.items():
        assert float(scores[name]) == pytest.approx(value, rel=1e-6), name


def test_a_climatology_explains_the_cycle_and_no_anomaly(truth):
    usual = truth.groupby("time.month").mean().sel(month=truth.time.dt.month).drop_vars("month")
    scores = score_leaf_area(usual, truth, intervals=False)
    assert float(scores.cycle_share) == pytest.approx(1)
    assert float(scores.anomaly_share) == pytest.approx(0, abs=1e-9)


def test_half_of_the_anomaly_explains_three_quarters(truth):
    usual = truth.groupby("time.month").mean().sel(month=truth.time.dt.month).drop_vars("month")
    scores = score_leaf_area(usual + 0.5 * (truth - usual), truth, intervals=False)
    assert float(scores.anomaly_share) == pytest.approx(0.75)


def test_what_one_of_them_lacks_does_not_count(truth):
    made = truth + 1
    holes = made.copy()
    holes[3, 0, 0] = np.nan
    known = truth.copy()
    known[5, 1, 1] = np.nan
    far = known.where(known.lat < 1, 99.0).where(known.notnull())
    scores = score_leaf_area(holes, known, intervals=False)
    assert float(scores.bias) == pytest.approx(1)
    alone = score_leaf_area(made.where(made.lat < 1), far, intervals=False)
    assert float(alone.bias) == pytest.approx(1)


def test_a_single_year_has_no_anomalies(truth):
    scores = score_leaf_area(truth.isel(time=slice(12)) + 1, truth, intervals=False)
    assert np.isnan(float(scores.anomaly_share))
    assert float(scores.bias) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(st.floats(-3, 3), st.floats(0.1, 3))
def test_an_offset_leaves_cycle_and_anomalies_alone(offset, scale):
    rng = np.random.default_rng(2)
    truth = series(rng.normal(2, 1, (24, 2, 2)))
    scores = score_leaf_area(truth * scale + offset, truth, intervals=False)
    assert float(scores.cycle_correlation) == pytest.approx(1)
    assert float(scores.cycle_share) == pytest.approx(1 - (1 - scale) ** 2)
    assert float(scores.anomaly_share) == pytest.approx(1 - (1 - scale) ** 2)


def test_intervals_hold_the_score_and_widen_with_the_blocks():
    rng = np.random.default_rng(3)
    lat, lon = np.arange(-9.5, 10), np.arange(0.5, 20)
    truth = series(rng.normal(2, 1, (24, 20, 20)), lat, lon)
    errors = np.kron(rng.normal(0, 1, (24, 4, 4)), np.ones((5, 5)))
    made = truth + errors
    narrow, wide = (score_leaf_area(made, truth, block=size) for size in (1, 5))
    for scores in (narrow, wide):
        low, high = scores.rmse_interval.values
        assert low < float(scores.rmse) < high
    width = [float(s.rmse_interval[1] - s.rmse_interval[0]) for s in (narrow, wide)]
    assert width[1] > 2 * width[0]
    few = score_leaf_area(made, truth, block=20)
    assert few.rmse_interval.isnull().all()


def test_other_grids_and_no_common_month_are_refused(truth):
    with pytest.raises(InputError, match="different grids"):
        score_leaf_area(truth.isel(lat=[0]), truth)
    with pytest.raises(InputError, match="no month in common"):
        score_leaf_area(truth.isel(time=slice(12)), truth.isel(time=slice(12, None)))
