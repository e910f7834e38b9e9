"""Measure what exact areas cost, and how rough maps are, with ``modis-landcover-0p05``.

    python recipes/modis_areas.py FOLDER [PICTURES]

``FOLDER`` holds the files of ``modis_landcover.py``. Scores are of its held-out blocks; pictures
(areas-curve.png and members.png) go into ``PICTURES``, by default docs/images.
"""

import itertools
import sys
from pathlib import Path

import dask
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

import xai4land
import xai4land_land

folder = Path(sys.argv[1])
pictures = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/images")
TOLERANCES = (0.02, 0.05, 0.1, 0.2)
MIXED = 0.9
"""Largest fraction of the land of a mixed cell."""

CURVE = ("misplaced_area", "accuracy", "mean_iou")


def draw_curve(misplaced, accuracy, mean_iou, points) -> None:
    """Draw what areas cost: areas-curve.png."""
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), layout="constrained")
    for axis, values, what in zip(
        axes, (accuracy, mean_iou), ("accuracy", "mean IoU"), strict=True
    ):
        axis.plot(misplaced, values, marker="o", color="#1b7837")
        for point, *place in zip(points, misplaced, values, strict=True):
            label = {"emulator": "free", "exact": "exact"}.get(point, f"within {point}")
            last = point == "emulator"
            axis.annotate(
                label, place, textcoords="offset points", xytext=(4, 5) if last else (6, -10)
            )
        axis.set(xlabel="area in another coarse cell than in the truth (%)", ylabel=f"{what} (%)")
        axis.margins(0.17)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(pictures / "areas-curve.png", dpi=90)


states = xr.open_dataset(folder / "global_states_2019_0p25.nc").load()
static = xr.open_dataset(folder / "global_static_0p1.nc").load()
truth = xr.open_dataset(folder / "global_igbp_2019_0p05.nc").land_cover.load()
row, column = np.floor((90 - truth.lat) / 15), np.floor((truth.lon + 180) / 15)
water = states.water.isel(time=0, drop=True).reindex_like(truth, method="nearest")
possible = (water < 1 - 1e-6) & (truth.lat > -60) & truth.notnull() & ((row + column) % 3 == 0)
judged = possible & (truth != 0)
coarse = states.isel(time=0, drop=True).drop_vars("water").to_dataarray()
largest = coarse.max("variable") / coarse.sum("variable")
mixed = largest < MIXED
on_pixels = largest.reindex_like(truth, method="nearest")
EDGES = (0.0, 0.5, 0.7, 0.9, 0.999, 2.0)
KINDS = {
    f"{low} to {high}": (on_pixels >= low) & (on_pixels < high)
    for low, high in itertools.pairwise(EDGES)
}
KINDS["all"] = on_pixels >= 0

how = {"static": static, "target": truth}
world = states.ai4land.reconstruct("modis-landcover-0p05", **how).compute()
expected = {}
for areas in ("free", "exact", *TOLERANCES):
    made = states.ai4land.reconstruct(areas=areas, baselines=False, probabilities=True, **how)
    made = made.assign_coords(lat=truth.lat, lon=truth.lon)  # without rounding errors of files
    dry = 1 - made.land_cover_probability.isel(land_cover_class=0, drop=True)  # water is the first
    sure = made.confidence.where(made.land_cover != 0, 0.0)
    # How often it is right if the probabilities are, on what the truth may say is land.
    sums = {}
    for name, where in KINDS.items():
        area = np.cos(np.deg2rad(truth.lat)) * (possible & where)
        sums[name] = (sure * area).sum(), (dry * area).sum()
    sums, map_ = dask.compute(sums, made.land_cover)  # the network runs once
    expected[str(areas)] = {name: float(right / land) for name, (right, land) in sums.items()}
    if areas != "free":
        world[f"land_cover_{areas}"] = world.land_cover.dims, map_.data, map_.attrs
world = world.drop_vars("confidence")
print(f"expected accuracy\n{pd.DataFrame(expected).round(4).to_string()}")
measured = {
    name: world.ai4land.evaluate(truth.where(judged & where)).accuracy.to_series()
    for name, where in KINDS.items()
}
print(f"accuracy\n{pd.DataFrame(measured).T.round(4).to_string()}")
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

found = scores["all cells"]
points = ["exact", *map(str, TOLERANCES[1:]), "emulator"]  # .02 is less than a pixel
draw_curve(*(100 * found[n].sel(source=points).values for n in CURVE), points)

figure, axis = plt.subplots(figsize=(5, 3.6), layout="constrained")
for (name, map_), style in zip(maps.items(), ("-", "--", ":"), strict=True):
    axis.plot(lags, variogram(map_, ("lat", "lon"), lags), style, label=name, color="black")
axis.set(xlabel="pixels apart", ylabel="share of pairs of different classes")
axis.legend(frameon=False)
axis.spines[["top", "right"]].set_visible(False)
figure.savefig(pictures / "variogram.png", dpi=90)

print("\npatches of the held-out land: number, and mean size in pixels")
for name, map_ in maps.items():
    count, size = measure_patches(map_.values, len(classes.classes))
    print(f"{name:12s} {count.tolist()} {size.round(1).tolist()}")

area = {"lat": slice(50, 46), "lon": slice(4, 12)}
how = {"static": static, "target": truth.sel(area), "baselines": False}
part = states.sel(area)
one = part.ai4land.reconstruct(**how).compute().drop_vars("confidence")
two = part.ai4land.reconstruct(members=2, **how).compute()
beside = {f"member {m}": two.land_cover.isel(realization=m) for m in range(2)}
modis = one.land_cover.copy()
for code, place in codes.items():
    modis[0] = np.where(truth.sel(area).values == code, place, modis[0])
one.ai4land.plot(beside={**beside, "MODIS": modis}).savefig(pictures / "members.png", dpi=70)
