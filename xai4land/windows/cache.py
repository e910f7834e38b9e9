"""The cache that the blocks of a run share: each result computed once per process."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

__all__ = [
    "INPUT_CACHE_BYTES",
    "ONE_STEP_CACHE_BYTES",
    "WINDOW_CACHE_BYTES",
    "InputKind",
    "ResultCache",
    "ResultKind",
]

WINDOW_CACHE_BYTES = 2**30
"""Bytes of the network's output for windows, which has a known last use; at 1 km the windows that
wait for the next row of blocks take most of it."""
INPUT_CACHE_BYTES = 2**28
"""Bytes of inputs, which may be asked for again at any time. More if a single chunk takes more."""
ONE_STEP_CACHE_BYTES = 2**26
"""Bytes of the inputs that do not decide about windows, in a run of one time step."""

InputKind = Literal["screening", "others"]
"""Inputs that decide which windows need the network, and all others."""
ResultKind = Literal["windows"] | InputKind


@dataclass
class _Entry:
    future: Future[Any]
    uses_left: float
    kind: ResultKind
    size: int = 0


class ResultCache:
    """A bounded cache of results, safe for threads.

    The least recently used entries are evicted, and computed again if they are asked for: memory
    is bounded, and no result depends on what is cached. A copy in another process starts empty.

    Parameters
    ----------
    windows, screening, others : int
        Bytes of arrays and tensors of each kind: windows are cached until their last use, inputs
        as long as there is room. No kind evicts another.

    Examples
    --------
    >>> cache = ResultCache()
    >>> cache.get("answer", lambda: 42, "others")
    42
    >>> cache.get("answer", lambda: 1 / 0, "others")
    42
    """

    def __init__(
        self,
        windows: int = WINDOW_CACHE_BYTES,
        screening: int = INPUT_CACHE_BYTES,
        others: int = INPUT_CACHE_BYTES,
    ) -> None:
        self.limits: dict[ResultKind, int] = {
            "windows": windows,
            "screening": screening,
            "others": others,
        }
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._sizes: dict[ResultKind, int] = dict.fromkeys(self.limits, 0)
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any], kind: InputKind) -> Any:
        """Return an input by key; make it, or wait for a thread that is making it."""
        future, reserved = self.reserve(key, kind=kind)
        if reserved:
            try:
                self.set_result(key, future, make())
            except BaseException as error:
                self.set_exception(key, future, error)
                raise
        return future.result()

    def reserve(
        self, key: Hashable, uses: float = math.inf, kind: ResultKind = "windows"
    ) -> tuple[Future[Any], bool]:
        """Return the future of a result, and whether it is the caller who must compute it.

        Parameters
        ----------
        key : hashable
        uses : float
            How many times the result will be reserved in all; after the last it is evicted.
        kind : {"windows", "screening", "others"}
        """
        with self._lock:
            entry = self._entries.get(key)
            reserved = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry(Future(), uses, kind)
            self._entries.move_to_end(key)
            entry.uses_left -= 1
            if entry.uses_left <= 0:
                self._evict(key)
            return entry.future, reserved

    def set_result(self, key: Hashable, future: Future[Any], value: Any) -> None:
        """Set the result of a reserved future, and evict what no longer fits."""
        future.set_result(value)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.future is not future:
                return
            entry.size = value.nbytes if isinstance(value, np.ndarray | torch.Tensor) else 0
            self._sizes[entry.kind] += entry.size
            if entry.size > self.limits[entry.kind]:  # it would evict all others, and then itself
                self._evict(key)
            while self._sizes[entry.kind] > self.limits[entry.kind]:
                candidates = (
                    k for k, e in self._entries.items() if e.size and e.kind == entry.kind
                )
                self._evict(next(candidates))

    def set_exception(self, key: Hashable, future: Future[Any], error: BaseException) -> None:
        """Raise an error in all who wait for the result; who reserves it next tries again."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.future is future:
                self._evict(key)
        with suppress(InvalidStateError):  # the result was set just before
            future.set_exception(error)

    def _evict(self, key: Hashable) -> None:
        entry = self._entries.pop(key)
        self._sizes[entry.kind] -= entry.size

    def __reduce__(self) -> tuple[Any, ...]:
        return ResultCache, tuple(self.limits.values())
