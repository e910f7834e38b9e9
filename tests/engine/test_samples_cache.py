"""Samples are kept in the cache folder, and never out of date."""

from __future__ import annotations

import numpy as np
import pytest

import xai4land
from xai4land.samples import cache


@pytest.fixture
def made():
    return []


@pytest.fixture
def make(made):
    def make():
        made.append(1)
        return {"truth": np.arange(6, dtype=np.uint8).reshape(2, 3)}

    return make


def test_arrays_are_made_once(tmp_path, make, made):
    with xai4land.set_options(cache=tmp_path):
        first, second = cache.load_or_make("a", make), cache.load_or_make("a", make)
        other = cache.load_or_make("b", make)
    assert len(made) == 2
    for arrays in (second, other):
        np.testing.assert_array_equal(arrays["truth"], first["truth"])
        assert arrays["truth"].dtype == np.uint8


def test_other_code_makes_other_files(tmp_path, make, made, monkeypatch):
    with xai4land.set_options(cache=tmp_path):
        cache.load_or_make("a", make)
        monkeypatch.setattr(np, "__version__", "0.0")
        cache.load_or_make("a", make)
    assert len(made) == 2
