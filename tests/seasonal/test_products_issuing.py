"""The folder of a forecast that is issued."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from matplotlib.image import imread

import xai4land
from seasonal_worlds import monthly, red_noise
from xai4land import InputError, StoreError
from xai4land.cli import cli
from xai4land_seasonal import anomalies, forecast, issue, tercile_probabilities, verify
from xai4land_seasonal.products import issuing

HOW = {"emulator": "damped persistence", "members": 8}


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    """Absolute monthly fields of 1900 to October 1960, with a cycle of the year."""
    cycle = 10 * np.sin(2 * np.pi * np.arange(12 * 61) / 12)
    values = 280 + red_noise(61, 6, 12) + cycle[:, None, None]
    return monthly(values[:-2])


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_coming_seasons_are_those_after_the_newest_month(world, tmp_path):
    made = issue(world, tmp_path / "november", leads=(2, 0), climatology=(1931, 1960 - 1), **HOW)
    assert names(made) == [
        *("JFM_1961.html", "JFM_1961_tas.png", "NDJ_1961.html", "NDJ_1961_tas.png"),
        *("forecast.nc", "terciles.nc"),
    ]
    assert names(tmp_path) == ["november"]
    issued = xr.open_dataset(made / "forecast.nc")
    assert issued.season.values.tolist() == ["NDJ", "JFM"]
    assert issued.season_year.values.tolist() == [1961, 1961]
    assert {str(t)[:10] for t in issued.forecast_reference_time.values} == {"1960-11-01"}
    assert issued.climatology_period == "1931-1959"
    assert issued.tas.units == "K"
    expected = forecast(world, "NDJ", lead=0, years=1961, climatology=(1931, 1959), **HOW)
    np.testing.assert_allclose(issued.tas[0], expected.tas[0], atol=1e-5)
    chance = xr.open_dataset(made / "terciles.nc").tas_probability
    np.testing.assert_allclose(chance.sum("category"), 1, atol=1e-6)
    terciles = tercile_probabilities(expected, world, climatology=(1931, 1959), period=(1931, 1959))
    np.testing.assert_allclose(chance[0], terciles.tas_probability[0], atol=1e-6)
    assert imread(made / "NDJ_1961_tas.png").std() > 0.05


def test_a_hindcast_beside_it_is_scored(world, tmp_path):
    made = issue(world, tmp_path / "x", climatology=(1931, 1959), hindcast=40, **HOW)
    past = xr.open_dataset(made / "hindcast.nc")
    assert past.season_year.values.tolist() == list(range(1921, 1961))
    departures = anomalies(world, (1931, 1959))
    expected = forecast(departures, "DJF", years=range(1921, 1961), **HOW)
    np.testing.assert_allclose(past.tas, expected.tas, atol=1e-5)
    scores = verify(past, departures, references=["climatology"], metrics=["acc"],
                    dim=("time", "lat", "lon"))  # fmt: skip
    page = (made / "DJF_1961.html").read_text()
    shown = re.search(r"damped persistence</th><td>(-?[\d.]+)", page)
    assert shown is not None
    expected = scores.acc.sel(forecast="damped persistence").values.item()
    assert float(shown[1]) == pytest.approx(expected, abs=2e-3)
    assert "40 seasons, 1921-1960" in page


def test_a_hindcast_corrects_mean_and_spread(world, tmp_path):
    how = {"climatology": (1931, 1959), "hindcast": 30, "emulator": "climatology", "members": 8}
    plain, mended = (
        xr.open_dataset(
            issue(world, tmp_path / str(calibrated), calibrated=calibrated, **how) / "forecast.nc"
        )
        for calibrated in (False, True)
    )
    assert float(abs(plain.tas - mended.tas).max()) > 0.1
    assert "calibrated on all other years" in mended.history
    with pytest.raises(InputError, match="calibrated=True with hindcast=8.*hindcast=30"):
        issue(world, tmp_path / "few", calibrated=True, hindcast=8)


def test_years_that_the_emulator_learned_from_are_told(tmp_path):
    obs = xai4land.sample("climate", years=range(1950, 2001))[["tas"]]
    made = issue(obs, tmp_path / "x", climatology=(1971, 2000), hindcast=4, members=4)
    page = (made / "FMA_2001.html").read_text()
    assert "The emulator learned from 1880-2000" in page


def test_a_folder_is_whole_or_not_there(world, tmp_path, monkeypatch):
    how = {"climatology": (1931, 1959), **HOW}
    folder = issue(world, tmp_path / "x", **how)
    before = (folder / "forecast.nc").read_bytes()
    with pytest.raises(StoreError, match=r"x exists.*overwrite=True"):
        issue(world, folder, **how)

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(issuing, "report", fail)
        with pytest.raises(StoreError, match="No space left"):
            issue(world, folder, overwrite=True, **how)
        with pytest.raises(StoreError, match="No space left"):
            issue(world, tmp_path / "y", **how)
    assert names(tmp_path) == ["x"]
    assert (folder / "forecast.nc").read_bytes() == before
    issue(world, folder, overwrite=True, **how | {"members": 9})
    assert xr.open_dataset(folder / "forecast.nc").sizes["realization"] == 9
    assert names(tmp_path) == ["x"]


def test_folders_of_other_things_are_not_replaced(world, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    (tmp_path / "empty").mkdir()
    for name, seen in (("mine", "holds thesis.tex"), ("empty", "has no forecast.nc")):
        with pytest.raises(StoreError, match=seen):
            issue(world, tmp_path / name, overwrite=True, **HOW)
    with pytest.raises(StoreError, match="make it first"):
        issue(world, tmp_path / "none" / "x", **HOW)
    with pytest.raises(InputError, match=r"leads=\(1, 1\)"):
        issue(world, tmp_path / "y", leads=(1, 1), **HOW)
    with pytest.raises(InputError, match="hindcast=-1"):
        issue(world, tmp_path / "y", hindcast=-1, **HOW)
    assert names(tmp_path) == ["empty", "mine"]


def test_one_command_issues(world, tmp_path):
    path = tmp_path / "obs.nc"
    world.to_netcdf(path)
    arguments = ["issue", str(path), str(tmp_path / "out"), "--leads", "0,1", "--members", "5"]
    options = ["--emulator", "trend", "--climatology", "1931-1959"]
    done = CliRunner().invoke(cli, [*arguments, *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert "wrote" in done.output
    assert "DJF_1961_tas.png" in done.output
    issued = xr.open_dataset(tmp_path / "out" / "forecast.nc")
    assert issued.season.values.tolist() == ["NDJ", "DJF"]
