"""Write a lazy dataset to Zarr or NetCDF: whole, or not under its name; resumable."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError, StoreError
from xai4land.progress import chunk_progress
from xai4land.store.manifest import STORE, Manifest, begin, locked, mark_done, read_done

__all__ = ["write"]

Region = tuple[slice, ...]


def write(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Compute a dataset chunk by chunk into a store.

    The store grows beside its place, in a folder ``<name>.partial``, and gets its name when it is
    whole. If the run is killed, the same call goes on where it ended: chunks that are done
    are not computed again. NetCDF is made from the finished Zarr store.

    Parameters
    ----------
    data : Dataset
    path : path-like
        Ending in ``.zarr`` (format 3, the dataset's chunks) or ``.nc``.
    overwrite : bool
        Whether an existing store, or an unfinished one of other data, may be replaced.
    progress : bool
        Whether to show progress, rate and the time left on standard error.

    Returns
    -------
    Path
        The finished store.

    Raises
    ------
    InputError
        If the ending is unknown, or values found on the way cannot be right.
    StoreError
        If the store exists, is being written by another process, was begun with other data,
        or cannot be written (no room, no permission). What was finished stays.
    """
    path = Path(path)
    if path.suffix not in (".zarr", ".nc"):
        raise InputError(f"cannot tell the format of {path}; end its name in .zarr or .nc")
    if path.exists() and not overwrite:
        raise StoreError(f"{path} exists; choose another name, or overwrite=True")
    if not path.parent.is_dir():
        raise StoreError(f"there is no folder {path.parent}; make it first")
    partial = path.with_name(path.name + ".partial")
    data = _uniform(data)
    try:
        partial.mkdir(exist_ok=True)
        with locked(partial):
            _fill(data, partial, overwrite, progress, path.name)
            if path.suffix == ".nc":
                _to_netcdf(data, partial, path, overwrite)
            else:
                if overwrite:
                    _remove(path)
                (partial / STORE).rename(path)
            shutil.rmtree(partial)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(_failed(path, partial, error)) from error
    return path


def _fill(data: xr.Dataset, partial: Path, overwrite: bool, progress: bool, name: str) -> None:
    """Begin or go on with an unfinished store, until all chunks are done."""
    wanted = Manifest(
        _fingerprint(data), str(data.attrs.get("title", "")), sum(1 for _ in _chunks(data))
    )
    found = Manifest.read(partial)
    if found is not None and found != wanted and not overwrite:
        raise StoreError(
            f"{partial} is an unfinished store of other data ({found.title or 'untitled'}: other "
            "inputs, emulator or chunks); finish that run, delete it, or overwrite=True"
        )
    # Killed between the last rename and the clean-up, a run leaves a manifest without a store.
    if found != wanted or not (partial / STORE).is_dir():
        begin(partial)
        try:
            data.to_zarr(
                partial / STORE, mode="w", zarr_format=3, consolidated=False, compute=False
            )
        except (TypeError, ValueError) as error:
            raise InputError(f"the dataset cannot be stored: {error}") from error
        wanted.write(partial)
    done = read_done(partial)
    left = [chunk for chunk in _chunks(data) if chunk[2] not in done]
    if not left:
        return
    from dask.base import compute
    from dask.delayed import delayed

    lazy = _lazy(data)
    encoded, _ = xr.conventions.cf_encoder(dict(data.variables), dict(data.attrs))
    # Not optimised one by one: what variables share must stay one task.
    blocks = {name: encoded[name].data.to_delayed(optimize_graph=False) for name in lazy}
    put = delayed(_put, pure=False)
    tasks = [
        put(blocks[variable][index], str(partial), variable, region, label)
        for variable, index, label, region in left
    ]
    # Several variables share each pixel; it counts once.
    pixels = sum(_size(region) for *_, region in left) // len(lazy)
    with chunk_progress(f"write {name}", pixels, len(lazy), progress):
        compute(*tasks)


def _uniform(data: xr.Dataset) -> xr.Dataset:
    """In chunks of one size a variable, as Zarr needs; chunks of a former store are forgotten."""
    data = data.copy()
    for name, variable in data.variables.items():
        if variable.chunks is not None and any(
            len(set(s[:-1])) > 1 or s[-1] > s[0] for s in variable.chunks
        ):
            sizes = {d: max(s) for d, s in zip(variable.dims, variable.chunks, strict=True)}
            data[name] = data[name].chunk(sizes)
        for key in ("chunks", "preferred_chunks", "shards"):
            data[name].encoding.pop(key, None)
    return data


def _lazy(data: xr.Dataset) -> list[str]:
    return [str(name) for name, v in data.variables.items() if v.chunks is not None]


def _chunks(data: xr.Dataset) -> Iterator[tuple[str, tuple[int, ...], str, Region]]:
    """Each lazy chunk: variable, index, label, and its region."""
    for name in _lazy(data):
        sizes: Any = data.variables[name].chunks
        ends = [np.concatenate([[0], np.cumsum(s)]).tolist() for s in sizes]
        for index in np.ndindex(*map(len, sizes)):
            region = tuple(slice(e[i], e[i + 1]) for e, i in zip(ends, index, strict=True))
            yield name, index, "/".join([name, *map(str, index)]), region


def _size(region: Region) -> int:
    return int(np.prod([part.stop - part.start for part in region]))


def _put(values: np.ndarray, folder: str, name: str, region: Region, label: str) -> int:
    """Store one chunk, then note that it is done."""
    import zarr

    array: Any = zarr.open_array(f"{folder}/{STORE}/{name}", mode="r+")
    array[region] = values
    mark_done(Path(folder), label)
    return _size(region)


def _fingerprint(data: xr.Dataset) -> str:
    """Hash of the values and the layout; when and where it is run does not matter."""
    from dask.base import tokenize

    parts = [
        (str(name), v.dims, v.shape, v.chunks, v.data.name if v.chunks else v.values)
        for name, v in sorted(data.variables.items(), key=lambda item: str(item[0]))
    ]
    return str(tokenize(parts))


def _to_netcdf(data: xr.Dataset, partial: Path, path: Path, overwrite: bool) -> None:
    """Copy the whole Zarr store, chunk by chunk, as it is encoded.

    Attributes come from the dataset: Zarr keeps them as JSON, without their types.
    """
    stored = xr.open_dataset(
        partial / STORE, engine="zarr", chunks={}, consolidated=False, decode_cf=False
    )
    encoded, attrs = xr.conventions.cf_encoder(dict(data.variables), dict(data.attrs))
    whole = xr.Dataset(
        {name: (v.dims, stored[name].variable.data, v.attrs) for name, v in encoded.items()},
        attrs=attrs,
    )
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in whole.variables.items():
        encoding[str(name)] = {} if "_FillValue" in variable.attrs else {"_FillValue": None}
        if variable.chunks and variable.ndim >= 2:
            sizes = tuple(max(part) for part in variable.chunks)
            encoding[str(name)] |= {"zlib": True, "complevel": 1, "chunksizes": sizes}
    beside = path.with_name(f".{path.name}.new")
    try:
        whole.to_netcdf(beside, engine="netcdf4", encoding=encoding)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        # netCDF4 reports a full disk as a RuntimeError of HDF5's.
        if isinstance(error, RuntimeError):
            raise StoreError(_failed(path, partial, error)) from error
        raise
    finally:
        stored.close()
    if overwrite:
        _remove(path)
    beside.rename(path)


def _failed(path: Path, partial: Path, error: BaseException) -> str:
    reason = getattr(error, "strerror", None) or error
    free = shutil.disk_usage(path.parent).free / 1e6
    return (
        f"could not write {path}: {reason} ({free:.0f} MB free there); what was written is in "
        f"{partial.name}, which is not whole; run the same again to go on"
    )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
