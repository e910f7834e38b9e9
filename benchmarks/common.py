"""Settings, new interpreters, interleaved runs and medians, for all tables."""

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

__all__ = ["Cost", "Settings", "measure", "median_and_spread", "run_in_new_process", "run_in_turn"]

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """Settings from the command line.

    Attributes
    ----------
    folder : Path
        Folder of temporary inputs and outputs.
    domain : int
        Pixels along a side of the region that speed is measured on; other tables take parts.
    repeats : int
        Number of runs of each contestant.
    networks : tuple of str
        Names among ``emulators.NETWORKS`` whose speed is measured.
    quick : bool
        Whether to use small sizes, to test that the benchmark runs.
    write : bool
        Whether speeds of bundled emulators are kept beside their files.
    """

    folder: Path
    domain: int
    repeats: int
    networks: tuple[str, ...]
    quick: bool
    write: bool = False


class Cost(NamedTuple):
    """Cost of a run: seconds, peak resident memory of its process in MB, seconds of the CPU."""

    seconds: float
    peak: float
    processor: float


def measure(action: Callable[[], object]) -> Cost:
    """Run once, and measure time and memory."""
    start, used = time.perf_counter(), time.process_time()
    action()
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    return Cost(seconds, _peak(), processor)


def _peak() -> float:
    status = Path("/proc/self/status")
    if not status.exists():  # macOS counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    # On Linux getrusage() would count the process that started this one, too.
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def run_in_new_process(job: Callable[[], T]) -> T:
    """Run a job in a new interpreter, without threads, caches or memory of others."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(job).result()


def run_in_turn(jobs: Mapping[str, Callable[[], T]], repeats: int) -> dict[str, list[T]]:
    """Run each job once, then each again, so that a slow period affects all of them."""
    found: dict[str, list[T]] = {name: [] for name in jobs}
    for turn in range(repeats):
        for name, job in jobs.items():
            found[name].append(run_in_new_process(job))
            seen = f"  {turn + 1}/{repeats} {name}: {found[name][-1]}"
            print(seen, file=sys.stderr, flush=True)
    return found


def median_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Compute the median and the spread (largest minus smallest, in percent of the median)."""
    median = statistics.median(values)
    return median, 100 * (max(values) - min(values)) / median
