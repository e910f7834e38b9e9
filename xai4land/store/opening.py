"""Open what can be read as input, wherever it lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.missing import mask_misspelt_fill_values
from xai4land.store.addresses import parse_path
from xai4land.store.reading import find_container, open_file
from xai4land.store.remote import open_remote

__all__ = ["find_container", "open_store"]


def open_store(
    path: str | os.PathLike[str],
    *,
    lazy: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open a Zarr store, a NetCDF or GRIB file, or kerchunk references.

    Parameters
    ----------
    path : path-like
        Or an address (``s3://``, ``gs://``, ``https://`` and what else fsspec reads); NetCDF and
        GRIB files are copied from there to the cache folder. A folder is taken for a Zarr store;
        ``.grib``, ``.grib2`` and ``.grb`` for GRIB, which needs cfgrib; ``.json`` and ``.parq``
        for references, as kerchunk makes them. A group is named like a folder in its file:
        ``forecast.nc/members``.
    lazy : bool
        Whether values stay on disk, in the file's chunks, until they are computed.
    storage_options : mapping, optional
        How to reach an address, by fsspec's names, such as ``anon``, ``key`` and ``secret``;
        left out, from the environment, or as nobody where that has no credentials.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If it cannot be read, has no variables, or the run that writes it has not ended.

    Examples
    --------
    >>> import tempfile, xai4land
    >>> from xai4land.store import open_store, write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write(xai4land.sample("land"), f"{folder}/planet.zarr", progress=False)
    ...     open_store(path).land_cover.dims
    ('time', 'lat_fine', 'lon_fine')
    """
    place = parse_path(path)
    if isinstance(place, str):
        return _tidy(open_remote(place, lazy, storage_options))
    if storage_options:
        raise InputError(
            f"{place} is on this machine, which has no storage_options; leave them out"
        )
    return _tidy(open_file(place, lazy))


def _tidy(data: xr.Dataset) -> xr.Dataset:
    """Sort variables, take for coordinates what is named as bounds, and mask fill values."""
    data = mask_misspelt_fill_values(data)
    # Zarr lists what it holds in any order.
    data = data[sorted(map(str, data.variables))]
    named = {
        v.attrs.get(key) for v in data.variables.values() for key in ("bounds", "grid_mapping")
    }
    return data.set_coords([name for name in data.data_vars if name in named])
