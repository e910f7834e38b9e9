"""The graph of a run: lean, quick to make, whatever the size of the network."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
import zarr
from dask.callbacks import Callback

from conftest import coordinate, random_emulator, small_card
from xai4land_land import reconstruct


@pytest.fixture(scope="module")
def globe(tmp_path_factory):
    """States of 0.25° and a fixed input of 1/120° as Zarr that holds no data at all."""
    folder = tmp_path_factory.mktemp("globe") / "inputs.zarr"
    group = zarr.open_group(folder, mode="w")
    for end, count in (("", 720), ("_fine", 21_600)):
        step = 180 / count
        for name, first, n in (("lat", 90, count), ("lon", -180, 2 * count)):
            sign = -1 if name == "lat" else 1
            values = coordinate(name, first + sign * step * (np.arange(n) + 0.5))
            array = group.create_array(
                name + end, shape=n, dtype="f8", dimension_names=[name + end]
            )
            array[:] = values.values
            array.attrs.update(values.attrs)
    for name in ("wood", "field", "town"):
        array = group.create_array(
            name, shape=(720, 1440), dtype="f4", dimension_names=["lat", "lon"], fill_value=0.25
        )
        array.attrs["units"] = "1"
    for name, kind in (("height", "f4"), ("zone", "u1")):
        array = group.create_array(
            name,
            shape=(21_600, 43_200),
            chunks=(1_080, 1_080),
            dtype=kind,
            dimension_names=["lat_fine", "lon_fine"],
        )
        array.attrs["units"] = "m" if name == "height" else "1"
    return folder


def make_emulator(widths):
    return random_emulator(
        small_card(
            resolution={"target": 1 / 120, "states": 0.25},
            window={"size": 256, "overlap": 64},
            architecture={"name": "unet", "parameters": {"widths": widths}},
        )
    )


@pytest.fixture
def temporary_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_graph_of_the_globe_is_small(globe, temporary_cache):
    ran = []
    data = xr.open_zarr(globe, consolidated=False)
    sizes = {}
    with Callback(pretask=lambda key, *_: ran.append(key)):
        for name, widths in (("small", [8, 16]), ("large", [64, 128, 256])):
            emulator = make_emulator(widths)
            graph = reconstruct(data, emulator).__dask_graph__()
            sizes[name] = len(pickle.dumps(graph)), len(pickle.dumps(dict(graph)))
    assert not ran
    assert max(max(pair) for pair in sizes.values()) < 1e6
    weights = sum(w.numel() * 4 for w in emulator.weights.values())
    assert abs(sizes["small"][0] - sizes["large"][0]) < weights / 1000


def test_tasks_a_block(globe):
    result = reconstruct(xr.open_zarr(globe, consolidated=False), make_emulator([8, 16]))
    chunks = [np.prod([len(c) for c in v.chunks]) for v in result.data_vars.values()]
    blocks = chunks[0]
    assert set(chunks) == {22 * 43}
    tasks = sum("xai4land-" in str(key) for key in result.__dask_graph__())
    # A task per block and one more per output; the plan, and the cache.
    assert tasks == blocks * (1 + len(chunks)) + 2
    assert tasks / sum(chunks) < 3


def test_a_part_needs_its_own_blocks_only(globe):
    result = reconstruct(xr.open_zarr(globe, consolidated=False), make_emulator([8, 16]))
    part = result.land_cover.isel(lat=slice(0, 100), lon=slice(0, 100)).data
    graph = part.__dask_graph__().cull(part.__dask_keys__())
    assert sum(str(key[0]).startswith("xai4land-") for key in graph if isinstance(key, tuple)) == 1
