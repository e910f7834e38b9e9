"""What a store may not replace, and runs that are repeated."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from xai4land import InputError, StoreError, open_store, write
from xai4land.cli import main
from xai4land_land import reconstruct


def grid(chunks=2, name="ones"):
    values = da.ones((4, 4), chunks=chunks, name=name)
    return xr.Dataset({"a": (("y", "x"), values)})


def test_an_input_is_never_replaced(tmp_path):
    for name in ("in.nc", "in.zarr"):
        path = write(grid(), tmp_path / name, progress=False)
        lazy = open_store(path) + 1
        with pytest.raises(StoreError, match=r"in\..* is an input of this run"):
            write(lazy, path, overwrite=True, progress=False)
        np.testing.assert_array_equal(open_store(path).a, 1)
        # What is in memory needs the file no more.
        write(lazy.load(), path, overwrite=True, progress=False)
        np.testing.assert_array_equal(open_store(path).a, 2)


def test_an_input_is_found_under_links_in_stores_and_in_folders(tmp_path):
    (tmp_path / "deep").mkdir()
    store = write(grid(), tmp_path / "deep" / "in.zarr", progress=False)
    (tmp_path / "link.zarr").symlink_to(store)
    lazy = xr.open_zarr(store)
    for path, words in (
        (tmp_path / "link.zarr", "is an input"),
        (store / "new.zarr", "lies inside"),
    ):
        with pytest.raises(StoreError, match=words):
            write(lazy, path, overwrite=True, progress=False)
    (tmp_path / "deep").rename(tmp_path / "deep.zarr")
    lazy = xr.open_zarr(tmp_path / "deep.zarr" / "in.zarr")
    with pytest.raises(StoreError, match="contains"):
        write(lazy, tmp_path / "deep.zarr", overwrite=True, progress=False)


def test_the_inputs_of_a_reconstruction_are_known(world, emulator, tmp_path):
    path = tmp_path / "states.nc"
    world.drop_vars("truth").to_netcdf(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is an input of this run, which would be lost"):
        write(reconstruct(open_store(path), emulator), path, overwrite=True, progress=False)
    assert path.read_bytes() == before


def test_the_command_line_keeps_its_input(world, emulator, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    world.drop_vars("truth").to_netcdf("states.nc")
    emulator.save("small.safetensors")
    arguments = ["reconstruct", "states.nc", "states.nc", "--emulator", "small.safetensors"]
    with pytest.raises(SystemExit):
        main([*arguments, "--overwrite", "--quiet"])
    assert "input of this run" in capsys.readouterr().err
    assert "wood" in xr.open_dataset("states.nc")


@pytest.mark.parametrize("name", ["notes.zarr", "notes.nc"])
def test_a_folder_that_is_no_store_is_kept(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "precious.txt").write_text("x")
    with pytest.raises(StoreError, match=r"holds no store, but precious\.txt"):
        write(grid(), folder, overwrite=True, progress=False)
    assert (folder / "precious.txt").read_text() == "x"


def test_a_folder_with_the_name_of_an_unfinished_store_is_kept(tmp_path):
    folder = tmp_path / "map.zarr.partial"
    folder.mkdir()
    (folder / "precious.txt").write_text("x")
    for overwrite in (False, True):
        with pytest.raises(StoreError, match=r"precious\.txt"):
            write(grid(), tmp_path / "map.zarr", overwrite=overwrite, progress=False)
    assert (folder / "precious.txt").read_text() == "x"


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_where_nothing_was_stored_nothing_is_left(tmp_path, ending):
    def fail(block):
        raise RuntimeError("no luck")

    bad = grid(name="other")
    bad["a"] = bad.a.copy(data=bad.a.data.map_blocks(fail, meta=np.empty((0, 0))))
    with pytest.raises(RuntimeError, match="no luck"):
        write(bad, tmp_path / f"map{ending}", progress=False)
    assert list(tmp_path.iterdir()) == []
    write(grid(), tmp_path / f"map{ending}", progress=False)


def test_an_empty_unfinished_store_does_not_count(tmp_path):
    def stop(block):
        raise KeyboardInterrupt

    bad = grid(name="other")
    bad["a"] = bad.a.copy(data=bad.a.data.map_blocks(stop, meta=np.empty((0, 0))))
    with pytest.raises(KeyboardInterrupt):
        write(bad, tmp_path / "map.zarr", progress=False)
    write(grid(), tmp_path / "map.zarr", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["map.zarr"]


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_run_that_has_finished_returns_at_once(tmp_path, ending):
    computed = []

    def count(block):
        computed.append(1)
        return block

    data = grid()
    array = data.a.data.map_blocks(count, meta=np.empty((0, 0)), name="counted")
    data["a"] = data.a.copy(data=array)
    path = write(data, tmp_path / f"map{ending}", progress=False)
    assert len(computed) == 4
    assert write(data, path, progress=False) == path
    assert len(computed) == 4
    with pytest.raises(StoreError, match="exists"):
        write(grid(chunks=4), path, progress=False)
    # A store that came there by other ways is not that of the run.
    write(grid(chunks=4), path, overwrite=True, progress=False)
    with pytest.raises(StoreError, match="exists"):
        write(data, path, progress=False)


def test_format_2_on_request(tmp_path):
    words = xr.Dataset({"name": ("y", np.array(["a", "bc", "d", "e"])), **grid().data_vars})
    path = write(words, tmp_path / "old.zarr", zarr_format=2, progress=False)
    assert (path / ".zgroup").exists()
    assert not list(path.rglob("zarr.json"))
    xr.testing.assert_identical(xr.open_zarr(path).load(), words.load())
    assert open_store(path).name.values.tolist() == ["a", "bc", "d", "e"]
    (path / ".zgroup").unlink()
    (path / ".zmetadata").unlink()
    with pytest.raises(InputError, match="not whole"):
        open_store(path)
    with pytest.raises(InputError, match="zarr_format=1"):
        write(words, tmp_path / "new.zarr", zarr_format=1, progress=False)
