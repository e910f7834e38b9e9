"""
Europe's seasons from global fields
===================================

The target is a region, the predictors stay global: an emulator that is trained on simulations and
observations up to 1980, and forecasts years that it has not seen.
"""

import xai4land

obs = xai4land.sample("climate", years=range(1931, 2001))[["tas"]]
control = xai4land.sample("climate", seed=1, years=range(1931, 2001))[["tas"]]
base = {"climatology": (1951, 1980)}

# %%
# A small network for one epoch, to try it; leave both out for real work.

emulator = obs.sel(time=slice(None, "1980")).seasonal.fit(
    simulations={"control": control},
    grid=control.tas,
    region="europe",
    validation=15,
    parameters={"width": 16, "heads": 2, "depth": 1},
    epochs=1,
    progress=False,
)
emulator

# %%
# Winters and summers of the last ten years, beside simple references.

forecast = obs.seasonal.forecast(
    ("DJF", "JJA"), years=range(1991, 2001), emulator=emulator, **base
).compute()
scores = forecast.seasonal.verify(obs, references=["trend", "eof-ridge"], **base)
scores.seasonal.summarise().round(3)

# %%
chance = forecast.seasonal.tercile_probabilities(obs, period=(1951, 1980), **base)
forecast.seasonal.plot(terciles=chance)

# %%
forecast.seasonal.plot_plume("europe", obs=obs, **base)
