"""
Large runs
==========

Estimate a run before it starts, write it block by block, and go on after a kill.
"""

from pathlib import Path

from dask.callbacks import Callback

import xai4land

# %%
# A lazy map of the globe in blocks of 128 pixels. On large grids the default, 1,024, is better.

states = xai4land.sample("land", years=[2000]).drop_vars("land_cover")
world = states.ai4land.reconstruct(chunks=128, precision="float32")

# %%
# What it will take: windows, bytes, memory, time on this machine, and what would be better.

world.ai4land.explain()

# %%
# A job that is killed: here, after three hundred tasks.


class TimeLimit(Callback):
    """Stop a run as Ctrl-C does."""

    done = 0

    def _posttask(self, *_):
        self.done += 1
        if self.done == 300:
            raise KeyboardInterrupt


try:
    with TimeLimit():
        world.ai4land.write("world.zarr", overwrite=True, progress=False)
except KeyboardInterrupt as stop:
    print(*stop.__notes__)

# %%
# What is finished stays in a folder beside. The store has its own name only once it is complete.

print(Path("world.zarr").exists(), Path("world.zarr.partial").exists())

# %%
# The same call goes on where the run ended.

path = world.ai4land.write("world.zarr", progress=False)
xai4land.open_store(path).ai4land.plot()
