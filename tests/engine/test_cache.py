"""Arrays in the cache folder are made once; damage, a full disk and several writers do no harm."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import numpy as np
import pytest

import xai4land
from xai4land import cache


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "room"


@pytest.fixture
def made():
    return []


@pytest.fixture
def get(made):
    """Get arrays, and count how often they are made."""

    def make():
        made.append(1)
        return {"rows": np.arange(6).reshape(2, 3), "values": np.linspace(0, 1, 50)}

    def get(*contents):
        found = cache.load_or_make(cache.choose_path("room", *(contents or "a")), make)
        np.testing.assert_array_equal(found["rows"], [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(found["values"], np.linspace(0, 1, 50))
        assert set(found) == {"rows", "values"}

    return get


def test_arrays_are_made_once_for_what_they_follow_from(get, made, folder):
    get("a", "b")
    get("a", "b")
    assert len(made) == 1
    get("a", "c")
    assert len(made) == len(list(folder.iterdir())) == 2


def test_a_file_that_was_changed_anywhere_is_made_again_or_does_no_harm(folder):
    arrays = {"rows": np.arange(6), "values": np.linspace(0, 1, 50)}
    path = cache.choose_path("room", "a")
    assert cache.save_arrays(path, arrays)
    whole, seen = path.read_bytes(), set()
    for place in range(0, len(whole), 3):
        content = bytearray(whole)
        content[place] ^= 0x55
        path.write_bytes(content)
        found = cache.read_arrays(path)
        seen.add(found is None)
        if found is not None:  # what nobody reads of an archive, such as dates
            assert all((found[name] == arrays[name]).all() for name in arrays)
    assert seen == {True, False}
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert cache.read_arrays(path) is None


@pytest.mark.parametrize("harm", ["text", "other", "code", "folder"])
def test_what_is_no_such_file_is_made_again(get, made, folder, harm):
    get()
    (path,) = folder.iterdir()
    if harm == "text":
        path.write_bytes(b"not arrays")
    if harm == "other":
        np.savez(path, rows=np.arange(3), sha256=np.zeros(32, "u1"))
    if harm == "code":
        np.savez(path, rows=np.array([print], object), sha256=np.zeros(32, "u1"))
    if harm == "folder":
        path.unlink()
        path.mkdir()
        with pytest.warns(xai4land.StoreWarning):
            get()
        path.rmdir()
    get()
    get()
    assert len(made) == (3 if harm == "folder" else 2)


def test_several_processes_may_write_at_once(folder):
    code = """
import numpy as np
from xai4land.cache import choose_path, load_or_make
for turn in range(40):
    big = np.full(20_000, float(turn))
    found = load_or_make(choose_path("room", str(turn)), lambda: {"values": big})
    assert (found["values"] == turn).all()
"""
    runs = [subprocess.Popen([sys.executable, "-c", code], env=os.environ) for _ in range(3)]
    assert [run.wait(120) for run in runs] == [0, 0, 0]
    assert len(list(folder.iterdir())) == 40
    assert not list(folder.glob("*.part"))


def test_a_folder_that_cannot_be_written_to_is_told(get, made, folder):
    folder.parent.mkdir()
    folder.write_text("a file in the way")
    for _ in range(2):
        with pytest.warns(xai4land.StoreWarning, match="made again each time; set XAI4LAND_CACHE"):
            get()
    assert len(made) == 2


def test_a_full_disk_is_told_and_leaves_nothing(get, folder, monkeypatch):
    def fill(stream, **arrays):
        stream.write(b"begun")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", fill)
    with pytest.warns(xai4land.StoreWarning, match="No space left on device"):
        get()
    assert list(folder.iterdir()) == []
