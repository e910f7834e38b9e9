"""Memory for what outlives the job that made it.

The C library serves a thread from one heap, which it can only shorten. One result that is kept
holds all that was freed before it; so what is kept for long lies apart, in pages of its own.
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

__all__ = ["apart", "empty", "empty_tensor"]

_HOST = torch.device("cpu")
LEAST, HUGE = 2**17, 2**21
"""Bytes from which pages of its own are worth a call to the system, and from which large ones."""


def empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """An array apart, without values yet."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < LEAST or dtype.hasobject:
        return np.empty(shape, dtype)
    return np.frombuffer(_pages(size), dtype).reshape(shape)


def empty_tensor(
    shape: Sequence[int], dtype: torch.dtype, device: torch.device = _HOST
) -> torch.Tensor:
    """A tensor without values yet, apart if it is on the host."""
    if device.type != "cpu":
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    held = empty([math.prod(shape) * dtype.itemsize], np.uint8)
    return torch.from_numpy(held).view(dtype).view(*shape)


def apart(values: np.ndarray) -> np.ndarray:
    """The same values, apart."""
    made = empty(values.shape, values.dtype)
    made[...] = values
    return made


def _pages(size: int) -> mmap.mmap:
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    held = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux" and size >= HUGE:
        with suppress(OSError):  # a wish that not every kernel knows
            held.madvise(mmap.MADV_HUGEPAGE)
    return held
