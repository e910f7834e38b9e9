"""Private parts of other libraries are still there, and mean what they are used for."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from catalog_files import write_catalog
from dask.highlevelgraph import HighLevelGraph

import xai4land
from xai4land.adapters.dask import (
    find_failed_key,
    find_needed_keys,
    make_reading_task,
    select_tasks,
)
from xai4land.adapters.intake import requested_variables, set_requested_variables
from xai4land.adapters.xarray import is_in_memory


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_a_reading_task_gets_results_and_plain_arguments(scheduler):
    """A tuple that looks like a key is passed on as it is."""
    task = make_reading_task(("b", 0), lambda *given: given, ("a",), ("a", 1), 2)
    assert task.data_producer  # what dask's scheduler asks before it spreads tasks
    graph = {"a": 5, ("a", 1): 6, ("b", 0): task}
    with dask.config.set(scheduler=scheduler):
        assert dask.base.get_scheduler()(graph, [("b", 0)]) == ((5, ("a", 1), 2),)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_the_task_that_failed_is_found(scheduler):
    def fail(block, block_info=None):
        if block_info[0]["chunk-location"] == (2,):
            raise RuntimeError("no luck")
        return block

    array = da.map_blocks(fail, da.ones(4, chunks=1), meta=np.empty(0), name="fails")
    with dask.config.set(scheduler=scheduler), pytest.raises(RuntimeError) as raised:
        dask.base.get_scheduler()(dict(array.dask), array.__dask_keys__())
    assert find_failed_key(raised.value, array.dask) == (array.name, 2)
    assert find_failed_key(raised.value, {}) is None


def test_what_is_in_memory_is_told_from_what_is_not(tmp_path):
    field = xr.DataArray(np.arange(3.0), dims="x", name="a")
    field.to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as opened:
        assert not is_in_memory(opened.a)
        assert not is_in_memory(opened.a[:2])
        assert is_in_memory(opened.a.load())
    assert is_in_memory(field)
    assert not is_in_memory(field.chunk())


def test_a_search_knows_the_variables_that_were_asked_for(tmp_path):
    pytest.importorskip("intake_esm")
    rows = [
        {"source_id": "A", "table_id": "Amon", "variable_id": names, "path": "both.nc"}
        for names in (("tas", "psl"), ("pr",))
    ]
    opened = xai4land.open_catalog(write_catalog(tmp_path, rows))
    assert requested_variables(opened) == []
    found = opened.search(variable_id="tas")
    assert requested_variables(found) == ["tas"]
    set_requested_variables(found, [])
    assert requested_variables(found) == []


def test_selected_tasks_give_the_same_and_no_layer_is_listed_for_that():
    values = np.arange(400.0).reshape(20, 20)
    base = da.from_array(values, chunks=5, name="base")
    smooth = da.overlap.overlap(base, 1, "none").map_blocks(np.cumsum, 0, name="smooth")
    total = (smooth + 1).sum(axis=0) * 2
    end = (total.name, 2)
    needed = find_needed_keys(total.dask, [end], lambda _: False)
    tasks = select_tasks(total.dask, needed, {})
    assert tasks.layers[total.name].keys() == {end}
    assert not total.dask.layers[total.name].is_materialized()
    # As many as dask itself would run, which looks at all.
    assert len(dict(tasks)) == len(dict(total.dask.cull([end])))
    np.testing.assert_array_equal(dask.get(dict(tasks), end), total.blocks[2].compute())


def test_tasks_that_are_given_take_the_place_of_all_that_they_need():
    base = da.from_array(np.arange(6.0), chunks=2, name="base")
    added = {("sums", k): (np.add, ("base", k), ("sums", k - 1)) for k in (1, 2)}
    graph = HighLevelGraph.from_collections("sums", {("sums", 0): ("base", 0), **added}, [base])
    sums = da.Array(graph, "sums", base.chunks, float)
    end, before = ("sums", 2), ("sums", 1)
    needed = find_needed_keys(sums.dask, [end], before.__eq__)
    assert not needed["base"] & {("base", 0), ("base", 1)}
    tasks = select_tasks(sums.dask, needed, {before: (np.asarray, [10.0, 20.0])})
    np.testing.assert_array_equal(dask.get(dict(tasks), end), [14.0, 25.0])
    assert tasks.layers.keys() <= sums.dask.layers.keys()


@pytest.mark.skipif(
    find_spec("eccodeslib") is None or find_spec("pyproj") is None,
    reason="needs two copies of PROJ: pip install cfgrib pyproj",
)
def test_maps_are_projected_after_a_file_was_opened(tmp_path):
    """The copy of PROJ that comes with ecCodes, which xarray loads with any file, is in no way."""
    xr.Dataset({"tas": 1.0}).to_netcdf(tmp_path / "a.nc")
    code = """
import sys, xai4land
xai4land.open_store(sys.argv[1])
assert "eccodes" in sys.modules
import pyproj
print(*pyproj.Transformer.from_crs(4326, 3035).transform(52, 10))
"""
    command = [sys.executable, "-W", "error::UserWarning", "-c", code, str(tmp_path / "a.nc")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    north, east = map(float, run.stdout.split())
    assert (round(north), round(east)) == (3210000, 4321000)  # the origin of ETRS89-LAEA
