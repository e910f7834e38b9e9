"""Verification where scores are undefined, of dry cells, biased forecasts and other bases."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import xai4land
from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land_seasonal import (
    anomalies,
    forecast,
    rebase,
    seasonal_means,
    tercile_probabilities,
    verify,
)

YEARS = range(1930, 1960)


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return monthly(red_noise(60, 4, 6))


def persistence(world, **how) -> xr.Dataset:
    return forecast(world, "JJA", years=YEARS, members=9, emulator="persistence", **how).compute()


@pytest.fixture(scope="module")
def made(world) -> xr.Dataset:
    return persistence(world)


def replace(made: xr.Dataset, values) -> xr.Dataset:
    """The forecast with other values."""
    return made.assign(tas=(xr.zeros_like(made.tas) + values).transpose(*made.tas.dims))


def test_a_forecast_that_never_changes_has_no_correlation():
    climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]].load()
    how = {"climatology": (1900, 1929)}
    metrics = ["acc", "acc_pvalue", "residual_correlation", "rmse", "crpss"]
    made = forecast(climate, "DJF", years=range(1935, 1955), members=20,
                    emulator="climatology", **how)  # fmt: skip
    scores = verify(made, climate, references=["persistence"], metrics=metrics, **how).compute()
    for metric in ("acc", "acc_pvalue", "residual_correlation"):
        assert np.isnan(scores[metric][0]).all()
        assert np.isfinite(scores[metric][1]).all()
    assert np.isfinite(scores.rmse).all()


def test_the_same_everywhere_is_neither_skill_nor_significant(world, made):
    truth = seasonal_means(world, "JJA")
    constant = truth.assign(tas=xr.full_like(truth.tas, 0.1))
    forecast_ = replace(made, 0.1)
    metrics = ["acc", "crps", "crpss", "rpss", "walk_pvalue", "spread_error", "roc_above", "bias"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = verify(forecast_, constant, references={"same": forecast_}, metrics=metrics)
        scores = scores.compute()
    assert (scores.crps == 0).all()
    assert not np.isinf(scores.to_array()).any()
    for metric in ("acc", "crpss", "rpss", "spread_error", "roc_above"):
        if metric != "crpss":  # seasonal observations have no climatology but zero
            assert np.isnan(scores[metric]).all(), metric


def test_ice_at_its_freezing_point_has_no_anomalies():
    sea = monthly(red_noise(60, 4, 6).astype(np.float32) + 285)
    sea["tas"][:, 0] = np.float32(271.35)
    found = anomalies(sea.tas, (1900, 1929))
    assert (found[:, 0] == 0).all()
    free = sea.tas[:, 1:] - sea.tas[:360, 1:].groupby("time.month").mean().sel(
        month=sea.time.dt.month
    ).drop_vars("month")  # fmt: skip
    np.testing.assert_allclose(found[:, 1:], free, atol=2e-4)
    made = persistence(sea, climatology=(1900, 1929))
    scores = verify(made, sea, metrics=["acc", "msess", "crpss"], climatology=(1900, 1929))
    scores = scores.compute()
    for metric in ("acc", "msess", "crpss"):
        assert np.isnan(scores[metric].isel(lat=0)).all()
        assert np.isfinite(scores[metric].isel(lat=slice(1, None), forecast=0)).all()


def test_a_biased_forecast_is_not_taken_for_an_absolute_one(world, made):
    calm = world.copy(data={"tas": 0.3 * world.tas})
    biased = replace(made, 2.0 + 0.3 * made.tas)  # 2 K off, where years vary by 0.3 K
    scores = verify(biased, calm, references=[], metrics=["bias", "acc"]).compute()
    assert float(scores.bias.mean()) == pytest.approx(2, abs=0.1)
    plain = verify(replace(made, 0.3 * made.tas), calm, references=[], metrics=["acc"]).compute()
    np.testing.assert_allclose(scores.acc, plain.acc, atol=1e-4)
    # Absolute forecasts of absolute observations may be biased, too.
    truth = seasonal_means(calm + 300, "JJA")
    scores = verify(biased + 300, truth, references={}, metrics=["bias"]).compute()
    assert float(scores.bias.mean()) == pytest.approx(2, abs=0.1)
    with pytest.raises(InputError, match="one is absolute, the other anomalies"):
        verify(biased + 280, calm, references=[], metrics=["bias"]).compute()


# Dry cells


@pytest.fixture(scope="module")
def rain() -> xr.Dataset:
    """Rows that are wet in all years, in 60 %, in 30 % and in none."""
    rng = np.random.default_rng(0)
    values = np.repeat(rng.gamma(2.0, size=(60, 1, 4, 6)), 12, 1)
    for row, wet in enumerate((1.0, 0.6, 0.3, 0.0)):
        dry = np.stack([rng.permutation(60) >= wet * 60 for _ in range(6)], -1)
        values[:, :, row][np.repeat(dry[:, None], 12, 1)] = 0.0
    return monthly(values.reshape(720, 4, 6), name="pr", units="kg m-2 s-1")


@pytest.fixture(scope="module")
def dry(rain) -> tuple[xr.Dataset, xr.Dataset]:
    """An always-dry forecast, and the observations."""
    truth = seasonal_means(rain, "JJA")
    ensemble = truth.expand_dims(realization=10).transpose("time", "realization", ...) * 0.0
    return ensemble.isel(time=slice(30, 60)).assign_attrs(emulator="dry"), truth


def test_an_always_dry_forecast_has_no_skill_in_dry_cells(dry):
    always, truth = dry
    scores = verify(always, truth, references={}, metrics=["rpss", "roc_below", "roc_above"])
    rpss = scores.rpss.isel(forecast=0, season=0).compute()
    assert not (rpss > 0).any()
    assert (rpss.isel(lat=1) < 0).all()  # a third of the years is dry: ties are divided
    assert np.isnan(rpss.isel(lat=3)).all()  # all are: there are no terciles


def test_dry_years_are_not_above_normal(rain, dry):
    always, truth = dry
    chance = tercile_probabilities(always, truth)
    found = chance.pr_probability
    assert "divided" in found.attrs["comment"]
    assert "missing" in found.attrs["comment"]
    assert np.isnan(found.isel(lat=[2, 3])).all()
    below, near, above = (found.isel(lat=1, category=k) for k in range(3))
    assert (above == 0).all()
    assert (below > near).all()
    np.testing.assert_allclose(found.isel(lat=[0, 1]).sum("category"), 1, atol=1e-6)
    # Observed years, one by one, have a third in each category.
    years = truth.expand_dims(realization=1).transpose("time", "realization", ...)
    shares = tercile_probabilities(years, truth).pr_probability.isel(lat=[0, 1]).mean("time")
    np.testing.assert_allclose(shares, 1 / 3, atol=0.04)


# Bases


def test_monthly_anomalies_are_rebased_as_if_made_so(world):
    warm = world + np.linspace(0, 3, world.sizes["time"])[:, None, None] + 12
    warm["tas"].attrs["units"] = "degC"
    old, new = (anomalies(warm.tas, p).to_dataset() for p in ((1901, 1930), (1931, 1959)))
    found = rebase(old, (1931, 1959))
    np.testing.assert_allclose(found.tas, new.tas, atol=1e-10)
    assert found.attrs["climatology_period"] == "1931-1959"
    assert found.tas.attrs["units"] == "degC"
    lazy = rebase(old.chunk(time=100), (1931, 1959))
    assert lazy.tas.chunks
    np.testing.assert_allclose(lazy.tas, found.tas, atol=1e-10)


def test_forecasts_are_rebased_by_what_was_observed(world):
    warm = world + np.linspace(0, 3, world.sizes["time"])[:, None, None]
    old, new = (rebase(warm, p) for p in ((1900, 1929), (1930, 1959)))
    made = persistence(old) + 0.5
    moved = rebase(made, (1930, 1959), obs=old)
    assert moved.tas.dtype == made.tas.dtype
    assert moved.sizes == made.sizes
    metrics = ["acc", "bias", "rmse", "crps", "rpss", "msess"]
    before = verify(made, old, references=[], metrics=metrics).compute()
    after = verify(moved, new, references=[], metrics=metrics).compute()
    for metric in ("acc", "bias", "rmse", "crps", "rpss"):
        np.testing.assert_allclose(after[metric], before[metric], atol=1e-5, err_msg=metric)
    # Skill over no anomaly depends on what that is.
    assert float(before.msess.mean() - after.msess.mean()) > 0.1
    seasonal = rebase(seasonal_means(old, "JJA"), (1930, 1959))
    np.testing.assert_allclose(seasonal.tas, seasonal_means(new, "JJA").tas, atol=1e-10)


def test_bases_that_differ_are_refused(world):
    warm = world + 12
    warm["tas"].attrs["units"] = "degC"
    made = persistence(warm, climatology=(1901, 1929))
    for function in (verify, tercile_probabilities):
        with pytest.raises(InputError, match="against 1901-1920, and the forecast is against 1901"):
            function(made, warm, climatology=(1901, 1920))
    with pytest.raises(InputError, match="rebase"):
        verify(made, rebase(warm, (1901, 1920)), references=[])
    with pytest.raises(InputError, match="give obs="):
        rebase(made, (1901, 1920))
    with pytest.raises(InputError, match="0 of the years 1990-1999 are there"):
        rebase(warm, (1990, 1999))
    with pytest.raises(InputError, match="expected its first and last year"):
        rebase(warm, (1959, 1930))


# Intervals


def test_intervals_are_those_of_years_drawn_one_by_one(world, made):
    how = {"references": [], "dim": ("time", "lat", "lon"), "progress": False}
    metrics = ["acc", "rmse", "crpss"]
    scores = verify(made, world, metrics=metrics, intervals=200, seed=3, **how).compute()
    years = made.season_year.values
    first = np.random.default_rng(3).integers(0, years.size, (200, 15, 1))
    draws = (first + np.arange(2)).reshape(200, -1) % years.size
    truth = seasonal_means(world, "JJA").sel(time=made.time).drop_vars("time_bnds")
    mean = made.tas.mean("realization")
    error = np.sqrt(((mean.values[draws] - truth.tas.values[draws]) ** 2).mean(1))
    weights = np.cos(np.deg2rad(made.lat.values))
    areas = np.average(error.mean(-1), axis=-1, weights=weights)
    np.testing.assert_allclose(
        scores.rmse_interval.isel(forecast=0, season=0), np.quantile(areas, [0.05, 0.95]), rtol=0.01
    )


def test_intervals_of_undefined_scores_are_missing_without_a_word(world, made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = verify(
            made,
            world,
            references=["trend", "climatology"],
            metrics=["residual_correlation", "acc"],
            dim=("time", "lat", "lon", "season"),
            intervals=20,
            progress=False,
        ).compute()
    assert np.isnan(scores.residual_correlation_interval.sel(forecast="trend")).all()
    assert np.isnan(scores.acc_interval.sel(forecast="climatology")).all()
    assert np.isfinite(scores.acc_interval.isel(forecast=0)).all()


def test_intervals_show_their_progress(world, made, capsys):
    how = {"references": [], "metrics": ["acc"], "dim": ("time", "lat", "lon"), "intervals": 30}
    verify(made, world, **how)
    assert "intervals" in capsys.readouterr().err
    verify(made, world, progress=False, **how)
    assert not capsys.readouterr().err
