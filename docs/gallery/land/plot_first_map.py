"""
A first map
===========

From the coarse states of a scenario to a map of land cover, with the emulator that comes with the
package.
"""

import xai4land  # registers ds.ai4land

# %%
# The sample planet has states on 1° in LUH2's names, static features on 0.25°, and the true map,
# which a real scenario lacks.

planet = xai4land.sample("land", years=[2000])
states = planet.drop_vars("land_cover")
states

# %%
# The result is lazy: nothing is computed before it is needed. A part of it costs only that part.

world = states.ai4land.reconstruct()
part = world.sel(lat=slice(45, 5), lon=slice(-105, -55))
part.ai4land.plot()

# %%
# Two maps that need no emulator come with it: the majority of the nearest coarse cell and
# interpolated fractions. So each score can be compared.

scores = part.ai4land.evaluate(planet.land_cover)
scores.ai4land.summarise().round(3)
