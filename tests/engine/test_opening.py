"""What is opened as input: formats, groups, references; and what is not complete."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from xai4land import InputError, StoreError, open_store, write
from xai4land.cli import main

FIELD = xr.Dataset(
    {"tas": (("y", "x"), np.arange(12, dtype=">f4").reshape(3, 4)), "pr": ("x", np.full(4, 2.0))}
)


def refer_to(path: Path) -> dict[str, object]:
    """Return references to a classic NetCDF file's values, as kerchunk makes them."""
    begin = path.read_bytes().index(FIELD.tas.values.tobytes())
    array = {
        "chunks": [3, 4],
        "compressor": None,
        "dtype": ">f4",
        "fill_value": None,
        "filters": None,
        "order": "C",
        "shape": [3, 4],
        "zarr_format": 2,
    }
    return {
        "version": 1,
        "refs": {
            ".zgroup": '{"zarr_format": 2}',
            "tas/.zarray": json.dumps(array),
            "tas/.zattrs": '{"_ARRAY_DIMENSIONS": ["y", "x"]}',
            "tas/0.0": [str(path), begin, 48],
        },
    }


@pytest.fixture
def references(tmp_path):
    FIELD.to_netcdf(tmp_path / "field.nc", format="NETCDF3_64BIT")
    path = tmp_path / "field.json"
    path.write_text(json.dumps(refer_to(tmp_path / "field.nc")))
    return path


@pytest.mark.parametrize("lazy", [True, False])
def test_references_are_opened(references, lazy):
    opened = open_store(references, lazy=lazy)
    assert (opened.tas.chunks is not None) == lazy
    np.testing.assert_array_equal(opened.tas, FIELD.tas)


def test_files_that_references_point_to_are_not_replaced(references):
    path = references.with_name("field.nc")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"field\.nc is an input of this run"):
        write(open_store(references) + 1, path, overwrite=True, progress=False)
    assert path.read_bytes() == before


def test_a_group_is_named_like_a_folder(tmp_path):
    path = tmp_path / "members.nc"
    FIELD.to_netcdf(path, group="forecast/first")
    FIELD.to_netcdf(path, group="obs", mode="a")
    with pytest.raises(InputError, match=r"groups \(forecast/first, obs\).*members\.nc/forecast"):
        open_store(path)
    xr.testing.assert_equal(open_store(path / "obs").load(), FIELD)
    xr.testing.assert_equal(open_store(path / "forecast" / "first").load(), FIELD)
    with pytest.raises(InputError, match=r"choose one: .*members\.nc/forecast/first"):
        open_store(path / "forecast")
    with pytest.raises(InputError, match="none"):
        open_store(path / "none")
    store = tmp_path / "members.zarr"
    FIELD.to_zarr(store, group="obs", consolidated=False)
    xr.testing.assert_equal(open_store(store / "obs").load(), FIELD)


def test_the_command_line_takes_a_group_and_says_which_there_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    world = xr.Dataset(
        {"tas": (("lat", "lon"), np.arange(32.0).reshape(4, 8))},
        {"lat": [-67.5, -22.5, 22.5, 67.5], "lon": np.arange(22.5, 360, 45)},
    )
    world.to_netcdf("a.nc", group="obs")
    with pytest.raises(SystemExit):
        main(["regrid", "a.nc", "30", "out.nc", "--quiet"])
    assert "a.nc/obs" in capsys.readouterr().err
    main(["regrid", "a.nc/obs", "30", "out.nc", "--quiet"])
    assert xr.open_dataset("out.nc").tas.shape == (6, 12)
    with pytest.raises(SystemExit) as stop:
        main(["regrid", "b.nc/obs", "30", "out.nc", "--quiet"])
    assert stop.value.code == 2


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF4"])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.97])
def test_a_file_that_was_cut_off_is_refused(tmp_path, kind, share):
    """The NetCDF library gives zeros for what a classic file lacks."""
    values = np.random.default_rng(0).normal(size=(50, 60, 4)) + 10
    data = xr.Dataset({"tas": (("time", "y", "x"), values), "pr": (("y", "x"), values[0])})
    path = tmp_path / "whole.nc"
    unlimited = ["time"] if kind == "NETCDF3_64BIT" else []
    data.to_netcdf(path, format=kind, unlimited_dims=unlimited)
    xr.testing.assert_allclose(open_store(path).load(), data)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(InputError, match="damaged or cut off; download it, or write it, again"):
        open_store(path)


@pytest.mark.parametrize("content", ["", "<html>not found</html>"])
def test_a_file_of_another_format_is_refused_in_a_line(tmp_path, content):
    path = tmp_path / "a.nc"
    path.write_text(content)
    with pytest.raises(InputError, match="of another format, or there is none") as refused:
        open_store(path)
    assert "engine" not in str(refused.value)


def test_an_empty_file_is_refused(tmp_path):
    xr.Dataset().to_netcdf(tmp_path / "a.nc")
    with pytest.raises(InputError, match="has no variables"):
        open_store(tmp_path / "a.nc")


def test_the_home_folder_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    FIELD.to_netcdf(tmp_path / "a.nc")
    xr.testing.assert_equal(open_store("~/a.nc").load(), FIELD)
    with pytest.raises(SystemExit):
        main(["regrid", "~/a.nc", "30", "~/a.nc", "--quiet", "--overwrite"])
    assert "is an input of this run" in capsys.readouterr().err


# Fill values under other names


@pytest.mark.parametrize("name", ["_fillValue", "fill_value", "_Fill_Value", "missingValue"])
@pytest.mark.parametrize("value", [-9999.0, np.float32(1e20), [-9999.0, 1e20]])
def test_a_misspelt_fill_value_is_missing(tmp_path, name, value):
    fill = np.atleast_1d(value)[-1]
    data = xr.Dataset({"tas": ("x", np.float32([280, fill, 281]), {name: value})})
    data.to_netcdf(tmp_path / "a.nc")
    for lazy in (True, False):
        opened = open_store(tmp_path / "a.nc", lazy=lazy).tas
        np.testing.assert_array_equal(opened, [280, np.nan, 281])
        assert opened.attrs == {}
        assert opened.dtype == np.float32


def test_a_misspelt_fill_value_is_packed_like_its_values(tmp_path):
    packing = {"scale_factor": 0.5, "add_offset": 10.0}
    data = xr.Dataset({"tas": ("x", np.int16([4, -1, 8]), {"_fillValue": np.int16(-1), **packing})})
    data.to_netcdf(tmp_path / "a.nc")
    np.testing.assert_array_equal(open_store(tmp_path / "a.nc").tas, [12, np.nan, 14])
    again = write(open_store(tmp_path / "a.nc"), tmp_path / "b.nc", progress=False)
    np.testing.assert_array_equal(xr.open_dataset(again).tas, [12, np.nan, 14])


def test_notes_on_missing_values_are_no_fill_values(tmp_path):
    data = xr.Dataset({"tas": ("x", [1.0, 2.0], {"fill_values": "by interpolation"})})
    data.to_netcdf(tmp_path / "a.nc")
    np.testing.assert_array_equal(open_store(tmp_path / "a.nc").tas, [1, 2])
