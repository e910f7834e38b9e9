"""What the blocks of a run share: computed once a process, kept while there is room."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["LASTING", "LIMIT", "Shared", "kept"]

LIMIT = 2**30
"""Bytes of results with a known last use: windows between blocks, a row of them at 1 km."""
BRIEF, LASTING = 2**26, 2**28
"""Bytes of what may be asked for again at any time: inputs of one step, and of several."""


def kept(steps: int) -> int:
    """Bytes of inputs that a run of so many steps keeps: more where later steps will ask again."""
    return LASTING if steps > 1 else BRIEF


@dataclass
class _Entry:
    future: Future[Any]
    uses: float
    lasts: bool
    size: int = 0


class Shared:
    """A bounded memory of results, safe for threads.

    What does not fit any more is forgotten, the longest unused first, and computed again when it
    is asked for: memory is bounded, and answers do not depend on what is remembered. A copy in
    another process starts empty.

    Parameters
    ----------
    limit : int
        Bytes of arrays and tensors that are kept until a known last use.
    lasting : int
        Bytes of those that are kept for whoever may ask.

    Examples
    --------
    >>> shared = Shared()
    >>> shared.get("answer", lambda: 42)
    42
    >>> shared.get("answer", lambda: 1 / 0)
    42
    """

    def __init__(self, limit: int = LIMIT, lasting: int = LASTING) -> None:
        self.limit, self.lasting = limit, lasting
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._held = {True: 0, False: 0}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The result under a key; made here, or waited for where another thread makes it."""
        future, mine = self.claim(key)
        if mine:
            try:
                self.settle(key, future, make())
            except BaseException as error:
                self.fail(key, future, error)
                raise
        return future.result()

    def claim(self, key: Hashable, uses: float = math.inf) -> tuple[Future[Any], bool]:
        """A result to come, and whether the caller has to settle it.

        Parameters
        ----------
        key : hashable
        uses : float
            How many claims there will be in all; after the last one it is forgotten.
        """
        with self._lock:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry(Future(), uses, math.isinf(uses))
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
            self._held[entry.lasts] += entry.size
            while self._held[entry.lasts] > (self.lasting if entry.lasts else self.limit):
                alike = (k for k, e in self._entries.items() if e.size and e.lasts == entry.lasts)
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
        self._held[entry.lasts] -= entry.size

    def __reduce__(self) -> tuple[Any, ...]:
        return Shared, (self.limit, self.lasting)
