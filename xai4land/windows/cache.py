"""What the blocks of a run share: computed once a process, kept while there is room."""

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

__all__ = ["BRIEF", "LASTING", "LIMIT", "Kind", "ResultCache", "Source"]

LIMIT = 2**30
"""Bytes of results with a known last use: windows between blocks, a row of them at 1 km."""
BRIEF, LASTING = 2**26, 2**28
"""Bytes of inputs, which may be asked for again at any time: of fixed ones in a run of one step; of
those in a run of several, and of states. More where one chunk of each takes more."""

Source = Literal["screening", "others"]
Kind = Literal["windows"] | Source


@dataclass
class _Entry:
    future: Future[Any]
    uses: float
    kind: Kind
    size: int = 0


class ResultCache:
    """A bounded memory of results, safe for threads.

    What does not fit any more is forgotten, the longest unused first, and computed again when it
    is asked for: memory is bounded, and answers do not depend on what is remembered. A copy in
    another process starts empty.

    Parameters
    ----------
    windows, screening, others : int
        Bytes of arrays and tensors that are kept: windows until their last use, inputs for
        whoever may ask. No kind drives another out.

    Examples
    --------
    >>> shared = ResultCache()
    >>> shared.get("answer", lambda: 42, "others")
    42
    >>> shared.get("answer", lambda: 1 / 0, "others")
    42
    """

    def __init__(
        self, windows: int = LIMIT, screening: int = LASTING, others: int = LASTING
    ) -> None:
        self.limits: dict[Kind, int] = {
            "windows": windows,
            "screening": screening,
            "others": others,
        }
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._held: dict[Kind, int] = dict.fromkeys(self.limits, 0)
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any], kind: Source) -> Any:
        """An input under a key; made here, or waited for where another thread makes it."""
        future, mine = self.claim(key, kind=kind)
        if mine:
            try:
                self.settle(key, future, make())
            except BaseException as error:
                self.fail(key, future, error)
                raise
        return future.result()

    def claim(
        self, key: Hashable, uses: float = math.inf, kind: Kind = "windows"
    ) -> tuple[Future[Any], bool]:
        """A result to come, and whether the caller has to settle it.

        Parameters
        ----------
        key : hashable
        uses : float
            How many claims there will be in all; after the last one it is forgotten.
        kind : {"windows", "screening", "others"}
        """
        with self._lock:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry(Future(), uses, kind)
            self._entries.move_to_end(key)
            entry.uses -= 1
            if entry.uses <= 0:
                self._forget(key)
            return entry.future, mine

    def settle(self, key: Hashable, future: Future[Any], value: Any) -> None:
        """Give the result that was claimed."""
        future.set_result(value)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.future is not future:
                return
            entry.size = value.nbytes if isinstance(value, np.ndarray | torch.Tensor) else 0
            self._held[entry.kind] += entry.size
            if entry.size > self.limits[entry.kind]:  # all others would go, and it as well
                self._forget(key)
            while self._held[entry.kind] > self.limits[entry.kind]:
                alike = (k for k, e in self._entries.items() if e.size and e.kind == entry.kind)
                self._forget(next(alike))

    def fail(self, key: Hashable, future: Future[Any], error: BaseException) -> None:
        """Tell all who wait that there is no result; the next claim tries again."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry.future is future:
                self._forget(key)
        with suppress(InvalidStateError):  # it came just before
            future.set_exception(error)

    def _forget(self, key: Hashable) -> None:
        entry = self._entries.pop(key)
        self._held[entry.kind] -= entry.size

    def __reduce__(self) -> tuple[Any, ...]:
        return ResultCache, tuple(self.limits.values())
