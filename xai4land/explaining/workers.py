"""Who computes a run: this process, or the workers of an active dask client."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

import dask
import numpy as np
from dask.system import CPU_COUNT

from xai4land.cluster import get_client_workers
from xai4land.device import LANES, lanes
from xai4land.errors import InputError

__all__ = ["Workers"]


@dataclass(frozen=True)
class Workers:
    """Workers that are alike, or the weakest of those that are not.

    Attributes
    ----------
    count : int
    lanes : int
        Blocks that each computes at once.
    memory : float
        Bytes that each may take.
    single : bool
        Whether a block keeps one core busy, so that several blocks at once are faster.
    cores : int
        Lanes of all workers that have a core of their own, as far as it can be told from here.
    """

    count: int
    lanes: int
    memory: float
    single: bool
    cores: int

    @classmethod
    def now(cls, device: str) -> Workers:
        """The workers of the active client; without one, this process.

        Raises
        ------
        InputError
            If the client has no workers.

        Examples
        --------
        >>> Workers.now("cpu").count
        1
        """
        cpu = device == "cpu"
        workers = get_client_workers()
        if workers is None:
            threads = dask.config.get("num_workers", None) or CPU_COUNT
            most = lanes(device)
            at_once = min(threads, most or threads)
            return cls(1, at_once, _installed(), most is None, min(at_once, CPU_COUNT))
        if not workers:
            raise InputError("the active client has no workers; client.wait_for_workers(1) first")
        found = workers.values()
        memory = min(worker["memory_limit"] or np.inf for worker in found)
        threads = min(worker["nthreads"] for worker in found)
        # Dask starts its workers with one thread for torch.
        at_once = threads if cpu else min(threads, LANES)
        here = all(address.startswith(("tcp://127.0.0.1", "inproc")) for address in workers)
        cores = min(len(found) * at_once, CPU_COUNT if here else sys.maxsize)
        return cls(len(found), at_once, memory, cpu, cores)


def _installed() -> float:
    """Memory of this machine, where it can be told."""
    known = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else np.inf
