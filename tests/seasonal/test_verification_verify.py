"""Verification of a forecast and its references on the same seasons."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import xai4land
from seasonal_worlds import monthly, red_noise
from xai4land import InputError
from xai4land.cli import main
from xai4land_seasonal import (
    anomalies,
    forecast,
    rebase,
    report,
    seasonal_means,
    summarise,
    tercile_probabilities,
    verify,
)

YEARS = range(1930, 1960)


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return monthly(red_noise(60, 6, 12))


@pytest.fixture(scope="module")
def made(world) -> xr.Dataset:
    how = {"years": YEARS, "members": 12, "emulator": "persistence"}
    return forecast(world, ("DJF", "JJA"), **how).compute()


def test_a_reference_is_made_at_the_forecasts_own_lead(world, made):
    scores = verify(made, world, references=["persistence"], metrics=["acc", "rmse"])
    np.testing.assert_allclose(scores.acc[0], scores.acc[1])
    np.testing.assert_allclose(scores.rmse[0], scores.rmse[1])


def test_scores_are_those_of_each_cell_and_season(world, made):
    scores = verify(made, world, references=[], metrics=["acc", "rmse"])
    truth = seasonal_means(world, "JJA").tas.sel(time=slice("1930", "1959"))
    mine = made.tas.isel(time=np.flatnonzero(made.season == "JJA")).mean("realization")
    expected = np.corrcoef(mine[:, 2, 3], truth[:, 2, 3])[0, 1]
    assert float(scores.acc.sel(season="JJA")[0, 2, 3]) == pytest.approx(expected, abs=1e-6)
    error = np.sqrt(((mine.values - truth.values) ** 2).mean(0))
    np.testing.assert_allclose(scores.rmse.sel(season="JJA")[0], error, rtol=1e-5)
    assert summarise(scores).index[0] == "persistence"


def test_intervals_contain_the_score_and_gains_over_itself_are_zero(world, made):
    scores = verify(
        made,
        world,
        references=["trend", "persistence"],
        metrics=["acc", "crpss"],
        dim=("time", "season", "lat", "lon"),
        intervals=100,
    ).compute()
    low, high = scores.crpss_interval.isel(forecast=0).values
    assert low < float(scores.crpss[0]) < high
    assert scores.acc_gain_interval.sel(forecast="trend").min() > 0
    assert scores.acc_gain_interval.isel(forecast=0).values.tolist() == [0, 0]
    with pytest.raises(InputError, match="intervals of single cells"):
        verify(made, world, intervals=10)


def test_missing_members_and_unequal_ensembles(world, made):
    fewer = made.isel(realization=slice(5)).copy(deep=True)
    fewer.tas[3, 2:4] = np.nan
    scores = verify(made, world, references={"fewer": fewer}, metrics=["crps", "rmse"]).compute()
    assert np.isfinite(scores.crps).all()
    assert scores.forecast.values.tolist() == ["persistence", "fewer"]


def test_roc_areas_are_half_without_skill_and_one_with_perfect_skill(world, made):
    """Thresholds are the same for all years, so that leaving out a year favours nobody."""
    truth = seasonal_means(world, ("DJF", "JJA")).sel(time=slice("1929-12", "1959"))
    never = made.copy(deep=True)
    never["tas"] = made.tas.isel(time=0, drop=True) + xr.zeros_like(made.tas)
    never["tas"] = never.tas.transpose(*made.tas.dims)
    knows = made.copy(deep=True)
    mine = truth.tas.transpose("time", "lat", "lon").values
    knows["tas"] = xr.zeros_like(made.tas) + xr.DataArray(mine, dims=("time", "lat", "lon"))
    knows["tas"] = knows.tas.transpose(*made.tas.dims)
    others = {"never": never, "knows": knows}
    metrics = ["roc_below", "roc_above"]
    scores = verify(made, world, references=others, metrics=metrics).compute()
    for metric in metrics:
        assert (scores[metric].sel(forecast="never") == 0.5).all()
        assert (scores[metric].sel(forecast="knows") == 1.0).all()
        assert 0.5 < float(scores[metric][0].mean()) < 1
    at = np.flatnonzero(made.season == "JJA")
    seen = mine[at, 2, 3]
    chance = (made.tas.values[at, :, 2, 3] >= np.quantile(seen, 2 / 3)).mean(1)
    event = seen >= np.quantile(seen, 2 / 3)
    wins = stats.mannwhitneyu(chance[event], chance[~event]).statistic
    expected = wins / (event.sum() * (~event).sum())
    assert float(scores.roc_above.sel(season="JJA")[0, 2, 3]) == pytest.approx(expected)


def test_pooled_metrics_and_regions(world, made):
    metrics = ["reliability_above", "rank_histogram"]
    scores = verify(made, world, references=[], metrics=metrics).compute()
    np.testing.assert_allclose(scores.rank_histogram.sum("bin"), 1)
    np.testing.assert_allclose(scores.reliability_above_weight.sum("bin"), 1)
    boxes = {"north": (0, 90, -180, 180)}
    scores = verify(made, world, references=[], metrics=["acc"], regions=boxes)
    assert scores.acc.dims == ("forecast", "season", "region")


def test_bad_requests_are_refused_together(world, made):
    with pytest.raises(InputError, match="metric 'skill'") as caught:
        verify(made, world, metrics=["skill"], references=["guess"])
    assert "reference 'guess'" in str(caught.value)
    with pytest.raises(InputError, match="share 0 seasons"):
        verify(made, world.sel(time=slice(None, "1925")), references={})


def test_absolute_observations_of_anomalies_are_refused(world, made):
    absolute = world.copy()
    absolute["tas"] = (world.tas + 12).assign_attrs(units="degC")
    with pytest.raises(InputError, match="absolute values, not anomalies; give climatology="):
        verify(made, absolute, references=[])
    how = {"references": [], "metrics": ["acc", "rmse"]}
    expected = verify(made, anomalies(world.tas + 12, (1900, 1929)).to_dataset(), **how)
    scores = verify(made, absolute, climatology=(1900, 1929), **how)
    np.testing.assert_allclose(scores.rmse, expected.rmse, atol=1e-6)


def test_absolute_forecasts_of_anomalies_are_refused_by_name(world, made):
    absolute = made + 280
    with pytest.raises(InputError, match="'theirs' and the observations differ by 280"):
        verify(made, world, references={"theirs": absolute}, metrics=["acc"]).compute()
    truth = seasonal_means(world + 280)
    with pytest.raises(InputError, match="one is absolute, the other anomalies"):
        verify(made.chunk(time=10), truth, references={}, metrics=["acc"]).compute()
    scores = verify(absolute, truth, references={}, metrics=["bias"]).compute()
    assert abs(float(scores.bias.mean())) < 1


def test_a_report_makes_each_reference_once(world, made, tmp_path, monkeypatch):
    from xai4land_seasonal.verification import comparison

    asked = []

    def counted(data, *how, emulator, **more):
        asked.append(emulator.name)
        return forecast(data, *how, emulator=emulator, **more)

    monkeypatch.setattr(comparison, "make_forecast", counted)
    page = report(made, tmp_path / "a.html", obs=world, intervals=20, references=["persistence"])
    assert sorted(asked) == ["climatology", "persistence", "trend"]  # two judge all scores
    text = page.read_text()
    scores = verify(
        made,
        world,
        references=["persistence"],
        metrics=["acc", "crpss"],
        dim=("time", "season", "lat", "lon"),
        intervals=20,
    ).compute()
    for metric in ("acc", "crpss"):
        low, high = scores[f"{metric}_interval"].isel(forecast=1).values
        text_of = f"{float(scores[metric][1]):.3f}<br><small>{low:.3f} to {high:.3f}</small>"
        assert text_of in text


def test_terciles_report_and_commands(world, made, tmp_path, capsys):
    chance = tercile_probabilities(made, world).tas_probability
    np.testing.assert_allclose(chance.sum("category"), 1, atol=1e-6)
    np.testing.assert_allclose(chance.mean(), 1 / 3, atol=1e-6)
    page = report(made, tmp_path / "report.html", obs=world, intervals=10).read_text()
    assert page.count("data:image/png;base64,") == page.count("<img") >= 6
    assert not [word for word in ('src="http', "href=", "<script") if word in page]
    world.to_netcdf(tmp_path / "obs.nc")
    out = tmp_path / "fc.nc"
    main(
        ["forecast", str(tmp_path / "obs.nc"), str(out), "--emulator", "persistence", "--years",
         "1940-1950", "--members", "5", "--quiet"]
    )  # fmt: skip
    main(["verify", str(out), str(tmp_path / "obs.nc"), "--references", "trend,persistence"])
    assert "persistence" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_scores_are_the_same_of_a_forecast_that_was_written(tmp_path, ending):
    from xai4land import open_store, write

    climate = xai4land.sample("climate", years=range(1960, 2006))
    made = climate.seasonal.forecast(
        "DJF",
        members=2,
        years=range(1999, 2005),
        emulator="damped persistence",
        climatology=(1970, 1998),
    )
    assert set(made.data_vars) == {"tas", "psl", "pr"}

    def acc(forecast):
        scores = forecast.seasonal.verify(
            climate, references=["climatology"], metrics=["acc"], climatology=(1970, 1998)
        )
        return scores.acc.compute().values

    path = write(made, tmp_path / f"made.{ending}", progress=False)
    np.testing.assert_allclose(acc(open_store(path)), acc(made), atol=1e-5)
    engine = "zarr" if ending == "zarr" else "netcdf4"
    with xr.open_dataset(path, engine=engine, chunks={}) as plain:
        np.testing.assert_allclose(acc(plain), acc(made), atol=1e-5)


def test_another_base_changes_skill_over_climatology_and_no_correlation(world):
    warming = world.copy()
    years = xr.DataArray(np.arange(world.sizes["time"]) / 12, dims="time")
    warming["tas"] = (
        (world.tas + 0.05 * years).assign_attrs(world.tas.attrs).transpose(*world.tas.dims)
    )
    how = {"years": range(1935, 1960), "members": 8}
    made = forecast(warming, "JJA", emulator="trend", climatology=None, **how).compute()
    wanted = {
        "references": ["climatology", "climatology of 10 years"],
        "metrics": ["acc", "rmse", "msess"],
        "dim": ("time", "lat", "lon"),
    }
    old = verify(made, warming, rebase=(1900, 1919), **wanted).compute()
    new = verify(made, warming, rebase=(1935, 1959), **wanted).compute()
    for metric in ("acc", "rmse"):
        np.testing.assert_allclose(old[metric][0], new[metric][0], atol=1e-5)
        np.testing.assert_allclose(old[metric][2], new[metric][2], atol=1e-5)
    assert float(old.msess[0, 0]) > float(new.msess[0, 0]) + 0.3
    assert (old.msess.sel(forecast="climatology") == 0).all()
    by_hand = verify(
        rebase(made, (1900, 1919), obs=warming), rebase(warming, (1900, 1919)), **wanted
    )
    np.testing.assert_allclose(old.msess, by_hand.msess, atol=1e-6)


def test_absolute_observations_and_other_forecasts_are_rebased_alike(world, made):
    absolute = world.copy()
    absolute["tas"] = (world.tas + 12).assign_attrs(units="degC")
    told = made.assign_attrs(climatology_period="1900-1929")
    how = {"metrics": ["rmse", "msess"], "rebase": (1931, 1950)}
    found = verify(told, absolute, references={"b": told}, climatology=(1900, 1929), **how)
    anomaly = anomalies(world.tas + 12, (1900, 1929)).to_dataset()
    expected = verify(made, anomaly, references={"b": made}, **how)
    np.testing.assert_allclose(found.msess, expected.msess, atol=1e-5)
    np.testing.assert_allclose(found.msess[0], found.msess[1])
    with pytest.raises(InputError, match="of the years 1951-1980 are there"):
        verify(made, world, rebase=(1951, 1980))


def test_a_forecast_in_other_units_has_the_same_skill(world, made):
    scaled = (made.tas * 1000).assign_attrs(made.tas.attrs, units="mK")
    first, second = (
        verify(one, world, references=["trend"], metrics=["crpss", "rmse"])
        for one in (made, made.assign(tas=scaled))
    )
    xr.testing.assert_allclose(first.crpss, second.crpss, atol=1e-5)
    xr.testing.assert_allclose(1000 * first.rmse, second.rmse, rtol=1e-5)
    assert second.rmse.attrs["units"] == "mK"
