"""The command line: messages and exit codes that a script can rely on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import xai4land
from conftest import plain_emulator, small_card
from xai4land.cli import main


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, standard output and error."""
    code = 0
    try:
        main([str(a) for a in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture
def files(world, tmp_path):
    world.drop_vars("truth").to_netcdf(tmp_path / "states.nc")
    world[["truth"]].rename(lat_fine="lat", lon_fine="lon", truth="land_cover").drop_vars(
        ["lat", "lon"]
    ).assign_coords(
        lat=("lat", world.lat_fine.values, world.lat_fine.attrs),
        lon=("lon", world.lon_fine.values, world.lon_fine.attrs),
    ).to_netcdf(tmp_path / "truth.nc")
    plain_emulator(small_card()).save(tmp_path / "plain.safetensors")
    return tmp_path


def test_reconstruct_and_evaluate(files, capsys):
    made = files / "map.zarr"
    how = ["--emulator", files / "plain.safetensors", "--quiet"]
    code, out, _ = run(capsys, "reconstruct", files / "states.nc", made, *how)
    assert code == 0
    assert "wrote" in out
    opened = xr.open_dataset(made, engine="zarr", consolidated=False, mask_and_scale=False)
    assert opened.land_cover.dtype == np.uint8
    picture = files / "scores.png"
    code, out, _ = run(capsys, "evaluate", made, files / "truth.nc", "--plot", picture)
    assert code == 0
    assert "mean_iou" in out
    assert picture.exists()
    prior = files / "prior.nc"
    truth = xr.open_dataset(files / "truth.nc", mask_and_scale=False)
    truth.isel(time=0).drop_vars("time").to_netcdf(prior)
    how_to_score = ["--prior", prior, "--factors", "1,2", "--blocks", "30"]
    code, out, _ = run(capsys, "evaluate", made, files / "truth.nc", *how_to_score)
    assert code == 0
    assert "figure_of_merit_upper" in out
    # The same run is finished; another one must not replace it.
    assert run(capsys, "reconstruct", files / "states.nc", made, *how)[0] == 0
    code, _, err = run(capsys, "reconstruct", files / "states.nc", made, *how, "--no-baselines")
    assert code == 1
    assert "--overwrite" in err


def test_faults_are_one_message_and_exit_code_1(files, capsys):
    for arguments in (
        ("reconstruct", files / "states.nc", files / "map.zarr", "--emulator", "nonsense"),
        ("reconstruct", files / "truth.nc", files / "map.zarr"),
        ("evaluate", files / "states.nc", files / "truth.nc"),
        ("emulators", "show", "nonsense"),
        ("emulators", "pull", "nonsense"),
        ("emulators", "verify", "nonsense"),
        ("fit", files / "states.nc", files / "truth.nc", files / "mine.pkl"),
    ):
        code, _, err = run(capsys, *arguments)
        assert code == 1, arguments
        assert err.startswith("error: "), arguments
        assert "Traceback" not in err


def test_fit_makes_an_emulator_that_can_be_used(planet, tmp_path, capsys):
    part = planet.isel(time=[0]).sel(lat=slice(40, 0), lon=slice(-110, -60))
    part = part.sel(lat_fine=slice(40, 0), lon_fine=slice(-110, -60))
    part.drop_vars("land_cover").to_netcdf(tmp_path / "states.nc")
    part[["land_cover"]].to_netcdf(tmp_path / "truth.nc")
    files = [tmp_path / "states.nc", tmp_path / "truth.nc", tmp_path / "mine.safetensors"]
    quick = ["--epochs", 1, "--steps", 1, "--batch-size", 1, "--quiet"]
    code, out, err = run(capsys, "fit", *files, *quick)
    assert code == 0, err
    assert "<Emulator 'my-landcover'>" in out
    how = ["--emulator", files[2], "--quiet"]
    code, _, err = run(capsys, "reconstruct", files[0], tmp_path / "map.nc", *how)
    assert code == 0, err
    assert (tmp_path / "map.nc").exists()


def test_typing_faults_are_exit_code_2(capsys):
    assert run(capsys, "reconstruct", "/nowhere/at/all.nc", "out.zarr")[0] == 2
    assert run(capsys, "nonsense")[0] == 2


def test_lists(capsys):
    for command, word in (
        ("emulators", "sample-landcover"),
        ("plugins", "ai4land"),
        ("versions", "torch"),
    ):
        code, out, _ = run(capsys, command)
        assert code == 0
        assert word in out
    code, out, _ = run(capsys, "emulators", "show", "sample-landcover")
    assert "<Emulator 'sample-landcover'>" in out


def test_help_lists_the_plugins_commands(capsys):
    _, out, _ = run(capsys, "--help")
    commands = "demo reconstruct explain fit evaluate forecast fit-seasonal verify calibrate regrid"
    for command in [*commands.split(), "emulators", "plugins", "versions"]:
        assert f"  {command} " in out


def test_the_demo_is_what_the_plugins_show(tmp_path, monkeypatch, capsys):
    from xai4land import discovery

    assert discovery.names("demos") == ["land", "seasonal"]
    shown = []
    monkeypatch.setattr(
        discovery, "load", lambda kind, name: lambda out, progress: shown.append((name, progress))
    )
    code, _, err = run(capsys, "demo", "--quiet", "--out", tmp_path / "new")
    assert code == 0, err
    assert shown == [("land", False), ("seasonal", False)]
    assert (tmp_path / "new").is_dir()


def test_an_unfinished_store_is_refused(files, capsys):
    (files / "map.zarr.partial").mkdir()
    code, _, err = run(capsys, "evaluate", files / "map.zarr.partial", files / "truth.nc")
    assert code == 1
    assert "not whole" in err


def test_python_can_run_it_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "xai4land", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("xai4land")


def test_regrid_writes_what_the_function_gives(files, capsys):
    out = files / "coarse.nc"
    code, said, err = run(capsys, "regrid", files / "states.nc", 20, out, "--quiet",
                          "--engine", "xarray-regrid")  # fmt: skip
    assert code == 0, err
    assert "wrote" in said
    expected = xai4land.regrid(xr.open_dataset(files / "states.nc"), 20.0, engine="xarray-regrid")
    xr.testing.assert_allclose(xai4land.open_store(out).wood, expected.wood)


def test_explain_says_what_a_run_will_take(files, capsys):
    how = ["--emulator", files / "plain.safetensors"]
    code, out, err = run(capsys, "explain", files / "states.nc", *how)
    assert code == 0, err
    assert "windows" in out


def test_errors_name_options_and_not_parameters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    xai4land.sample("climate", years=range(1950, 1992)).to_netcdf("obs.nc")
    code, _, err = run(capsys, "forecast", "obs.nc", "fc.nc", "--quiet")
    assert code == 1
    assert "give --climatology FIRST-LAST" in err
    assert "climatology=" not in err
    how = ["--climatology", "1951-1980", "--years", "1990", "--quiet"]
    assert run(capsys, "forecast", "obs.nc", "fc.nc", *how, "--members", 3)[0] == 0
    code, _, err = run(capsys, "forecast", "obs.nc", "fc.nc", *how, "--members", 4)
    assert code == 1
    assert "--overwrite" in err
    assert "overwrite=True" not in err


def test_help_shows_the_first_sentence_of_each_command(capsys):
    for arguments in (["--help"], ["emulators", "--help"]):
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        assert "..." not in out.split("Commands:")[1]


def test_a_misspelt_command_is_answered_by_the_nearest_one(capsys):
    code, _, err = run(capsys, "reconstuct", "a.nc", "b.nc")
    assert code == 2
    assert "did you mean 'reconstruct'?" in err
