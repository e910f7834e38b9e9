"""What a run will take, said before it."""

from __future__ import annotations

from collections import Counter

import dask
import dask.array as da
import numpy as np
import pytest
import torch
from test_windows_reading import counted, shores

from conftest import random_emulator, small_card, small_world
from xai4land import explain
from xai4land.errors import InputError
from xai4land.explaining import timing
from xai4land.explaining.explain import _find_plan
from xai4land.explaining.workers import Workers
from xai4land.inference.plan import Plan
from xai4land_land import reconstruct


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    monkeypatch.setattr(timing, "TRIAL_SECONDS", 0.0)


def plain_count(rows=72, columns=144, size=24, overlap=6):
    """Windows of the whole globe, by their spacing."""
    across = -(-columns // (size - overlap))
    down = -(-(rows - size) // (size - overlap)) + 1
    return across * down


@pytest.mark.parametrize("chunks", [None, 30])
def test_windows_are_counted_once(world, emulator, chunks):
    found = explain(reconstruct(world, emulator, chunks=chunks))
    assert found.windows == 2 * plain_count()
    assert found.skipped == 0
    assert found.blocks == 2 * (1 if chunks is None else 3 * 5)
    assert found.seconds > 0
    assert found.memory > 100e6


def test_a_part_needs_less(world, emulator):
    made = reconstruct(world, emulator, chunks=24)
    whole, part = explain(made), explain(made.isel(lat=slice(0, 20), time=[1]))
    assert part.windows < whole.windows / 2
    assert part.blocks == 6
    assert part.tasks < whole.tasks
    assert explain(made[["land_cover"]]).tasks < whole.tasks


def test_sea_is_skipped_and_its_fixed_inputs_are_not_counted():
    world = shores()
    emulator = random_emulator(small_card())
    seen: Counter = Counter()
    lazy = counted(world, seen, chunk=12)
    found = explain(reconstruct(lazy, emulator, chunks=(12, 24)))
    assert 0.3 < found.skipped < 1
    assert found.screening_bytes == 3 * 2 * 18 * 36 * 4
    whole = 72 * 144 * (4 + 1)
    assert 0 < found.other_bytes < whole / 2
    assert not any(name == "wood" and place[0] == 1 for name, place in seen), "one step is read"


def test_only_the_states_are_read_where_nothing_needs_more():
    world = small_world(times=1)
    for name in ("wood", "field", "town"):
        world[name] = world[name] * 0 + np.float32(name == "town")
    seen: Counter = Counter()
    found = explain(reconstruct(counted(world, seen), random_emulator(small_card())))
    assert found.skipped == 1
    assert found.seconds > 0, "maps of pure cells take time, too"
    assert found.other_bytes == 0
    assert not any(name in ("height", "zone") for name, _ in seen)


def test_advice_can_be_applied(world, emulator, monkeypatch):
    monkeypatch.setattr("xai4land.inference.plan.INPUT_CACHE_BYTES", 0)
    lazy = world.chunk(lat_fine=5, lon_fine=7, time=2)
    made = reconstruct(lazy, emulator, chunks=9)
    found = explain(made)
    assert found.chunks == (1024, 1024)
    assert found.input_chunks["time"] == 1
    assert set(found.input_chunks) >= {"lat_fine", "lon_fine"}
    assert len(found.advice) == 2
    states, fixed = lazy[["wood", "field", "town"]], lazy[["height", "zone"]]
    fixed = found.rechunk(fixed.drop_vars(["lat", "lon"], errors="ignore"))
    better = reconstruct(found.rechunk(states), emulator, static=fixed, chunks=found.chunks)
    np.testing.assert_array_equal(better.land_cover, made.land_cover)
    again = explain(better)
    assert not again.advice
    assert not again.input_chunks


def test_it_can_be_read(world, emulator):
    text = repr(explain(reconstruct(world, emulator)))
    for word in ("windows", "skipped", "to read", "memory", "tasks", "time"):
        assert word in text


@pytest.mark.parametrize("what", ["computed", "foreign", "joined"])
def test_what_is_no_lazy_map_is_refused(world, emulator, what):
    made = reconstruct(world, emulator)
    if what == "computed":
        made = made.compute()
    elif what == "foreign":
        made = world.chunk()
    else:
        made = made.assign(other=reconstruct(world, emulator, chunks=20).land_cover)
    with pytest.raises(InputError, match="expected one; call it on what reconstruct returns"):
        explain(made)


@pytest.mark.parametrize("kept", [0, 3000, 2**26])
@pytest.mark.parametrize("chunks", [(9, 13), (30, 50)])
def test_what_is_read_is_said(kept, chunks, monkeypatch, tmp_path):
    """Chunk by chunk, again where they do not fit in memory, of more blocks than are looked at."""
    monkeypatch.setattr(Plan, "cache_limits", lambda self, steps: {"screening": 2**26, "others": kept})
    emulator = random_emulator(small_card())
    seen: Counter = Counter()
    made = reconstruct(counted(small_world(), seen, chunk=18), emulator, chunks=chunks)
    found = explain(made)
    seen.clear()
    with dask.config.set(scheduler="sync"):
        made.ai4land.write(tmp_path / "map.zarr", progress=False)
    size = {"height": 18 * 18 * 4, "zone": 18 * 18}
    assert found.other_bytes == sum(n * size.get(name, 0) for (name, _), n in seen.items())
    assert found.screening_bytes == 3 * 2 * 18 * 36 * 4


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_that_share_a_chunk_too_large_to_keep_are_read_again(steps, monkeypatch, tmp_path):
    one = 18 * 36 * 4
    limits = {"screening": 4 * one, "others": 2**26}  # one chunk of a step, or all three states
    monkeypatch.setattr(Plan, "cache_limits", lambda self, _: limits)
    seen: Counter = Counter()
    world = small_world(times=4)
    for name in ("wood", "field", "town"):

        def read(block_info=None, name=name, values=world[name].values):
            (first, last), *_ = block_info[None]["array-location"]
            seen[name] += last - first
            return values[first:last]

        chunks = ((steps,) * (4 // steps), (18,), (36,))
        array = da.map_blocks(read, chunks=chunks, dtype=np.float32)
        world[name] = world[name].copy(data=array)
    made = reconstruct(world, random_emulator(small_card()), chunks=(36, 50))
    found = explain(made)
    seen.clear()
    with dask.config.set(scheduler="sync"):
        made.ai4land.write(tmp_path / "map.zarr", progress=False)
    assert found.screening_bytes == sum(seen.values()) * one
    assert set(seen.values()) == {4 * steps}, "once a step, not once a block"


def test_threads_without_a_core_make_it_no_faster(monkeypatch):
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
    seen: Counter = Counter()
    explain(reconstruct(counted(world, seen), emulator, chunks=24))
    assert {seen["wood", place] for name, place in seen if name == "wood"} == {1}


def test_windows_that_wait_for_the_next_row_of_blocks_are_counted(world, emulator):
    """As many as lie across a border between rows, at most, all around the globe."""
    layout = _find_plan(reconstruct(world, emulator, chunks=(30, 50)))[0].layout
    rows = [
        {layout.canonical_corner(place) for j in range(3) for place in layout.corners((i, j))} for i in range(3)
    ]
    assert layout.max_waiting_windows == max(len(rows[0] & rows[1]), len(rows[1] & rows[2])) > 0
