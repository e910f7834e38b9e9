"""Trends from earlier years, and the departures that forecasts start from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.seasons import Season
from xai4land_seasonal.data.trends import extrapolate_trend


@pytest.mark.parametrize("kind", ["line", "shrunk"])
def test_trends_know_nothing_of_their_own_year_or_later(kind):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3))
    changed = values.copy()
    changed[30:] = 1e6
    one, other = (extrapolate_trend(v, kind)[:31] for v in (values, changed))
    assert np.array_equal(one, other, equal_nan=True)


def test_the_trend_is_the_line_with_its_slope_shrunk_by_noise():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 3)) + 0.05 * np.arange(40)[:, None]
    area = np.array([1.0, 2.0, 0.5])
    fits = [linregress(np.arange(30), values[:30, k]) for k in range(3)]
    slope, error = (np.array([getattr(f, n) for f in fits]) for n in ("slope", "stderr"))
    level = values[:30].mean(0)
    assert extrapolate_trend(values)[30] == pytest.approx(level + slope * 15.5)
    held = 1 - (area * error**2).sum() / (area * slope**2).sum()
    assert 0 < held < 1
    assert extrapolate_trend(values, "shrunk", area)[30] == pytest.approx(
        level + held * slope * 15.5
    )


def test_a_shrunk_trend_removes_noise_and_keeps_warming():
    noise = np.random.default_rng(1).normal(size=(41, 500))
    still, warming = noise, noise + 0.2 * np.arange(41)[:, None]
    error = {
        (kind, name): np.sqrt((((extrapolate_trend(v, kind) - (v - noise))[40]) ** 2).mean())
        for kind in ("line", "shrunk")
        for name, v in (("still", still), ("warming", warming))
    }
    # A mean of 40 years errs by 40 ** -0.5, a line's continuation by twice as much.
    assert error["shrunk", "still"] == pytest.approx(40**-0.5, rel=0.1)
    assert error["line", "still"] == pytest.approx(2 * 40**-0.5, rel=0.1)
    assert error["shrunk", "warming"] == pytest.approx(error["line", "warming"], rel=0.1)


def test_a_missing_cell_does_not_change_the_shrunk_trend_of_others():
    values = np.random.default_rng(0).normal(size=(40, 6))
    holed = np.concatenate([values, np.full((40, 1), np.nan)], 1)
    made = extrapolate_trend(holed, "shrunk")
    np.testing.assert_allclose(made[:, :6], extrapolate_trend(values, "shrunk"))
    assert np.isnan(made[:, 6]).all()


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 11), length=st.integers(200, 420), lead=st.integers(0, 4))
def test_inputs_are_the_months_before_whatever_month_the_data_begin_in(start, length, lead):
    values = np.arange(length, dtype=float)[:, None, None] ** 2 / 1e3
    history = History(values, 12 * 1900 + start)
    season = Season.of("DJF")
    year = 1900 + (start + length) // 12
    inputs = history.inputs(season, lead, np.array([year]))
    last = 12 * (year - 1) + 11 - 1 - lead - (12 * 1900 + start)
    if not 0 <= last < length:
        return
    month = history.values.reshape(-1)[last + start % 12]
    assert month == values[last, 0, 0]
    trend = extrapolate_trend(history.values)[:, (last + start) % 12, 0, 0]
    expected = month - trend[(last + start) // 12]
    np.testing.assert_allclose(inputs.months[0, 0, 0, 0], expected)
