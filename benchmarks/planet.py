"""Planet: a year of the sample planet with its bundled emulator, whose network is small."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pandas as pd
import torch
from common import Settings, clock, in_turn, middle
from torch.nn.modules.module import register_module_forward_pre_hook

import xai4land
from xai4land_land import reconstruct

__all__ = ["table"]


def table(settings: Settings) -> pd.DataFrame:
    """The bare network over the windows that need it, against all that a user waits for."""
    jobs: dict[str, Callable[[], float]] = {
        "bare network, resident windows": bare,
        "reconstruct": partial(whole, baselines=True),
        "reconstruct, no baselines": partial(whole, baselines=False),
    }
    rows: list[dict[str, Any]] = []
    for what, runs in in_turn(jobs, settings.repeats).items():
        seconds, spread = middle(runs)
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


def whole(**options: Any) -> float:
    """Seconds from fields in memory to maps in memory, the second time."""
    inputs = xai4land.sample("land", years=[2000]).drop_vars("land_cover")
    emulator = xai4land.load_emulator("sample-landcover")
    made = reconstruct(inputs, emulator, device="cpu", **options)
    made.compute()
    return clock(made.compute).seconds


def bare() -> float:
    """Seconds of the network over what a run has shown it; one thread a window, or all on each."""
    seen: list[tuple[torch.nn.Module, Any]] = []

    def watch(module: torch.nn.Module, given: Any) -> None:
        if type(module).__name__ == "UNet":
            seen.append((module, given))

    hook = register_module_forward_pre_hook(watch)
    whole()
    hook.remove()
    del seen[: len(seen) // 2]  # it ran twice

    def forward(part: tuple[torch.nn.Module, Any]) -> None:
        with torch.inference_mode():
            part[0](*part[1])

    together = clock(lambda: deque(map(forward, seen), maxlen=0)).seconds
    with ThreadPoolExecutor(torch.get_num_threads(), "", torch.set_num_threads, (1,)) as pool:
        return min(together, clock(lambda: list(pool.map(forward, seen))).seconds)
