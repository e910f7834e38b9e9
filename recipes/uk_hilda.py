"""Fit on HILDA+ over the UK and Ireland of 2009, and reconstruct 2012 from its states.

    python recipes/uk_hilda.py FOLDER [OUT]

``FOLDER`` holds ``uk_states_0p25.nc``, ``uk_static_0p01.nc`` and ``uk_hilda_0p01.nc``.
"""

import sys
from pathlib import Path

import xarray as xr

import xai4land  # noqa: F401

folder = Path(sys.argv[1])
out = Path(sys.argv[2] if len(sys.argv) > 2 else "uk-hilda.safetensors")

states = xr.open_dataset(folder / "uk_states_0p25.nc")
static = xr.open_dataset(folder / "uk_static_0p01.nc")
truth = xr.open_dataset(folder / "uk_hilda_0p01.nc").load()

emulator = states.isel(time=[0]).ai4land.fit(
    truth.isel(time=[0]),
    static=static,
    name="uk-hilda",
    title="HILDA+ land cover of the UK and Ireland at 0.01°",
    licence="CC-BY-4.0 (HILDA+ v1, Winkler et al. 2021)",
    command="python recipes/uk_hilda.py FOLDER",
    parameters={"widths": [24, 32, 48, 64], "dropout": 0.15},
    window=128,
    epochs=10,
    steps=40,
    batch_size=4,
    learning_rate=3e-3,
)
emulator.save(out)
print(emulator)
# The emulator sees in the climate zones where the sea is; the baselines must know it, too.
land = static.koppen != 32
now = states.isel(time=[1]).ai4land.reconstruct(emulator, static=static, land=land)
print(now.ai4land.evaluate(truth.isel(time=[1])).ai4land.summarise().to_string())
before = truth.land_cover.isel(time=0, drop=True)
after = truth.land_cover.isel(time=1, drop=True)
same = ((before == after) & after.notnull()).sum() / after.notnull().sum()
print(f"copying the map of 2009: accuracy {float(same):.3f}")
