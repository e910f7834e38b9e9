"""Measure what exact areas cost, and how rough maps are, with ``modis-landcover-0p05``.

    python recipes/modis_areas.py FOLDER [PICTURES]

``FOLDER`` holds the files of ``modis_landcover.py``. Scores are of its held-out blocks; pictures
(areas-curve.png and members.png) go into ``PICTURES``, by default docs/images.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import xai4land
import xai4land_land

folder = Path(sys.argv[1])
pictures = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images")
TOLERANCES = (0.02, 0.05, 0.1, 0.2)
MIXED = 0.9
"""Largest fraction of the land of a mixed cell."""

states = xr.open_dataset(folder / "global_states_2019_0p25.nc").load()
static = xr.open_dataset(folder / "global_static_0p1.nc").load()
truth = xr.open_dataset(folder / "global_igbp_2019_0p05.nc").land_cover.load()
row, column = np.floor((90 - truth.lat) / 15), np.floor((truth.lon + 180) / 15)
water = states.water.isel(time=0, drop=True).reindex_like(truth, method="nearest")
judged = (water < 1 - 1e-6) & (truth.lat > -60) & (truth != 0) & ((row + column) % 3 == 0)
coarse = states.isel(time=0, drop=True).drop_vars("water").to_dataarray()
mixed = coarse.max("variable") < MIXED * coarse.sum("variable")

how = {"static": static, "target": truth}
world = states.ai4land.reconstruct("modis-landcover-0p05", **how).compute()
world = world.drop_vars("confidence")
for areas in ("exact", *TOLERANCES):
    made = states.ai4land.reconstruct(areas=areas, baselines=False, **how)
    world[f"land_cover_{areas}"] = made.land_cover.compute()
for areas in ("free", "exact"):
    made = states.ai4land.reconstruct(areas=areas, members=1, baselines=False, **how)
    world[f"land_cover_drawn_{areas}"] = made.land_cover.isel(realization=0, drop=True).compute()

scores = {}
for name, where in (("all cells", None), ("mixed cells", mixed)):
    found = world.ai4land.evaluate(truth.where(judged), where=where, cells=0.25, blocks=15)
    scores[name] = found = found.compute()
    columns = ["accuracy", "mean_iou", "boundary_density", "border_ratio", "misplaced_area"]
    table = found[columns].to_dataframe()[columns].round(4)
    table["urban bias %"] = found.area_bias.sel(land_cover_class="urban").to_series().round(1)
    table["largest bias %"] = abs(found.area_bias).max("land_cover_class").to_series().round(1)
    gain = found.accuracy_gain_interval.to_dataframe().accuracy_gain_interval.unstack("bound")
    table["loss from"], table["to"] = gain["lower"].round(4), gain["upper"].round(4)
    print(f"\n{name}\n{table.to_string()}")
    print(f"truth: boundaries {float(found.true_boundary_density):.4f}, ", end="")
    print(f"border ratio {float(found.true_border_ratio):.3f}")
    print(found.area_bias.to_pandas().round(1).to_string())

lags = (1, 2, 3, 5, 8, 12, 16)
shown = truth.where(judged, 255).astype(np.uint8)
classes = xai4land.load_emulator("modis-landcover-0p05").card.outputs
legend = xai4land_land.LAND_STATES
codes = legend.positions(truth)
own = xr.full_like(shown, 255)
for code, place in codes.items():
    own = own.where(shown != code, place)
maps = {"truth": own}
for name, variable in (("most likely", "land_cover"), ("drawn", "land_cover_drawn_free")):
    made = world[variable].isel(time=0, drop=True)
    maps[name] = own.copy(data=np.where(own != 255, made, 255).astype(np.uint8))
from xai4land.scores.structure import measure_patches, variogram  # noqa: E402

figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
found = scores["all cells"]
bias = abs(found.area_bias).mean("land_cover_class")
points = ["exact", *map(str, TOLERANCES), "emulator"]
axes[0].plot(
    bias.sel(source=points), found.accuracy.sel(source=points), marker="o", color="#1b7837"
)
for point in points:
    label = {"emulator": "free"}.get(point, point)
    place = float(bias.sel(source=point)), float(found.accuracy.sel(source=point))
    axes[0].annotate(label, place, textcoords="offset points", xytext=(6, -4))
axes[0].set(xlabel="mean bias of the classes' areas (%)", ylabel="accuracy")
for (name, map_), style in zip(maps.items(), ("-", "--", ":"), strict=True):
    axes[1].plot(lags, variogram(map_, ("lat", "lon"), lags), style, label=name, color="black")
axes[1].set(xlabel="pixels apart", ylabel="share of pairs of different classes")
axes[1].legend(frameon=False)
for axis in axes:
    axis.spines[["top", "right"]].set_visible(False)
figure.savefig(pictures / "areas-curve.png", dpi=90)

print("\npatches of the held-out land: number, and mean size in pixels")
for name, map_ in maps.items():
    count, size = measure_patches(map_.values, len(classes.classes))
    print(f"{name:12s} {count.tolist()} {size.round(1).tolist()}")

part = states.sel(lat=slice(50, 46), lon=slice(4, 12))
area = truth.sel(lat=slice(50, 46), lon=slice(4, 12))
four = part.ai4land.reconstruct(static=static, target=area, members=3, baselines=False).compute()
beside = {f"member {m}": four.land_cover.isel(realization=m) for m in range(3)}
one = part.ai4land.reconstruct(static=static, target=area, baselines=False).compute()
one = one.drop_vars("confidence")
picture = one.ai4land.plot(
    beside={
        **beside,
        "MODIS": own.sel(area.coords).assign_attrs(one.land_cover.attrs).expand_dims(time=one.time),
    }
)
picture.savefig(pictures / "members.png", dpi=80)
