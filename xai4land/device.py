"""Where the network runs, and in which precision."""

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
    "device_slot",
    "download",
    "keep_memory",
    "max_concurrent_blocks",
    "record_use",
    "upload",
]

Precision = Literal["auto", "float32", "bfloat16"]
MIN_CONCURRENT_BLOCKS = 2
"""Blocks on a device at once: one is read or packed while the other computes."""
_SLOTS_LOCK = threading.Lock()
_HELD = threading.local()
"""Devices of which a thread has a slot."""
_NANNY_TRIM_THRESHOLD = "65536"
"""The value that dask's nannies set by default."""


def choose_device(device: str = "auto") -> str:
    """Return a torch device by name; ``"auto"`` takes CUDA, then MPS, then the CPU.

    Raises
    ------
    InputError
        If the device is unknown or not available.

    Examples
    --------
    >>> choose_device("cpu")
    'cpu'
    """
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    device = str(device)  # it may be a torch.device
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # each kind of device raises another
        reason = str(error).partition("\n")[0]
        raise InputError(f"device={device!r} cannot be used here ({reason}); use 'cpu'") from error
    return device


def choose_precision(precision: Precision, device: str) -> torch.dtype:
    """Return the type that the network computes in; ``"auto"`` takes bfloat16 where it is faster.

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
    """Tell whether the device computes faster in bfloat16 than in float32."""
    if device.startswith("cuda"):
        # GPUs before Ampere only emulate it, and torch counts that as support.
        return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= 8
    if device != "cpu":
        return False
    # Without instructions for it a CPU only emulates bfloat16, slowly.
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)


def keep_memory() -> None:
    """Let this process keep freed memory for the next window.

    A worker that dask's nanny has started returns every free page to the system at once, and asks
    for the next one again, which takes a third of the network's time. A setting of the user stays.
    """
    if sys.platform != "linux" or os.environ.get("MALLOC_TRIM_THRESHOLD_") != _NANNY_TRIM_THRESHOLD:
        return
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):  # only glibc has it
        set_option(-1, 2**28)  # M_TRIM_THRESHOLD: free bytes to keep
        set_option(-3, 2**25)  # M_MMAP_THRESHOLD: larger arrays are never kept; glibc's maximum


def upload(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a tensor to a device; to CUDA from pinned memory, so that the copy is asynchronous."""
    if values.device == device:
        return values
    if device.type != "cuda":  # synchronous: the caller may free the values at once
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def download(values: torch.Tensor) -> np.ndarray:
    """Wait for a tensor, and return its values on the host."""
    if values.device.type != "cuda":
        return values.cpu().numpy()
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    host.copy_(values, non_blocking=True)
    torch.cuda.current_stream(values.device).synchronize()
    return host.numpy()


def record_use(values: torch.Tensor) -> torch.Tensor:
    """Return a tensor of another block, after telling CUDA that this stream uses it too."""
    if values.device.type == "cuda":
        values.record_stream(torch.cuda.current_stream(values.device))
    return values


def max_concurrent_blocks(kind: str) -> int | None:
    """Return how many blocks one process computes at once on a kind of device.

    None means no limit: where torch may use one thread only, each of dask's threads computes a
    block on its own core.
    """
    threads = torch.get_num_threads()
    if kind != "cpu":
        return MIN_CONCURRENT_BLOCKS
    return None if threads == 1 else MIN_CONCURRENT_BLOCKS + threads // 8


@contextmanager
def device_slot(device: torch.device) -> Iterator[None]:
    """Wait for one of the device's slots, so that memory does not grow with dask's threads.

    On CUDA each slot has a stream, which reuses the memory that its last block has freed. A block
    whose inputs are blocks of another lazy map computes these in its own slot: if it waited for a
    second one, as many such blocks as there are slots would wait for each other for ever.
    """
    count = max_concurrent_blocks(device.type)
    held: set[torch.device] = _HELD.__dict__.setdefault("devices", set())
    if count is None or device in held:
        yield
        return
    with _SLOTS_LOCK:
        slots = _device_slots(str(device), count)
    stream = slots.get()
    held.add(device)
    try:
        with torch.cuda.stream(stream) if stream else nullcontext():
            yield
    finally:
        held.remove(device)
        slots.put(stream)


@cache
def _device_slots(device: str, count: int) -> SimpleQueue[torch.cuda.Stream | None]:
    slots: SimpleQueue[torch.cuda.Stream | None] = SimpleQueue()
    for _ in range(count):
        slots.put(torch.cuda.Stream(device) if device.startswith("cuda") else None)
    return slots
