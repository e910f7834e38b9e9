"""A rollout that is killed goes on, and computes no finished year again."""

import itertools
import os
import subprocess
import sys

import xarray as xr

YEARS, BLOCKS, KILLS = 7, 4, 4

# All runs are forks of one process, which only imports and makes the inputs.
RUN = """
import os, random, signal, sys, threading
from pathlib import Path
import torch
torch.set_num_threads(1)
import dask, xai4land, zarr
from xai4land.inference import chain
from xai4land_land import reconstruct
from xai4land_land.change.references import change_reference

folder, years, kills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
world = xai4land.sample("land_history", years=range(1990, 1991 + years))
rule = change_reference("density", world, world.land_cover)
run_block, chances = chain.run_block, random.Random(0)
dask.base.get_scheduler()  # it imports what it looks for, once for all runs

def write(store, log, most, delay):
    left = [most]

    def run(plan, cache, step, *rest):
        made = run_block(plan, cache, step, *rest)
        with open(folder / log, "a") as noted:
            print(step, file=noted)
        left[0] -= 1
        if not left[0]:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return made

    chain.run_block = run
    made = reconstruct(
        world, rule, prior=world.land_cover.isel(time=[0]), precision="float32", chunks=(128, 200)
    )
    with dask.config.set(scheduler="threads", num_workers=2):
        made.ai4land.write(folder / store, progress=False)

def fork(*of):
    if not (child := os.fork()):
        try:
            write(*of)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]

assert fork("whole.zarr", "whole.log", -1, 0) == 0
for number in range(kills):
    status = fork("maps.zarr", f"{number}.log", chances.randint(1, 3), chances.uniform(0, 0.15))
    assert os.WIFSIGNALED(status), status
assert fork("maps.zarr", f"{kills}.log", -1, 0) == 0
"""


def test_a_rollout_killed_at_random_moments_goes_on(tmp_path):
    command = [sys.executable, "-c", RUN, str(tmp_path), str(YEARS), str(KILLS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    with (
        xr.open_zarr(tmp_path / "whole.zarr", mask_and_scale=False) as whole,
        xr.open_zarr(tmp_path / "maps.zarr", mask_and_scale=False) as maps,
    ):
        assert maps.sizes["time"] == YEARS + 1
        xr.testing.assert_equal(maps.load(), whole.load())
    logs = [tmp_path / f"{name}.log" for name in ("whole", *range(KILLS + 1))]
    whole_run, *runs = ([int(step) for step in log.read_text().split()] for log in logs)
    assert len(whole_run) == YEARS * BLOCKS
    for before, after in itertools.pairwise(runs):
        assert min(after) >= max(before), "a finished year was computed again"
    # A kill costs the blocks of the year at hand, at most.
    assert sum(map(len, runs)) <= YEARS * BLOCKS + KILLS * BLOCKS
