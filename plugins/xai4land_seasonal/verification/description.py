"""Scores as CF describes them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.grids import cf
from xai4land.grids.cells import cell_edges
from xai4land.grids.grid import Grid

__all__ = ["describe_scores"]

LABELS = {
    "forecast": "forecast that is scored",
    "season": "first letters of the season's months",
    "region": "region that is averaged over",
    "bound": "lower or upper bound of the interval",
}


def describe_scores(scores: xr.Dataset, forecast: xr.Dataset) -> xr.Dataset:
    """Return scores with CF attributes, and with bounds of cells and bins.

    Parameters
    ----------
    scores : Dataset
        With units and names of its variables, a title and seasons.
    forecast : Dataset
        What was scored, whose history goes on.
    """
    found = scores
    grid = Grid.of(forecast)
    if set(grid.names) <= set(map(str, found.dims)):
        mapping = cf.geographic_mapping(forecast)
        found = found.assign_coords(cf.grid_coords(grid, cell_edges(grid, forecast)))
        found = found.assign_coords({str(mapping.name): mapping})
        for array in found.data_vars.values():
            if set(grid.names) <= set(map(str, array.dims)):
                array.attrs["grid_mapping"] = str(mapping.name)
    if "bin" in found.dims:
        found = found.assign_coords(_bins(found.sizes["bin"]))
    for name in set(LABELS) & set(map(str, found.dims)):
        found[name].attrs = {"long_name": LABELS[name]}
    title = str(scores.attrs.get("title", "verification"))
    attrs = cf.global_attrs(forecast, title, title, "verified")
    found.attrs = {**attrs, **scores.attrs}
    return found


def _bins(count: int) -> dict[str, xr.DataArray]:
    edges = np.linspace(0, 1, count + 1)
    attrs = {
        "long_name": "probability, or rank of the observation among the members",
        "units": "1",
        "bounds": "bin_bnds",
    }
    coords = {
        "bin": xr.DataArray((edges[1:] + edges[:-1]) / 2, dims="bin", attrs=attrs),
        "bin_bnds": xr.DataArray(np.stack([edges[:-1], edges[1:]], -1), dims=("bin", "bnds")),
    }
    for coord in coords.values():
        coord.encoding["_FillValue"] = None  # CF has none on coordinates
    return coords
