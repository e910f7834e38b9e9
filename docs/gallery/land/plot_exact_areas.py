"""
Exact areas
===========

The most likely class is seldom a rare one, so a map of the most likely classes has too little of
what is rare and scattered. ``areas="exact"`` gives each coarse cell the areas of its states.
"""

import matplotlib.pyplot as plt

import xai4land

planet = xai4land.sample("land", years=[2000])
part = planet.sel(lat=slice(45, 5), lon=slice(-105, -55))
states = part.drop_vars("land_cover")

# %%
# Free areas, areas within a tenth of a cell, and exact ones.

free = states.ai4land.reconstruct(baselines=False)
within = states.ai4land.reconstruct(areas=0.1, baselines=False)
exact = states.ai4land.reconstruct(areas="exact", baselines=False)
maps = free[["land_cover"]].assign(
    land_cover_within=within.land_cover, land_cover_exact=exact.land_cover
)
maps = maps.compute()

# %%
# What it costs: a map with exact areas is a little less accurate, pixel by pixel.

scores = maps.ai4land.evaluate(planet.land_cover, cells=1.0).compute()
scores[["accuracy", "mean_iou", "misplaced_area"]].to_dataframe().round(3)

# %%
# What it brings: the areas of the classes, in percent of what they should be.

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
scores.area_bias.to_pandas().T.plot.bar(ax=axes, rot=30, ylabel="bias of the area (%)")
axes.axhline(0, color="black", linewidth=0.8)
