"""Windows through the network: on the processor one a thread, on an accelerator in batches."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from queue import PriorityQueue
from typing import Any, TypeVar

import torch

from xai4land.windows.buffers import empty_tensor
from xai4land.windows.features import Features

__all__ = ["Forward", "in_threads"]

T = TypeVar("T")
_STARTING = threading.Lock()


class Forward:
    """A network on a device.

    On an accelerator every batch has the same number of windows, the last one filled up; where
    memory runs out, batches become smaller from then on, and the answer stays the same.

    Parameters
    ----------
    network : Module
    device : torch.device
    dtype : torch.dtype
    batch_size : int
        Windows at once.
    """

    def __init__(
        self, network: torch.nn.Module, device: torch.device, dtype: torch.dtype, batch_size: int
    ) -> None:
        self.network, self.device, self.dtype = network, device, dtype
        self.batch_size = batch_size

    def __call__(self, items: Sequence[T], features: Callable[[T], Features]) -> list[torch.Tensor]:
        """Logits of each window, shape (layers, size, size), as the network gives them.

        Parameters
        ----------
        items : sequence
        features : callable
            Makes the features of an item's window; called again where memory ran out.
        """
        found: list[torch.Tensor] = []
        while len(found) < len(items):
            size = self.batch_size
            made = self._tried(items[len(found) : len(found) + size], features, size)
            if made is not None:
                found += made
                continue
            # Out here nothing holds on to what was made for the batch any more.
            self.batch_size = min(self.batch_size, size // 2)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return found

    def _tried(
        self, items: Sequence[T], features: Callable[[T], Features], size: int
    ) -> list[torch.Tensor] | None:
        """Logits of a batch; none where there is no memory for it."""
        try:
            return self._batch([features(item) for item in items], size)
        except RuntimeError as error:
            if size == 1 or not _no_memory(error):
                raise
            return None

    def _batch(self, windows: Sequence[Features], size: int) -> list[torch.Tensor]:
        x = _stacked([window.continuous for window in windows]).to(self.dtype)
        codes = _stacked([window.codes for window in windows])
        if self.device.type != "cpu" and len(windows) < size:
            x, codes = _filled(x, size), _filled(codes, size)
        logits = self.network(x, codes)[: len(windows)]
        if self.device.type != "cpu":
            return [part.contiguous() for part in logits]
        return [empty_tensor(part.shape, part.dtype).copy_(part) for part in logits]


def _no_memory(error: RuntimeError) -> bool:
    """Whether a device has too little memory: Apple's, cuDNN and cuBLAS say so in words only."""
    words = ("out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def _stacked(parts: list[torch.Tensor]) -> torch.Tensor:
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)


def _filled(batch: torch.Tensor, size: int) -> torch.Tensor:
    """A batch of full size: compiled and tuned kernels want one shape."""
    return torch.cat([batch, batch[-1:].expand(size - len(batch), *batch.shape[1:])])


def in_threads(
    device: torch.device, job: Callable[[T], Any], items: Iterable[T], turn: int = 0
) -> list[Any]:
    """Run a job for each item; on the processor by as many threads as torch may use.

    Each of them computes alone: threads that share every operation wait for one another, and the
    last bits of the answer then depend on their number.

    Parameters
    ----------
    device : torch.device
    job : callable
    items : iterable
    turn : int
        Whose items these are: where several callers wait, those of the lowest turn are next.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        return [job(item) for item in items]
    with _STARTING:
        pool = _pool(threads)
    futures = [pool.submit(turn, job, item) for item in items]
    try:
        return [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise


class _Pool:
    """Threads in which torch does not start threads of its own."""

    def __init__(self, threads: int) -> None:
        ready = threading.Barrier(threads + 1)

        def alone() -> None:
            torch.get_num_threads()  # torch sets a thread up when it is first asked
            torch.set_num_threads(1)
            ready.wait()

        self._threads = ThreadPoolExecutor(threads, "xai4land", alone)
        self._waiting: PriorityQueue[Any] = PriorityQueue()
        self._numbers = itertools.count()
        for _ in range(threads):
            self._threads.submit(int)
        ready.wait()
        # The setting is the thread's own, but new threads take the last one that was made.
        torch.set_num_threads(threads)

    def submit(self, turn: int, job: Callable[[T], Any], item: T) -> Future[Any]:
        future: Future[Any] = Future()
        self._waiting.put((turn, next(self._numbers), future, job, item))
        self._threads.submit(self._next)
        return future

    def _next(self) -> None:
        _, _, future, job, item = self._waiting.get()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(job(item))
        except BaseException as error:
            future.set_exception(error)


_pool = cache(_Pool)
