"""Seasonal: 100 members of a global field by the bundled emulator, one start and twenty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd
from common import Settings, measure, median_and_spread, run_in_turn

import xai4land
from xai4land_seasonal import forecast

__all__ = ["table"]

MEMBERS = 100


def table(settings: Settings) -> pd.DataFrame:
    """Emulator and references, from monthly fields in memory to members in memory."""
    jobs: dict[str, Callable[[], float]] = {
        "seasonal, a start": partial(once, "seasonal", [1999]),
        "seasonal, 20 starts": partial(once, "seasonal", range(1980, 2000)),
        "trend + damped persistence, a start": partial(once, "trend + damped persistence", [1999]),
        "eof-ridge, a start": partial(once, "eof-ridge", [1999]),
    }
    rows: list[dict[str, Any]] = []
    for what, runs in run_in_turn(jobs, settings.repeats).items():
        seconds, spread = median_and_spread(runs)
        rows.append({"": what, "seconds": seconds, "fastest": min(runs), "spread %": spread})
    return pd.DataFrame(rows)


def once(emulator: str, years: Sequence[int]) -> float:
    """Seconds of the second forecast; the first one loads the emulator and learns the past."""
    obs = xai4land.sample("climate", years=range(1880, 2000))[["tas"]]
    chosen = xai4land.load_emulator(emulator) if emulator == "seasonal" else emulator
    for _ in range(2):
        made = partial(forecast, obs, "DJF", members=MEMBERS, years=years, emulator=chosen)
        last = measure(lambda make=made: make(climatology=(1951, 1979)).compute())
    return last.seconds
