"""Imports: milliseconds to register the accessors, compared with importing xarray."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import pandas as pd
from common import Settings, median_and_spread, run_in_turn

__all__ = ["table"]

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def table(settings: Settings) -> pd.DataFrame:
    """Measure inside new interpreters, more often than other tables since runs are short."""
    jobs = {what: partial(seconds, what) for what in ("xarray", "xarray, xai4land")}
    rows: list[dict[str, Any]] = []
    for what, runs in run_in_turn(jobs, 3 * settings.repeats).items():
        taken, spread = median_and_spread(runs)
        base = rows[0]["milliseconds"] if rows else 1000 * taken
        rows.append(
            {
                "import": what,
                "milliseconds": 1000 * taken,
                "spread %": spread,
                "more than xarray": 1000 * taken - base,
            }
        )
    return pd.DataFrame(rows)


def seconds(what: str) -> float:
    """Measure the import of some modules, without the start of Python."""
    return float(subprocess.check_output([sys.executable, "-c", CODE.format(what)]))
