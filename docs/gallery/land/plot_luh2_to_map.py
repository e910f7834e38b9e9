"""
From LUH2 to a map
==================

Find states in a catalog, open them as they were downloaded, reconstruct, score. The sample catalog
stores its states as LUH2 does; with LUH2 itself only the names differ.
"""

import xai4land
import xai4land_land
from xai4land.catalogs import open_search

# %%
# A catalog is a table that can be searched.

catalog = xai4land.open_catalog("sample")
found = catalog.search(source_id="SAMPLE-LUH2")
found.df[["source_id", "table_id", "variable_id"]]

# %%
# ``open_luh2`` repairs what is odd in the files: years counted since 850, misspelt fill values.

states = xai4land_land.open_luh2(found, years=(2000, 2000))
[static] = open_search(catalog.search(source_id="SAMPLE-STATIC"))
world = states.ai4land.reconstruct("sample-landcover", static=static)
part = world.sel(lat=slice(45, 5), lon=slice(-105, -55)).compute()
part.ai4land.plot()

# %%
# The map against the catalog's reference map.

[truth] = open_search(catalog.search(source_id="SAMPLE-HILDA"))
scores = part.ai4land.evaluate(truth.isel(time=[0]))
scores.ai4land.plot_scores()
