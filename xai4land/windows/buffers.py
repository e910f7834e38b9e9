"""Arrays in memory pages of their own, for values that outlive the task that makes them.

The C library serves a thread from one heap, which it can only shorten at its end. One long-lived
array there keeps all freed memory below it from being returned to the system.
"""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch

__all__ = ["copy_to_own_pages", "empty", "empty_tensor"]

_HOST = torch.device("cpu")
MIN_MAPPED_BYTES = 2**17
"""Size from which pages of its own are worth a system call."""
MIN_HUGE_PAGE_BYTES = 2**21
"""Size from which huge pages are worth asking for."""


def empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Return an uninitialised array in pages of its own."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < MIN_MAPPED_BYTES or dtype.hasobject:
        return np.empty(shape, dtype)
    return np.frombuffer(_map_pages(size), dtype).reshape(shape)


def empty_tensor(
    shape: Sequence[int], dtype: torch.dtype, device: torch.device = _HOST
) -> torch.Tensor:
    """Return an uninitialised tensor, in pages of its own if it is on the host."""
    if device.type != "cpu":
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    buffer = empty([math.prod(shape) * dtype.itemsize], np.uint8)
    return torch.from_numpy(buffer).view(dtype).view(*shape)


def copy_to_own_pages(values: np.ndarray) -> np.ndarray:
    """Return a copy in pages of its own."""
    copy = empty(values.shape, values.dtype)
    copy[...] = values
    return copy


def _map_pages(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux" and size >= MIN_HUGE_PAGE_BYTES:
        with suppress(OSError):  # only a hint, which not every kernel knows
            pages.madvise(mmap.MADV_HUGEPAGE)
    return pages
