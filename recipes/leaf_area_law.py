"""Learn leaf area of the sample planet, whose law is known, and score it where nothing was seen.

    python recipes/leaf_area_law.py [ARCHITECTURE [SPLIT [OUT]]]

``SPLIT`` numbers a choice of blocks. A quarter of the blocks of 30° and the last two years are seen
by nothing before the scores: neither by the emulator, nor by the references. Of what is left, a
share of the blocks and the last year judge which weights are best and how wide the spread is. The
truth of the scores is the law's value without the noise of observation: all that can be explained.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr

import xai4land
from xai4land.training.split import block_numbers
from xai4land_land import fit_leaf_area, leaf_area, leaf_area_reference, score_leaf_area

YEARS, HELD, TEST = range(2000, 2005), 2005, (2006, 2007)
TEST_SHARE, DEGREES = 0.25, 30.0
REFERENCES = ("zone_climatology", "regression", "boosting")
"""Those that know something of blocks that they have not seen."""
SETTINGS = {
    "months-rnn": {"parameters": {"width": 32}, "epochs": 30, "steps": 120},
    "months-mlp": {"parameters": {"width": 64}, "epochs": 30, "steps": 120},
}
BOUNDS = {"cropland": 8, "pasture": 6, "forest": 8, "grass_shrub": 6, "sparse": 2}
INTERVAL = 1.645
"""Spreads on each side of the mean, within which 90 % should lie."""
NOTHING_GROWS = 0.01


def choose_blocks(data: xr.Dataset, split: int) -> xr.DataArray:
    """Return where the blocks of the test are, (lat, lon)."""
    numbers = block_numbers(data.lat.values, data.lon.values, DEGREES)
    unique = np.unique(numbers)
    count = round(TEST_SHARE * unique.size)
    chosen = np.random.default_rng(split).choice(unique, count, replace=False)
    return xr.DataArray(np.isin(numbers, chosen), {"lat": data.lat, "lon": data.lon})


def report(name: str, made: xr.Dataset, truth: xr.DataArray, observed: xr.DataArray) -> None:
    """Print shares of what can be explained, with intervals, and how many the spread holds."""
    scores = score_leaf_area(made.leaf_area_index, truth, block=DEGREES)
    text = [f"RMSE {float(scores.rmse):.3f}"]
    for label, score in (("law", "r2"), ("cycle", "cycle_share"), ("anomalies", "anomaly_share")):
        low, high = scores[f"{score}_interval"].values
        text.append(f"{label} {float(scores[score]):.3f} ({low:.3f} to {high:.3f})")
    if "leaf_area_index_spread" in made:
        error = abs(made.leaf_area_index.values - observed.values)
        inside = error <= INTERVAL * made.leaf_area_index_spread.values
        text.append(f"within the interval {inside[truth.values > NOTHING_GROWS].mean():.3f}")
    print(f"{name:20s} {', '.join(text)}", flush=True)


def main(architecture: str = "months-mlp", split: str = "1", out: str = "") -> None:
    """Train, score, and score the references; write the emulator to ``out``."""
    torch.set_num_threads(1)
    data = xai4land.sample("leaf_area", years=[*YEARS, HELD, *TEST])
    climate = xai4land.sample("land_climate", years=[YEARS[0] - 1, *YEARS, HELD, *TEST])
    test = choose_blocks(data, int(split))
    learned = data.leaf_area_index.sel(time=slice(None, str(HELD))).where(~test)
    began = time.process_time()
    settings: Mapping[str, object] = SETTINGS[architecture]
    emulator = fit_leaf_area(
        data,
        climate,
        learned,
        bounds=BOUNDS,
        architecture=architecture,
        validation_years=[HELD],
        learning_rate=1e-2,
        batch_size=4,
        **settings,  # type: ignore[arg-type]
    )
    print(f"{architecture}: {(time.process_time() - began) / 60:.1f} minutes of one core")
    if out:
        emulator.save(out)
    years = {"time": slice(str(TEST[0]), str(TEST[-1]))}
    truth = data.expected_leaf_area_index.sel(years).where(test)
    observed = data.leaf_area_index.sel(years).where(test)
    for name, lost in (("emulator", []), ("without rain", ["pr"]), ("only tas", ["pr", "rsds"])):
        made = leaf_area(data, climate.drop_vars(lost), emulator).sel(years).compute()
        report(name, made, truth, observed)
    for name in REFERENCES:
        rule = leaf_area_reference(name, data, climate.sel(time=slice(None, str(HELD))), learned)
        report(name, rule.leaf_area(data, climate).sel(years), truth, observed)


if __name__ == "__main__":
    main(*sys.argv[1:])
