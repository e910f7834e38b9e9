"""Where scores are significant, on maps with many cells."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from seasonal_worlds import monthly, red_noise
from xai4land.scores.significance import control_fdr, mean_pvalue
from xai4land_seasonal import plot_scores, seasonal_means, verify

ROWS, COLUMNS, MEMBERS = 9, 18, 30


def test_means_are_tested_as_by_student():
    rng = np.random.default_rng(0)
    better = rng.normal(0.3, 1, size=(4, 25))
    found = mean_pvalue(xr.DataArray(better, dims=("x", "time")))
    expected = stats.ttest_1samp(better, 0, axis=1, alternative="greater")
    for k in range(4):
        series = better[k] - better[k].mean()
        lag = (series[1:] * series[:-1]).mean() / (series**2).mean()
        size = min(25 * (1 - lag) / (1 + lag), 25)
        t = expected.statistic[k] * np.sqrt(size / 25)
        assert float(found[k]) == pytest.approx(float(stats.t.sf(t, size - 1)))


def test_red_noise_counts_for_less():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(500, 60))
    for k in range(1, 60):
        noise[:, k] += 0.6 * noise[:, k - 1]
    found = mean_pvalue(xr.DataArray(noise, dims=("x", "time")))
    naive = stats.ttest_1samp(noise, 0, axis=1, alternative="greater").pvalue
    # One in ten is expected; the estimated autocorrelation leaves a few more.
    assert float((found < 0.1).mean()) < 0.15 < 0.2 < (naive < 0.1).mean()


@pytest.fixture(scope="module")
def scores() -> xr.Dataset:
    """Skill in the north, nothing in the middle, and a wrong sign in the south."""
    rng = np.random.default_rng(2)
    truth = seasonal_means(monthly(red_noise(41, ROWS, COLUMNS, 0.0)), "JJA").compute()
    size = float(truth.tas.std())
    share = np.repeat([0.7, 0.0, -0.7], 3)[:, None]
    signal = truth.tas.values * share + rng.normal(size=truth.tas.shape) * size * 0.4
    noise = rng.normal(size=(len(signal), MEMBERS, ROWS, COLUMNS)) * size * 0.5
    members = xr.DataArray(signal[:, None] + noise, dims=("time", "realization", "lat", "lon"))
    made = truth.assign(tas=members.assign_attrs(truth.tas.attrs))
    names = ("acc", "residual_correlation", "crpss", "rpss", "msess")
    pvalues = [f"{name}_pvalue" for name in names]
    usual = rng.normal(size=noise.shape) * size
    others = {"climatology": made.assign(tas=(members.dims, usual, truth.tas.attrs))}
    metrics = [*names, *pvalues, "effective_size"]
    return verify(made, truth, references=others, metrics=metrics).isel(forecast=[0]).compute()


@pytest.mark.parametrize("name", ["acc", "residual_correlation", "crpss", "rpss", "msess"])
def test_skill_is_significant_where_it_is(scores, name):
    found = scores[f"{name}_pvalue"].squeeze()
    above, below = control_fdr(found), control_fdr(1 - found)
    assert float(above[:3].mean()) > 0.8
    assert float(below[6:].mean()) > 0.8
    false = above[3:6].sum() + above[6:].sum()
    assert float(false) <= 0.2 * float(above.sum())


def test_maps_are_marked_by_the_false_discovery_rate(scores):
    figure = plot_scores(scores, metric="crpss")
    ax = figure.axes[0]
    marks = {
        line.get_marker(): line.get_ydata() for line in ax.lines if line.get_marker() != "None"
    }
    found = scores.crpss_pvalue.squeeze()
    assert len(marks["."]) == int(control_fdr(found).sum())
    assert len(marks["x"]) == int(control_fdr(1 - found).sum())
    assert np.median(marks["."]) > 30 > -30 > np.median(marks["x"])
    assert "independent years" in ax.get_title()
    assert "of the area" in ax.get_title()


def test_effective_size_is_at_most_the_number_of_years(scores):
    sizes = scores.effective_size
    assert 3 <= float(sizes.min()) <= float(sizes.max()) <= 41
    assert float(sizes.median()) > 30
