"""Which inputs are read, and how often."""

from __future__ import annotations

from collections import Counter

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import random_emulator, small_card, small_world
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.inference.plan import Plan
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Chunking, Reader
from xai4land_land import reconstruct

STATES = ("wood", "field", "town")


def count_reads(world, reads, side=18, fail=None):
    """Return the world in chunks, whose reads are counted by variable and chunk."""
    lazy = world.chunk(lat=9, lon=12, lat_fine=side, lon_fine=side, time=1)
    for name in (*STATES, "height", "zone"):

        def count_read(values, name=name, block_info=None):
            chunk = tuple(block_info[0]["chunk-location"])
            reads[name, chunk] += 1
            if fail == (name, chunk):
                raise OSError("the disk is gone")
            return values

        array = da.map_blocks(count_read, lazy[name].data, dtype=lazy[name].dtype)
        lazy[name] = lazy[name].copy(data=array)
    return lazy


def island_world(times=2):
    """Make a world of pure sea (town) except an island of mixed cells."""
    world = small_world(times=times)
    sea = np.ones((18, 36), bool)
    sea[2:7, 3:9] = False
    for name in STATES:
        world[name] = world[name].where(~sea, np.float32(name == "town"))
    return world


@pytest.mark.parametrize("chunks", [1024, (20, 31)])
@pytest.mark.parametrize("job", ["compute", "write"])
def test_fixed_inputs_are_read_once_and_states_once_a_year(emulator, tmp_path, chunks, job):
    reads: Counter = Counter()
    lazy = count_reads(small_world(times=3), reads)
    result = reconstruct(lazy, emulator, chunks=chunks)
    assert not reads
    if job == "compute":
        result.compute()
    else:
        result.ai4land.write(tmp_path / "map.zarr", progress=False)
    assert set(reads.values()) == {1}
    assert sum(name == "height" for name, _ in reads) == 4 * 8
    assert sum(name == "wood" for name, _ in reads) == 3 * 2 * 3


def test_chunks_that_are_merged_are_read_once(emulator):
    """A rechunked input: several chunks come from one that was read."""
    reads: Counter = Counter()
    lazy = count_reads(small_world(), reads, side=36).chunk(lat_fine=10, lon_fine=50)
    reconstruct(lazy, emulator, chunks=(20, 31)).compute()
    assert set(reads.values()) == {1}


def test_open_sea_is_not_read():
    reads: Counter = Counter()
    world = island_world()
    emulator = random_emulator(small_card())
    result = reconstruct(count_reads(world, reads, side=12), emulator, chunks=(12, 24)).compute()
    expected = reconstruct(world, emulator).compute()
    np.testing.assert_array_equal(result.land_cover, expected.land_cover)
    assert 0 < sum(name == "height" for name, _ in reads) < 6 * 12 / 2
    assert sum(name == "wood" for name, _ in reads) == 2 * 2 * 3


def required_height_card():
    """Make a card whose height may not be missing: every block needs it."""
    card = small_card()
    inputs = [
        i.model_copy(update={"fill": None} if i.name == "height" else {}) for i in card.inputs
    ]
    return card.with_(inputs=tuple(inputs))


def test_a_block_reads_what_lies_ahead_and_not_what_lies_behind(tmp_path, monkeypatch):
    """Windows that reach back were computed by the block before, although no input is cached."""
    monkeypatch.setattr(Plan, "cache_limits", lambda self, steps: {"screening": 0, "others": 0})
    reads: Counter = Counter()
    lazy = count_reads(small_world(times=1), reads, side=36)
    result = reconstruct(lazy, random_emulator(required_height_card()), chunks=36)
    with dask.config.set(scheduler="sync"):
        result.ai4land.write(tmp_path / "map.zarr", progress=False)
    heights = {place: count for (name, place), count in reads.items() if name == "height"}
    assert len(heights) == 2 * 4
    # Around the globe, the first column's windows reach back into the last one.
    assert max(count for (_, column), count in heights.items() if column < 3) <= 2 * 2


def test_missing_inputs_are_missing_outputs_where_no_network_is_needed():
    """In the open sea, and beside the island, whatever the blocks."""
    world = island_world(times=1)
    world["height"].values[[5, 5, 40, 71], [0, 70, 100, 143]] = np.nan
    world["height"].values[20:24, 26:30] = np.nan
    emulator = random_emulator(required_height_card())
    expected = reconstruct(world, emulator).compute()
    missing = expected.land_cover.values[0] == 255
    np.testing.assert_array_equal(missing, np.isnan(world["height"].values))
    result = reconstruct(
        count_reads(world, Counter(), side=12), emulator, chunks=(17, 24)
    ).compute()
    np.testing.assert_array_equal(result.land_cover, expected.land_cover)
    np.testing.assert_array_equal(result.confidence, expected.confidence)


def test_skipped_windows_do_not_change_the_map():
    """The result of a pure cell is its class, whatever the network would give."""
    result = reconstruct(island_world(times=1), random_emulator(small_card())).compute()
    sea = np.ones((18, 36), bool)
    sea[2:7, 3:9] = False
    fine = sea.repeat(4, 0).repeat(4, 1)
    assert (result.land_cover.values[0][fine] == 2).all()
    assert (result.confidence.values[0][fine] == 1).all()


@pytest.mark.parametrize("name", ["wood", "height"])
def test_a_reader_that_raises_fails_the_run_with_the_block_named(emulator, name):
    place = (1, 1, 2) if name == "wood" else (3, 5)
    lazy = count_reads(small_world(), Counter(), fail=(name, place))
    with pytest.raises(OSError, match="the disk is gone") as caught:
        reconstruct(lazy, emulator, chunks=36).compute()
    assert "in the block from" in " ".join(caught.value.__notes__)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_box_is_put_together_from_chunks(data):
    """Against numpy's own indexing, around the date line too."""
    shape = data.draw(st.tuples(st.integers(2, 12), st.integers(2, 16)))
    sizes = [
        tuple(np.diff([0, *sorted(data.draw(st.sets(st.integers(1, n - 1)))), n])) for n in shape
    ]
    lat = Axis(80 - 5.0 * np.arange(shape[0]))
    lon = Axis(360 / shape[1] * np.arange(shape[1]), periodic=True, circular=True)
    values = np.arange(np.prod(shape)).reshape(shape)
    top = data.draw(st.integers(0, shape[0] - 1))
    left = data.draw(st.integers(-shape[1], 2 * shape[1]))
    box = (
        (top, top + data.draw(st.integers(1, shape[0] - top))),
        (left, left + data.draw(st.integers(1, shape[1]))),
    )
    wanted = values[np.ix_(np.arange(*box[0]), np.arange(*box[1]) % shape[1])]
    lazy = da.from_array(values, chunks=tuple(sizes))
    for array in (values, lazy):
        found = Reader(array, Grid(lat, lon)).read(box, 0, ResultCache())
        np.testing.assert_array_equal(found, wanted)
    chunking = Chunking(Grid(lat, lon), lazy.chunks)
    for dim in range(2):
        touched = chunking.find_chunks_along(dim, box[dim])
        assert len(touched) == len(set(touched))
