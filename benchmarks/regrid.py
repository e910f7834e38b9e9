"""Regrid: 120 months of 0.25° to 1°, area means, float32 in memory."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xarray as xr
from common import Settings, Taken, clock, in_turn, middle

from xai4land import regrid
from xai4land.regridding.engines import choose_engine
from xai4land.tables import Table

__all__ = ["table"]

MONTHS = 120


def table(settings: Settings) -> Table:
    """Each contestant in a new interpreter; without xESMF, those who need it are left out."""
    degrees = 1.0 if settings.quick else 0.25
    jobs = {
        "xarray-regrid": bare_xarray_regrid,
        "xai4land, engine xarray-regrid": partial(ours, "xarray-regrid", again=False),
        "the same, second call": partial(ours, "xarray-regrid", again=True),
    }
    if choose_engine("auto") == "xesmf":
        jobs |= {
            "xESMF, weights": partial(bare_xesmf, weights=True),
            "xESMF, applied": partial(bare_xesmf, weights=False),
            "xai4land, engine xesmf": partial(ours, "xesmf", again=False),
            "the same, weights on disk": partial(ours, "xesmf", again=True),
        }
    with TemporaryDirectory(dir=settings.folder) as folder:
        runs = in_turn(
            {name: partial(job, degrees, Path(folder)) for name, job in jobs.items()},
            settings.repeats,
        )
    base = middle([run.seconds for run in runs["xarray-regrid"]])[0]
    rows: list[dict[str, Any]] = []
    for name, found in runs.items():
        seconds, spread = middle([run.seconds for run in found])
        rows.append(
            {
                "regridding": name,
                "seconds": seconds,
                "spread %": spread,
                "of xarray-regrid": seconds / base,
                "peak MB": middle([run.peak for run in found])[0],
            }
        )
    return Table(rows)


def globe(degrees: float) -> xr.Dataset:
    """A grid of the globe."""
    made = {}
    for name, span, units in (("lat", 180, "degrees_north"), ("lon", 360, "degrees_east")):
        values = -span / 2 + degrees * (np.arange(round(span / degrees)) + 0.5)
        made[name] = (name, values, {"units": units})
    return xr.Dataset(coords=made)


def months(degrees: float) -> xr.DataArray:
    """Noise in float32."""
    grid = globe(degrees)
    shape = (MONTHS, grid.sizes["lat"], grid.sizes["lon"])
    values = np.random.default_rng(0).standard_normal(shape, np.float32)
    return xr.DataArray(values, grid.coords, ("time", "lat", "lon"), name="x")


def ours(engine: Any, degrees: float, folder: Path, again: bool) -> Taken:
    """``regrid``; a second call in a process that forgot all but what is on disk, if any."""
    from xai4land.regridding import weights

    field, target = months(degrees), 4 * degrees
    with TemporaryDirectory(dir=folder) as cache:
        os.environ["XAI4LAND_CACHE"] = cache
        if again:
            regrid(field[:1], target, engine=engine)
            weights._KEPT.clear()
        else:  # what is imported once is not counted
            regrid(field[:1], globe(8 * degrees), engine=engine)
        return clock(lambda: regrid(field, target, engine=engine))


def bare_xarray_regrid(degrees: float, folder: Path) -> Taken:
    """Its accessor, with its own defaults, as pip installs it: without sparse.

    xESMF brings sparse, with which xarray-regrid 0.4.2 multiplies arrays in memory by sparse
    matrices, and runs out of it.
    """
    sys.modules["sparse"] = None  # type: ignore[assignment]
    from xarray_regrid import Regridder

    field, target = months(degrees), globe(4 * degrees)
    Regridder(field[:1]).conservative(globe(8 * degrees))
    return clock(lambda: Regridder(field).conservative(target))


def bare_xesmf(degrees: float, folder: Path, weights: bool) -> Taken:
    """The weights, or what follows once they are there."""
    import xesmf

    field, source, target = months(degrees), globe(degrees), globe(4 * degrees)
    xesmf.Regridder(globe(10.0), globe(20.0), "conservative")
    if weights:
        return clock(lambda: xesmf.Regridder(source, target, "conservative"))
    made = xesmf.Regridder(source, target, "conservative")
    made(field[:1])
    return clock(lambda: made(field))
