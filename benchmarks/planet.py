"""Planet: a year of the sample planet with its bundled emulator, whose network is small."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pandas as pd
import torch
from common import Settings, measure, median_and_spread, run_in_turn
from torch.nn.modules.module import register_module_forward_pre_hook

import xai4land
from xai4land_land import reconstruct

__all__ = ["table"]


def table(settings: Settings) -> pd.DataFrame:
    """Compare the network over the windows that need it with whole runs."""
    jobs: dict[str, Callable[[], float]] = {
        "bare network, resident windows": run_bare,
        "reconstruct": partial(run_reconstruct, baselines=True),
        "reconstruct, no baselines": partial(run_reconstruct, baselines=False),
    }
    rows: list[dict[str, Any]] = []
    for what, runs in run_in_turn(jobs, settings.repeats).items():
        seconds, spread = median_and_spread(runs)
        base = rows[0]["seconds"] if rows else seconds
        rows.append(
            {
                "": what,
                "seconds": seconds,
                "spread %": spread,
                "of the bare network": base / seconds,
            }
        )
    return pd.DataFrame(rows)


def run_reconstruct(**options: Any) -> float:
    """Measure seconds from fields in memory to maps in memory, in a second run."""
    inputs = xai4land.sample("land", years=[2000]).drop_vars("land_cover")
    emulator = xai4land.load_emulator("sample-landcover")
    made = reconstruct(inputs, emulator, device="cpu", **options)
    made.compute()
    return measure(made.compute).seconds


def run_bare() -> float:
    """Measure the network over the windows of a run, with one or all threads on each."""
    seen: list[tuple[torch.nn.Module, Any]] = []

    def record(module: torch.nn.Module, inputs: Any) -> None:
        if type(module).__name__ == "UNet":
            seen.append((module, inputs))

    hook = register_module_forward_pre_hook(record)
    run_reconstruct()
    hook.remove()
    del seen[: len(seen) // 2]  # it ran twice

    def forward(part: tuple[torch.nn.Module, Any]) -> None:
        with torch.inference_mode():
            part[0](*part[1])

    together = measure(lambda: deque(map(forward, seen), maxlen=0)).seconds
    with ThreadPoolExecutor(torch.get_num_threads(), "", torch.set_num_threads, (1,)) as pool:
        return min(together, measure(lambda: list(pool.map(forward, seen))).seconds)
