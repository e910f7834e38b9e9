"""Batches made by threads while the device computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch"]

K = TypeVar("K")
V = TypeVar("V")
BATCHES_AHEAD = 2


def prefetch(
    make: Callable[[K], V], batches: Iterable[Sequence[K]], workers: int
) -> Iterator[list[V]]:
    """Make the items of batches in threads, a few batches ahead, and give them in order.

    Parameters
    ----------
    make : callable
        Makes an item from its key.
    batches : iterable of sequence
        Keys; they are drawn in this thread, so that random ones do not depend on the threads.
    workers : int
        Number of threads.

    Examples
    --------
    >>> list(prefetch(lambda x: x * x, [[1, 2], [3]], workers=2))
    [[1, 4], [9]]
    """
    waiting: deque[list[Future[V]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="xai4land-batches")
    try:
        for keys in batches:
            waiting.append([pool.submit(make, key) for key in keys])
            if len(waiting) > BATCHES_AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
