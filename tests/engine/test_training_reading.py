"""Training from stores: what is read, how often, in which order, and how much of it is kept."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import xai4land
from conftest import small_world
from land_training import train
from xai4land.errors import InputError, StoreError
from xai4land.grids.grid import Grid
from xai4land.training import fit as fitting
from xai4land.training.order import VISIT, Shelves, mix_runs
from xai4land.training.split import block_numbers, split_blocks
from xai4land.training.survey import survey
from xai4land.training.trainer import Trainer
from xai4land.training.truth import Truth, new_cache

CHUNKS = {"time": 1, "lat": 9, "lon": 12, "lat_fine": 48, "lon_fine": 48}
SMALL = "60kB"
"""Of 300 kB of data."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Write a world of 144 x 288 pixels and two years as Zarr."""
    path = tmp_path_factory.mktemp("stores") / "world.zarr"
    small_world(ratio=8).chunk(CHUNKS).to_zarr(path, zarr_format=2)
    return path


@pytest.fixture
def reads(monkeypatch):
    """Count the reads of each chunk of stores on disk, and their bytes."""
    sizes: dict[str, list[int]] = defaultdict(list)
    get = zarr.storage.LocalStore.get

    async def count(self, key, *given, **named):
        found = await get(self, key, *given, **named)
        if found is not None and key.rsplit("/", 1)[-1][0].isdigit():
            sizes[key].append(len(found))
        return found

    monkeypatch.setattr(zarr.storage.LocalStore, "get", count)
    return sizes


@pytest.fixture
def split(monkeypatch):
    """Stop each training before its first step, and keep what it would train on."""
    kept = []
    monkeypatch.setattr(fitting, "train", lambda kind, card, *sides, **how: kept.append(sides))
    return kept


def fresh_cache(folder):
    return xai4land.set_options(cache=folder)


def count_of(reads, name):
    return Counter({key: len(sizes) for key, sizes in reads.items() if key.startswith(f"{name}/")})


def same_weights(one, other):
    return all(torch.equal(value, other.weights[name]) for name, value in one.weights.items())


@pytest.mark.parametrize("chunks", [{}, None])
def test_the_truth_is_read_once_before_the_first_step_and_never_again(
    store, reads, split, tmp_path, chunks
):
    with fresh_cache(tmp_path):
        train(xr.open_zarr(store, chunks=chunks), cache=SMALL)
        assert set(count_of(reads, "truth").values()) == {1}
        assert len(count_of(reads, "truth")) == 2 * 3 * 6
        assert set(count_of(reads, "height").values()) == {1}
        if chunks is None:
            return  # of which dask does not know what it is
        reads.clear()
        train(xr.open_zarr(store, chunks=chunks), cache=SMALL)
        assert not count_of(reads, "truth")
    (one, *_), (other, *_) = split
    assert one.parts[0].card == other.parts[0].card
    assert np.array_equal(one.parts[0].counts, other.parts[0].counts)


def test_maps_of_several_pairs_are_read_once_for_fractions_and_once_for_all_else(
    tmp_path, reads, split
):
    """Three years make six pairs, in each of which a map is truth or prior map."""
    path = tmp_path / "history.zarr"
    small_world(ratio=8, times=3).chunk(CHUNKS).to_zarr(path, zarr_format=2)
    data = xr.open_zarr(path)
    with fresh_cache(tmp_path / "cache"):
        train(data, prior=data.truth, cache="1MB")
    ((training, *_),) = split
    assert training.parts[0].truth.times == 6
    assert set(count_of(reads, "truth").values()) == {2}
    assert len(count_of(reads, "truth")) == 3 * 3 * 6


def test_a_store_of_objects_is_known_by_its_content_and_watched(store, split, tmp_path):
    from object_stores import open_objects

    objects = open_objects("memory://trainings", None)
    for file in store.rglob("*"):
        if file.is_file():
            objects.write(f"world.zarr/{file.relative_to(store)}", file.read_bytes())
    url, seen = "memory://trainings/world.zarr", []
    with fresh_cache(tmp_path):
        for _ in range(2):
            train(xai4land.open_store(url), cache=SMALL)
            seen.append(len(list(tmp_path.glob("training/*"))))
        objects.write("world.zarr/truth/0.1.2", (store / "truth" / "0.0.0").read_bytes())
        for sides in split:
            with pytest.raises(StoreError, match=r"world.zarr changed while.*truth/0\.1\.2"):
                sides[0].stores.check()
        train(xai4land.open_store(url), cache=SMALL)
        split[-1][0].stores.check()
        seen.append(len(list(tmp_path.glob("training/*"))))
    assert seen == [1, 1, 2]


def test_what_was_found_in_other_data_is_not_taken(store, reads, split, tmp_path):
    other = tmp_path / "other.zarr"
    world = xr.open_zarr(store).load().chunk(CHUNKS)
    with fresh_cache(tmp_path / "cache"):
        train(xr.open_zarr(store), cache=SMALL)
        world.to_zarr(other, zarr_format=2)
        for seed, again in ((0, True), (0, False), (1, True)):
            reads.clear()
            train(xr.open_zarr(other), cache=SMALL, seed=seed)
            assert bool(count_of(reads, "truth")) == again
        (1 - world[["truth"]]).astype("u1").to_zarr(other, mode="r+")
        reads.clear()
        train(xr.open_zarr(other), cache=SMALL)
        assert count_of(reads, "truth")


def test_an_epoch_reads_little_more_than_the_chunks_it_touches(tmp_path, reads, split):
    """The store is over three times the cache, whose bound is never exceeded."""
    path, steps = tmp_path / "large.zarr", 60
    small_world(ratio=24, times=1).chunk(CHUNKS).to_zarr(path, zarr_format=2)
    train(xr.open_zarr(path), cache="600kB", steps=steps, batch_size=8)
    ((training, _, plan),) = split
    assert training.stored_bytes > 2.5 * plan.cache_bytes
    reads.clear()
    cache = training.parts[0].cache
    drawn = training.plan(8 * steps, plan.cache_bytes, np.random.default_rng(0))
    for corner in drawn.corners:
        training.cut(corner)
        assert sum(cache._sizes.values()) <= plan.cache_bytes
    touched = sum(sizes[0] for sizes in reads.values())
    assert sum(map(sum, reads.values())) <= 1.3 * touched
    # Windows that wait have a bound, too.
    waits = np.argsort(drawn.order) - np.arange(8 * steps)
    assert waits.max() * training.parts[0].cut_bytes <= plan.cache_bytes / 2
    # Drawn one by one, as many windows read each chunk again and again.
    reads.clear()
    for corner in training.draw(8 * steps, np.random.default_rng(0)):
        training.cut(corner)
    assert sum(map(sum, reads.values())) > 3 * touched
    # Batches are of several places, not of one after another.
    places = [(c.time, c.row // 48, c.column // 48) for c in drawn.corners]
    batches = drawn.order.reshape(-1, 8).tolist()
    assert np.median([len({places[i] for i in batch}) for batch in batches]) >= 4


def test_training_from_a_store_does_not_depend_on_threads_and_goes_on_after_a_kill(
    store, tmp_path, monkeypatch
):
    data = xr.open_zarr(store)
    how = {"cache": SMALL, "steps": 4, "parameters": {"widths": [8, 16], "dropout": 0.3}}
    whole = train(data, **how, workers=1)
    path, take, done = tmp_path / "run.safetensors", Trainer._take_step, []

    def die(self, parts):
        done.append(1)
        if len(done) == 7:
            raise RuntimeError("killed")
        return take(self, parts)

    monkeypatch.setattr(Trainer, "_take_step", die)
    with pytest.raises(RuntimeError, match="killed"):
        train(data, **how, workers=3, checkpoint=path, minutes=0)
    assert same_weights(whole, train(data, **how, workers=3, checkpoint=path, minutes=0))
    assert len(done) == 9  # six of eight steps were not taken again


@pytest.mark.parametrize("change", ["rewrite", "remove"])
def test_a_store_that_changes_ends_the_training_and_leaves_the_checkpoint(
    store, tmp_path, monkeypatch, change
):
    path, copy = tmp_path / "run.safetensors", tmp_path / "copy.zarr"
    xr.open_zarr(store).load().chunk(CHUNKS).to_zarr(copy, zarr_format=2)
    how = {"cache": SMALL, "checkpoint": path, "minutes": 0}
    whole = train(xr.open_zarr(copy), **{**how, "checkpoint": ""})
    chunk, take, done = copy / "truth" / "0.1.2", Trainer._take_step, []
    content = chunk.read_bytes()

    def disturb(self, parts):
        done.append(1)
        if len(done) == 5:
            chunk.unlink()
            if change == "rewrite":
                chunk.write_bytes(content[::-1])
        return take(self, parts)

    monkeypatch.setattr(Trainer, "_take_step", disturb)
    with pytest.raises(StoreError, match=r"copy.zarr changed while.*0\.1\.2.*checkpoint is intact"):
        train(xr.open_zarr(copy), **how)
    chunk.write_bytes(content)
    assert same_weights(whole, train(xr.open_zarr(copy), **how))
    assert len(done) == 5 + 2


def test_blocks_without_any_known_pixel_are_left_out(store):
    data = xr.open_zarr(store)
    holed = data.assign(truth=data.truth.where((data.lon_fine < 0) | (data.lat_fine > 60)))
    train(holed, cache=SMALL)
    with pytest.raises(InputError, match="fewer than two blocks"):
        train(data.assign(truth=data.truth.where(data.lat_fine > 100)), cache=SMALL)


def test_a_cache_is_a_number_of_bytes():
    with pytest.raises(InputError, match=r"cache='much'.*expected bytes, such as '2GiB'"):
        train(small_world(times=1), cache="much")


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(0.001, 1.0), st.sampled_from([1, 5, 7, 16]))
def test_one_pass_finds_what_any_split_asks_for(seed, known, piece):
    """Compared with blocks, counts and sums of the whole array at once."""
    rng = np.random.default_rng(seed)
    world = small_world(times=1)
    truth = world.truth.copy(data=rng.integers(0, 3, world.truth.shape).astype(np.uint8))
    hidden = rng.random(truth.shape) > known * rng.random(truth.shape[-1])
    truth.values[hidden] = 255
    grid = Grid.of(truth, "truth")
    useful = rng.random(truth.shape[1:])
    part = Truth.of([truth], grid, 255, new_cache(2**20))
    found = survey(
        part,
        300.0,
        count=lambda values: np.bincount(values.ravel(), minlength=256),
        usefulness=lambda time, rows, columns: useful[np.ix_(rows, columns)],
        piece=piece * 4,
        step=4,
    )

    def blocks(degrees):
        numbers = block_numbers(truth.lat_fine.values, truth.lon_fine.values, degrees)
        return np.unique(numbers[~hidden[0]])

    if blocks(2.5).size < 2:
        return
    try:
        sides = split_blocks(blocks, 2.5, 300.0, 0.2, 0)
    except InputError:
        return
    for expected, split in zip(sides, split_blocks(found.blocks, 2.5, 300.0, 0.2, 0), strict=True):
        assert split.degrees == expected.degrees
        assert np.array_equal(split.held, expected.held)
        assert np.array_equal(split.blocks, expected.blocks)
        inside = split.holds(truth.lat_fine.values, truth.lon_fine.values) & ~hidden[0]
        counts = sum(found.counts_within(split), np.zeros(256))
        assert np.array_equal(counts[:3], np.bincount(truth.values[0][inside], minlength=3))
        tiles = (inside * useful).reshape(18, 4, 36, 4).sum((1, 3))
        assert np.allclose(found.sum_tiles(split, (1, 18, 36))[0], tiles)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 9))
def test_windows_are_drawn_as_often_as_their_weights_say(seed, count, places):
    rng = np.random.default_rng(seed)
    weights = rng.random(count) * (rng.random(count) > 0.2)
    shelves = Shelves.of(weights, rng.integers(0, places, count))
    drawn = shelves.draw(4000 // VISIT, rng)
    if not weights.any():
        assert not drawn.size
        return
    often = np.bincount(drawn.ravel(), minlength=count) / drawn.size
    assert np.abs(often - weights / weights.sum()).max() < 0.06
    assert not often[weights == 0].any()


@given(st.integers(0, 200), st.integers(1, 40), st.integers(0, 99))
def test_runs_keep_their_order_and_nothing_is_lost(count, runs, seed):
    order = mix_runs(count, runs, np.random.default_rng(seed))
    assert sorted(order.tolist()) == list(range(count))
    of = order * runs // max(count, 1)
    assert all((np.diff(order[of == run]) > 0).all() for run in range(runs))


def test_counts_of_changes_add_up_to_what_is_learned_at_once():
    from xai4land.emulator import Changes, OutputClass
    from xai4land.heads.changes import ChangeHead

    rng = np.random.default_rng(0)
    classes = tuple(OutputClass(value=k, name=f"c{k}", states=(f"s{k}",)) for k in range(3))
    head = ChangeHead(Changes(classes=classes))
    pieces = [rng.choice(np.array([0, 1, 2, 255], np.uint8), (2, 9, 9)) for _ in range(4)]
    learned = head.learn(pieces)
    after, before = np.concatenate(pieces, 1).reshape(2, -1)
    both = (after < 3) & (before < 3)
    moved = both & (after != before)
    mean = moved.sum() / both.sum()
    for a in range(3):
        for b in range(3):
            share = (moved & (before == a) & (after == b)).sum() / (both & (before == a)).sum()
            assert learned.transitions[a][b] == pytest.approx(share / mean, abs=1e-4)
    assert [c.share for c in learned.classes] == [1.0] * 3
