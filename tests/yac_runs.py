"""Runs that YAC couples: files, jobs of mpirun, and remapping by which they are checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

from conftest import random_emulator, small_card, small_world

SCRIPTS = Path(__file__).parent
STATES = ("wood", "field", "town")
LAND = (32, 48)
"""Rows and columns of the land model, whose centres lie on no border between two pixels."""
LAND_GRID = ("land", "land_grid")
ON_CELLS, ON_PIXELS = ("emulator", "emulator_cells"), ("emulator", "emulator_pixels")
NEAREST = {"nnn": {"n": 1}}
LIMIT = 120
"""Seconds after which a job is ended and its test fails."""


def find_absent() -> list[str]:
    """Return what a coupled run needs and is not here."""
    absent = [] if find_spec("yac") else ["yac"]
    mpirun = shutil.which("mpirun")
    named = mpirun and subprocess.run([mpirun, "--version"], capture_output=True, text=True).stdout
    return absent if named and "Open MPI" in named else [*absent, "Open MPI"]


ABSENT = find_absent()
with_yac = pytest.mark.skipif(bool(ABSENT), reason=f"there is no {', no '.join(ABSENT)}")
long = pytest.mark.skipif("XAI4LAND_LONG" not in os.environ, reason="for make long")


def couple(source, target, field, method, **more):
    """Return an entry of YAC's list of couplings."""
    (a, on), (b, to) = source, target
    return {
        "source": {"component": a, "grid": on},
        "target": {"component": b, "grid": to},
        "field": field,
        "coupling_period": "P1Y",
        "interpolation": [method],
        **more,
    }


def write_couplings(path, *couples):
    """Write YAC's file; the unit of time must come first."""
    content = {"timestep_unit": "ISO_format", "coupling": list(couples)}
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def write_job(tmp_path, land=(), coupling=(), couples=None, **changes):
    """Write the files of a run of 20 years, with some settings changed; return their folder."""
    world = small_world(times=1).isel(time=0, drop=True)
    world[[*STATES, "height", "zone"]].to_netcdf(tmp_path / "world.nc")
    random_emulator(small_card()).save(tmp_path / "small.safetensors")
    part = {
        "component": "emulator",
        "grid": "emulator",
        "couplings": "couplings.yaml",
        "inputs": {"states": list(STATES)},
        "outputs": {"cover": "land_cover", "areas": "cell_fractions"},
        "timeout": 60,
    }
    settings = {
        "emulator": "small.safetensors",
        "like": "world.nc",
        "static": "world.nc",
        "start": 1850,
        "end": 1870,
        "calendar": "365_day",
        "checkpoint": "state.safetensors",
        "yac": {**part, **dict(coupling)},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({**settings, **changes}, sort_keys=False))
    write_couplings(
        tmp_path / "couplings.yaml",
        *(
            couples
            or (
                couple(LAND_GRID, ON_CELLS, "states", "conservative"),
                couple(ON_CELLS, LAND_GRID, "areas", "conservative"),
                couple(ON_PIXELS, LAND_GRID, "cover", NEAREST),
            )
        ),
    )
    model = {
        "grid": LAND,
        "dates": ["1850-01-01T00:00:00", "1870-01-01T00:00:00"],
        "calendar": "YEAR_OF_365_DAYS",
        "step": "P1Y",
        "steps": 20,
        "region": [0, -90, 360, 90],
        "gives": {"states": 3},
        "takes": {"cover": 1, "areas": 3},
        "prescribed": "",
        "takes_first": False,
        "failure": "",
        "out": str(tmp_path / "land.npz"),
    }
    (tmp_path / "land.json").write_text(json.dumps({**model, **dict(land)}))
    return tmp_path


def run(folder, recorded=False):
    """Run the land model and the emulator of a folder; return what mpirun returned."""
    land = [SCRIPTS / "yac_land.py", folder / "land.json"]
    emulator = ["-m", "xai4land.coupling.yac", folder / "run.yaml"]
    if recorded:
        emulator = [SCRIPTS / "yac_recorder.py", folder / "run.yaml", folder / "emulator.npz"]
    # A process that waits in MPI leaves its core to others.
    how = ["--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
    parts = ["-n", "1", sys.executable, *land, ":", "-n", "1", sys.executable, *emulator]
    return subprocess.run(
        ["mpirun", *how, *map(str, parts)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def words_of(done) -> str:
    """Return all that a job printed, without breaks of lines."""
    return " ".join((done.stdout + done.stderr).split())


def share(source, target, period=None):
    """Return the part of each target interval that each source interval covers, from edges."""
    low = np.maximum(source[:-1, None], target[None, :-1])
    length = (np.minimum(source[1:, None], target[None, 1:]) - low).clip(0)
    if period:
        return share(source, target) + sum(share(source + s, target) for s in (-period, period))
    return length / np.diff(target)


def conserve(values, source, target):
    """Remap layers (rows from the south) between grids by the areas that cells share.

    A grid is the edges of its rows and those of its columns, in degrees.
    """
    rows = share(*(np.sin(np.deg2rad(lat)) for lat, _ in (source, target)))
    columns = share(*(lon for _, lon in (source, target)), period=360)
    return np.einsum("...ij,ir,jc->...rc", values, rows, columns)


def edges(region, shape):
    """Return the edges of the cells of a region: west, south, east, north."""
    west, south, east, north = region
    return np.linspace(south, north, shape[0] + 1), np.linspace(west, east, shape[1] + 1)


def areas(grid):
    """Return the areas of the cells of a grid as parts of the sphere."""
    lat, lon = grid
    return np.outer(np.diff(np.sin(np.deg2rad(lat))) / 2, np.diff(lon) / 360)


def fractions_of(maps):
    """Return fractions of three classes in coarse cells of 4 x 4 pixels, rows from the south."""
    blocks = maps.reshape(-1, 18, 4, 36, 4)[:, ::-1]
    return np.stack([(blocks == code).mean((2, 4)) for code in range(3)], 1)
