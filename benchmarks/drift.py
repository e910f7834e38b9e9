"""Measure how maps that follow from each other drift away from the truth, year by year.

    python benchmarks/drift.py [--data FOLDER] [--out FOLDER] [--quick]

On the sample's history of land use an emulator learns from one planet (seed 1, 1950 to 1980):
trained on true prior maps alone, or on its own ones, too, with the same number of steps in all. It
is rolled out freely, in steps of a year, on the west of another planet (seed 0) from 1950 to 2010.
``--data`` adds the UK from 2009 to 2012, in three steps of a year and in one of three; the emulator
has learned from other blocks. Emulators and maps are kept in ``--out``, and not made again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from uk_years import score_uk

import xai4land
from xai4land_land.change.pairs import choose_pairs
from xai4land_land.change.references import change_reference

FIRST, LEARNED, LAST = 1950, 1980, 2010
LEADS = (14, 30, 60)
SCORES = ("accuracy", "macro_f1", "mean_iou", "figure_of_merit")
INTERVALS = ("accuracy", "mean_iou", "figure_of_merit")
BLOCK_DEGREES = 2.0
SETTINGS: dict[str, Any] = {
    "window": 64,
    "parameters": {"widths": [16, 24, 32]},
    "steps": 40,
    "batch_size": 4,
    "learning_rate": 3e-3,
    "masked": 0.05,
    "masked_at_end": 0.0,
    "workers": 1,
}


def fit(path: Path, epochs: int, rollouts: int) -> xai4land.Emulator:
    """Train on another planet, forward in steps of one and of four years."""
    if path.exists():
        return xai4land.Emulator.load(path)
    years = range(FIRST, LEARNED + 1)
    world = xai4land.sample("land_history", seed=1, years=years)
    pairs = [(a, b) for a, b in choose_pairs(years, years, steps=(1, 4)) if a < b]
    began = time.process_time()
    emulator = world.ai4land.fit(
        world.land_cover,
        prior=world.land_cover,
        pairs=pairs,
        rollouts=rollouts,
        name=path.stem,
        epochs=epochs,
        progress=False,
        **SETTINGS,
    )
    emulator.save(path)
    metrics = emulator.card.metrics["validation_loss"], emulator.card.outputs.threshold
    print(
        f"{path.stem}: {time.process_time() - began:.0f} s, loss, threshold {metrics}", flush=True
    )
    return emulator


def roll_out(path: Path, world: xr.Dataset, emulator: Any, exchange: bool = False) -> xr.DataArray:
    """Return the maps of all years from the first one, computed once."""
    if not path.exists():
        began = time.process_time()
        made = world.ai4land.reconstruct(
            emulator, prior=world.land_cover.isel(time=0), exchange=exchange, baselines=False
        )
        # Step by step, so that no year is made twice.
        made.ai4land.write(path, progress=False)
        print(f"{path.stem}: {time.process_time() - began:.0f} s", flush=True)
    return xai4land.open_store(path).land_cover.load()


def score_rollouts(out: Path, epochs: int, last: int) -> xr.Dataset:
    """Roll out on the west of another planet, and return scores of all years with intervals."""
    world = xai4land.sample("land_history", seed=0, years=range(FIRST, last + 1))
    world = world.isel({name: slice(world.sizes[name] // 2) for name in ("lon", "lon_fine")})
    network = fit(out / "true-priors.safetensors", 2 * epochs, 0)
    runs = {
        "": (network, False),
        "_exchange": (network, True),
        "_own_maps": (fit(out / "own-maps.safetensors", epochs, 1), False),
    }
    for rule in ("density", "random"):
        runs[f"_{rule}"] = (change_reference(rule, world, world.land_cover), False)
    maps = {
        f"land_cover{name}": roll_out(out / f"maps{name}.zarr", world, *run)
        for name, run in runs.items()
    }
    data = xr.Dataset(maps)
    return data.ai4land.score_years(world.land_cover, FIRST, blocks=BLOCK_DEGREES).compute()


def tabulate(scores: xr.Dataset) -> pd.DataFrame:
    """Return scores with 90 % intervals, one row a lead and source."""
    scores = scores.sel(factor=1)
    rows: dict[tuple[int, str], Mapping[str, str]] = {}
    for lead in LEADS:
        for k in np.flatnonzero(scores.lead == lead):
            for source in scores.source.values.tolist():
                here = scores.isel(time=k).sel(source=source)
                row = {name: f"{float(here[name]):.3f}" for name in SCORES}
                for name in INTERVALS:
                    low, high = here[f"{name}_interval"].values
                    row[name] += f" ({low:.3f} to {high:.3f})"
                row["urban"] = f"{float(here.iou.sel(land_cover_class='urban')):.3f}"
                rows[lead, source] = row
    table = pd.DataFrame(rows).T
    table.index.names = ["lead", "source"]
    return table


def main() -> None:
    """Print the tables, and draw scores by year."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with land/uk_*.nc")
    parser.add_argument("--out", type=Path, default=Path("drift"))
    parser.add_argument("--quick", action="store_true", help="14 years, hardly trained")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    last = FIRST + LEADS[0] if given.quick else LAST
    scores = score_rollouts(given.out, 1 if given.quick else 5, last)
    print(f"\nfrom {FIRST} to {last}\n{tabulate(scores).to_string()}", flush=True)
    scores.ai4land.plot_years(classes=("urban",)).savefig(given.out / "drift.png", dpi=120)
    if given.data is None:
        print("the UK is left out: no --data")
        return
    print(f"\nUK, 2012\n{score_uk(given.data / 'land', given.out).to_string()}")


if __name__ == "__main__":
    main()
