"""Batches made by threads while the device computes.

Threads alone, and no processes: libraries that read stores start threads of their own, which a
forked process would not have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["prefetch", "prefetch_mixed"]

C = TypeVar("C")
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


def prefetch_mixed(
    read: Callable[[K], C],
    make: Callable[[K, C], V],
    keys: Sequence[K],
    batches: Sequence[Sequence[int]],
    workers: int,
) -> Iterator[list[V]]:
    """Make the items of batches in threads, from what is read in another order than theirs.

    What was read and is not needed yet waits, so batches should not be far from that order.

    Parameters
    ----------
    read : callable
        Reads what an item is made from, by its key.
    make : callable
        Makes the item.
    keys : sequence
        In the order in which they are read; those that are in no batch are not.
    batches : sequence of sequence of int
        Numbers of keys.
    workers : int
        Number of threads.

    Examples
    --------
    >>> list(prefetch_mixed(str, lambda key, text: (key, text), [7, 8, 9], [[2], [0]], workers=2))
    [[(9, '9')], [(7, '7')]]
    """
    wanted, next_read = {number for numbers in batches for number in numbers}, 0
    readings: dict[int, Future[C]] = {}
    waiting: deque[list[Future[V]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="xai4land-batches")

    def finish(number: int, reading: Future[C]) -> V:
        return make(keys[number], reading.result())

    try:
        for numbers in batches:
            end = max([next_read, *(number + 1 for number in numbers)])
            for number in range(next_read, end):
                if number in wanted:
                    readings[number] = pool.submit(read, keys[number])
            next_read = end
            # Readings come first in the pool's queue: no thread waits for one that has not begun.
            waiting.append([pool.submit(finish, n, readings.pop(n)) for n in numbers])
            if len(waiting) > BATCHES_AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
