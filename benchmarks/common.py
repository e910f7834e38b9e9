"""What all tables share: settings, interpreters of their own, turns, medians."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple, TypeVar

__all__ = ["Settings", "Taken", "clock", "fresh", "in_turn", "middle"]

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What the command line says.

    Attributes
    ----------
    folder : Path
        Where inputs and outputs lie while the tables are made.
    domain : int
        Pixels along a side of the region that speed is measured on; other tables take parts.
    repeats : int
        How often each contestant runs.
    networks : tuple of str
        Names among ``emulators.NETWORKS`` whose speed is measured.
    quick : bool
        Whether to be small everywhere: to see that it runs, not how fast.
    """

    folder: Path
    domain: int
    repeats: int
    networks: tuple[str, ...]
    quick: bool


class Taken(NamedTuple):
    """What a run took: seconds, and the largest resident memory of its process in MB."""

    seconds: float
    peak: float


def clock(action: Callable[[], object]) -> Taken:
    """Run once."""
    start = time.perf_counter()
    action()
    seconds = time.perf_counter() - start
    return Taken(seconds, _peak())


def _peak() -> float:
    status = Path("/proc/self/status")
    if not status.exists():  # macOS counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    # On Linux getrusage() would count the process that started this one, too.
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def fresh(job: Callable[[], T]) -> T:
    """A job's answer from a new interpreter: nobody else's threads, caches or memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(job).result()


def in_turn(jobs: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Each job once, then each again: what slows the machine for a while hits all alike."""
    found: dict[str, list[T]] = {name: [] for name in jobs}
    for turn in range(repeats):
        for name, job in jobs.items():
            found[name].append(fresh(job))
            seen = f"  {turn + 1}/{repeats} {name}: {found[name][-1]}"
            print(seen, file=sys.stderr, flush=True)
    return found


def middle(values: Sequence[float]) -> tuple[float, float]:
    """The median, and the spread: largest minus smallest, in percent of the median."""
    median = statistics.median(values)
    return median, 100 * (max(values) - min(values)) / median
