"""Emulators in graphs: by reference."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from conftest import random_emulator, small_card
from xai4land.emulator import load_emulator
from xai4land.emulator.reference import Reference
from xai4land.errors import EmulatorFileError, StoreError

LOAD = """
import pickle, sys
reference = pickle.loads(sys.stdin.buffer.read())
assert pickle.loads(pickle.dumps(reference)).emulator is reference.emulator
print(reference.emulator.sha256)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def elsewhere(reference: Reference) -> str:
    """The hash that another process finds."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD], input=pickle.dumps(reference), capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_another_process_loads_the_file(cache):
    emulator = load_emulator("sample-landcover")
    reference = Reference(emulator)
    assert len(pickle.dumps(reference)) < 500
    assert elsewhere(reference) == emulator.sha256
    assert not cache.exists(), "an emulator that has a file needs no other"


def test_an_emulator_without_a_file_gets_one(cache, tmp_path):
    emulator = random_emulator(small_card())
    assert elsewhere(Reference(emulator)) == emulator.sha256
    emulator.save(tmp_path / "mine.safetensors")
    (tmp_path / "mine.safetensors").write_bytes(b"overwritten")
    assert elsewhere(Reference(emulator)) == emulator.sha256


def test_a_worker_that_cannot_see_the_file_says_so(cache):
    content = pickle.dumps(Reference(random_emulator(small_card(), seed=7)))
    for file in cache.rglob("*.safetensors"):
        file.unlink()
    # Not when it is unpickled: a worker that dies of it, and its successor, would say nothing.
    reference = pickle.loads(content)  # noqa: S301
    with pytest.raises(EmulatorFileError, match="XAI4LAND_CACHE to a shared folder"):
        reference.emulator  # noqa: B018


def test_a_cache_that_cannot_be_made_is_named(monkeypatch):
    monkeypatch.setenv("XAI4LAND_CACHE", "/proc/nowhere")
    with pytest.raises(StoreError, match="XAI4LAND_CACHE"):
        pickle.dumps(Reference(random_emulator(small_card(), seed=8)))
