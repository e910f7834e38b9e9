"""
Inside of a running model
=========================

A model calls an emulator year after year: it gives the states of its coarse cells as arrays, and
takes the map that follows from that of the year before. There is no graph, and there are no files.
"""

import matplotlib.pyplot as plt
import numpy as np

import xai4land
from xai4land.coupling import Stepper
from xai4land_land.change.references import change_reference

# %%
# The map of 1990 is known. A rule stands for an emulator such as ``change-landcover`` here.

world = xai4land.sample("land_history", years=range(1990, 2001))
known = world.land_cover.sel(time="1990")
rule = change_reference("density", world, known)
stepper = Stepper(rule, world, static=world, prior=known, history=world.sel(time="1990"))
for field in stepper.inputs.values():
    print(field.name, field.units, field.shape)

# %%
# A model of land use, reduced to one rule: where there are crops, a twentieth of the forest is
# cleared for more of them each year.

year_1990 = world.sel(time="1990").isel(time=0)
states = {name: year_1990[name].values.copy() for name in stepper.inputs}
cleared = np.where(states["c3ann"] > 0.05, 1 / 20, 0).astype("f4")
crops = []
for year in range(1991, 2001):
    for name in ("primf", "secdf"):
        states["c3ann"] = states["c3ann"] + states[name] * cleared
        states[name] = states[name] * (1 - cleared)
    maps = stepper.step(states, time=year)
    crops.append((maps["land_cover"] == 2).mean())  # cropland

# %%
# Where crops are new in 2000, ten steps later, and how much of the land they cover.

new = (maps["land_cover"] == 2) & (known.values[0] != 2)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.imshow(np.where(new, 2, known.values[0] == 2), cmap="YlOrBr", interpolation="nearest")
left.set_title("crops of 1990 (light), new until 2000 (dark)")
right.plot(range(1991, 2001), 100 * np.array(crops), "o-")
right.set(xlabel="year", ylabel="% of pixels", title="cropland")

# %%
# What later steps need can be kept; a stepper made anew goes on from there after ``restore``.

stepper.checkpoint("state.safetensors")
