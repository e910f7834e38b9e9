"""
From a CMIP6 search to an emulator
==================================

Models with grids, calendars and units of their own become one set of training data. The sample
catalog is as irregular as the archive; with the archive, open ``"cmip6"``.
"""

import xai4land
from xai4land.catalogs import open_simulations

# %%
catalog = xai4land.open_catalog("sample")
found = catalog.search(
    source_id=["SAMPLE-B", "SAMPLE-C"], variable_id="tas", experiment_id=["historical", "ssp245"]
)
found.df[["source_id", "experiment_id", "member_id"]]

# %%
# One grid, one calendar, CMIP6's names and units; each scenario follows its history.

models = open_simulations(found, grid=20)
reanalysis = catalog.search(source_id="SAMPLE-ERA5", variable_id="t2m")
[obs] = open_simulations(reanalysis, grid=20).values()
{name: dict(model.sizes) for name, model in models.items()}

# %%
# Train on both, briefly.

emulator = obs.seasonal.fit(
    simulations=models,
    validation=10,
    parameters={"width": 16, "heads": 2, "depth": 1},
    epochs=1,
    progress=False,
)

# %%
# Observations that were not used for training would be the honest test.

base = {"climatology": (1951, 1980)}
forecast = obs.seasonal.forecast(
    "DJF", members=20, years=range(1990, 2000), emulator=emulator, **base
)
forecast.seasonal.plot_plume("northern_extratropics", obs=obs, **base)
