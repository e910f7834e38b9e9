"""Measure what users wait for: python benchmarks/run.py

Every figure is a median of several runs, beside a baseline of the same session:

- the import, against importing xarray alone, in fresh interpreters;
- a reconstruction, against the bare network on tensors that are already made (the limit).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

import xai4land
from xai4land.inputs import bind
from xai4land.tables import Table
from xai4land_land import reconstruct

RUNS = 5


def median(action: Callable[[], object], runs: int = RUNS) -> tuple[float, float]:
    """Median seconds, and the spread (largest minus smallest)."""
    action()
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), max(taken) - min(taken)


def imports() -> Table:
    """Seconds to import, measured inside fresh interpreters, taken in turn."""
    code = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    taken: dict[str, list[float]] = {"xarray": [], "xarray, xai4land": []}
    for _ in range(2 * RUNS + 1):
        for what, found in taken.items():
            command = [sys.executable, "-c", code.format(what)]
            found.append(float(subprocess.check_output(command)))
    base = statistics.median(taken["xarray"])
    return Table(
        [
            {
                "import": what,
                "milliseconds": 1000 * statistics.median(found),
                "more than xarray": 1000 * (statistics.median(found) - base),
            }
            for what, found in taken.items()
        ]
    )


def inference() -> Table:
    """A year of the sample planet: the bare network over the windows that need it, and all."""
    planet = xai4land.sample("land", years=[2000]).drop_vars("land_cover")
    emulator = xai4land.load_emulator("sample-landcover")
    bound = bind(emulator.card, planet, None, None)
    pixels = bound.target.shape[0] * bound.target.shape[1] / 1e6
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    network = emulator.network("cpu")
    hook = network.register_forward_pre_hook(lambda _, given: seen.append(given))
    reconstruct(planet, emulator, device="cpu").load()
    hook.remove()

    def bare() -> None:
        with torch.inference_mode():
            for x, codes in seen:
                network(x, codes)

    rows = []
    for what, action in (
        ("bare network, resident tensors", bare),
        ("reconstruct", lambda: reconstruct(planet, emulator, device="cpu").load()),
        (
            "reconstruct, no baselines",
            lambda: reconstruct(planet, emulator, device="cpu", baselines=False).load(),
        ),
    ):
        seconds, spread = median(action)
        base = seconds if not rows else rows[0]["seconds"]
        rows.append(
            {
                "": what,
                "seconds": seconds,
                "spread": spread,
                "Mpx/s": pixels / seconds,
                "of the bare network": base / seconds,
            }
        )
    return Table(rows)


if __name__ == "__main__":
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, numpy {np.__version__}\n")
    print(imports(), end="\n\n")
    print(inference())
