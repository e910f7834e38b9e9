"""Imports: milliseconds until the accessors are there, beside xarray alone."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import Any

import pandas as pd
from common import Settings, in_turn, middle

__all__ = ["table"]

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def table(settings: Settings) -> pd.DataFrame:
    """Measured inside new interpreters; short, so more often than the rest."""
    jobs = {what: partial(seconds, what) for what in ("xarray", "xarray, xai4land")}
    rows: list[dict[str, Any]] = []
    for what, runs in in_turn(jobs, 3 * settings.repeats).items():
        taken, spread = middle(runs)
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
    """To import some modules, starting Python left out."""
    return float(subprocess.check_output([sys.executable, "-c", CODE.format(what)]))
