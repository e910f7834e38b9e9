"""Memory: peak resident memory of a run, for domains up to a band around the globe."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial

import pandas as pd
from common import Cost, Settings, measure, median_and_spread, run_in_turn
from emulators import make_card
from ours import run_ours
from world import World, region

__all__ = ["table"]

IMPORTS_ONLY = "imports alone"
LIMIT_MB = 4000
"""MB that a run may use, for any domain."""


def table(settings: Settings) -> pd.DataFrame:
    """Measure domains of one, four and sixteen times as many pixels, and 14.4° around the globe."""
    worlds = {
        f"{size} x {size}": (region(size), "tiny")
        for size in (settings.domain // 4, settings.domain // 2, settings.domain)
    }
    size = settings.domain // 2
    worlds[f"{size} x {size}, 2M network"] = region(size), "2M"
    band = _band(0.1 if settings.quick else 0.01)
    worlds[f"band of {band.rows} x {band.columns}"] = band, "tiny"
    for world, _ in worlds.values():
        world.store(settings.folder)
    jobs: dict[str, Callable[[], Cost]] = {
        what: partial(run_ours, settings.folder, world, make_card(world, network))
        for what, (world, network) in worlds.items()
    }
    taken = run_in_turn({IMPORTS_ONLY: run_nothing, **jobs}, settings.repeats)
    rows = []
    for what, runs in taken.items():
        peak, spread = median_and_spread([run.peak for run in runs])
        seconds = median_and_spread([run.seconds for run in runs])[0]
        pixels = worlds[what][0].pixels if what in worlds else None
        rows.append(
            {
                "": what,
                "peak MB": round(peak),
                "spread %": spread,
                "of imports": peak
                / median_and_spread([run.peak for run in taken[IMPORTS_ONLY]])[0],
                f"of {LIMIT_MB} MB": peak / LIMIT_MB,
                "seconds": seconds if pixels else None,
                "Mpx/s": pixels / seconds if pixels else None,
            }
        )
        if what in worlds and worlds[what][0] == band:
            hours = seconds * 180 / (band.rows * band.step) / 3600
            print(f"At this rate the globe at {band.step:g}° takes {hours:.2f} hours a year.")
    return pd.DataFrame(rows)


def run_nothing() -> Cost:
    """Measure a process that has only imported everything."""
    return measure(gc.collect)


def _band(step: float) -> World:
    """Make a band around the globe across the equator; the states are noise, the features zeros."""
    rows, columns = round(14.4 / step), round(360 / step)
    return World(rows, columns, step, 25, north=7.5, chunk=2048, written=False)
