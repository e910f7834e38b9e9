"""Every command is its function: options are parameters, with the function's defaults."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, fields
from pathlib import Path

import click
import pytest
import xarray as xr
from click.testing import CliRunner

import xai4land
import xai4land_land
import xai4land_seasonal
from xai4land.cli import cli
from xai4land_seasonal.emulators import BUNDLED

WRITES = {"out", "overwrite", "quiet", "zarr_format"}  # of write()


@dataclass(frozen=True)
class Twin:
    """A command and its function."""

    package: object
    function: str
    arguments: tuple[str, ...]
    extra: set[str] = field(default_factory=set)
    """What the command takes beside the function's parameters: where results go."""
    missing: dict[str, str] = field(default_factory=dict)
    """Parameters that a command line cannot give, and why."""
    settings: type | None = None


SAVES = {"command": "the command line says it itself", "progress": "it is --quiet, reversed"}
TWINS = {
    "regrid": Twin(xai4land, "regrid", ("data.nc", "1.0", "out.nc"), WRITES),
    "reconstruct": Twin(xai4land_land, "reconstruct", ("data.nc", "out.nc"), WRITES),
    "leaf-area": Twin(xai4land_land, "leaf_area", ("data.nc", "obs.nc", "out.nc"), WRITES),
    "explain": Twin(xai4land_land, "reconstruct", ("data.nc",)),
    "fit": Twin(
        xai4land_land,
        "fit",
        ("data.nc", "obs.nc", "out.safetensors"),
        {"out", "quiet"},
        SAVES,
        xai4land_land.MapSettings,
    ),
    "fit-leaf-area": Twin(
        xai4land_land,
        "fit_leaf_area",
        ("data.nc", "obs.nc", "obs.nc", "out.safetensors"),
        {"out", "quiet"},
        SAVES | {"training_data": "files have titles"},
        xai4land_land.MapSettings,
    ),
    "evaluate": Twin(xai4land_land, "evaluate", ("data.nc", "obs.nc"), {"plot"}),
    "fractions": Twin(xai4land_land, "fractions", ("data.nc", "1.0", "out.nc"), WRITES),
    "to-legend": Twin(xai4land_land, "to_legend", ("data.nc", "ipcc", "out.nc"), WRITES),
    "forecast": Twin(xai4land_seasonal, "forecast", ("data.nc", "out.nc"), {*WRITES, "plot"}),
    "fit-seasonal": Twin(
        xai4land_seasonal,
        "fit",
        ("data.nc", "out.safetensors"),
        {"out", "quiet"},
        SAVES,
        xai4land_seasonal.Settings,
    ),
    "issue": Twin(xai4land_seasonal, "issue", ("data.nc", "folder")),
    "verify": Twin(
        xai4land_seasonal,
        "verify",
        ("data.nc", "obs.nc"),
        {"plot", "report", "quiet"},
        {"progress": SAVES["progress"]},
    ),
    "calibrate": Twin(xai4land_seasonal, "calibrate", ("data.nc", "obs.nc", "out.nc"), WRITES),
    "tercile-probabilities": Twin(
        xai4land_seasonal, "tercile_probabilities", ("data.nc", "obs.nc", "out.nc"), WRITES
    ),
    "rebase": Twin(xai4land_seasonal, "rebase", ("data.nc", "1991-2020", "out.nc"), WRITES),
}
OTHERS = {
    "demo": "runs what plugins show of themselves",
    "emulators": "a group: list, show, pull, verify",
    "plugins": "has no option",
    "prefetch": "searches a catalog, and copies what it found",
    "versions": "has no option",
}


class Stop(Exception):  # noqa: N818
    """The function was called; what comes after is not looked at."""


def command(name: str) -> click.Command:
    return cli.get_command(click.Context(cli), name)


def test_all_commands_are_held_to_a_function_or_named():
    assert set(cli.list_commands(click.Context(cli))) == {*TWINS, *OTHERS}


@pytest.mark.parametrize("name", TWINS)
def test_options_are_the_functions_parameters(name):
    twin = TWINS[name]
    function = getattr(twin.package, twin.function)
    first, *rest = inspect.signature(function).parameters.values()
    wanted = {p.name for p in rest if p.kind is not p.VAR_KEYWORD}
    if twin.settings:
        wanted |= {setting.name for setting in fields(twin.settings)}
    options = {p.name: p for p in command(name).params}
    subject = next(iter(options))
    assert subject in (first.name, "states", "data")
    assert set(options) - {subject} - twin.extra == wanted - set(twin.missing)
    for option in options.values():
        if isinstance(option, click.Option):
            assert option.opts == [f"--{option.name.replace('_', '-')}"]


@pytest.mark.parametrize("name", TWINS)
def test_without_options_the_functions_defaults_hold(name, tmp_path, monkeypatch):
    twin = TWINS[name]
    signature = inspect.signature(getattr(twin.package, twin.function))
    calls = []

    def record(*args, **kwargs):
        calls.append(signature.bind(*args, **kwargs))
        raise Stop

    monkeypatch.setattr(twin.package, twin.function, record)
    monkeypatch.chdir(tmp_path)
    for file in ("data.nc", "obs.nc"):
        xr.Dataset({"tas": 1.0}).to_netcdf(file)
    result = CliRunner().invoke(command(name), list(twin.arguments))
    assert isinstance(result.exception, Stop), result.output
    [call] = calls
    call.apply_defaults()
    for parameter in signature.parameters.values():
        if parameter.default is not parameter.empty and parameter.name not in twin.missing:
            assert call.arguments[parameter.name] == parameter.default, parameter.name
        if parameter.kind is parameter.VAR_KEYWORD:
            assert not call.arguments[parameter.name]
    if "progress" in signature.parameters:
        assert call.arguments["progress"] is True


def test_texts_become_values(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    xr.Dataset({"tas": 1.0}).to_netcdf("data.nc")
    given = {}

    def record(data, **kwargs):
        given.clear()
        given.update(kwargs)
        raise Stop

    monkeypatch.setattr(xai4land_land, "reconstruct", record)
    CliRunner().invoke(
        command("reconstruct"),
        [
            "data.nc",
            "out.nc",
            "--chunks",
            "512,1024",
            "--target",
            "data.nc",
            "--precision",
            "float32",
        ],
    )
    assert given["chunks"] == (512, 1024)
    assert isinstance(given["target"], xr.Dataset)
    assert given["precision"] == "float32"
    CliRunner().invoke(
        command("reconstruct"),
        ["data.nc", "out.nc", "--prior", "data.nc", "--years", "2014:1850", "--every", "4",
         "--demand", "level", "--exchange"],
    )  # fmt: skip
    assert isinstance(given["prior"], xr.Dataset)
    assert given["years"] == slice(2014, 1850)
    assert (given["every"], given["demand"], given["exchange"]) == (4, "level", True)
    CliRunner().invoke(command("reconstruct"), ["data.nc", "out.nc", "--years", "1850"])
    assert given["years"] == 1850
    monkeypatch.setattr(xai4land_land, "fit", lambda data, truth, **kwargs: record(data, **kwargs))
    CliRunner().invoke(
        command("fit"),
        ["data.nc", "data.nc", "a.safetensors", "--prior", "data.nc", "--pairs",
         "2009:2012,2012:2009"],
    )  # fmt: skip
    assert isinstance(given["prior"], xr.Dataset)
    assert given["pairs"] == ((2009, 2012), (2012, 2009))
    assert given["command"] == "xai4land fit data.nc data.nc a.safetensors --prior data.nc"
    monkeypatch.setattr(xai4land_seasonal, "fit", record)
    monkeypatch.setattr(xai4land_seasonal, "forecast", record)
    CliRunner().invoke(
        command("fit-seasonal"),
        ["data.nc", "a.safetensors", "--simulations", "data.nc", "--leads", "0,1", "--epochs", "3",
         "--parameters", '{"width": 16}', "--chosen", str(BUNDLED["seasonal"])],
    )  # fmt: skip
    assert list(given["simulations"]) == ["data"]
    assert given["leads"] == (0, 1)
    assert given["epochs"] == 3
    assert "batch_size" not in given
    assert given["parameters"] == {"width": 16}
    assert given["chosen"].card.name == "seasonal"
    CliRunner().invoke(
        command("forecast"),
        ["data.nc", "out.nc", "--seasons", "DJF,JJA", "--years", "1981-1983",
         "--climatology", "1951-1980"],
    )  # fmt: skip
    assert given["seasons"] == ("DJF", "JJA")
    assert list(given["years"]) == [1981, 1982, 1983]
    assert given["climatology"] == (1951, 1980)


@pytest.mark.parametrize(
    ("name", "option", "text", "expected"),
    [
        ("forecast", "--years", "1990-1980", "a year or two, as 1981-2010"),
        ("forecast", "--climatology", "long ago", "a year or two"),
        ("forecast", "--simulations", "nowhere.nc", "files that exist"),
        ("reconstruct", "--chunks", "1,2,3", "one size, or rows and columns"),
        ("reconstruct", "--target", "nowhere.nc", "a resolution in degrees, or a file"),
        ("reconstruct", "--years", "1990-1980", "a year, the first and the last one"),
        ("fit", "--parameters", "[16]", "a JSON object"),
        ("fit", "--pairs", "2009", "pairs of years, as 2009:2012"),
    ],
)
def test_text_that_cannot_be_read_is_a_fault_of_typing(name, option, text, expected, tmp_path):
    file = tmp_path / "data.nc"
    xr.Dataset({"tas": 1.0}).to_netcdf(file)
    files = [str(file)] * (2 if name == "fit" else 1)
    arguments = [*files, str(tmp_path / "out.nc"), option, text]
    result = CliRunner().invoke(command(name), arguments)
    assert result.exit_code == 2
    assert expected in " ".join(result.output.replace("│", " ").split())


def test_a_file_of_settings_gives_arguments_options_and_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    xr.Dataset({"tas": 1.0}).to_netcdf("data.nc")
    given = {}

    def record(data, truth, **kwargs):
        given.update(kwargs)
        raise Stop

    monkeypatch.setattr(xai4land_land, "fit", record)
    names = 'states = "data.nc"\ntruth = "data.nc"\nout = "a.safetensors"\n'
    more = "window = 32\nepochs = 3\nseed = 4\n[parameters]\nwidths = [8, 16]\n"
    Path("run.toml").write_text(names + more)
    result = CliRunner().invoke(command("fit"), ["--settings", "run.toml", "--seed", "5"])
    assert isinstance(result.exception, Stop), result.output
    assert (given["window"], given["parameters"]) == (32, {"widths": [8, 16]})
    assert (given["settings"], given["seed"]) == ({"epochs": 3, "seed": 4}, 5)
    Path("run.toml").write_text(names + "epoch = 3\nwindows = 3\n")
    result = CliRunner().invoke(command("fit"), ["--settings", "run.toml"])
    assert "is it 'epochs'?" in str(result.exception)
    assert "is it 'window'?" in str(result.exception)
