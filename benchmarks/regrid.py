"""Regrid: 120 months of 0.25° to 1°, area means, float32 in memory."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from common import Cost, Settings, measure, median_and_spread, run_in_turn

from xai4land import regrid
from xai4land.regridding.engines import choose_engine

__all__ = ["table"]

N_MONTHS = 120


def table(settings: Settings) -> pd.DataFrame:
    """Measure each contestant; without xESMF, those that need it are left out."""
    degrees = 1.0 if settings.quick else 0.25
    jobs = {
        "xarray-regrid": run_xarray_regrid,
        "xai4land, engine xarray-regrid": partial(run_ours, "xarray-regrid", again=False),
        "the same, second call": partial(run_ours, "xarray-regrid", again=True),
    }
    if choose_engine("auto") == "xesmf":
        jobs |= {
            "xESMF, weights": partial(run_xesmf, weights=True),
            "xESMF, applied": partial(run_xesmf, weights=False),
            "xai4land, engine xesmf": partial(run_ours, "xesmf", again=False),
            "the same, weights on disk": partial(run_ours, "xesmf", again=True),
        }
    with TemporaryDirectory(dir=settings.folder) as folder:
        runs = run_in_turn(
            {name: partial(job, degrees, Path(folder)) for name, job in jobs.items()},
            settings.repeats,
        )
    base = median_and_spread([run.seconds for run in runs["xarray-regrid"]])[0]
    rows: list[dict[str, Any]] = []
    for name, found in runs.items():
        seconds, spread = median_and_spread([run.seconds for run in found])
        rows.append(
            {
                "regridding": name,
                "seconds": seconds,
                "spread %": spread,
                "of xarray-regrid": seconds / base,
                "peak MB": median_and_spread([run.peak for run in found])[0],
            }
        )
    return pd.DataFrame(rows)


def globe(degrees: float) -> xr.Dataset:
    """Make a grid of the globe."""
    made = {}
    for name, span, units in (("lat", 180, "degrees_north"), ("lon", 360, "degrees_east")):
        values = -span / 2 + degrees * (np.arange(round(span / degrees)) + 0.5)
        made[name] = (name, values, {"units": units})
    return xr.Dataset(coords=made)


def months(degrees: float) -> xr.DataArray:
    """Make noise in float32."""
    grid = globe(degrees)
    shape = (N_MONTHS, grid.sizes["lat"], grid.sizes["lon"])
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    return xr.DataArray(values, grid.coords, ("time", "lat", "lon"), name="x")


def run_ours(engine: Any, degrees: float, folder: Path, again: bool) -> Cost:
    """Measure ``regrid``, or its second call with only the weights on disk kept."""
    from xai4land.regridding import weights

    field, target = months(degrees), 4 * degrees
    with TemporaryDirectory(dir=folder) as cache:
        os.environ["XAI4LAND_CACHE"] = cache
        if again:
            regrid(field[:1], target, engine=engine)
            weights._OPERATORS.clear()
        else:  # so that imports are not measured
            regrid(field[:1], globe(8 * degrees), engine=engine)
        return measure(lambda: regrid(field, target, engine=engine))


def run_xarray_regrid(degrees: float, folder: Path) -> Cost:
    """Measure xarray-regrid with its defaults, as pip installs it: without sparse.

    xESMF installs sparse, with which xarray-regrid 0.4.2 multiplies arrays in memory by sparse
    matrices, and runs out of memory.
    """
    sys.modules["sparse"] = None  # type: ignore[assignment]
    from xarray_regrid import Regridder

    field, target = months(degrees), globe(4 * degrees)
    Regridder(field[:1]).conservative(globe(8 * degrees))
    return measure(lambda: Regridder(field).conservative(target))


def run_xesmf(degrees: float, folder: Path, weights: bool) -> Cost:
    """Measure xESMF's weights, or their application."""
    import xesmf

    field, source, target = months(degrees), globe(degrees), globe(4 * degrees)
    xesmf.Regridder(globe(10.0), globe(20.0), "conservative")
    if weights:
        return measure(lambda: xesmf.Regridder(source, target, "conservative"))
    made = xesmf.Regridder(source, target, "conservative")
    made(field[:1])
    return measure(lambda: made(field))
