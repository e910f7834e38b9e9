"""
Maps that could be true
=======================

The most likely map is smoother than land is. Realisations draw each class as often as its
probability says, in patches like those of the land.
"""

import xai4land

planet = xai4land.sample("land", years=[2000])
part = planet.sel(lat=slice(25, 5), lon=slice(-85, -60))
states = part.drop_vars("land_cover")

# %%
# Members lie along ``realization``, as those of a forecast do. One run of the network serves all.

drawn = states.ai4land.reconstruct(members=20, seed=1, baselines=False).compute()
likely = states.ai4land.reconstruct(baselines=False).compute()

# %%
# The most likely map, two members, and the truth.

first, second = (drawn.land_cover.isel(realization=i, time=0) for i in (0, 1))
truth = planet.land_cover.isel(time=0).sel(lat_fine=slice(25, 5), lon_fine=slice(-85, -60))
likely.ai4land.plot(beside={"member 0": first, "member 1": second, "truth": truth})

# %%
# The share of members that have forest.

forest = (drawn.land_cover == 4).mean("realization").isel(time=0)
forest.rename("share of members with forest").plot(cmap="YlGn", size=4)
