"""Prefetching: whole copies, checked, resumed; then everything works without a network."""

from __future__ import annotations

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from catalog_files import write_catalog
from click.testing import CliRunner

import xai4land
from folder_server import Folder
from object_stores import use_keys
from xai4land import DownloadError, InputError, StoreError
from xai4land.catalogs import open_search, open_simulations, prefetch, prefetching
from xai4land.cli import cli
from xai4land.downloads import transfer

pytest.importorskip("intake_esm")
pytest.importorskip("aiohttp")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """An archive: a Zarr store of format 2, as in the cloud, and a file."""
    folder = tmp_path_factory.mktemp("archive")
    made = xai4land.sample("climate", seed=1, years=range(1990, 2000))
    made[["tas"]].chunk(time=24).to_zarr(folder / "tas.zarr", zarr_format=2, consolidated=True)
    made[["psl"]].to_netcdf(folder / "psl.nc")
    return folder, made


@pytest.fixture
def web(stores, tmp_path, monkeypatch):
    """The archive on a server, and a cache of one's own."""
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(prefetching, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(transfer, "FIRST_PAUSE_SECONDS", 0.0)
    server = Folder(stores[0])
    yield server
    server.close()


@pytest.fixture
def catalog(web, stores, tmp_path):
    digest = hashlib.sha256((stores[0] / "psl.nc").read_bytes()).hexdigest()
    rows = [
        {"variable_id": "tas", "path": web.url("tas.zarr"), "format": "zarr", "sha256": ""},
        {"variable_id": "psl", "path": web.url("psl.nc"), "format": "netcdf", "sha256": digest},
    ]
    same = {"source_id": "A", "experiment_id": "historical", "table_id": "Amon"}
    return own_catalog(tmp_path, [{**same, **row} for row in rows])


def own_catalog(folder, rows):
    return write_catalog(
        folder,
        rows,
        assets={"column_name": "path", "format_column_name": "format"},
        attributes=[{"column_name": "variable_id"}],
    )


def test_what_was_prefetched_opens_offline(catalog, web, stores):
    copies = prefetch(xai4land.open_catalog(catalog), progress=False)
    assert [copy.suffix for copy in copies] == [".zarr", ".nc"]
    web.close()
    with xai4land.set_options(offline=True):
        [data] = open_simulations(xai4land.open_catalog(catalog)).values()
        np.testing.assert_array_equal(data.tas.values, stores[1].tas.values)
        np.testing.assert_array_equal(data.psl.values, stores[1].psl.values)
    # What is here is not asked for again.
    assert prefetch(xai4land.open_catalog(catalog), progress=False) == []


def test_stores_are_read_lazily_from_a_server(catalog, web, stores):
    found = xai4land.open_catalog(catalog).search(variable_id="tas")
    [data] = open_search(found)
    before = sum("tas/" in path and ".z" not in path for path in web.asked)
    assert before == 0
    np.testing.assert_array_equal(data.tas[:24].values, stores[1].tas[:24].values)


def test_a_server_that_fails_now_and_then_is_asked_again(catalog, web, stores):
    found = xai4land.open_catalog(catalog).search(variable_id="tas")
    web.failing = {3, 9, 10}
    with xai4land.set_options(retries=4):
        [copy] = prefetch(found, progress=False)
    copied = xr.open_zarr(copy, consolidated=False)
    np.testing.assert_array_equal(copied.tas.values, stores[1].tas.values)
    np.testing.assert_array_equal(copied.time.values, stores[1].time.values)


def test_a_copy_that_was_cut_off_is_none_and_goes_on(catalog, web, stores, tmp_path):
    found = xai4land.open_catalog(catalog).search(variable_id="tas")
    web.failing = set(range(9, 1000))
    with (
        xai4land.set_options(retries=0),
        pytest.raises(StoreError, match="what was copied stays, the same call goes on"),
    ):
        prefetch(found, progress=False)
    again = xai4land.open_catalog(catalog).search(variable_id="tas")
    assert again.df.path[0].startswith("http")  # no half copy is taken for whole
    web.failing = set()
    [copy] = prefetch(again, progress=False)
    # What was copied stays: two chunks may have been on their way when the run ended.
    chunks = [path for path in web.served if "/tas/" in path]
    assert len(set(chunks)) == 5
    assert len(chunks) <= 7
    copied = xr.open_zarr(copy, consolidated=False)
    np.testing.assert_array_equal(copied.tas.values, stores[1].tas.values)


def years_of(catalog):
    """Years of what the catalog gives without a network."""
    opened = xai4land.open_catalog(catalog).search(variable_id="tas")
    with xai4land.set_options(offline=True):
        [data] = open_search(opened)
    return np.unique(data.time.dt.year.values).tolist()


def test_years_may_be_chosen_and_widened(catalog, web, stores):
    def tas():
        return xai4land.open_catalog(catalog).search(variable_id="tas")

    [copy] = prefetch(tas(), years=(1995, 1996), progress=False)
    copied = xr.open_zarr(copy, consolidated=False)
    expected = stores[1].tas.sel(time=slice("1995", "1996"))
    np.testing.assert_array_equal(copied.tas.values, expected.values)
    assert years_of(catalog) == [1995, 1996]
    assert prefetch(tas(), years=(1996, 1996), progress=False) == []  # they are here
    assert len(prefetch(tas(), years=(1993, 1996), progress=False)) == 1
    assert years_of(catalog) == [1993, 1994, 1995, 1996]
    assert len(prefetch(tas(), progress=False)) == 1
    assert years_of(catalog) == list(range(1990, 2000))
    assert prefetch(tas(), years=(1996, 1996), progress=False) == []
    assert copy.exists()  # somebody may still read it
    shutil.rmtree(copy.parent)
    with pytest.raises(InputError, match="no time from 1800 to 1801"):
        prefetch(tas(), years=(1800, 1801), progress=False)


def test_a_copy_of_one_variable_is_none_of_another(web, stores, tmp_path):
    stores[1].chunk(time=24).to_zarr(stores[0] / "both.zarr", zarr_format=2, mode="w")
    same = {"source_id": "A", "table_id": "Amon", "path": web.url("both.zarr")}
    catalog = own_catalog(
        tmp_path, [same | {"variable_id": ["tas", "psl"], "format": "zarr", "experiment_id": "x"}]
    )

    def found(name):
        return xai4land.open_catalog(catalog).search(variable_id=name)

    [copy] = prefetch(found("tas"), progress=False)
    assert set(xr.open_zarr(copy, consolidated=False).data_vars) == {"tas"}
    with xai4land.set_options(offline=True):
        [data] = open_search(found("tas"))
        np.testing.assert_array_equal(data.tas.values, stores[1].tas.values)
        with pytest.raises(InputError, match="offline"):
            open_search(found("psl"))
    [data] = open_search(found("psl"))
    assert set(data.data_vars) == {"psl"}
    assert prefetch(found("tas"), progress=False) == []
    assert len(prefetch(found("psl"), progress=False)) == 1


def test_a_cache_with_blanks_in_its_path(catalog, web, stores, tmp_path):
    with xai4land.set_options(cache=tmp_path / "my own cache"):
        prefetch(xai4land.open_catalog(catalog), progress=False)
        with xai4land.set_options(offline=True):
            [data] = open_simulations(xai4land.open_catalog(catalog)).values()
    np.testing.assert_array_equal(data.psl.values, stores[1].psl.values)


def test_a_file_with_another_hash_is_not_kept(catalog, web):
    table = pd.read_csv(catalog.with_suffix(".csv"), dtype=str, keep_default_na=False)
    table.loc[table.variable_id == "psl", "sha256"] = 64 * "0"
    table.to_csv(catalog.with_suffix(".csv"), index=False)
    found = xai4land.open_catalog(catalog).search(variable_id="psl")
    with pytest.raises(DownloadError, match="not the file that was asked for"):
        prefetch(found, progress=False)
    assert xai4land.open_catalog(catalog).search(variable_id="psl").df.path[0].startswith("http")


def test_offline_nothing_is_asked_for(catalog, web):
    opened = xai4land.open_catalog(catalog)
    with xai4land.set_options(offline=True):
        with pytest.raises(InputError, match="xai4land is offline"):
            prefetch(opened.search(variable_id="tas"), progress=False)
        with pytest.raises(InputError) as refused:
            open_search(opened)
    assert not web.asked
    assert "xai4land prefetch CATALOG.json --only source_id=A" in str(refused.value)


def test_a_server_that_is_gone_is_named_with_what_to_prefetch(catalog, web):
    found = xai4land.open_catalog(catalog).search(variable_id="tas")
    web.close()
    with (
        xai4land.set_options(retries=0, timeout=2),
        pytest.raises(StoreError, match=r"could not open http://127.*prefetch it where"),
    ):
        open_search(found)


def test_a_cache_that_cannot_be_written_is_said(catalog, web, tmp_path, monkeypatch):
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    monkeypatch.setenv("XAI4LAND_CACHE", str(blocked / "cache"))
    with pytest.raises(StoreError, match="XAI4LAND_CACHE"):
        prefetch(xai4land.open_catalog(catalog), progress=False)


def test_the_command(catalog, web):
    def run(*arguments):
        return CliRunner().invoke(cli, ["prefetch", str(catalog), *arguments])

    assert "variable_id: psl, tas" in run().output
    assert web.url("tas.zarr") in run("--only", "variable_id=tas", "--list").output
    done = run("--only", "variable_id=tas", "--quiet")
    assert "copied to" in done.output
    assert "on this machine already" in run("--only", "variable_id=tas", "--quiet").output
    assert "has no column nonsense" in str(run("--only", "nonsense=1").exception)
    assert "nothing in" in str(run("--only", "variable_id=pr").exception)
    assert run("--only", "tas").exit_code == 2


# In an object store


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(prefetching, "FIRST_PAUSE_SECONDS", 0.0)
    return use_keys(server, monkeypatch, tmp_path)


def list_in_bucket(bucket, tmp_path, kind, **row):
    same = {"source_id": "A", "experiment_id": "historical", "table_id": "Amon", **row}
    row = {**same, "variable_id": "tas", "path": f"{bucket.url}/tas.{kind}", "format": "netcdf"}
    return own_catalog(tmp_path, [row | ({"format": "zarr"} if kind == "zarr" else {})])


def test_a_file_in_a_bucket_is_copied_and_opened(bucket, stores, tmp_path):
    bucket.write(stores[1][["tas"]], "tas.nc")
    digest = hashlib.sha256(bucket.objects.read("tas.nc").content).hexdigest()
    catalog = list_in_bucket(bucket, tmp_path, "nc", sha256=digest)
    with pytest.raises(InputError, match="is a file to download first; prefetch it"):
        open_search(xai4land.open_catalog(catalog))
    assert len(prefetch(xai4land.open_catalog(catalog), progress=False)) == 1
    with xai4land.set_options(offline=True):
        [data] = open_search(xai4land.open_catalog(catalog))
        np.testing.assert_array_equal(data.tas.values, stores[1].tas.values)
    assert prefetch(xai4land.open_catalog(catalog), progress=False) == []


def test_a_file_in_a_bucket_with_another_hash_is_not_kept(bucket, stores, tmp_path):
    bucket.write(stores[1][["tas"]], "tas.nc")
    catalog = list_in_bucket(bucket, tmp_path, "nc", sha256=64 * "0")
    with pytest.raises(DownloadError, match="but the catalog says 0000"):
        prefetch(xai4land.open_catalog(catalog), progress=False)
    assert not list((tmp_path / "cache").rglob("*.nc"))


def test_a_file_that_is_in_no_bucket_is_told(bucket, tmp_path):
    catalog = list_in_bucket(bucket, tmp_path, "nc")
    with pytest.raises(InputError, match="there is no s3://bucket/.*check the address"):
        prefetch(xai4land.open_catalog(catalog), progress=False)


def test_a_store_in_a_bucket_is_read_lazily_and_copied(bucket, stores, tmp_path):
    pytest.importorskip("s3fs", reason="needs s3fs: pip install 'xai4land[cloud]'")
    bucket.write(stores[1][["tas"]].chunk(time=24), "tas.zarr")
    catalog = list_in_bucket(bucket, tmp_path, "zarr")
    [data] = open_search(xai4land.open_catalog(catalog))
    assert data.tas.chunks[0][0] == 24
    np.testing.assert_array_equal(data.tas.values, stores[1].tas.values)
    assert len(prefetch(xai4land.open_catalog(catalog), progress=False)) == 1
    with xai4land.set_options(offline=True):
        [data] = open_search(xai4land.open_catalog(catalog))
        np.testing.assert_array_equal(data.tas.values, stores[1].tas.values)
