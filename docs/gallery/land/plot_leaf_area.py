"""
Monthly leaf area
=================

From states to a map, from the map and the temperature of the months to leaf area: one lazy chain,
with nothing written in between.
"""

import xai4land

planet = xai4land.sample("land", years=[2000, 2001])
climate = xai4land.sample("land_climate", years=[1999, 2000, 2001])
maps = planet.drop_vars("land_cover").ai4land.reconstruct(baselines=False)

# %%
# Leaf area follows from the twelve months before, so climate begins a year earlier. Elevation is an
# input, too.

part = maps.sel(lat=slice(45, 5), lon=slice(-105, -55))
leaves = part.ai4land.leaf_area(climate, static=planet[["elevation"]])
year = leaves.leaf_area_index.sel(time="2001").compute()

# %%
# Four months.

names = ["January", "April", "July", "October"]
months = year.isel(time=[0, 3, 6, 9]).assign_coords(time=names)
months.plot(col="time", cmap="YlGn", vmin=0, size=2.6, aspect=1.25)

# %%
# The cycle of the year, by latitude.

cycle = year.mean("lon").transpose("lat", "time")
cycle.plot(cmap="YlGn", vmin=0, size=3.6, aspect=2)
