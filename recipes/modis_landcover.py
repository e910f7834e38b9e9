"""Train ``modis-landcover-0p05`` on MODIS land cover of 2019, and score it on held-out blocks.

    python recipes/modis_landcover.py FOLDER [OUT]

``FOLDER`` holds ``global_states_2019_0p25.nc`` (block means of MCD12C1 2019),
``global_static_0p1.nc`` (elevation, Köppen-Geiger classes) and ``global_igbp_2019_0p05.nc``
(MCD12C1 2019, IGBP classes). Blocks of 15° whose row and column add up to a multiple of three
are kept for the test; training and validation never see their truth.
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr

import xai4land

folder = Path(sys.argv[1])
out = Path(sys.argv[2] if len(sys.argv) > 2 else "modis-landcover-0p05.safetensors")
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 0

states = xr.open_dataset(folder / "global_states_2019_0p25.nc").load()
static = xr.open_dataset(folder / "global_static_0p1.nc").load()
truth = xr.open_dataset(folder / "global_igbp_2019_0p05.nc").land_cover.load()

row = np.floor((90 - truth.lat) / 15)
column = np.floor((truth.lon + 180) / 15)
test = (row + column) % 3 == 0
# Where a coarse cell is all water there is nothing to learn; Antarctica is all ice.
water = states.water.isel(time=0, drop=True).reindex_like(truth, method="nearest")
judged = (water < 1 - 1e-6) & (truth.lat > -60)

emulator = states.ai4land.fit(
    truth.where(~test),
    static=static,
    legend="land_states",
    name="modis-landcover-0p05",
    title="Land cover at 0.05° from land-use states at 0.25°, as MODIS sees it (2019)",
    licence="weights: Apache-2.0; trained on NASA MCD12C1 v006 2019 (public domain), "
    "NASA NEO elevation (public domain), Köppen-Geiger classes of Rubel et al. 2017",
    command=f"python recipes/modis_landcover.py FOLDER OUT {SEED}",
    parameters={"widths": [32, 48, 64, 96], "dropout": 0.15},
    window=160,
    epochs=26,
    steps=50,
    batch_size=8,
    learning_rate=3e-3,
    weight_decay=0.1,
    seed=SEED,
)

# Chosen on the training blocks after training, with which it does not interfere: docs/scores.md.
outputs = emulator.card.outputs.model_copy(update={"smooth": 0.3, "patch": 0.5})
emulator = xai4land.Emulator(emulator.card.with_(outputs=outputs), emulator.weights)
emulator.save(out)

land = truth.where(test & judged & (truth != 0))
coarse = states.isel(time=0, drop=True).drop_vars("water").to_dataarray()
mixed = (coarse.max("variable") < 0.999 * coarse.sum("variable")).reindex_like(
    truth, method="nearest"
)
world = states.ai4land.reconstruct(emulator, static=static, target=truth)
on_land = world.ai4land.evaluate(land).compute()
in_mixed = world.ai4land.evaluate(land.where(mixed)).compute()
for name, scores in (("held-out land", on_land), ("held-out land, mixed cells", in_mixed)):
    print(f"\n{name}\n{scores.ai4land.summarise().to_string()}")

metrics = dict(emulator.card.metrics)
for name, scores in (("held-out land", on_land), ("held-out mixed cells", in_mixed)):
    one = scores.sel(source="emulator")
    metrics[name] = {k: round(float(one[k]), 4) for k in ("accuracy", "mean_iou", "macro_f1")}
training = {**emulator.card.training, "test": "15 degree blocks with (row + column) % 3 == 0"}
xai4land.Emulator(emulator.card.with_(metrics=metrics, training=training), emulator.weights).save(
    out
)
print(f"\nwrote {out}, {out.stat().st_size / 1e6:.2f} MB")
