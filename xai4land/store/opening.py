"""Open what can be read as input; what is not whole is refused."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import xarray as xr

from xai4land.errors import InputError
from xai4land.store.manifest import LOCKS, ROOTS

__all__ = ["open_store"]

GRIB = (".grib", ".grib2", ".grb", ".grb2")


def open_store(path: str | os.PathLike[str], *, lazy: bool = True) -> xr.Dataset:
    """Open a Zarr store, a NetCDF or a GRIB file.

    Parameters
    ----------
    path : path-like
        A folder is taken for a Zarr store; ``.grib``, ``.grib2`` and ``.grb`` for GRIB, which needs
        cfgrib.
    lazy : bool
        Whether values stay on disk, in the file's chunks, until they are computed.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If it cannot be read, or the run that writes it has not ended.

    Examples
    --------
    >>> import tempfile, xai4land
    >>> from xai4land.store import open_store, write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write(xai4land.sample("land"), f"{folder}/planet.zarr", progress=False)
    ...     open_store(path).land_cover.dims
    ('time', 'lat_fine', 'lon_fine')
    """
    path = Path(path)
    _refuse_unfinished(path)
    chunks: Any = {} if lazy else None
    if path.suffix == ".zarr" or path.is_dir():
        how: dict[str, Any] = {"engine": "zarr", "consolidated": False}
        kind = "a Zarr store"
    elif path.suffix in GRIB:
        if find_spec("cfgrib") is None:
            raise InputError(
                f"{path} is GRIB, which is read by cfgrib, and that is not installed; run: "
                "pip install cfgrib (part of xai4land[grib])"
            )
        # No index file beside the data, whose folder may be read-only or others'.
        how, kind = {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}}, "GRIB"
    else:
        how, kind = {}, "NetCDF"
    try:
        data = xr.open_dataset(path, chunks=chunks, **how)
    except (ValueError, FileNotFoundError, EOFError) as error:
        raise InputError(f"cannot read {path} as {kind}: {str(error).splitlines()[0]}") from error

    # Zarr lists what it holds in any order.
    data = data[sorted(map(str, data.variables))]
    named = {
        v.attrs.get(key) for v in data.variables.values() for key in ("bounds", "grid_mapping")
    }
    return data.set_coords([name for name in data.data_vars if name in named])


def _refuse_unfinished(path: Path) -> None:
    """Unfinished is what lies in ``<name>.partial``, and a store that was taken out of there."""
    whole = path.resolve()
    unfinished = [
        folder
        for folder in (whole, *whole.parents)
        if folder.suffix == ".partial" and (folder == whole or (folder / LOCKS).exists())
    ]
    beside = whole.with_name(f"{whole.name}.partial")
    if not whole.exists() and beside.exists():
        unfinished = [beside]
    if unfinished:
        name = unfinished[0].with_suffix("")
        raise InputError(
            f"{path} is not whole: the run that writes {name} has not ended; let it end, or run "
            "the same again to go on"
        )
    if not whole.is_dir() or any((whole / root).exists() for root in ROOTS):
        return
    for root, inner in (("zarr.json", "zarr.json"), (".zgroup", ".zarray")):
        if any(whole.glob(f"*/{inner}")):
            raise InputError(
                f"{path} is not whole: it has no {root}, which a store gets last; write it again"
            )
