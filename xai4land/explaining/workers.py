"""Who computes a run: this process, or the workers of an active dask client."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import dask
import numpy as np
from dask.system import CPU_COUNT

from xai4land.cluster import get_client_workers
from xai4land.device import MIN_CONCURRENT_BLOCKS, max_concurrent_blocks
from xai4land.errors import InputError

__all__ = ["Workers"]


@dataclass(frozen=True)
class Workers:
    """The workers of a run; where they differ, the weakest of them.

    Attributes
    ----------
    count : int
    concurrent_blocks : int
        Blocks that each computes at once.
    memory : float
        Bytes that each may use.
    one_core_per_block : bool
        Whether a block uses one core only, so that several blocks at once are faster.
    cores : int
        Blocks that all workers compute at once on a core of their own, as far as is known here.
    """

    count: int
    concurrent_blocks: int
    memory: float
    one_core_per_block: bool
    cores: int

    @classmethod
    def detect(cls, device: str) -> Workers:
        """Return the workers of the active client; without one, this process.

        Raises
        ------
        InputError
            If the client has no workers.

        Examples
        --------
        >>> Workers.detect("cpu").count
        1
        """
        cpu = device == "cpu"
        workers = get_client_workers()
        if workers is None:
            threads = dask.config.get("num_workers", None) or CPU_COUNT
            limit = max_concurrent_blocks(device)
            blocks = min(threads, limit or threads)
            return cls(1, blocks, _installed_memory(), limit is None, min(blocks, CPU_COUNT))
        if not workers:
            raise InputError("the active client has no workers; client.wait_for_workers(1) first")
        infos = workers.values()
        memory = min(info["memory_limit"] or np.inf for info in infos)
        threads = min(info["nthreads"] for info in infos)
        # dask starts its workers with one thread for torch.
        blocks = threads if cpu else min(threads, MIN_CONCURRENT_BLOCKS)
        local = all(address.startswith(("tcp://127.0.0.1", "inproc")) for address in workers)
        cores = min(len(infos) * blocks, CPU_COUNT if local else sys.maxsize)
        return cls(len(infos), blocks, memory, cpu, cores)


def _installed_memory() -> float:
    """Return the bytes of memory of this machine; infinite where it does not say."""
    known = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else np.inf
