"""Windows through the network: on the CPU one per thread, on an accelerator in batches."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from queue import PriorityQueue
from typing import Any, TypeVar

import torch

from xai4land.windows.buffers import empty_tensor
from xai4land.windows.features import Features

__all__ = ["Forward", "run_in_threads"]

logger = logging.getLogger(__name__)

T = TypeVar("T")
_POOL_LOCK = threading.Lock()


class Forward:
    """A network on a device.

    On an accelerator every batch has the same number of windows, the last one padded. Where memory
    runs out, batches become smaller from then on, and the result stays the same.

    Parameters
    ----------
    network : Module
    device : torch.device
    dtype : torch.dtype
    batch_size : int
        Windows per batch.
    """

    def __init__(
        self, network: torch.nn.Module, device: torch.device, dtype: torch.dtype, batch_size: int
    ) -> None:
        self.network, self.device, self.dtype = network, device, dtype
        self.batch_size = batch_size

    def __call__(self, items: Sequence[T], features: Callable[[T], Features]) -> list[torch.Tensor]:
        """Return the network's output for each window, shape (layers, size, size).

        Parameters
        ----------
        items : sequence
        features : callable
            Makes the features of an item's window; called again where memory ran out.
        """
        outputs: list[torch.Tensor] = []
        while len(outputs) < len(items):
            size = self.batch_size
            batch = self._try_batch(items[len(outputs) : len(outputs) + size], features, size)
            if batch is not None:
                outputs += batch
                continue
            # Here, outside the call, no reference to the tensors of the batch is left.
            self.batch_size = min(self.batch_size, size // 2)
            logger.info("memory ran out; batches of %d windows from now on", self.batch_size)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return outputs

    def _try_batch(
        self, items: Sequence[T], features: Callable[[T], Features], size: int
    ) -> list[torch.Tensor] | None:
        """Return the network's output for a batch, or None if memory runs out."""
        try:
            return self._run_batch([features(item) for item in items], size)
        except RuntimeError as error:
            if size == 1 or not _is_out_of_memory(error):
                raise
            return None

    def _run_batch(self, windows: Sequence[Features], size: int) -> list[torch.Tensor]:
        x = _stack([window.continuous for window in windows]).to(self.dtype)
        codes = _stack([window.codes for window in windows])
        if self.device.type != "cpu" and len(windows) < size:
            x, codes = _pad_batch(x, size), _pad_batch(codes, size)
        outputs = self.network(x, codes)[: len(windows)]
        if self.device.type != "cpu":
            return [part.contiguous() for part in outputs]
        return [empty_tensor(part.shape, part.dtype).copy_(part) for part in outputs]


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether memory ran out; MPS, cuDNN and cuBLAS say so in the message only."""
    words = ("out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


def _stack(parts: list[torch.Tensor]) -> torch.Tensor:
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)


def _pad_batch(batch: torch.Tensor, size: int) -> torch.Tensor:
    """Pad a batch to its full size: compiled and tuned kernels need one shape."""
    return torch.cat([batch, batch[-1:].expand(size - len(batch), *batch.shape[1:])])


def run_in_threads(
    device: torch.device, job: Callable[[T], Any], items: Iterable[T], priority: int = 0
) -> list[Any]:
    """Run a job for each item; on the CPU in as many threads as torch may use.

    Each job runs in one thread: threads that share every operation wait for each other, and the
    last bits of the result would then depend on their number.

    Parameters
    ----------
    device : torch.device
    job : callable
    items : iterable
    priority : int
        If several callers wait, the items with the lowest number run first.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        return [job(item) for item in items]
    with _POOL_LOCK:
        pool = _get_pool(threads)
    futures = [pool.submit(priority, job, item) for item in items]
    try:
        return [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise


class _ThreadPool:
    """Threads in which torch starts no threads of its own, with a priority queue."""

    def __init__(self, threads: int) -> None:
        ready = threading.Barrier(threads + 1)

        def set_up_thread() -> None:
            torch.get_num_threads()  # torch sets up a thread at its first call
            torch.set_num_threads(1)
            ready.wait()

        self._threads = ThreadPoolExecutor(threads, "xai4land", set_up_thread)
        self._queue: PriorityQueue[Any] = PriorityQueue()
        self._counter = itertools.count()
        for _ in range(threads):
            self._threads.submit(int)
        ready.wait()
        # The setting is per thread, but new threads take the one that was made last.
        torch.set_num_threads(threads)

    def submit(self, priority: int, job: Callable[[T], Any], item: T) -> Future[Any]:
        """Schedule a job; of those with one priority the first comes first."""
        future: Future[Any] = Future()
        self._queue.put((priority, next(self._counter), future, job, item))
        self._threads.submit(self._run_next)
        return future

    def _run_next(self) -> None:
        _, _, future, job, item = self._queue.get()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(job(item))
        except BaseException as error:
            future.set_exception(error)


@cache
def _get_pool(threads: int) -> _ThreadPool:
    return _ThreadPool(threads)
