"""
A first forecast
================

An ensemble of the coming winter from monthly means, with the emulator that comes with the package.
"""

import xai4land  # registers ds.seasonal

# %%
# Monthly temperature of the sample climate; yours may be any CF dataset of monthly means.

obs = xai4land.sample("climate", years=range(1900, 2001))[["tas"]]
base = {"climatology": (1951, 1980)}  # the years that anomalies are departures from

# %%
# A hundred members of twenty winters, each as of the end of the October before.

forecast = obs.seasonal.forecast("DJF", members=100, years=range(1981, 2001), **base).compute()
forecast

# %%
# The last winter: mean, and the most likely tercile with its probability.

chance = forecast.seasonal.tercile_probabilities(obs, **base)
forecast.seasonal.plot(terciles=chance)

# %%
# The mean over a region: members, and what was observed.

forecast.seasonal.plot_plume("nino34", obs=obs, **base)
