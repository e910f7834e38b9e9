"""NetCDF from a whole Zarr store."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import dask
import xarray as xr

__all__ = ["to_netcdf"]


def to_netcdf(stored: xr.Dataset, store: Path, path: Path) -> None:
    """Copy a Zarr store into a file, chunk by chunk, as it is encoded.

    Attributes come from the dataset: Zarr keeps them as JSON, without their types.

    Parameters
    ----------
    stored : Dataset
        As it was encoded for the store.
    store, path : Path
        From, to.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with xr.open_dataset(
        store, engine="zarr", chunks={}, consolidated=False, decode_cf=False
    ) as read:
        whole = stored.copy()
        whole.attrs = _without_bounds(stored)
        for name, variable in stored.variables.items():
            if variable.chunks is not None:
                # Zarr has a type for truth values, NetCDF stores them as numbers.
                values = read[name].variable.astype(variable.dtype).data
                whole[name] = (variable.dims, values, variable.attrs)
            whole[name].encoding = {}
        try:
            # Here, whatever else computes: the workers of a cluster cannot share a file.
            with dask.config.set(scheduler="threads"):
                whole.to_netcdf(path, engine="netcdf4", encoding=_encoding(whole))
        except RuntimeError as error:
            # netCDF4 reports a full disk as an error of HDF5's.
            raise OSError(errno.ENOSPC, str(error)) from error


def _without_bounds(stored: xr.Dataset) -> dict[Any, Any]:
    """Global attributes without xarray's own mark of bounds, which others stumble over."""
    bounds = {variable.attrs.get("bounds") for variable in stored.variables.values()}
    words = str(stored.attrs.get("coordinates", "")).split()
    marked = " ".join(word for word in words if word not in bounds)
    attrs = {k: v for k, v in stored.attrs.items() if k != "coordinates"}
    return {**attrs, "coordinates": marked} if marked else attrs


def _encoding(whole: xr.Dataset) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in whole.variables.items():
        encoding[str(name)] = {} if "_FillValue" in variable.attrs else {"_FillValue": None}
        if variable.chunks and variable.ndim >= 2:
            sizes = tuple(max(part) for part in variable.chunks)
            encoding[str(name)] |= {"zlib": True, "complevel": 1, "chunksizes": sizes}
    return encoding
