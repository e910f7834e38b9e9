"""
How sure the map is
===================

Probabilities of classes, what is uncertain, and whether the probabilities can be believed.
"""

import matplotlib.pyplot as plt

import xai4land

planet = xai4land.sample("land", years=[2000])
part = planet.drop_vars("land_cover").sel(lat=slice(45, 5), lon=slice(-105, -55))
maps = part.ai4land.reconstruct(probabilities=True, uncertainty=True).isel(time=0).compute()
maps

# %%
# Entropy is 0 where one class is certain and 1 where all are equally likely.

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
maps.confidence.plot(ax=axes[0], cmap="viridis", vmin=0, vmax=1)
maps.entropy.plot(ax=axes[1], cmap="magma", vmin=0)

# %%
# Reliability: of all that is said with a probability of 80 %, 80 % should be true.

scores = maps.expand_dims("time").ai4land.evaluate(planet.land_cover)
scores.ai4land.plot_calibration()
