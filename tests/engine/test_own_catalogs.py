"""A user's own catalogs: what others write is read, what cannot be right is said at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from catalog_files import write_catalog

import xai4land
from xai4land import InputError
from xai4land.catalogs import open_search, open_simulations

pytest.importorskip("intake_esm")


@pytest.fixture(scope="module")
def climate() -> xr.Dataset:
    return xai4land.sample("climate", seed=1, years=range(1990, 1993))[["tas", "psl"]]


@pytest.fixture
def folder(climate, tmp_path):
    """A folder of files, with names from here."""
    (tmp_path / "files").mkdir()
    climate.to_netcdf(tmp_path / "files" / "both.nc")
    climate[["tas"]].to_netcdf(tmp_path / "files" / "tas.nc")
    climate[["tas"]].chunk(time=12).to_zarr(tmp_path / "files" / "tas.zarr")
    return tmp_path


ROW = {"source_id": "A", "table_id": "Amon", "variable_id": "tas", "path": "files/tas.nc"}


@pytest.mark.parametrize("written", [str, lambda names: json.dumps(names), tuple])
def test_files_of_several_variables_are_searched_by_each(folder, climate, written):
    row = ROW | {"variable_id": written(["tas", "psl"]), "path": "files/both.nc"}
    opened = xai4land.open_catalog(write_catalog(folder, [row]))
    [data] = open_search(opened.search(variable_id="psl"))
    assert set(data.data_vars) == {"psl"}
    np.testing.assert_array_equal(data.psl.values, climate.psl.values)
    [both] = open_simulations(opened).values()
    assert set(both.data_vars) == {"tas", "psl"}


@pytest.mark.parametrize(("kind", "path"), [("netcdf", "files/tas.nc"), ("zarr", "files/tas.zarr")])
def test_rows_with_gaps_are_not_left_out(folder, climate, kind, path):
    rows = [ROW | {"path": path, "table_id": None}, ROW | {"source_id": "B", "path": path}]
    found = open_search(xai4land.open_catalog(write_catalog(folder, rows, kind=kind)))
    assert len(found) == 2
    for data in found:
        np.testing.assert_array_equal(data.tas.values, climate.tas.values)


def test_one_column_may_group(folder):
    rows = [ROW, ROW | {"source_id": "B"}]
    opened = xai4land.open_catalog(write_catalog(folder, rows, groups=["source_id"]))
    assert len(open_search(opened)) == 2
    assert len(open_search(opened.search(source_id="B"))) == 1


def test_paths_are_beside_the_catalog_or_at_home(folder, monkeypatch, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(folder))
    rows = [ROW, ROW | {"source_id": "B", "path": "~/files/tas.nc"}]
    write_catalog(folder, rows)
    for name in (folder / "own.json", "../own.json", "~/own.json"):
        assert len(open_search(xai4land.open_catalog(name))) == 2


def test_a_table_may_be_in_the_json(folder):
    path = write_catalog(folder, [ROW])
    content = json.loads(path.read_text())
    del content["catalog_file"]
    path.write_text(json.dumps(content | {"catalog_dict": [ROW]}))
    assert len(open_search(xai4land.open_catalog(path))) == 1


def test_all_that_lacks_is_said_at_once(folder):
    assets = {"column_name": "path", "format_column_name": "kind"}
    rows = [ROW, ROW | {"path": None}]
    path = write_catalog(folder, rows, groups=["source_id", "member_id"], assets=assets)
    with pytest.raises(InputError) as refused:
        xai4land.open_catalog(path)
    absent, empty = refused.value.problems
    assert "no column 'kind', 'member_id'" in absent
    assert "it has 'source_id', 'table_id', 'variable_id', 'path'" in absent
    assert "1 rows of the catalog's table have no 'path' (row 2)" in empty


def test_all_that_is_wrong_with_a_description_is_said(folder):
    path = write_catalog(folder, [ROW], assets={"format": "hdf"}, attributes=[{}])
    with pytest.raises(InputError, match=r"attributes\.0\.column_name: .*assets\.format: "):
        xai4land.open_catalog(path)


def test_a_file_that_is_not_what_the_catalog_says(folder):
    (folder / "files" / "tas.nc").write_text("not a file of climate")
    opened = xai4land.open_catalog(write_catalog(folder, [ROW]))
    with pytest.raises(OSError, match=r"could not open .*tas\.nc.*expected a netcdf store"):
        open_search(opened)


def test_what_to_prefetch_is_said(folder):
    row = ROW | {"path": "https://host.org/a.zarr", "member_id": "r1i1p1f1"}
    path = write_catalog(folder, [row], kind="zarr")
    with xai4land.set_options(offline=True), pytest.raises(InputError) as refused:
        open_search(xai4land.open_catalog(path).search(source_id="A"))
    assert "xai4land prefetch CATALOG.json --only source_id=A" in str(refused.value)
    assert "--only member_id=r1i1p1f1" in str(refused.value)
