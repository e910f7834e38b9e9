"""Commands read data and write stores at addresses, as the functions do, and refuse the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from test_commands import TWINS, Stop, command

import xai4land
import xai4land_seasonal
from conftest import coordinate
from object_stores import Place, use_keys
from xai4land import open_store, regrid, write
from xai4land.cli import main

WORLD = xr.Dataset(
    {"tas": (("lat", "lon"), np.arange(32.0).reshape(4, 8), {"units": "K"})},
    {
        "lat": coordinate("lat", np.array([-67.5, -22.5, 22.5, 67.5])),
        "lon": coordinate("lon", np.arange(22.5, 360, 45)),
    },
)


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """A folder in a bucket, whose keys are in the environment; the working folder is another."""
    place = use_keys(server, monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    place.write(WORLD, "in.zarr")
    return place


def fail(capsys, *arguments: str) -> tuple[int, str]:
    """Return the exit code of a command, and its message as one line."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return stop.value.code, " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize("name", ["out.zarr", "out.nc"])
def test_a_command_reads_and_writes_a_bucket(bucket, capsys, name):
    source, out = f"{bucket.url}/in.zarr", f"{bucket.url}/{name}"
    main(["regrid", source, "30", out, "--quiet"])
    assert capsys.readouterr().out == f"wrote {out}\n"
    expected = regrid(WORLD, 30.0, "conservative")
    xr.testing.assert_allclose(bucket.open(name).tas.load(), expected.tas)
    main(["regrid", out, source, f"{bucket.url}/back.zarr", "--quiet"])
    assert bucket.open("back.zarr").tas.shape == (4, 8)
    assert (
        "exists; choose another name, or --overwrite"
        in fail(capsys, "regrid", source, "45", out, "--quiet")[1]
    )


@pytest.mark.parametrize("out", ["in.zarr", "in.zarr/inside.zarr"])
def test_an_input_in_a_bucket_is_never_replaced(bucket, capsys, out):
    before = bucket.files("in.zarr")
    source = f"{bucket.url}/in.zarr"
    code, text = fail(capsys, "regrid", source, "30", f"{bucket.url}/{out}", "--overwrite")
    assert code == 1
    assert "an input of this run" in text
    # Nor one that is only the grid, which no lazy value remembers.
    WORLD.to_netcdf("here.nc")
    _, text = fail(capsys, "regrid", "here.nc", source, f"{bucket.url}/{out}", "--overwrite")
    assert "an input of this run" in text
    assert bucket.files("in.zarr") == before


@pytest.mark.parametrize("name", TWINS)
def test_every_command_reads_its_data_at_addresses(name, monkeypatch, tmp_path):
    twin = TWINS[name]
    read = []

    def record(*given, **more):
        read.extend(one for one in (*given, *more.values()) if isinstance(one, xr.Dataset))
        raise Stop

    monkeypatch.setattr(twin.package, twin.function, record)
    monkeypatch.chdir(tmp_path)
    place = Place("memory://bucket", None)
    place.write(WORLD, "data.zarr")
    texts = [
        f"{place.url}/data.zarr" if text in ("data.nc", "obs.nc") else text
        for text in twin.arguments
    ]
    result = CliRunner().invoke(command(name), texts)
    assert isinstance(result.exception, Stop), result.output
    assert len(read) == texts.count(f"{place.url}/data.zarr")
    for data in read:
        np.testing.assert_array_equal(data.tas, WORLD.tas)


@pytest.mark.parametrize("name", [name for name in TWINS if "out.nc" in TWINS[name].arguments])
def test_every_command_that_writes_a_store_writes_it_at_an_address(name, monkeypatch, tmp_path):
    twin = TWINS[name]
    monkeypatch.setattr(twin.package, twin.function, lambda *_, **__: WORLD)
    monkeypatch.chdir(tmp_path)
    place = Place("memory://bucket", None)
    for file in ("data.nc", "obs.nc"):
        WORLD.to_netcdf(file)
    out = f"{place.url}/out.zarr"
    texts = [out if text == "out.nc" else text for text in twin.arguments]
    result = CliRunner().invoke(command(name), texts)
    assert result.output.endswith(f"wrote {out}\n"), result.output
    np.testing.assert_array_equal(place.open("out.zarr").tas, WORLD.tas)


def test_a_land_mask_is_a_file_an_address_or_a_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    place, given = Place("memory://bucket", None), []
    place.write(WORLD, "mask.zarr")
    WORLD.to_netcdf("data.nc")

    def record(_, land, **__):
        given.append(land)
        raise Stop

    monkeypatch.setattr(TWINS["reconstruct"].package, "reconstruct", record)
    for land in (f"{place.url}/mask.zarr", "data.nc", "tas"):
        CliRunner().invoke(command("reconstruct"), ["data.nc", "out.nc", "--land", land])
    assert [isinstance(land, xr.Dataset) for land in given] == [True, True, False]
    assert given[2] == "tas"


def test_wrong_keys_are_told_as_a_command_can_mend_it(bucket, capsys, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    code, text = fail(capsys, "regrid", f"{bucket.url}/in.zarr", "30", "out.nc")
    assert code == 1
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in text
    assert "storage_options" not in text
    assert "AKIAWRONG" not in text
    assert not Path("out.nc").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["s3://bucket/none.zarr", "30", "out.nc"], 1, "there is none; check the address"),
        (["a.nc", "30", "https://host.org/out.zarr"], 1, "cannot be written to, expected a path"),
        (["a.nc", "30", "s3://bucket"], 1, "has no name of a store"),
        (["a.nc", "30", "s3://bucket/out.tif"], 1, "end its name in .zarr or .nc"),
        (["s3://me:secret@bucket/a.zarr", "30", "out.nc"], 2, "give them by the environment"),
        (["a.nc", "30", "s3://me:secret@bucket/out.zarr"], 2, "give them by the environment"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(bucket, capsys, arguments, code, words):
    WORLD.to_netcdf("a.nc")
    found, text = fail(capsys, "regrid", *arguments, "--quiet")
    assert (found, words in text) == (code, True), text
    assert "secret" not in text
    assert not Path("out.nc").exists()


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("evaluate", ["--plot", "s3://bucket/scores.png"]),
        ("fit", ["s3://bucket/mine.safetensors"]),
        ("fit", ["mine.safetensors", "--checkpoint", "s3://bucket/run.safetensors"]),
        ("fit", ["mine.safetensors", "--settings", "s3://bucket/run.toml"]),
        ("verify", ["--report", "s3://bucket/report.html"]),
    ],
)
def test_what_is_no_data_stays_on_this_machine(tmp_path, monkeypatch, capsys, name, more):
    monkeypatch.chdir(tmp_path)
    WORLD.to_netcdf("data.nc")
    code, text = fail(capsys, name, "data.nc", "data.nc", *more)
    assert code == 2
    assert "is not on this machine, expected a local path" in text


def test_simulations_are_named_after_the_last_part_of_their_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place, given = Place("memory://bucket", None), {}
    for name in ("a/CanESM5.zarr", "b/CanESM5.zarr", "b/MPI.zarr"):
        place.write(WORLD, name)

    def record(_, **how):
        given.update(how["simulations"])
        raise Stop

    monkeypatch.setattr(xai4land_seasonal, "forecast", record)
    first, same, other = (f"{place.url}/{n}.zarr" for n in ("a/CanESM5", "b/CanESM5", "b/MPI"))
    CliRunner().invoke(command("forecast"), [first, "out.nc", "--simulations", f"{first},{other}"])
    assert list(given) == ["CanESM5", "MPI"]
    result = CliRunner().invoke(
        command("forecast"), [first, "out.nc", "--simulations", f"{first},{same}"]
    )
    assert "these have one name" in str(result.exception)


def test_a_card_names_addresses_without_what_may_be_secret(monkeypatch, tmp_path):
    """A record repeats the run elsewhere: addresses in full, but for tokens."""
    from xai4land.commands.places import name_of, read_existing

    signed = read_existing("https://host.org/data/states.zarr?X-Amz-Signature=secret")
    assert name_of(signed) == "https://host.org/data/states.zarr"


def test_a_store_that_a_function_has_begun_is_finished_by_the_command(bucket):
    """They are one run: by the same data, at the same place."""
    data = regrid(open_store(f"{bucket.url}/in.zarr"), 30.0, "conservative")
    whole = write(data, f"{bucket.url}/whole.zarr", progress=False)
    assert whole == f"{bucket.url}/whole.zarr"
    main(["regrid", f"{bucket.url}/in.zarr", "30", whole, "--quiet"])  # finished: returned at once
    xr.testing.assert_identical(xai4land.open_store(whole).load(), bucket.open("whole.zarr").load())
