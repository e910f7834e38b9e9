"""
Years that follow each other
============================

A rollout: each map is the last one with the change that the states demand, and no more.
"""

import xai4land
from xai4land_land import change_reference

# %%
# A part of the sample planet whose land use follows known processes: frontiers, towns that grow,
# fields that are given up.

history = xai4land.sample("land_history", years=range(1950, 2011, 10))
truth = history.land_cover
states = history.drop_vars("land_cover")

# %%
# Only the map of 1950 is given. A rule places the change here; a trained emulator is used in the
# same way.

known = truth.sel(time="1950")
rule = change_reference("density", states, known)
maps = states.ai4land.reconstruct(rule, prior=known, every=10).compute()
maps.ai4land.plot(years=[1950, 1970, 1990, 2010])

# %%
# Where the change since 1950 was found, missed, or placed wrongly.

maps.isel(time=[-1]).ai4land.plot_change(truth, known)

# %%
# Scores of each year: how they fall with the years from the known map.

scores = maps.ai4land.score_years(truth, 1950)
scores.ai4land.plot_years(classes=["cropland", "urban"])
