"""NetCDF from a whole Zarr store."""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr

from xai4land.errors import InputError

__all__ = ["check", "to_netcdf"]


def check(stored: xr.Dataset, path: Path) -> None:
    """Refuse what NetCDF cannot hold, before anything is computed: a file of one value is made.

    Parameters
    ----------
    stored : Dataset
        As it was encoded for the store.
    path : Path
        Of the file, of no use afterwards.

    Raises
    ------
    OSError
        If nothing can be written there.
    InputError
        If it has names, attributes or types that NetCDF does not have.
    """
    first = {
        name: da.zeros([min(size, 1) for size in v.shape], dtype=v.dtype, chunks=-1)
        if v.chunks is not None
        else v[(slice(1),) * v.ndim].data
        for name, v in stored.variables.items()
    }
    try:
        _save_file(stored, first, path)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"the dataset cannot be written to NetCDF: {error}; change that, or write .zarr"
        ) from error


def to_netcdf(stored: xr.Dataset, store: Any, path: Path) -> None:
    """Copy a Zarr store into a file, chunk by chunk, as it is encoded.

    Attributes come from the dataset: Zarr keeps them as JSON, without their types.

    Parameters
    ----------
    stored : Dataset
        As it was encoded for the store.
    store : Path, or a store of Zarr's
        From where.
    path : Path
        To where.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with xr.open_dataset(
        store, engine="zarr", chunks={}, consolidated=False, decode_cf=False
    ) as read:
        # Zarr has a type for truth values, NetCDF stores them as numbers.
        values = {
            name: v.data if v.chunks is None else read[name].data.astype(v.dtype)
            for name, v in stored.variables.items()
        }
        _save_file(stored, values, path)


def _save_file(stored: xr.Dataset, values: Mapping[Hashable, Any], path: Path) -> None:
    """Save values with the names, dimensions and attributes of a dataset."""
    variables = {
        name: xr.Variable(v.dims, _use_python_texts(values[name]), v.attrs)
        for name, v in stored.variables.items()
    }
    whole = xr.Dataset(variables, attrs=_drop_bounds(stored))
    _discard(path)
    try:
        # Here, whatever else computes: the workers of a cluster cannot share a file.
        with dask.config.set(scheduler="threads"):
            whole.to_netcdf(path, engine="netcdf4", encoding=_choose_encoding(whole))
    except RuntimeError as error:
        if "HDF error" not in str(error):
            raise
        # All that netCDF4 says of a full disk.
        raise OSError(errno.ENOSPC, f"{error}, as where the disk is full") from error


def _use_python_texts(values: Any) -> Any:
    """Return texts of NumPy's own type as objects in memory: older xarray writes no others."""
    return np.asarray(values).astype(object) if values.dtype.kind == "T" else values


def _discard(path: Path) -> None:
    """Delete what a run left that failed; where HDF5 still has it open, its room is free, too."""
    if path.exists():
        os.truncate(path, 0)
        path.unlink()


def _drop_bounds(stored: xr.Dataset) -> dict[Any, Any]:
    """Drop xarray's own mark of bounds of the global attributes, which other readers refuse."""
    bounds = {variable.attrs.get("bounds") for variable in stored.variables.values()}
    words = str(stored.attrs.get("coordinates", "")).split()
    marked = " ".join(word for word in words if word not in bounds)
    attrs = {k: v for k, v in stored.attrs.items() if k != "coordinates"}
    return {**attrs, "coordinates": marked} if marked else attrs


def _choose_encoding(whole: xr.Dataset) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in whole.variables.items():
        encoding[str(name)] = {} if "_FillValue" in variable.attrs else {"_FillValue": None}
        if variable.dtype.kind in "OSUT":
            # As characters: CDO reads no strings, and coordinates of strings are none to CF.
            encoding[str(name)]["dtype"] = "S1"
        if variable.chunks and variable.ndim >= 2:
            sizes = tuple(max(part) for part in variable.chunks)
            encoding[str(name)] |= {"zlib": True, "complevel": 1, "chunksizes": sizes}
    return encoding
