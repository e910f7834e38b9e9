"""Stores: whole or not there, in few files, going on where a run ended, one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import dask
import dask.array as da
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from xai4land import InputError, StoreError
from xai4land.cli import main
from xai4land.store import disk, graph, netcdf, open_store, parts, write
from xai4land.store.locks import pause_writers, record_part
from xai4land.store.manifest import Manifest
from xai4land_land import reconstruct

DIMS = ("y", "x")


@pytest.fixture(scope="module")
def made(world, emulator):
    return reconstruct(world, emulator, probabilities=True)


@pytest.fixture
def few_files(monkeypatch):
    """Shards from ten chunks on, as if they were a thousand."""
    monkeypatch.setattr(parts, "MAX_FILES", 10)
    monkeypatch.setattr(parts, "MIN_SHARDS", 4)


def plain(size=40, chunk=10, name="plain"):
    """Two variables whose chunks come from the same tasks; what was computed is in ``seen``."""
    seen = []

    def block(values, block_info=None):
        seen.append(block_info[0]["chunk-location"])
        return values + 1

    base = da.from_array(np.arange(size * size).reshape(size, size), chunks=chunk, name=name)
    both = da.map_blocks(block, base, meta=np.empty((0, 0), int), name=f"{name}-block")
    return xr.Dataset({"a": (DIMS, both), "b": (DIMS, 2 * both)}), seen


def broken(error, where=(1, 1), name="broken", after=0):
    """As ``plain``, but the task of one block raises."""

    def block(values, block_info=None):
        if block_info[0]["chunk-location"] == where:
            raise error
        return values + 1

    base = da.from_array(np.arange(1600).reshape(40, 40), chunks=10, name=name)
    both = da.map_blocks(block, base, meta=np.empty((0, 0), int), name=f"{name}-block")
    return xr.Dataset({"a": (DIMS, both), "b": (DIMS, 2 * both)})


def files(store):
    """What is in each file below a folder."""
    return {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}


def done(partial):
    """How many parts an unfinished store says it has."""
    path = partial / "done.txt"
    try:
        return len(path.read_text().split())
    except FileNotFoundError:  # not begun, or gone since: it was ended meanwhile
        return 0


# What is written


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_map_reads_back_the_same(made, tmp_path, ending):
    path = write(made, tmp_path / f"map{ending}", progress=False)
    raw = open_store(path).load()
    xr.testing.assert_allclose(raw, made.compute().where(made.land_cover != 255), atol=0.0051)
    assert set(raw.coords) == set(made.coords)
    again = xr.open_dataset(path, mask_and_scale=False)
    assert again.land_cover.dtype == np.uint8
    np.testing.assert_array_equal(again.land_cover, made.land_cover)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_all_kinds_of_variables_read_back_as_xarray_would(tmp_path, ending):
    rng = np.random.default_rng(0)
    grid = ("lat", "lon")
    data = xr.Dataset(
        {
            "irregular": (grid, da.from_array(rng.random((10, 13)), ((3, 7), (5, 1, 7)))),
            "my variable": (grid, da.from_array(rng.random((10, 13)) > 0.5, chunks=5)),
            "scalar": ((), da.from_array(np.array(3.5), chunks=())),
            "lazy_dates": ("lat", da.from_array(np.arange(10).astype("M8[D]").astype("M8[ns]"), 4)),
            "names": ("lat", np.array(list("abcdefghij"), object)),
            "packed": (grid, rng.random((10, 13)).astype("f4")),
        },
        {
            "lat": np.arange(10.0),
            "lat_bnds": (("lat", "bnds"), rng.random((10, 2))),
            "area": (grid, da.from_array(rng.random((10, 13)), chunks=6)),
            "height": 2.0,
        },
        {"title": "all kinds"},
    )
    data.packed.encoding |= {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -1}
    path = write(data, tmp_path / f"all{ending}", progress=False)
    if ending == ".zarr":
        data.compute().to_zarr(tmp_path / "reference.zarr", zarr_format=3)
        again, reference = xr.open_zarr(path), xr.open_zarr(tmp_path / "reference.zarr")
    else:
        data.compute().to_netcdf(tmp_path / "reference.nc")
        again, reference = xr.open_dataset(path), xr.open_dataset(tmp_path / "reference.nc")
    xr.testing.assert_identical(again, reference)


def chars(tmp_path):
    """Words of a NetCDF file that has them as arrays of letters, left on disk."""
    words = xr.Dataset({"v": ("x", np.array(["a", "bb", "ccc"], object))})
    words.to_netcdf(tmp_path / "chars.nc", encoding={"v": {"dtype": "S1"}})
    return xr.open_dataset(tmp_path / "chars.nc", chunks={})


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
@pytest.mark.parametrize("words", [["01", "2", "3"], ["a", "bb", ""], chars])
def test_lazy_words_stay_words(tmp_path, words, ending):
    if words is chars:
        data = chars(tmp_path)
    else:
        data = xr.Dataset({"v": ("x", da.from_array(np.array(words, object), chunks=2))})
    # Beside numbers that are written part by part.
    data["n"] = ("x", da.arange(3, chunks=1))
    path = write(data, tmp_path / f"map{ending}", progress=False)
    again = open_store(path)
    assert again.v.values.tolist() == data.v.values.tolist()
    assert again.n.values.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.v.attrs.update(flag=True), "illegal data type for attribute .*flag"),
        (lambda data: data.attrs.update(source=None), "Invalid value for attr 'source'"),
        (lambda data: data.update({"v": data.v.astype("f2")}), "float16"),
        (lambda data: data.update({"v": data.v.astype("c8")}), "complex64"),
        (lambda data: data.update({"new\nline": data.v}), "illegal characters"),
        (lambda data: data.update({"a/b": data.v}), "Forward slashes"),
    ],
)
def test_what_netcdf_cannot_hold_is_told_before_anything_is_computed(tmp_path, change, reason):
    data, seen = plain()
    data = data[["a"]].rename(a="v")
    change(data)
    told = f"(?s)cannot be written to NetCDF: .*{reason}.*write .zarr"
    with pytest.raises(InputError, match=told):
        write(data, tmp_path / "map.nc", progress=False)
    assert not seen
    assert not list(tmp_path.iterdir()), "nothing is left that could go on"
    # Mended, it is written under that name.
    write(plain()[0], tmp_path / "map.nc", progress=False)


@pytest.mark.filterwarnings("ignore:Duplicate dimension names")
@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_dimension_may_be_there_twice(tmp_path, ending):
    values = np.arange(16).reshape(4, 4)
    data = xr.Dataset({"v": (("y", "y"), da.from_array(values, chunks=2))})
    path = write(data, tmp_path / f"map{ending}", progress=False)
    again = open_store(path)
    assert again.v.dims == ("y", "y")
    np.testing.assert_array_equal(again.v, values)


def test_lazy_objects_of_several_kinds_are_refused_before_anything_is_computed(tmp_path):
    mixed = da.from_array(np.array([1, "a", 2.5], object), chunks=2)
    seen = []
    slow = da.map_blocks(seen.append, da.ones(3, chunks=1), meta=np.empty(0), name="seen")
    with pytest.raises(InputError, match="mixed native types"):
        write(xr.Dataset({"m": ("x", mixed), "v": ("x", slow)}), tmp_path / "m.zarr")
    assert not seen


@pytest.mark.filterwarnings("ignore:variable .* will be stored as:xarray.SerializationWarning")
@pytest.mark.parametrize("ending", [".zarr", ".nc"])
@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        (np.arange(4), {"_FillValue": None}),
        (np.arange(4), {"_FillValue": 9, "missing_value": None}),
        (np.array([1, 255, 3], "u1"), {"_FillValue": -1, "_Unsigned": "true"}),
        (np.array([1, -1, 3], "i1"), {"_FillValue": 255, "_Unsigned": "true"}),
        (np.array([1, 2, 3], "i1"), {"_FillValue": 3, "_Unsigned": "false"}),
    ],
)
def test_fill_values_of_lazy_whole_numbers_are_stored_as_xarray_would(
    tmp_path, values, encoding, ending
):
    data = xr.Dataset({"v": ("x", values)})
    data.v.encoding |= encoding
    reference = tmp_path / f"reference{ending}"
    if ending == ".zarr":
        data.to_zarr(reference, zarr_format=3, consolidated=False)
    else:
        data.to_netcdf(reference)
    lazy = data.chunk(x=2)
    path = write(lazy, tmp_path / f"map{ending}", progress=False)
    assert lazy.v.encoding == encoding
    ours, theirs = (xr.open_dataset(p, decode_cf=False).load() for p in (path, reference))
    xr.testing.assert_identical(ours, theirs)
    assert ours.v.dtype == theirs.v.dtype


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
@pytest.mark.parametrize("chunks", [{}, {"x": 1}])
def test_truth_values_have_no_gaps(tmp_path, chunks, ending):
    """Not even where they have a fill value, which one of the two would equal."""
    data = xr.Dataset({"v": ("x", np.array([True, False]))}).chunk(chunks)
    data.v.encoding |= {"_FillValue": 0}
    path = write(data, tmp_path / f"map{ending}", progress=False)
    assert open_store(path).v.values.tolist() == [True, False]


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_what_was_opened_from_zarr_of_format_2_is_written(tmp_path, ending):
    data = xr.Dataset(
        {"v": (DIMS, np.arange(12.0).reshape(3, 4)), "w": ("y", np.array(["a", "b", "c"], object))},
        {"x": np.arange(4.0)},
    )
    scaled = numcodecs.FixedScaleOffset(offset=0, scale=1, dtype="f8")
    data.to_zarr(tmp_path / "old.zarr", zarr_format=2, encoding={"v": {"filters": [scaled]}})
    for name, old in (
        ("lazy", xr.open_zarr(tmp_path / "old.zarr")),
        ("loaded", xr.open_zarr(tmp_path / "old.zarr").load()),
    ):
        before = dict(old.v.encoding)
        path = write(old, tmp_path / f"{name}{ending}", progress=False)
        xr.testing.assert_equal(open_store(path).load(), data)
        assert old.v.encoding == before


def test_codecs_that_are_asked_for_are_used(tmp_path):
    gzip = zarr.codecs.GzipCodec(level=9)
    data = xr.Dataset({"v": ("x", da.arange(4, chunks=2))})
    data.v.encoding["compressors"] = (gzip,)
    path = write(data, tmp_path / "map.zarr", progress=False)
    assert zarr.open_array(path / "v").compressors == (gzip,)
    data.v.encoding |= {"serializer": zarr.codecs.BytesCodec(endian="big")}
    write(data, tmp_path / "big.zarr", progress=False)
    data.to_zarr(tmp_path / "xarray.zarr", zarr_format=3, consolidated=False)
    ours, theirs = (zarr.open_array(tmp_path / f"{n}.zarr" / "v") for n in ("big", "xarray"))
    assert ours.serializer == theirs.serializer == zarr.codecs.BytesCodec(endian="big")


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_variable_may_be_named_like_an_unfinished_store(tmp_path, ending):
    data = xr.Dataset({"a.partial": ("x", da.arange(4, chunks=2))})
    path = write(data, tmp_path / f"map{ending}", progress=False)
    xr.testing.assert_identical(open_store(path).load(), data.load())


def test_a_mean_beside_its_map_is_computed_with_it_and_stored(tmp_path):
    """Not before, for the hash: of a run that fails, what was finished stays."""
    path, partial = tmp_path / "map.zarr", tmp_path / "map.zarr.partial"
    data = broken(OSError("no luck"), where=(3, 3), name="mean")[["a"]]
    data["mean"] = data.a.mean()
    with dask.config.set(scheduler="synchronous"), pytest.raises(OSError, match="luck") as raised:
        write(data, path, progress=False)
    assert raised.value.__notes__ == ["could not make a (y 30:40, x 30:40), mean"]
    assert done(partial) == 15
    whole = plain(name="mean")[0][["a"]]
    whole["mean"] = whole.a.mean()
    write(whole, path, progress=False)
    xr.testing.assert_identical(xr.open_zarr(path).load(), whole.load())


@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    chunks=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    limits=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(8, 200)),
)
@settings(max_examples=25, deadline=None)
def test_any_chunks_and_shards_read_back_the_same(tmp_path_factory, shape, chunks, limits):
    values = np.arange(1, np.prod(shape) + 1).reshape(shape)
    dims = tuple("abcd"[: len(shape)])
    data = xr.Dataset({"v": (dims, da.from_array(values, tuple(chunks[: len(shape)])))})
    path = tmp_path_factory.mktemp("any") / "any.zarr"
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in zip(("MAX_FILES", "MIN_SHARDS", "MAX_SHARD_BYTES"), limits, strict=True):
            patch.setattr(parts, name, limit)
        write(data, path, progress=False)
    again = xr.open_zarr(path)
    np.testing.assert_array_equal(again.v, values)
    assert again.v.encoding["chunks"] == tuple(
        min(c, n) for c, n in zip(chunks, shape, strict=False)
    )


def test_many_small_chunks_make_few_files(tmp_path):
    """Ragged at the edges; the chunks stay what is read."""
    values = np.arange(159 * 161).reshape(159, 161)
    data = xr.Dataset({"a": (DIMS, da.from_array(values, chunks=4))})
    path = write(data, tmp_path / "map.zarr", progress=False)
    assert len(files(path)) < 130
    again = xr.open_zarr(path)
    np.testing.assert_array_equal(again.a, values)
    assert again.a.encoding["chunks"] == (4, 4)
    assert again.a.chunks == data.a.chunks
    few = write(data.isel(x=slice(100)), tmp_path / "few.zarr", progress=False)
    assert xr.open_zarr(few).a.encoding["shards"] is None


def test_a_shard_is_cut_in_space_first_and_is_not_too_large(monkeypatch):
    monkeypatch.setattr(parts, "MAX_SHARD_BYTES", 120_000)
    dims = ("time", "y", "x")
    maps = da.zeros((1000, 30, 50), chunks=(1, 10, 10), dtype="u1")
    likely = da.zeros((4, 1000, 30, 50), chunks=(4, 1, 10, 10), dtype="f4")
    stored = parts.encode(xr.Dataset({"maps": (dims, maps), "likely": (("c", *dims), likely)}))
    # 75 chunks of 1600 bytes: the five by three of a year, and five years.
    assert parts.choose_encodings(stored) == {
        "maps": {"chunks": (1, 10, 10), "shards": (5, 30, 50)},
        "likely": {"chunks": (4, 1, 10, 10), "shards": (4, 5, 30, 50)},
    }


@pytest.mark.usefixtures("few_files")
def test_what_variables_share_is_computed_once(tmp_path):
    data, seen = plain()
    write(data, tmp_path / "map.zarr", progress=False)
    assert sorted(seen) == list(np.ndindex(4, 4))


def test_progress_tells_the_rate_and_the_time_left(tmp_path, capsys):
    write(plain()[0], tmp_path / "map.zarr")
    shown = capsys.readouterr().err
    assert "write map.zarr" in shown
    assert "100%" in shown
    assert "Mpx/s" in shown
    assert "left" in shown


# Runs that end early

KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
import dask.array as da, netCDF4, numpy as np, xarray as xr, zarr
from xai4land.store import graph, parts, write

folder, ending = Path(sys.argv[1]), sys.argv[2]
shards, wanted = sys.argv[3] == "True", int(sys.argv[4])
if shards:
    parts.MAX_FILES, parts.MIN_SHARDS = 10, 16

def slow(block):
    time.sleep(0.006)
    return block + 1

def start(path):
    child = os.fork()  # no threads yet, and the imports are made
    if child:
        return child
    try:
        base = da.from_array(np.arange(4900, dtype="i4").reshape(70, 70), chunks=9, name="base")
        made = da.map_blocks(slow, base, dtype="i4", name="made")
        dims = ("y", "x")
        write(xr.Dataset({"a": (dims, made), "b": (dims, made * 2), "c": ("y", np.ones(70))}),
              path, progress=False)
        os._exit(0)
    finally:
        os._exit(1)

def run(path):
    status = os.waitpid(start(path), 0)[1]
    assert status == 0, status

def parts(path):
    done = folder / f"{path.name}.partial" / "done.txt"
    try:
        return len(done.read_text().split())
    except OSError:
        return 0

def kill(path, more, after):
    wanted, child = parts(path) + more, start(path)
    while parts(path) < wanted and not os.waitpid(child, os.WNOHANG)[0]:
        if path.exists():
            break
        time.sleep(0.001)
    time.sleep(after)
    try:
        os.kill(child, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    except (ProcessLookupError, ChildProcessError):
        return False

run(folder / f"reference{ending}")
moments, stores = [], 0
while len(moments) < wanted:
    path = folder / f"{stores}{ending}"
    # At any time of the run, the first and the last moments included.
    if kill(path, random.choice([0, 1, 5, 20]), random.uniform(0, 0.1)):
        moments.append(parts(path))
    stores += path.exists()
run(folder / f"{stores}{ending}")
print(json.dumps({"moments": moments, "stores": stores + 1}))
"""


@pytest.mark.parametrize(
    ("ending", "shards", "kills"), [(".zarr", False, 12), (".zarr", True, 12), (".nc", False, 8)]
)
def test_runs_killed_at_any_moment_go_on_to_the_same_store(tmp_path, ending, shards, kills):
    command = [sys.executable, "-c", KILLED, str(tmp_path), ending, str(shards), str(kills)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    # They did land among the parts: at several counts of what was done.
    assert len(set(told["moments"]) - {0}) >= 3, told
    reference = tmp_path / f"reference{ending}"
    # Enough of them landed among the parts.
    assert sum(moment > 0 for moment in told["moments"]) >= 5, told
    paths = [tmp_path / f"{k}{ending}" for k in range(told["stores"])]
    for path in paths:
        if ending == ".zarr":
            assert files(path) == files(reference)
        with xr.open_dataset(path) as store, xr.open_dataset(reference) as whole:
            xr.testing.assert_identical(store.load(), whole.load())
            np.testing.assert_array_equal(store.a, np.arange(4900).reshape(70, 70) + 1)
    # Killed between its last rename and its clean-up, a run leaves the folder beside the store.
    left = {path for path in tmp_path.iterdir() if path.suffix != ".partial"}
    assert left == {reference, *paths}


def test_what_is_finished_is_not_computed_again(few_files, tmp_path):
    path = tmp_path / "map.zarr"
    data, seen = plain()
    array, fails = disk._open_array, iter([False] * 3 + [True])

    def full(*which):
        if next(fails):
            raise OSError(errno.ENOSPC, "No space left on device")
        return array(*which)

    with dask.config.set(scheduler="synchronous"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "_open_array", full)
            with pytest.raises(StoreError, match="No space left"):
                write(data, path, progress=False)
        first = set(seen)
        seen.clear()
        write(data, path, progress=False)
    # Three parts were done: both variables of the first shard, and one of the second's.
    assert len(first) == 8
    assert len(seen) == 12
    xr.testing.assert_identical(xr.open_zarr(path), data)


@pytest.mark.parametrize(("code", "hint"), [(errno.ENOSPC, "MB free"), (errno.EROFS, "not whole")])
def test_a_disk_that_refuses_is_told_and_what_was_finished_stays(tmp_path, monkeypatch, code, hint):
    path, data = tmp_path / "map.zarr", plain()[0]
    array = disk._open_array
    calls = iter(range(100))

    def refusing(*which):
        if next(calls) >= 5:
            raise OSError(code, os.strerror(code))
        return array(*which)

    monkeypatch.setattr(disk, "_open_array", refusing)
    refused = f"could not write .*map.zarr: .*{hint}.*run the same"
    with dask.config.set(scheduler="synchronous"), pytest.raises(StoreError, match=refused):
        write(data, path, progress=False)
    assert not path.exists()
    assert done(tmp_path / "map.zarr.partial") == 5
    monkeypatch.undo()
    write(data, path, progress=False)
    xr.testing.assert_identical(xr.open_zarr(path), data)


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_disk_that_fills(tmp_path, ending):
    """A limit on the size of files stands in for a full disk: the write itself fails."""
    script = textwrap.dedent(
        f"""
        import resource, signal
        import numpy as np, xarray as xr
        import xai4land
        from xai4land.store import write
        noise = np.random.default_rng(0).integers(0, 255, (2000, 2000), dtype=np.uint8)
        data = xr.Dataset({{"a": (("y", "x"), noise)}}).chunk(y=1000)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            write(data, r"{tmp_path}/map{ending}", progress=False)
        except xai4land.StoreError as error:
            print("refused:", error)
        """
    )
    assert resource.RLIM_INFINITY in resource.getrlimit(resource.RLIMIT_FSIZE)
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert "refused: could not write" in run.stdout, run.stderr
    assert "which is not whole" in run.stdout
    assert not (tmp_path / f"map{ending}").exists()


def test_a_note_that_is_cut_is_no_other_parts_note(tmp_path):
    """A disk that fills takes the first bytes of a note, and says nothing."""
    path, values, fails = tmp_path / "map.zarr", np.arange(12), [True]
    append = os.write

    def cut(handle, note):
        return append(handle, note[: note.index(b"1") + 1] if b"10" in note else note)

    def block(values, block_info=None):
        while fails and block_info[0]["chunk-location"] == (1,):
            if done(tmp_path / "map.zarr.partial") == 11:
                raise OSError("cannot read block 1")
            time.sleep(0.01)
        return values + 1

    base = da.from_array(values, chunks=1, name="cut-base")
    made = da.map_blocks(block, base, meta=np.empty(0, int), name="cut-block")
    data = xr.Dataset({"v": ("x", made)})
    with dask.config.set(scheduler="threads", num_workers=2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", cut)
            with pytest.raises(OSError, match="block 1"):
                write(data, path, progress=False)
        fails.clear()
        write(data, path, progress=False)
    np.testing.assert_array_equal(xr.open_zarr(path).v, values + 1)


def test_netcdf_goes_on_in_the_same_process_when_there_is_room_again(tmp_path):
    """The library keeps a file open that it could not write, and opens none of that name again."""
    script = textwrap.dedent(
        f"""
        import resource, signal
        import dask.array as da, numpy as np, xarray as xr
        import xai4land
        from xai4land.store import write
        noise = np.random.default_rng(0).integers(0, 255, (500, 500), dtype=np.uint8)
        data = xr.Dataset({{"a": (("y", "x"), da.from_array(noise, chunks=100, name="noise"))}})
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, most))
        for _ in range(2):
            try:
                write(data, r"{tmp_path}/map.nc", progress=False)
            except xai4land.StoreError as error:
                print("refused:", error, flush=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        write(data, r"{tmp_path}/map.nc", progress=False)
        print("equal:", np.array_equal(xr.open_dataset(r"{tmp_path}/map.nc").a, noise), flush=True)
        """
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.stdout.count("HDF error, as where the disk is full") == 2, run.stderr
    assert "equal: True" in run.stdout, run.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["map.nc"]


def test_an_error_of_the_last_copy_is_not_taken_for_a_full_disk(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("not of the disk")

    path, data = tmp_path / "map.nc", plain()[0]
    monkeypatch.setattr(netcdf, "check", lambda *_: None)
    monkeypatch.setattr(xr.Dataset, "to_netcdf", fails)
    with pytest.raises(RuntimeError, match="not of the disk"):
        write(data, path, progress=False)
    monkeypatch.undo()
    write(data, path, progress=False)
    xr.testing.assert_identical(xr.open_dataset(path), data.compute())


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that refuses all")
@pytest.mark.parametrize("name", ["map.zarr", "map.nc"])
def test_a_folder_that_cannot_be_written_is_told(name):
    with pytest.raises(StoreError, match=f"could not write /proc/{name}: .*choose a folder"):
        write(plain()[0], f"/proc/{name}", progress=False)


INTERRUPTED = """
import sys, time
import dask.array as da, xarray as xr
from xai4land.store import write

def slow(block):
    time.sleep(0.05)
    return block

data = xr.Dataset({"a": (("y", "x"), da.map_blocks(slow, da.ones((90, 90), chunks=9), name="a"))})
write(data, sys.argv[1], progress=False)
"""


def start_slow(path):
    """A writer of a hundred slow chunks, in a process of its own, that has begun."""
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(path)], stderr=subprocess.PIPE, text=True
    )
    while not done(path.with_name(f"{path.name}.partial")):
        assert process.poll() is None, process.communicate()[1]
    return process


def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path):
    path, partial = tmp_path / "map.zarr", tmp_path / "map.zarr.partial"
    process = start_slow(path)
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1]
    assert process.returncode == -signal.SIGINT
    last = message.strip().splitlines()[-2:]
    assert last[0].startswith("KeyboardInterrupt")
    assert last[1] == "what was finished is in map.zarr.partial; run the same again to go on"
    before = done(partial)
    assert 0 < before < 100
    # The same data, by their names; only what is left is computed.
    again = []

    def fast(block):
        again.append(1)
        return block

    ones = da.ones((90, 90), chunks=9)
    lazy = da.map_blocks(fast, ones, meta=np.empty((0, 0)), name="a")
    write(xr.Dataset({"a": (DIMS, lazy)}), path, progress=False)
    assert len(again) == 100 - before
    np.testing.assert_array_equal(xr.open_zarr(path).a, 1)


def test_ctrl_c_on_the_command_line_is_two_lines(world, tmp_path, monkeypatch, capsys, emulator):
    def stopped(*_):
        raise KeyboardInterrupt

    world.drop_vars("truth").to_netcdf(tmp_path / "states.nc")
    emulator.save(tmp_path / "small.safetensors")
    monkeypatch.setattr(graph, "write_parts", stopped)
    arguments = ["reconstruct", "states.nc", "map.zarr", "--emulator", "small.safetensors"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 130
    assert capsys.readouterr().err.split("\n")[-3:-1] == [
        "interrupted",
        "what was finished is in map.zarr.partial; run the same again to go on",
    ]


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
@pytest.mark.parametrize("error", [RuntimeError("no luck"), OSError(5, "cannot read states.nc")])
def test_a_task_that_raises_is_told_with_its_chunks(tmp_path, scheduler, error):
    """An error of reading stays what it is, and is not taken for one of writing."""
    data = broken(error)
    with (
        dask.config.set(scheduler=scheduler),
        pytest.raises(type(error), match=str(error.args[-1])) as raised,
    ):
        write(data, tmp_path / "map.zarr", progress=False)
    assert not isinstance(raised.value, StoreError)
    assert raised.value.__notes__[-1] == (
        "could not make a (y 10:20, x 10:20), b (y 10:20, x 10:20)"
    )
    assert not (tmp_path / "map.zarr").exists()


def test_a_task_that_computes_in_turn_is_told_too(tmp_path):
    def block(values, block_info=None):
        if block_info[0]["chunk-location"] == (2, 1):
            dask.get({"inner": (int, "no number")}, "inner")
        return values

    made = da.map_blocks(block, da.ones((40, 40), chunks=10), meta=np.empty((0, 0)), name="turn")
    with pytest.raises(ValueError, match="no number") as raised:
        write(xr.Dataset({"a": (DIMS, made)}), tmp_path / "map.zarr", progress=False)
    assert raised.value.__notes__ == ["could not make a (y 20:30, x 10:20)"]


def test_runs_of_several_threads_each_count_and_name_what_is_theirs(tmp_path, capsys):
    errors, together = {}, threading.Barrier(2, timeout=60)

    def get(graph, keys, **how):
        together.wait()
        return dask.threaded.get(graph, keys, **how)

    def run(name, data):
        try:
            write(data, tmp_path / name)
        except RuntimeError as error:
            errors[name] = error.__notes__

    runs = {"good.zarr": plain()[0], "bad.zarr": broken(RuntimeError(), where=(3, 3))}
    threads = [threading.Thread(target=run, args=each) for each in runs.items()]
    with dask.config.set(scheduler=get):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == {"bad.zarr": ["could not make a (y 30:40, x 30:40), b (y 30:40, x 30:40)"]}
    shown = dict(re.findall(r"write (\S+) +(\d+)%", capsys.readouterr().err))
    assert shown["good.zarr"] == "100"
    assert 0 < int(shown["bad.zarr"]) < 100


def test_what_a_caller_watches_is_watched(tmp_path):
    """Callbacks of dask, as its progress bar has them, see the run."""
    seen = []
    with dask.callbacks.Callback(posttask=lambda *about: seen.append(about)):
        write(plain()[0], tmp_path / "map.zarr", progress=False)
        assert len(seen) > 32
        da.ones(3).sum().compute()
        assert len(seen) > 33


@pytest.mark.usefixtures("few_files")
def test_a_task_that_raises_is_told_with_its_shards(tmp_path):
    with pytest.raises(RuntimeError) as raised:
        write(broken(RuntimeError("no luck")), tmp_path / "map.zarr", progress=False)
    assert raised.value.__notes__ == ["could not make a (y 0:20, x 0:20), b (y 0:20, x 0:20)"]


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_bad_input_leaves_nothing_that_looks_whole(world, emulator, tmp_path, ending):
    bad = world.copy(deep=True)
    bad["town"][1, 2, 3] = 1.7
    path = tmp_path / f"map{ending}"
    with pytest.raises(InputError, match="in the block from"):
        write(reconstruct(bad.chunk(), emulator), path, progress=False)
    assert not path.exists()


# Unfinished stores


@pytest.fixture
def unfinished(tmp_path):
    # One task at a time, so that none goes on when the run is over.
    with dask.config.set(scheduler="synchronous"), pytest.raises(RuntimeError):
        write(broken(RuntimeError()), tmp_path / "map.zarr", progress=False)
    return tmp_path / "map.zarr.partial"


def test_an_unfinished_store_is_refused_however_it_is_reached(unfinished, tmp_path, capsys):
    (tmp_path / "link.zarr").symlink_to(unfinished / "store")
    for path in (
        unfinished,
        unfinished / "store",
        unfinished / "store" / "a",
        tmp_path / "map.zarr",
        tmp_path / "link.zarr",
    ):
        with pytest.raises(InputError, match="not whole: the run that writes .*map.zarr has not"):
            open_store(path)
    with pytest.raises(SystemExit):
        main(["evaluate", str(unfinished / "store"), str(unfinished / "store")])
    assert "is not whole" in capsys.readouterr().err


def test_an_unfinished_store_is_no_store_to_any_reader(unfinished, tmp_path):
    """Not even when it was taken out of its folder."""
    with pytest.raises(FileNotFoundError):
        xr.open_zarr(unfinished / "store")
    (unfinished / "store").rename(tmp_path / "map.zarr")
    with pytest.raises(InputError, match="map.zarr is not whole: it has no zarr.json"):
        open_store(tmp_path / "map.zarr")


def test_what_is_no_store_is_told(tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "text.nc").write_text("no")
    for name, kind in (("empty.zarr", "Zarr"), ("text.nc", "NetCDF"), ("none.nc", "NetCDF")):
        with pytest.raises(InputError, match=f"cannot read .*{name} as .*{kind}"):
            open_store(tmp_path / name)


def test_a_store_begun_with_other_data_is_never_continued(unfinished, tmp_path, world, emulator):
    path = tmp_path / "map.zarr"
    before = files(unfinished)
    other = reconstruct(world, emulator)
    rescaled = broken(RuntimeError())
    rescaled.a.encoding |= {"dtype": "i4", "scale_factor": 2.0, "_FillValue": -1}
    for data in (other, plain()[0], rescaled, broken(RuntimeError()).chunk(y=20)):
        with pytest.raises(StoreError, match="unfinished store of other data"):
            write(data, path, progress=False)
    assert files(unfinished) == before
    write(other, path, overwrite=True, progress=False)
    assert set(open_store(path).data_vars) == set(other.data_vars)


# Stores that exist


def test_an_existing_store_is_kept_until_another_is_whole(made, tmp_path):
    path = write(made[["land_cover"]], tmp_path / "map.zarr", progress=False)
    before = files(path)
    with pytest.raises(StoreError, match="overwrite=True"):
        write(made, path, progress=False)
    with pytest.raises(RuntimeError):
        write(broken(RuntimeError()), path, overwrite=True, progress=False)
    assert files(path) == before
    assert "land_cover" in open_store(path)
    data = plain()[0]
    write(data, path, overwrite=True, progress=False)
    xr.testing.assert_identical(xr.open_zarr(path), data)
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_that_appears_meanwhile_is_kept(tmp_path):
    path = tmp_path / "map.nc"
    data = plain()[0]
    slow = xr.Dataset(
        {"a": data.a.copy(data=data.a.data.map_blocks(lambda x: x + path.write_bytes(b"mine") * 0))}
    )
    with pytest.raises(StoreError, match="exists"):
        write(slow, path, progress=False)
    assert path.read_bytes() == b"mine"


def test_a_run_killed_before_its_last_clean_up_can_be_written_again(tmp_path, monkeypatch):
    """The finished store has its name, and the folder beside it is still there."""
    path, data = tmp_path / "map.zarr", plain()[0]
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    write(data, path, progress=False)
    assert (tmp_path / "map.zarr.partial").exists()
    assert open_store(path).identical(data)
    monkeypatch.undo()
    write(data, path, overwrite=True, progress=False)
    assert open_store(path).identical(data)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("gone", ["store/a/c", "store/a/zarr.json", "store/zarr.json", "store"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_run_killed_in_its_last_clean_up_leaves_nothing_to_go_on_with(
    tmp_path, monkeypatch, gone, deleted
):
    """A folder is emptied in any order; a NetCDF file is made from what may be gone by then."""
    path, data = tmp_path / "map.nc", plain()[0]
    delete = shutil.rmtree

    def killed(folder, **how):
        if Path(folder).suffix != ".partial":
            return delete(folder, **how)
        entry = Path(folder) / gone
        return delete(entry) if entry.is_dir() else entry.unlink()

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        write(data, path, progress=False)
    assert (tmp_path / "map.nc.partial").exists()
    if deleted:
        path.unlink()
    write(data, path, overwrite=not deleted, progress=False)
    xr.testing.assert_identical(xr.open_dataset(path), data.compute())
    assert list(tmp_path.iterdir()) == [path]


def test_places_and_formats_that_cannot_be(made, tmp_path):
    with pytest.raises(InputError, match=r"\.zarr or \.nc"):
        write(made, tmp_path / "map.tif")
    with pytest.raises(StoreError, match="no folder"):
        write(made, tmp_path / "none" / "map.zarr")


# Several writers


def test_a_second_writer_is_refused(tmp_path):
    path = tmp_path / "map.zarr"
    process = start_slow(path)
    with pytest.raises(StoreError, match="another process is writing"):
        write(plain()[0], path, overwrite=True, progress=False)
    process.kill()
    process.communicate()
    # The lock went with the process.
    data = plain()[0]
    write(data, path, overwrite=True, progress=False)
    xr.testing.assert_identical(xr.open_zarr(path), data)


def test_a_second_thread_is_refused(tmp_path):
    path, begun, go = tmp_path / "map.zarr", threading.Event(), threading.Event()

    def wait(block):
        begun.set()
        go.wait(60)
        return block

    slow = da.map_blocks(wait, da.ones((4, 4), chunks=2), meta=np.empty((0, 0)), name="wait")
    data = xr.Dataset({"a": (DIMS, slow)})
    first = threading.Thread(target=write, args=(data, path), kwargs={"progress": False})
    first.start()
    assert begun.wait(60)
    with pytest.raises(StoreError, match="another process is writing"):
        write(data, path, progress=False)
    go.set()
    first.join()
    np.testing.assert_array_equal(xr.open_zarr(path).a, 1)


def test_whoever_ends_a_store_waits_for_what_is_being_written(unfinished):
    """By several writers; who comes meanwhile, from a run that is over, is refused."""
    mark = Manifest.read(unfinished).fingerprint
    together, go, ended = threading.Barrier(4, timeout=60), threading.Event(), threading.Event()

    def put(label):
        with record_part(unfinished, mark, label):
            together.wait()
            assert go.wait(60)
            assert not ended.is_set()

    def end():
        with pause_writers(unfinished):
            ended.set()

    writers = [threading.Thread(target=put, args=(f"late{k}",)) for k in range(3)]
    for thread in writers:
        thread.start()
    together.wait()
    ending = threading.Thread(target=end)
    ending.start()
    while not (unfinished / "locks" / "closed").exists():
        time.sleep(0.01)
    with pytest.raises(StoreError, match="nothing more is written"):
        put("too late")
    assert not ended.wait(0.2)
    go.set()
    for thread in (*writers, ending):
        thread.join(60)
    assert ended.is_set()
    notes = (unfinished / "done.txt").read_text().split("\n")
    assert {"late0", "late1", "late2"} <= set(notes)
    assert "too late" not in notes


def test_a_run_killed_while_it_ended_a_store_goes_on(unfinished):
    (unfinished / "locks" / "closed").touch()
    data = broken(RuntimeError(), where=(99, 99))
    path = write(data, unfinished.with_suffix(""), progress=False)
    assert open_store(path).identical(data)


def test_a_lock_on_a_folder_that_is_gone_counts_for_nothing(tmp_path, monkeypatch):
    """The other run ended, and took its folder away, between our opening and our locking."""
    lock = fcntl.flock

    def late(handle, how):
        (tmp_path / "map.zarr.partial" / "locks" / "run").unlink()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(StoreError, match="another process is writing"):
        write(plain()[0], tmp_path / "map.zarr", progress=False)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_without_locks_it_is_said_and_another_run_is_not_spoilt(tmp_path, monkeypatch, code):
    """A run that another has overtaken puts nothing more into the other's store."""

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path, other = tmp_path / "map.zarr", plain()[0]

    def overtaken(block, block_info=None):
        if block_info[0]["chunk-location"] == (1, 0):
            write(other, path, overwrite=True, progress=False)
        return block

    slow = da.map_blocks(overtaken, da.ones((40, 40), chunks=10), meta=np.empty((0, 0)), name="x")
    with (
        dask.config.set(scheduler="synchronous"),
        pytest.warns(UserWarning, match="has no locks"),
        pytest.raises(StoreError, match="became another run's"),
    ):
        write(xr.Dataset({"a": (DIMS, slow)}), path, progress=False)
    xr.testing.assert_identical(xr.open_zarr(path), other)
    assert list(tmp_path.iterdir()) == [path]
