"""Write a lazy dataset to Zarr or NetCDF: whole, or not under its name."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import xarray as xr

from xai4land.errors import InputError, StoreError
from xai4land.progress import dask_progress

__all__ = ["write"]


def write(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Compute a dataset block by block into a store.

    The store is built beside its place as ``<name>.partial`` and renamed when it is whole.

    Parameters
    ----------
    data : Dataset
    path : path-like
        Ending in ``.zarr`` (format 3) or ``.nc``.
    overwrite : bool
        Whether an existing store may be replaced.
    progress : bool
        Whether to show progress and the time left on standard error.

    Returns
    -------
    Path
        The finished store.

    Raises
    ------
    InputError
        If the ending is unknown, or values found on the way cannot be right.
    StoreError
        If the store exists, or cannot be written (no room, no permission). What was written
        until then stays in ``<name>.partial``.
    """
    path = Path(path)
    if path.suffix not in (".zarr", ".nc"):
        raise InputError(f"cannot tell the format of {path}; end its name in .zarr or .nc")
    if path.exists() and not overwrite:
        raise StoreError(f"{path} exists; choose another name, or overwrite=True")
    if not path.parent.is_dir():
        raise StoreError(f"there is no folder {path.parent}; make it first")
    partial = path.with_name(path.name + ".partial")
    try:
        _remove(partial)
        with dask_progress(f"write {path.name}", progress):
            if path.suffix == ".zarr":
                data.to_zarr(partial, zarr_format=3, consolidated=False)
            else:
                data.to_netcdf(partial, engine="netcdf4", encoding=_netcdf_encoding(data))
        _remove(path)
        partial.rename(path)
    except (OSError, RuntimeError) as error:
        # netCDF4 reports a full disk as a RuntimeError of HDF5's.
        if isinstance(error, RuntimeError) and path.suffix != ".nc":
            raise
        reason = getattr(error, "strerror", None) or error
        free = shutil.disk_usage(path.parent).free / 1e6
        raise StoreError(
            f"could not write {path}: {reason} ({free:.0f} MB free there); "
            f"what was written is in {partial.name}, which is not whole"
        ) from error
    return path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _netcdf_encoding(data: xr.Dataset) -> dict[Any, dict[str, Any]]:
    """Compress, in the dataset's own chunks."""
    encoding = {}
    for name, variable in data.data_vars.items():
        if variable.ndim >= 2 and variable.dtype.kind in "fiu":
            sizes = variable.chunks or tuple((n,) for n in variable.shape)
            encoding[name] = {
                "zlib": True,
                "complevel": 1,
                "chunksizes": tuple(max(s) for s in sizes),
            }
    return encoding
