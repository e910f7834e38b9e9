"""Stores in object stores: whole or not there, going on where a run ended, one writer at a time."""

from __future__ import annotations

import copy
import json
import pickle
import threading

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from step_chains import DIMS, SIDE, make_chain, make_maps

from object_stores import MARK_NAMES, Place, call_in, plain
from xai4land import InputError, StoreError, open_store, set_options, write
from xai4land.store import lease, parts
from xai4land.store.addresses import parse_path, relation_of
from xai4land.store.bucket import BucketPlace
from xai4land.store.lease import Lease, hold_lease
from xai4land.store.places import find_place


@pytest.fixture(params=["memory", "s3"])
def place(request):
    if request.param == "memory":
        return Place("memory://bucket", None)
    return Place("s3://bucket", request.getfixturevalue("server").options)


@pytest.fixture
def memory():
    return Place("memory://bucket", None)


@pytest.fixture
def short_lease(monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.4)
    monkeypatch.setattr(lease, "TIME_RESOLUTION_SECONDS", 0.0)


@pytest.fixture
def few_files(monkeypatch):
    """Shards from ten chunks on, as if they were a thousand."""
    monkeypatch.setattr(parts, "MAX_FILES", 10)
    monkeypatch.setattr(parts, "MIN_SHARDS", 4)


def all_kinds():
    grid = ("lat", "lon")
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "irregular": (grid, da.from_array(rng.random((10, 13)), ((3, 7), (5, 8)))),
            "my variable [%5B] é": (grid, da.from_array(rng.random((10, 13)) > 0.5, chunks=9)),
            "scalar": ((), da.from_array(np.array(3.5), chunks=())),
            "gaps": (grid, da.full((10, 13), np.nan, chunks=9)),
            "names": ("lat", np.array(list("abcdefghij"), object)),
        },
        {"lat": np.arange(10.0), "height": 2.0},
        {"title": "all kinds"},
    )


def fail():
    raise RuntimeError("no luck")


# What is written


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_is_the_one_that_a_disk_would_have(place, tmp_path, zarr_format):
    """Object by object; only the text of JSON may list its entries in another order."""
    data = all_kinds()
    address = place.write(data, zarr_format=zarr_format)
    assert address == f"{place.url}/map.zarr"
    disk = write(data, tmp_path / "map.zarr", zarr_format=zarr_format, progress=False)
    files = {p.relative_to(disk).as_posix(): p.read_bytes() for p in disk.rglob("*") if p.is_file()}
    there = place.files()
    assert there.keys() == files.keys()
    for key, content in files.items():
        if key.rpartition("/")[2] in MARK_NAMES:
            assert json.loads(there[key]) == json.loads(content)
        else:
            assert there[key] == content
    assert place.names() == {"map.zarr"}
    xr.testing.assert_identical(place.open().load(), open_store(disk).load())


@pytest.mark.usefixtures("few_files")
def test_shards_and_steps_that_read_earlier_ones_are_written(place):
    carried, sure = make_chain("away", range(3), (3, 4), lambda *_: None)
    out = xr.Dataset({"cover": (DIMS, carried), "sure": (DIMS, sure)}, {"time": np.arange(3)})
    out.cover.encoding["_FillValue"] = np.uint8(255)
    place.write(out)
    stored = place.open().cover
    assert stored.encoding["shards"][0] == 1
    maps = make_maps(range(3), (SIDE * 3, SIDE * 4))
    np.testing.assert_array_equal(stored.fillna(255), maps)
    assert maps[:, SIDE:, SIDE:].std() > 50, "the maps are no test of anything"


def test_netcdf_is_made_from_the_finished_store(place, tmp_path):
    data = all_kinds().drop_vars("my variable [%5B] é")
    place.write(data, "map.nc")
    assert place.names() == {"map.nc"}
    disk = write(data, tmp_path / "map.nc", progress=False)
    xr.testing.assert_identical(place.open("map.nc").load(), open_store(disk).load())
    with pytest.raises(StoreError, match="exists"):
        place.write(data.isel(lat=slice(4)), "map.nc")
    place.write(data.isel(lat=slice(4)), "map.nc", overwrite=True)
    assert place.open("map.nc").sizes["lat"] == 4


# Runs that end early


def test_an_unfinished_store_is_none_to_any_reader(place):
    """Neither as a whole nor a variable by itself; what is done is not computed again."""
    with dask.config.set(scheduler="synchronous"), pytest.raises(RuntimeError, match="no luck"):
        place.write(call_in(fail, (1, 0)))
    begun = place.done()
    assert 0 < begun < 8
    keys = place.objects.list("")
    inside = {key for key in keys if key.startswith("map.zarr/")}
    assert len(inside) == begun + 1, "the parts, and a note that tells people"
    assert not any(key.endswith(MARK_NAMES) for key in keys)
    for name in ("map.zarr", "map.zarr.partial", "map.zarr.partial/store"):
        with pytest.raises(InputError, match="map.zarr.* is not whole: the run that writes it has"):
            place.open(name)
    with pytest.raises(FileNotFoundError):
        xr.open_zarr(place.objects.zarr_store("map.zarr"))
    data, seen = plain()
    place.write(data)
    assert 0 < 2 * len(seen) <= 8 - begun + 1
    assert place.names() == {"map.zarr"}
    xr.testing.assert_identical(place.open().load(), data.compute())


def test_a_run_goes_on_at_once_after_one_that_failed(memory, monkeypatch):
    """The lock is left, not waited for."""
    with dask.config.set(scheduler="synchronous"), pytest.raises(RuntimeError):
        memory.write(call_in(fail, (1, 0)))
    monkeypatch.setattr(lease.time, "sleep", lambda _: pytest.fail("waited"))
    memory.write(plain()[0])


def test_a_run_whose_notes_were_damaged_begins_again(memory):
    with pytest.raises(RuntimeError):
        memory.write(call_in(fail, (1, 1)))
    memory.objects.write("map.zarr.partial/manifest.json", b"{")
    memory.write(plain()[0])
    xr.testing.assert_identical(memory.open().load(), plain()[0].compute())


def test_where_nothing_was_stored_nothing_is_left(memory):
    for name in ("map.zarr", "map.nc"):
        with dask.config.set(scheduler="synchronous"), pytest.raises(RuntimeError):
            memory.write(call_in(fail, (0, 0)), name)
        assert memory.names() == set()


def test_a_store_begun_with_other_data_is_never_continued(memory):
    with dask.config.set(scheduler="synchronous"), pytest.raises(RuntimeError):
        memory.write(call_in(fail, (1, 0)))
    before = memory.files("map.zarr")
    other = plain(name="other")[0]
    with pytest.raises(StoreError, match="unfinished store of other data"):
        memory.write(other)
    assert memory.files("map.zarr") == before
    memory.write(other, overwrite=True)
    xr.testing.assert_identical(memory.open().load(), other.compute())
    assert memory.names() == {"map.zarr"}


def test_what_another_changed_meanwhile_is_found_at_the_end_and_made_again(place):
    """As a task of a run that is over may, or a person."""
    key = "map.zarr/a/c/0/0"
    spoilt = call_in(lambda: place.objects.write(key, b"rubbish"), (1, 1))
    words = r"a \(y 0:10, x 0:10\) .*1 in all.* changed after"
    with dask.config.set(scheduler="synchronous"), pytest.raises(StoreError, match=words):
        place.write(spoilt)
    with pytest.raises(InputError, match="not whole"):
        place.open()
    data, seen = plain()
    place.write(data)
    assert seen == [(0, 0)]
    xr.testing.assert_identical(place.open().load(), data.compute())


def test_a_run_killed_before_its_clean_up_has_finished(memory, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(BucketPlace, "_remove", lambda self: None)
        memory.write(plain()[0])
    assert memory.names() == {"map.zarr", "map.zarr.partial"}
    data, seen = plain()
    with set_options(cache=tmp_path):  # which has no note of it
        memory.write(data)
    assert not seen
    xr.testing.assert_identical(memory.open().load(), data.compute())


# Stores that exist


def test_an_existing_store_is_kept_until_another_is_whole(place):
    first, second = plain()[0], plain(name="second", size=10)[0]
    place.write(first)
    before = place.files()
    with pytest.raises(StoreError, match="exists.*overwrite=True"):
        place.write(second)
    with pytest.raises(RuntimeError):
        place.write(call_in(fail, (1, 1), "third"), overwrite=True)
    assert place.files() == before
    place.write(second, overwrite=True)
    xr.testing.assert_identical(place.open().load(), second.compute())
    assert place.names() == {"map.zarr"}
    assert len(place.files()) == 1 * 2 + 3, "nothing of the first is left"


def test_a_run_killed_while_it_replaced_a_store_goes_on(memory, monkeypatch):
    first, second = plain()[0], plain(name="second", size=10)[0]
    memory.write(first)

    def killed(self, begun):
        self._objects.delete(["map.zarr/zarr.json", "map.zarr/a/c/0/0"])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BucketPlace, "_replace_old", killed)
        with pytest.raises(KeyboardInterrupt):
            memory.write(second, overwrite=True)
    with pytest.raises(InputError, match="not whole"):
        memory.open()
    memory.write(second, overwrite=True)
    xr.testing.assert_identical(memory.open().load(), second.compute())


def test_a_run_that_has_finished_returns_at_once(memory):
    memory.write(plain()[0])
    data, seen = plain()
    assert memory.write(data) == f"{memory.url}/map.zarr"
    assert not seen
    memory.write(plain(name="other")[0], overwrite=True)
    with pytest.raises(StoreError, match="exists"):
        memory.write(data)


def test_an_input_is_never_replaced(place):
    place.write(plain()[0], "in.zarr")
    before = place.files("in.zarr")
    opened = [place.open("in.zarr")]
    if place.options is None:
        opened.append(xr.open_zarr(f"{place.url}/in.zarr"))
    for lazy in opened:
        with pytest.raises(StoreError, match="in.zarr is an input of this run"):
            place.write(lazy + 1, "in.zarr", overwrite=True)
        with pytest.raises(StoreError, match="lies inside"):
            place.write(lazy + 1, "in.zarr/new.zarr")
    assert place.files("in.zarr") == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://bucket/in.zarr", "S3A://bucket/in.zarr/"),
        ("gs://bucket/in.zarr", "gcs://bucket/in.zarr"),
        ("az://box/in.zarr", "abfss://box@account.dfs.core.windows.net/in.zarr"),
        ("memory://bucket/in.zarr", "MEMORY:///bucket/in.zarr"),
    ],
)
def test_one_place_has_several_addresses(one, other):
    for first, second in ((one, other), (other, one)):
        assert relation_of(str(parse_path(first)), str(parse_path(second))) == "same"
        inside = f"{parse_path(first)!s}/more.zarr"
        assert relation_of(inside, str(parse_path(second))) == "inside"
    assert relation_of(one, other.replace("in.zarr", "in.zarr2")) == ""


def test_an_input_at_another_spelling_of_its_address_is_never_replaced(place):
    place.write(plain()[0], "in.zarr")
    before, lazy = place.files("in.zarr"), place.open("in.zarr")
    scheme, _, rest = place.url.partition("://")
    for url in (f"{scheme.upper()}://{rest}/in.zarr", f"{place.url}//in.zarr"):
        with pytest.raises((StoreError, InputError), match="is an input of this run|empty part"):
            write(lazy + 1, url, overwrite=True, progress=False, storage_options=place.options)
    assert place.files("in.zarr") == before


@pytest.mark.parametrize("name", ["a b%20c+&.zarr", "ü °C'[1]*~\\.zarr", "100%.nc"])
def test_names_may_be_odd(place, name):
    place.write(plain()[0], name)
    assert place.names() == {name}
    xr.testing.assert_identical(place.open(name).load(), plain()[0].compute())


def test_a_folder_that_is_no_store_is_kept(memory):
    memory.objects.write("map.zarr/precious.txt", b"x")
    for overwrite in (False, True):
        with pytest.raises(StoreError, match=r"holds no store, but precious\.txt"):
            memory.write(plain()[0], overwrite=overwrite)
    assert memory.files() == {"precious.txt": b"x"}


def test_a_folder_of_stores_is_kept(place):
    """Which has metadata, but none of its own."""
    place.write(plain()[0], "all.zarr/first.zarr")
    before = place.files("all.zarr")
    with pytest.raises(StoreError, match=r"all\.zarr exists"):
        place.write(plain(name="other")[0], "all.zarr")
    assert place.files("all.zarr") == before


def test_a_run_goes_on_that_reads_from_there_unless_its_input_has_changed(place):
    place.write(plain()[0], "in.zarr")

    def doubled(act):
        array = place.open("in.zarr").a.data
        return xr.Dataset(
            {"a": (("y", "x"), array.map_blocks(act, dtype=int, name=f"2-{array.name}"))}
        )

    calls = iter(range(100))

    def once(values):
        if next(calls) == 2:
            fail()
        return 2 * values

    with dask.config.set(scheduler="synchronous"), pytest.raises(RuntimeError):
        place.write(doubled(once))
    place.write(doubled(lambda values: 2 * values))
    np.testing.assert_array_equal(place.open().a, 2 * plain()[0].a)
    name = place.open("in.zarr").a.data.name
    place.write(plain(name="other")[0], "in.zarr", overwrite=True)
    assert place.open("in.zarr").a.data.name != name


# Several writers


def test_a_second_writer_is_refused_while_the_first_lives(memory, short_lease):
    begun, go = threading.Event(), threading.Event()
    slow = call_in(lambda: (begun.set(), go.wait(60)), (1, 1), "slow")
    first = threading.Thread(target=memory.write, args=(slow,))
    first.start()
    assert begun.wait(60)
    for overwrite in (False, True):
        with pytest.raises(StoreError, match=r"is writing .*map\.zarr \(process \d+ on .*wait for"):
            memory.write(plain()[0], overwrite=overwrite)
    go.set()
    first.join(60)
    xr.testing.assert_identical(memory.open().load(), slow.compute())


def test_the_lock_of_a_run_that_is_gone_is_taken_by_one_other(place, short_lease, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 2.0)  # a busy machine may be slow to renew
    objects = place.objects
    gone = Lease(objects, "x.partial/lock.json")
    gone.acquire()
    together, taken, refused = threading.Barrier(4, timeout=60), [], []

    def take():
        one = Lease(objects, "x.partial/lock.json")
        together.wait()
        try:
            one.acquire()
        except StoreError:
            refused.append(one)
        else:
            taken.append(one)
            for _ in range(16):  # a sign of life
                one.renew()
                threading.Event().wait(0.05)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(taken), len(refused)) == (1, 3)
    with pytest.raises(StoreError, match="became another run's"):
        gone.renew()


def test_a_lock_that_is_renewed_is_not_stale(memory, short_lease):
    with hold_lease(memory.objects, "x.partial/lock.json"):
        threading.Event().wait(3 * lease.LEASE_SECONDS)
        with pytest.raises(StoreError, match="is writing"):
            Lease(memory.objects, "x.partial/lock.json").acquire()


@pytest.mark.parametrize("where", [(0, 0), (1, 0)])
def test_a_run_that_lost_its_lock_writes_nothing_more(place, where):
    """Another took it for gone, since its machine slept; what is the other's stays."""
    other = json.dumps({"owner": "process 1 on other", "token": "other"}).encode()
    seen = []

    def overtake():
        place.objects.write("map.zarr.partial/lock.json", other)
        seen.append(set(place.objects.list("")))

    with dask.config.set(scheduler="synchronous"), pytest.raises(StoreError, match="became anoth"):
        place.write(call_in(overtake, where))
    assert set(place.objects.list("")) == seen[0]
    assert place.objects.read("map.zarr.partial/lock.json").content == other


# Addresses and options


@pytest.mark.parametrize(
    ("path", "options", "words"),
    [
        ("https://host.org/map.zarr", None, "cannot be written to, expected a path, or an address"),
        ("memory://bucket/map.tif", None, r"end its name in \.zarr or \.nc"),
        ("memory://bucket/map.zarr", {"key": "x"}, "memory:// has none"),
        ("map.zarr", {"key": "x"}, "on this machine, which has no storage_options"),
        ("s3://me:secret@bucket/map.zarr", None, "s3://bucket/map.zarr was given with credentials"),
        ("s3://bucket", None, "no name of a store"),
        ("s3://", None, "names no bucket, expected such as s3://bucket/map.zarr"),
        ("memory:///", None, "names no bucket"),
        ("s3://bucket//map.zarr", None, "has an empty part"),
        ("s3://bucket/maps/../map.zarr", None, "one that is . or .."),
        ("memory://bucket/./map.zarr", None, "one that is . or .."),
        ("s3://bucket/map#1.zarr", None, "which addresses cannot hold"),
        ("gs://bucket/map?1.zarr", None, "which addresses cannot hold"),
        ("s3://bucket/a\nmap.zarr", None, "which addresses cannot hold"),
    ],
)
def test_addresses_that_cannot_be_written(path, options, words):
    with pytest.raises(InputError, match=words) as refused:
        write(plain()[0], path, progress=False, storage_options=options)
    assert "secret" not in str(refused.value)


def test_offline_nothing_is_opened_elsewhere():
    with set_options(offline=True), pytest.raises(InputError, match="xai4land is offline"):
        open_store("s3://bucket/map.zarr")


def test_options_travel_to_workers_but_are_not_shown():
    pytest.importorskip("obstore")
    place = find_place("s3://bucket/map.zarr", {"key": "AKIA", "secret": "hidden"})
    again = pickle.loads(pickle.dumps(place))  # noqa: S301 - our own
    assert again == place == copy.copy(place)
    assert again._options["secret"] == "hidden"
    assert "hidden" not in f"{place!r} {place._objects!r} {vars(place._objects)}"
