"""The operators that a process needed last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["remembered"]

T = TypeVar("T")

REMEMBERED = 8
_KEPT: OrderedDict[tuple[str, ...], Any] = OrderedDict()
_LOCK = threading.RLock()


def remembered(key: tuple[str, ...], make: Callable[[], T]) -> T:
    """What was made for a key; made now if it was not, by one thread at a time.

    Parameters
    ----------
    key : tuple of str
        All that it depends on.
    make : callable
    """
    with _LOCK:
        if key not in _KEPT:
            _KEPT[key] = make()
        _KEPT.move_to_end(key)
        while len(_KEPT) > REMEMBERED:
            _KEPT.popitem(last=False)
        found: T = _KEPT[key]
        return found
