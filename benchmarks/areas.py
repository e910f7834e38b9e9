"""Areas: a year of the sample planet whose areas agree with the states, and one with free areas."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd
from common import Settings, median_and_spread, run_in_turn
from planet import run_reconstruct

__all__ = ["table"]

KINDS = ("free", "exact", 0.05)


def table(settings: Settings) -> pd.DataFrame:
    """Compare seconds of a map, in memory, for each kind of areas."""
    jobs = {str(areas): partial(run_reconstruct, areas=areas) for areas in KINDS}
    rows: list[dict[str, Any]] = []
    for areas, runs in run_in_turn(jobs, settings.repeats).items():
        seconds, spread = median_and_spread(runs)
        free = rows[0]["seconds"] if rows else seconds
        rows.append(
            {"areas": areas, "seconds": seconds, "spread %": spread, "of free": seconds / free}
        )
    return pd.DataFrame(rows)
