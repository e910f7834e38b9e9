"""Catalogs: what is packaged is sound, the datastore is intake-esm's, odd ones are refused."""

from __future__ import annotations

import re

import pytest
import xarray as xr
from catalog_files import write_catalog

import xai4land
from folder_server import Folder
from xai4land import DownloadError, InputError, StoreError
from xai4land.catalogs import open_search
from xai4land.downloads.urls import find_problem, parse_hash

esm = pytest.importorskip("intake_esm")

CMIP6 = "gs://cmip6/CMIP6/CMIP/CCCma/CanESM5/historical/r1i1p1f1/Amon/tas/gn/v20190429/"


@pytest.fixture
def cat():
    return xai4land.open_catalog("sample")


@pytest.fixture
def cmip6_table(monkeypatch, tmp_path):
    """The public archive's table, in small: columns as it has them, an older version among rows."""
    columns = (
        "activity_id,institution_id,source_id,experiment_id,member_id,table_id,variable_id,"
        "grid_label,zstore,dcpp_init_year,version"
    )
    row = "CMIP,CCCma,CanESM5,historical,r1i1p1f1,Amon,tas,gn"
    path = tmp_path / "cmip6.csv"
    old = CMIP6.replace("20190429", "20180101")
    path.write_text(f"{columns}\n{row},{CMIP6},,20190429\n{row},{old},,20180101\n")
    monkeypatch.setattr("xai4land.catalogs.opening.fetch_table", lambda *_, **__: path)
    return path


def catalog_of(folder, address, kind="zarr", **columns):
    """A user's catalog of one row."""
    row = {"source_id": "A", "table_id": "Amon", "variable_id": "tas", **columns, "path": address}
    return write_catalog(folder, [row], kind=kind)


def test_a_catalog_is_the_datastore_itself(cat):
    assert isinstance(cat, esm.esm_datastore)
    found = cat.search(source_id="SAMPLE-A", variable_id="tas", experiment_id="historical")
    assert sorted(found.df.member_id) == ["r1i1p1f1", "r2i1p1f1"]


@pytest.mark.parametrize("name", ["era5", "land"])
def test_packaged_addresses_and_hashes_are_sound(name):
    opened = xai4land.open_catalog(name)
    table, column = opened.df, opened.esmcat.assets.column_name
    assert not table.duplicated([c for c in table if c != "checked"]).any()
    for address in table[column]:
        assert address.startswith("gs://") or not find_problem(address)
    assert table.doi.str.fullmatch(r"10\.\d{4,}/\S+").all()
    assert (table.checked.str.len() > 10).all()
    assert (table.licence.str.len() > 3).all()
    for algorithm in {"sha256", "md5"} & set(table):
        for digits in filter(None, table[algorithm]):
            assert parse_hash(f"{algorithm}:{digits}") == (algorithm, digits)


def test_land_is_found_by_what_its_files_hold():
    land = xai4land.open_catalog("land")
    found = land.search(variable_id="primf", experiment_id="ssp370")
    assert [path.split("_")[-3] for path in found.df.path] == ["UofMD-AIM-ssp370-2-1-f"]
    assert set(land.search(variable_id="irrig_c3ann").df.table_id) == {"management"}


def test_the_cloud_archives_table_is_needed_once(monkeypatch, tmp_path):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path))
    with (
        xai4land.set_options(offline=True),
        pytest.raises(DownloadError, match="xai4land prefetch cmip6"),
    ):
        xai4land.open_catalog("cmip6")


def test_offline_a_search_says_what_to_prefetch(cmip6_table):
    found = xai4land.open_catalog("cmip6").search(source_id="CanESM5")
    with xai4land.set_options(offline=True), pytest.raises(InputError) as refused:
        open_search(found)
    assert len(refused.value.problems) == 1  # the older version is not asked for
    assert CMIP6 in str(refused.value)
    command = re.search(r"xai4land prefetch cmip6 (.*)", str(refused.value))[1]
    assert command == (
        "--only source_id=CanESM5 --only experiment_id=historical --only member_id=r1i1p1f1 "
        "--only table_id=Amon --only variable_id=tas --only grid_label=gn"
    )


def test_files_to_download_are_not_opened_from_afar():
    found = xai4land.open_catalog("land").search(source_id="LUH2-v2h", table_id="states")
    with pytest.raises(InputError, match="to download first; prefetch it"):
        open_search(found)


def test_nothing_found_is_said(cat):
    with pytest.raises(InputError, match="found nothing"):
        open_search(cat.search(source_id="none"))


def test_a_users_catalog_is_read_beside_its_table(tmp_path, monkeypatch, cat):
    address = cat.search(source_id="SAMPLE-A", variable_id="tas").df.path[0]
    own = catalog_of(tmp_path, address)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    catalog_of(elsewhere, "file:///nowhere.zarr")  # a table of the same name
    monkeypatch.chdir(elsewhere)
    [data] = open_search(xai4land.open_catalog(own).search(source_id="A"))
    assert data.tas.sizes["time"] == 480


@pytest.mark.parametrize("address", ["/data/a.zarr", "file:///data/a.zarr", "local:///a.zarr"])
def test_a_catalog_from_the_network_names_no_local_files(tmp_path, address):
    catalog_of(tmp_path, address)
    web = Folder(tmp_path)
    try:
        path = tmp_path / "own.json"
        path.write_text(path.read_text().replace("own.csv", web.url("own.csv")))
        with pytest.raises(InputError, match="may not name files of this machine"):
            xai4land.open_catalog(web.url("own.json"))
        catalog_of(tmp_path, "https://host.org/a.zarr")
        path.write_text(path.read_text().replace("own.csv", web.url("own.csv")))
        assert len(xai4land.open_catalog(web.url("own.json")).df) == 1
    finally:
        web.close()


@pytest.mark.parametrize(
    "address", ["simplecache::file:///a.zarr", "reference://x", "ftp://a.org/b", "http://a.org/b"]
)
def test_strange_addresses_are_refused(tmp_path, address):
    with pytest.raises(InputError, match="not to be opened"):
        xai4land.open_catalog(catalog_of(tmp_path, address))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cmip7", "no catalog is called 'cmip7'; there are cmip6, era5, land, sample"),
        ("nowhere.json", "no file"),
        ("http://host.org/a.json", "expected https"),
        ("ftp://host.org/a.json", "expected https"),
    ],
)
def test_what_is_no_catalog_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        xai4land.open_catalog(name)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"esmcat_version": "0.1.0"}', "not json"])
def test_broken_catalogs_are_refused(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"cannot be read as a catalog of intake-esm"):
        xai4land.open_catalog(path)


def test_a_store_that_is_gone_is_named(tmp_path):
    own = xai4land.open_catalog(catalog_of(tmp_path, "file:///nowhere/a.zarr"))
    with pytest.raises(StoreError, match=r"could not open file:///nowhere/a\.zarr"):
        open_search(own)


def test_derived_variables_are_intakes_own(cat):
    registry = esm.DerivedVariableRegistry()

    @registry.register(variable="tas_squared", query={"variable_id": ["tas"]})
    def squared(data):
        data["tas_squared"] = data.tas**2
        return data

    with_derived = xai4land.open_catalog("sample", registry=registry)
    found = with_derived.search(
        variable_id="tas_squared", source_id="SAMPLE-A", experiment_id="historical"
    )
    [data] = open_search(found)
    xr.testing.assert_allclose(data.tas_squared, data.tas**2)


def test_only_what_was_searched_for_is_opened_with_its_bounds(cat):
    [data] = open_search(cat.search(source_id="SAMPLE-LUH2", variable_id=["primf", "urban"]))
    assert set(data.data_vars) == {"primf", "urban"}
    assert "lat_bounds" in data.coords
