"""
Your own data
=============

States and static features from two files, each on its own grid, and an emulator that is trained
on them.
"""

import xarray as xr

import xai4land

# %%
# Two files to try it with. Yours have area fractions on (time, lat, lon) and whatever you know on
# a finer grid: elevation, soil, climate.

planet = xai4land.sample("land", years=[2000])
truth = planet.land_cover
planet.drop_dims(["lat_fine", "lon_fine"]).to_netcdf("states.nc")
planet[["elevation", "slope", "clay"]].to_netcdf("static.nc")

# %%
# Open them lazily. The accessor finds grids, names and units by CF conventions, and says all that
# does not fit at once, before anything is computed.

states = xr.open_dataset("states.nc", chunks={})
static = xr.open_dataset("static.nc", chunks={})

# %%
# Train an emulator on a known map. The settings below are to try it; leave them out for real work.

short = {"epochs": 2, "steps": 8, "parameters": {"widths": [8, 16]}, "progress": False}
emulator = states.ai4land.fit(truth, static=static, name="mine", **short)
emulator.save("mine.safetensors")
emulator

# %%
# Then use it as any other.

world = states.ai4land.reconstruct("mine.safetensors", static=static)
world.sel(lat=slice(45, 5), lon=slice(-105, -55)).ai4land.plot()
