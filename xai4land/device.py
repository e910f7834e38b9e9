"""Where the network runs, and in which numbers."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from queue import SimpleQueue
from typing import Literal

import numpy as np
import torch

from xai4land.errors import InputError

__all__ = [
    "Precision",
    "bfloat16_pays",
    "choose_device",
    "choose_precision",
    "download",
    "keep_memory",
    "lane",
    "lanes",
    "share",
    "upload",
]

Precision = Literal["auto", "float32", "bfloat16"]
LANES = 2
"""Blocks on a device at once: one is read or packed while the other computes."""
_STARTING = threading.Lock()
_NANNY = "65536"
"""What dask's nannies set by default."""


def choose_device(device: str = "auto") -> str:
    """A torch device by name; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InputError
        If the device is unknown or not there.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    device = str(device)  # or as torch has it
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # each kind of device has its own
        reason = str(error).partition("\n")[0]
        raise InputError(f"device={device!r} cannot be used here ({reason}); use 'cpu'") from error
    return device


def choose_precision(precision: Precision, device: str) -> torch.dtype:
    """The numbers that the network computes in; ``"auto"`` takes bfloat16 where it is faster.

    Raises
    ------
    InputError
        If the precision is unknown.

    Examples
    --------
    >>> choose_precision("float32", "cpu")
    torch.float32
    """
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if precision == "auto":
        return torch.bfloat16 if bfloat16_pays(device) else torch.float32
    if not isinstance(precision, str) or precision not in known:
        raise InputError(f"precision={precision!r}, expected 'auto', 'float32' or 'bfloat16'")
    return known[precision]


@cache
def bfloat16_pays(device: str) -> bool:
    """Whether the device computes in bfloat16 faster than in float32."""
    if device.startswith("cuda"):
        # Older cards than Ampere only imitate it, and torch counts that as support.
        return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= 8
    if device != "cpu":
        return False
    # Without instructions of its own a processor only imitates bfloat16, slowly.
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)


def keep_memory() -> None:
    """Let this process keep freed memory for the next window.

    A worker that dask's nanny has started gives every free page back to the system at once, and
    waits for the next: a third of the network's time. Only that setting of dask's is changed.
    """
    if sys.platform != "linux" or os.environ.get("MALLOC_TRIM_THRESHOLD_") != _NANNY:
        return
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc alone has it
        set_option(-1, 2**28)  # M_TRIM_THRESHOLD: free bytes that are kept
        set_option(-3, 2**25)  # M_MMAP_THRESHOLD: larger ones are never kept; the most it takes


def upload(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on a device; on CUDA from pinned memory, so that the copy waits for no other."""
    if values.device == device:
        return values
    if device.type != "cuda":  # the values may be let go at once
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def download(values: torch.Tensor) -> np.ndarray:
    """A tensor's values on the host, when they are ready."""
    if values.device.type != "cuda":
        return values.cpu().numpy()
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values, non_blocking=True)
    torch.cuda.current_stream(values.device).synchronize()
    return host.numpy()


def share(values: torch.Tensor) -> torch.Tensor:
    """A tensor that another lane made, safe to use in this one."""
    if values.device.type == "cuda":
        values.record_stream(torch.cuda.current_stream(values.device))
    return values


def lanes(kind: str) -> int | None:
    """Blocks that a kind of device works on at once; none where each of dask's threads has its own.

    That is where torch may use one thread only, so that a block keeps one core busy.
    """
    threads = torch.get_num_threads()
    if kind != "cpu":
        return LANES
    return None if threads == 1 else LANES + threads // 8


@contextmanager
def lane(device: torch.device) -> Iterator[None]:
    """A place on the device, so that memory does not grow with the number of dask's threads.

    On CUDA each lane has a stream, which finds again what its last block has let go. Where torch
    may use one thread only, it is dask's threads that compute.
    """
    count = lanes(device.type)
    if count is None:
        yield
        return
    with _STARTING:
        free = _lanes(str(device), count)
    own = free.get()
    try:
        with torch.cuda.stream(own) if own else nullcontext():
            yield
    finally:
        free.put(own)


@cache
def _lanes(device: str, count: int) -> SimpleQueue[torch.cuda.Stream | None]:
    free: SimpleQueue[torch.cuda.Stream | None] = SimpleQueue()
    for _ in range(count):
        free.put(torch.cuda.Stream(device) if device.startswith("cuda") else None)
    return free
