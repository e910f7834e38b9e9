"""What a run will take, estimated before it."""

from __future__ import annotations

from collections import Counter

import dask
import dask.array as da
import numpy as np
import pytest
import torch
from test_windows_reading import count_reads, island_world

from conftest import random_emulator, small_card, small_world
from xai4land import explain
from xai4land.errors import InputError
from xai4land.explaining import timing
from xai4land.explaining.explain import _find_plan
from xai4land.explaining.workers import Workers
from xai4land.inference.plan import Plan
from xai4land_land import reconstruct


@pytest.fixture(autouse=True)
def shorten_trial(monkeypatch):
    monkeypatch.setattr(timing, "TRIAL_SECONDS", 0.0)


def count_windows(rows=72, columns=144, size=24, overlap=6):
    """Windows of the whole globe, by their spacing."""
    across = -(-columns // (size - overlap))
    down = -(-(rows - size) // (size - overlap)) + 1
    return across * down


@pytest.mark.parametrize("chunks", [None, 30])
def test_windows_are_counted_once(world, emulator, chunks):
    estimate = explain(reconstruct(world, emulator, chunks=chunks))
    assert estimate.windows == 2 * count_windows()
    assert estimate.skipped == 0
    assert estimate.blocks == 2 * (1 if chunks is None else 3 * 5)
    assert estimate.seconds > 0
    assert estimate.memory > 100e6


def test_a_part_needs_less(world, emulator):
    result = reconstruct(world, emulator, chunks=24)
    whole, part = explain(result), explain(result.isel(lat=slice(0, 20), time=[1]))
    assert part.windows < whole.windows / 2
    assert part.blocks == 6
    assert part.tasks < whole.tasks
    assert explain(result[["land_cover"]]).tasks < whole.tasks


def test_sea_is_skipped_and_its_other_inputs_are_not_counted():
    world = island_world()
    emulator = random_emulator(small_card())
    reads: Counter = Counter()
    lazy = count_reads(world, reads, side=12)
    estimate = explain(reconstruct(lazy, emulator, chunks=(12, 24)))
    assert 0.3 < estimate.skipped < 1
    assert estimate.screening_bytes == 3 * 2 * 18 * 36 * 4
    whole = 72 * 144 * (4 + 1)
    assert 0 < estimate.other_bytes < whole / 2
    assert not any(name == "wood" and chunk[0] == 1 for name, chunk in reads), "one step is read"


def test_only_screening_inputs_are_read_if_no_window_needs_more():
    world = small_world(times=1)
    for name in ("wood", "field", "town"):
        world[name] = world[name] * 0 + np.float32(name == "town")
    reads: Counter = Counter()
    estimate = explain(reconstruct(count_reads(world, reads), random_emulator(small_card())))
    assert estimate.skipped == 1
    assert estimate.seconds > 0, "maps of pure cells take time, too"
    assert estimate.other_bytes == 0
    assert not any(name in ("height", "zone") for name, _ in reads)


def test_advice_can_be_applied(world, emulator, monkeypatch):
    monkeypatch.setattr("xai4land.inference.plan.INPUT_CACHE_BYTES", 0)
    lazy = world.chunk(lat_fine=5, lon_fine=7, time=2)
    result = reconstruct(lazy, emulator, chunks=9)
    estimate = explain(result)
    assert estimate.chunks == (1024, 1024)
    assert estimate.input_chunks["time"] == 1
    assert set(estimate.input_chunks) >= {"lat_fine", "lon_fine"}
    assert len(estimate.advice) == 2
    states, fixed = lazy[["wood", "field", "town"]], lazy[["height", "zone"]]
    fixed = estimate.rechunk(fixed.drop_vars(["lat", "lon"], errors="ignore"))
    better = reconstruct(estimate.rechunk(states), emulator, static=fixed, chunks=estimate.chunks)
    np.testing.assert_array_equal(better.land_cover, result.land_cover)
    again = explain(better)
    assert not again.advice
    assert not again.input_chunks


def test_the_text_names_all_estimates(world, emulator):
    text = repr(explain(reconstruct(world, emulator)))
    for word in ("windows", "skipped", "to read", "memory", "tasks", "time"):
        assert word in text


@pytest.mark.parametrize("what", ["computed", "foreign", "joined"])
def test_datasets_that_are_no_lazy_map_are_refused(world, emulator, what):
    result = reconstruct(world, emulator)
    if what == "computed":
        result = result.compute()
    elif what == "foreign":
        result = world.chunk()
    else:
        result = result.assign(other=reconstruct(world, emulator, chunks=20).land_cover)
    with pytest.raises(InputError, match="expected one; call it on what reconstruct returns"):
        explain(result)


@pytest.mark.parametrize("limit", [0, 3000, 2**26])
@pytest.mark.parametrize("chunks", [(9, 13), (30, 50)])
def test_bytes_to_read_are_exact(limit, chunks, monkeypatch, tmp_path):
    """Chunk by chunk, and again where they do not fit in the cache."""
    monkeypatch.setattr(
        Plan, "cache_limits", lambda self, steps: {"screening": 2**26, "others": limit}
    )
    emulator = random_emulator(small_card())
    reads: Counter = Counter()
    result = reconstruct(count_reads(small_world(), reads, side=18), emulator, chunks=chunks)
    estimate = explain(result)
    reads.clear()
    with dask.config.set(scheduler="sync"):
        result.ai4land.write(tmp_path / "map.zarr", progress=False)
    size = {"height": 18 * 18 * 4, "zone": 18 * 18}
    assert estimate.other_bytes == sum(n * size.get(name, 0) for (name, _), n in reads.items())
    assert estimate.screening_bytes == 3 * 2 * 18 * 36 * 4


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_that_share_a_chunk_too_large_to_keep_are_read_again(steps, monkeypatch, tmp_path):
    one = 18 * 36 * 4
    limits = {"screening": 4 * one, "others": 2**26}  # one chunk of a step, or all three states
    monkeypatch.setattr(Plan, "cache_limits", lambda self, _: limits)
    reads: Counter = Counter()
    world = small_world(times=4)
    for name in ("wood", "field", "town"):

        def read(block_info=None, name=name, values=world[name].values):
            (first, last), *_ = block_info[None]["array-location"]
            reads[name] += last - first
            return values[first:last]

        chunks = ((steps,) * (4 // steps), (18,), (36,))
        array = da.map_blocks(read, chunks=chunks, dtype=np.float32)
        world[name] = world[name].copy(data=array)
    result = reconstruct(world, random_emulator(small_card()), chunks=(36, 50))
    estimate = explain(result)
    reads.clear()
    with dask.config.set(scheduler="sync"):
        result.ai4land.write(tmp_path / "map.zarr", progress=False)
    assert estimate.screening_bytes == sum(reads.values()) * one
    assert set(reads.values()) == {4 * steps}, "once a step, not once a block"


def test_threads_without_a_core_do_not_count(monkeypatch):
    """Four blocks at once on two cores take as long as two."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr("xai4land.explaining.workers.CPU_COUNT", 2)
    found = []
    for threads in (2, 4):
        with dask.config.set(num_workers=threads):
            workers = Workers.detect("cpu")
        assert workers.concurrent_blocks == threads
        found.append(workers.cores)
    assert found == [2, 2]


def test_states_are_read_once(world, emulator):
    reads: Counter = Counter()
    explain(reconstruct(count_reads(world, reads), emulator, chunks=24))
    assert {reads["wood", chunk] for name, chunk in reads if name == "wood"} == {1}


def test_windows_that_wait_for_the_next_row_of_blocks_are_counted(world, emulator):
    """As many as lie across a border between rows, at most, all around the globe."""
    layout = _find_plan(reconstruct(world, emulator, chunks=(30, 50)))[0].layout
    rows = [
        {layout.canonical_corner(corner) for j in range(3) for corner in layout.corners((i, j))}
        for i in range(3)
    ]
    assert layout.max_waiting_windows == max(len(rows[0] & rows[1]), len(rows[1] & rows[2])) > 0
