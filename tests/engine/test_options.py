"""Options: set for a session or a block, or from the environment, and checked."""

from __future__ import annotations

from pathlib import Path

import pytest

import xai4land
from xai4land import InputError
from xai4land.options import get_options


def test_a_with_block_restores_options_and_a_call_does_not(monkeypatch):
    monkeypatch.setenv("XAI4LAND_TIMEOUT", "7")
    with xai4land.set_options(timeout=3, retries=0):
        with xai4land.set_options(timeout=2):
            assert (get_options().timeout, get_options().retries) == (2, 0)
        assert get_options().timeout == 3
    assert (get_options().timeout, get_options().retries) == (7, 3)
    before = xai4land.set_options(timeout=1)
    assert get_options().timeout == 1
    before.__exit__(None, None, None)
    assert get_options().timeout == 7


def test_options_come_from_the_environment(monkeypatch, tmp_path):
    for name, text in (
        ("CACHE", "~/some"),
        ("OFFLINE", "yes"),
        ("RETRIES", "9"),
        ("REGISTRIES", "/a/one.json, https://b.org/two.json#sha256=0,"),
    ):
        monkeypatch.setenv(f"XAI4LAND_{name}", text)
    options = get_options()
    assert options.cache == Path.home() / "some"
    assert options.offline is True
    assert options.retries == 9
    assert options.registries == ("/a/one.json", "https://b.org/two.json#sha256=0")
    monkeypatch.setenv("XAI4LAND_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert get_options().cache == tmp_path / "xai4land"


def test_every_invalid_option_is_listed(monkeypatch):
    before = get_options()
    with pytest.raises(InputError) as caught:
        xai4land.set_options(
            cach="x", cache=3, offline="maybe", timeout=-1, retries=True, registries=[1]
        )
    assert len(caught.value.problems) == 6
    assert "is it 'cache'?" in str(caught.value)
    assert get_options() == before
    monkeypatch.setenv("XAI4LAND_TIMEOUT", "soon")
    monkeypatch.setenv("XAI4LAND_OFFLINE", "2")
    with pytest.raises(InputError, match="XAI4LAND_TIMEOUT is 'soon'") as caught:
        get_options()
    assert len(caught.value.problems) == 2
    for value in (float("nan"), float("inf"), 0, None):
        with pytest.raises(InputError, match="positive number"):
            xai4land.set_options(timeout=value)
