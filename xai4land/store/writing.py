"""Write a lazy dataset to Zarr or NetCDF: whole, or not under its name; resumable."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median_low
from typing import Literal

import xarray as xr

from xai4land.errors import InputError, StoreError
from xai4land.files import local_path, move_into_place
from xai4land.progress import pixel_progress
from xai4land.store import manifest, netcdf
from xai4land.store.locks import hold_run, pause_writers, translate_store_errors
from xai4land.store.manifest import STORE, Manifest
from xai4land.store.parts import (
    Part,
    choose_encodings,
    compute_fingerprint,
    encode,
    list_lazy_names,
    split_into_parts,
)
from xai4land.store.targets import check_target, note_finished, read_finished, refuse_existing

__all__ = ["write"]


def write(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    zarr_format: Literal[2, 3] = 3,
    progress: bool = True,
) -> Path:
    """Compute a dataset part by part into a store.

    The store grows beside its place, in a folder ``<name>.partial``, and gets its name when it is
    whole. If the run is killed, the same call goes on where it ended: what is done is not
    computed again. NetCDF is made from the finished Zarr store. A client of dask.distributed that
    is active computes the parts.

    Parameters
    ----------
    data : Dataset
    path : path-like
        Ending in ``.zarr`` (the dataset's chunks, in shards where they are more than a thousand)
        or ``.nc``. A store that the same run has finished before is returned at once.
    overwrite : bool
        Whether an existing store, or an unfinished one of other data, may be replaced; never one
        that the dataset is read from.
    zarr_format : {3, 2}
        Of the Zarr store. Format 2, which many builds of GDAL need, has no shards.
    progress : bool
        Whether to show progress, rate and the time left on standard error.

    Returns
    -------
    Path
        The finished store.

    Raises
    ------
    InputError
        If the ending is unknown, the format cannot hold the dataset, or values found on the way
        cannot be right.
    StoreError
        If the store exists, is an input, is being written by another process, was begun with
        other data, or cannot be written (no room, no permission). What was finished stays; where
        nothing was, nothing is left.

    Examples
    --------
    >>> import tempfile, xai4land
    >>> planet = xai4land.sample("land").drop_vars("land_cover")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(planet, f"{folder}/planet.zarr", progress=False).name
    'planet.zarr'
    """
    path = local_path(path)
    if path.suffix not in (".zarr", ".nc"):
        raise InputError(f"cannot tell the format of {path}; end its name in .zarr or .nc")
    if not path.parent.is_dir():
        raise StoreError(f"there is no folder {path.parent}; make it first")
    if zarr_format not in (2, 3):
        raise InputError(f"zarr_format={zarr_format!r}, expected 3 or 2")
    check_target(data, path)
    # Absolute, for workers elsewhere.
    partial = path.absolute().with_name(path.name + ".partial")
    finished = None if overwrite else read_finished(path)
    if finished is None:
        refuse_existing(path, overwrite)
    stored = encode(data, 3 if path.suffix == ".nc" else zarr_format)
    wanted = Manifest(compute_fingerprint(data, stored), str(data.attrs.get("title", "")))
    if finished == wanted.fingerprint:
        return path
    refuse_existing(path, overwrite)
    try:
        with translate_store_errors(partial):
            partial.mkdir(exist_ok=True)
        with hold_run(partial):
            try:
                with translate_store_errors(partial), pause_writers(partial):
                    left = _begin(stored, partial, wanted, overwrite)
                _fill(stored, partial, wanted, left, progress)
                with translate_store_errors(partial), pause_writers(partial):
                    _finish(stored, partial, path, overwrite)
            except Exception:
                _remove_if_empty(partial)
                raise
        note_finished(path, wanted.fingerprint)
    except KeyboardInterrupt as stop:
        stop.add_note(f"what was finished is in {partial.name}; run the same again to go on")
        raise
    return path


def _remove_if_empty(partial: Path) -> None:
    """Remove an unfinished store in which nothing is finished."""
    with suppress(OSError), pause_writers(partial):
        if not manifest.read_done(partial) and manifest.list_foreign(partial) == []:
            manifest.remove(partial)


def _begin(stored: xr.Dataset, partial: Path, wanted: Manifest, overwrite: bool) -> list[Part]:
    """Begin or go on with an unfinished store; return the parts that are left."""
    found = Manifest.read(partial)
    begun = found is not None and bool(manifest.read_done(partial))
    if found is not None and begun and found != wanted and not overwrite:
        raise StoreError(
            f"{partial} is an unfinished store of other data ({found.title or 'untitled'}: other "
            "inputs, emulator or chunks); finish that run, delete it, or overwrite=True"
        )
    # Killed between the last rename and the clean-up, a run leaves a manifest without a store.
    if found != wanted or not (partial / STORE).is_dir():
        if partial.with_suffix("").suffix == ".nc":
            netcdf.check(stored, partial / "first.nc")
        manifest.begin(partial)
        _make_empty(stored, partial / STORE)
        manifest.hide(partial)
        wanted.write(partial)
    done = manifest.read_done(partial)
    return [part for part in split_into_parts(stored) if part.label not in done]


def _make_empty(stored: xr.Dataset, store: Path) -> None:
    """Make a store with the values that are in memory, and room for those that are lazy."""
    import dask.array as da

    blank = stored.copy()
    for name in list_lazy_names(stored):
        variable = stored.variables[name]
        blank[name] = variable.copy(data=da.zeros(variable.shape, dtype=variable.dtype, chunks=-1))
    try:
        with warnings.catch_warnings():
            # Consolidated, as xarray wants it; readers that do not know of it pass over it.
            warnings.filterwarnings("ignore", "Consolidated metadata")
            blank.to_zarr(
                store,
                mode="w",
                zarr_format=stored.encoding["zarr_format"],
                consolidated=True,
                compute=False,
                encoding=choose_encodings(stored),
            )
    except (TypeError, ValueError) as error:
        raise InputError(f"the dataset cannot be stored: {error}") from error


def _fill(
    stored: xr.Dataset, partial: Path, wanted: Manifest, left: Sequence[Part], progress: bool
) -> None:
    if not left:
        return
    from xai4land.store.graph import make_read_task, write_parts
    from xai4land.store.steps import split_into_steps

    # Several variables share each pixel; it counts once.
    sizes = [stored.variables[name].size for name in list_lazy_names(stored)]
    share = median_low(sizes) / max(sum(sizes), 1)
    pixels = share * sum(part.size for part in left)
    with pixel_progress(f"write {partial.stem}", pixels, progress) as advance:
        read = functools.partial(make_read_task, partial, wanted.fingerprint)
        for arrays, parts in split_into_steps(stored, left, read):
            write_parts(
                arrays, parts, partial, wanted.fingerprint, lambda p: advance(share * p.size)
            )


def _finish(stored: xr.Dataset, partial: Path, path: Path, overwrite: bool) -> None:
    """Give a store its name when all of it is there."""
    manifest.reveal(partial)
    whole = partial / STORE
    if path.suffix == ".nc":
        whole = partial / "whole.nc"
        netcdf.to_netcdf(stored, partial / STORE, whole)
    refuse_existing(path, overwrite)
    move_into_place(whole, path, aside=partial / "replaced")
    manifest.remove(partial)
