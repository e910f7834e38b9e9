"""Long-lived arrays have pages of their own, which return to the system when they are freed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xai4land.windows.buffers import copy_to_own_pages, empty, empty_tensor


@given(hnp.arrays(st.sampled_from([np.uint8, ">i2", np.float32, "M8[ns]"]), hnp.array_shapes()))
def test_small_values_stay_the_same(values):
    np.testing.assert_array_equal(copy_to_own_pages(values), values)
    assert copy_to_own_pages(values).dtype == values.dtype


@pytest.mark.parametrize("dtype", ["u1", ">f4", "f8", "M8[ns]"])
def test_large_values_stay_the_same_and_are_a_copy(dtype):
    values = np.arange(2**18).astype(dtype).reshape(2, -1)
    result = copy_to_own_pages(values)
    np.testing.assert_array_equal(result, values)
    assert result.dtype == values.dtype
    result[0, 0] = values[0, 1]
    assert values[0, 0] != values[0, 1]


def test_objects_and_empty_arrays():
    assert copy_to_own_pages(np.array(["a", None] * 2**17, object)).tolist()[:2] == ["a", None]
    assert empty((0, 3), float).shape == (0, 3)


@pytest.mark.parametrize("shape", [(2, 3), (4, 512, 512)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.int64])
def test_tensors_of_any_type(shape, dtype):
    result = empty_tensor(shape, dtype)
    assert (result.shape, result.dtype) == (shape, dtype)
    assert result.fill_(3).sum() == 3 * result.numel()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory a process has")
def test_memory_is_returned_although_a_younger_array_is_alive():
    def resident_bytes():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    old = [copy_to_own_pages(np.ones(2**17)) for _ in range(64)]  # a MiB each
    young = copy_to_own_pages(np.ones(2**17))
    before = resident_bytes()
    old.clear()
    assert before - resident_bytes() > 60 * 2**20
    assert young.sum() == 2**17
