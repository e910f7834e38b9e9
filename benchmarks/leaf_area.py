"""What leaf area of a band of the globe at 0.1° costs beyond its network alone.

    python benchmarks/leaf_area.py [--rows 200] [--architecture months-rnn --width 32]

The inputs are those of ``leaf-area``; another architecture has random weights. One month of a band
of 3600 columns, all land, under a climate of 2.5°. The bare network gets the same number of pixels,
already made, in windows of the same size. Both in processor time of one thread.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
import xarray as xr

from xai4land.emulator import load_emulator
from xai4land.emulator.build import build
from xai4land_land import leaf_area
from xai4land_land.leaf.emulator import LeafAreaEmulator

STEP, COARSE = 0.1, 2.5
ROWS_OF_GLOBE = 1800
LAND = 0.3
"""Share of the globe's pixels."""


def make_band(rows: int, emulator: LeafAreaEmulator) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Make land cover, climate and elevation at random."""
    rng = np.random.default_rng(0)
    lat, lon = 20 + STEP * (np.arange(rows) + 0.5), -180 + STEP * (np.arange(3600) + 0.5)
    names = emulator.card.outputs.coarse_inputs
    shares = rng.dirichlet(np.ones(len(names) + 1), (rows, 3600)).astype("f4")
    place = {"lat": lat, "lon": lon}
    cover = xr.Dataset({n: (("lat", "lon"), shares[..., k]) for k, n in enumerate(names)}, place)
    height = rng.uniform(0, 2000, (rows, 3600)).astype("f4")
    static = xr.Dataset({"elevation": (("lat", "lon"), height, {"units": "m"})}, place)
    time_ = pd.date_range("2000-01-15", periods=12, freq="MS") + pd.Timedelta(days=14)
    coords = {
        "time": time_,
        "lat": np.arange(-88.75, 90, COARSE),
        "lon": np.arange(-178.75, 180, COARSE),
    }
    dims, shape = ("time", "lat", "lon"), (12, 72, 144)
    tas = rng.normal(285, 8, shape).astype("f4")
    climate = xr.Dataset({"tas": (dims, tas, {"units": "K"})}, coords)
    if "pr" in emulator.card.climate:
        climate["pr"] = (dims, rng.gamma(2, 1e-5, shape).astype("f4"), {"units": "kg m-2 s-1"})
    return cover, climate, static


def main() -> None:
    """Measure both, and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--architecture", default="")
    parser.add_argument("--width", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    emulator = load_emulator("leaf-area")
    assert isinstance(emulator, LeafAreaEmulator)
    if options.architecture:
        about = {"name": options.architecture, "parameters": {"width": options.width}}
        card = emulator.card.with_(architecture=about)
        emulator = LeafAreaEmulator(card, build(card).state_dict())
    cover, climate, static = make_band(options.rows, emulator)
    made = leaf_area(cover, climate, emulator, static=static)
    leaf_area(cover.isel(lat=slice(64)), climate, emulator, static=static).compute()
    began = time.process_time()
    made.compute(scheduler="sync")
    whole = time.process_time() - began
    size = emulator.card.window.size
    network = build(emulator.card)
    network.load_state_dict(emulator.weights)
    x, codes = torch.randn(1, emulator.card.channels, size, size), torch.zeros(1, 0, size, size)
    count = -(-options.rows * 3600 // size**2)
    with torch.inference_mode():
        network.eval()(x, codes)
        began = time.process_time()
        for _ in range(count):
            network(x, codes)
    bare = time.process_time() - began
    pixels = options.rows * 3600
    year = whole / pixels * ROWS_OF_GLOBE * 3600 * LAND * 12 / 60
    print(
        f"{pixels / 1e6:.2f} million pixels: {whole:.1f} s, the network alone {bare:.1f} s, ratio "
        f"{whole / bare:.2f}; {whole / pixels * 1e6:.2f} µs a pixel; a year of the land of the "
        f"globe {year:.1f} minutes of one core"
    )


if __name__ == "__main__":
    main()
