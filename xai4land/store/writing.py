"""Write a lazy dataset to Zarr or NetCDF: whole, or not under its name; resumable."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from statistics import median_low
from typing import Any, Literal

import xarray as xr

from xai4land.errors import InputError
from xai4land.progress import pixel_progress
from xai4land.store.manifest import Manifest
from xai4land.store.parts import Part, compute_fingerprint, encode, list_lazy_names
from xai4land.store.places import Place, find_place

__all__ = ["write"]


def write(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    zarr_format: Literal[2, 3] = 3,
    progress: bool = True,
    storage_options: Mapping[str, Any] | None = None,
) -> Path | str:
    """Compute a dataset part by part into a store.

    The store grows beside its place, in a folder ``<name>.partial``, and gets its name when it is
    whole. If the run is killed, the same call goes on where it ended: what is done is not
    computed again. NetCDF is made from the finished Zarr store. A client of dask.distributed that
    is active computes the parts.

    In an object store nothing can be renamed: the parts are at their place, and the store gets its
    metadata when it is whole.

    Parameters
    ----------
    data : Dataset
    path : path-like
        Or an address (``s3://``, ``gs://``, ``az://``, ``memory://``). Ending in ``.zarr`` (the
        dataset's chunks, in shards where they are more than a thousand) or ``.nc``. A store that
        the same run has finished before is returned at once.
    overwrite : bool
        Whether an existing store, or an unfinished one of other data, may be replaced; never one
        that the dataset is read from.
    zarr_format : {3, 2}
        Of the Zarr store. Format 2, which many builds of GDAL need, has no shards.
    progress : bool
        Whether to show progress, rate and the time left on standard error.
    storage_options : mapping, optional
        How to reach an object store, by fsspec's names, such as ``endpoint_url``, ``key`` and
        ``secret``; left out, from the environment. They are stored nowhere.

    Returns
    -------
    Path or str
        The finished store; an address as a text.

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
    place = find_place(path, storage_options)
    suffix = PurePosixPath(place.path).suffix
    if suffix not in (".zarr", ".nc"):
        raise InputError(f"cannot tell the format of {place.path}; end its name in .zarr or .nc")
    if zarr_format not in (2, 3):
        raise InputError(f"zarr_format={zarr_format!r}, expected 3 or 2")
    place.check(data)
    finished = None if overwrite else place.read_finished()
    if finished is None:
        place.refuse_existing(overwrite)
    stored = encode(data, 3 if suffix == ".nc" else zarr_format)
    wanted = Manifest(compute_fingerprint(data, stored), str(data.attrs.get("title", "")))
    if finished == wanted.fingerprint:
        return place.path
    place.refuse_existing(overwrite)
    try:
        with place.hold():
            try:
                run, left = place.begin(stored, wanted, overwrite)
                _fill(stored, place, run, left, progress)
                place.finish(stored, overwrite)
            except Exception:
                place.remove_if_empty()
                raise
        place.note_finished(wanted.fingerprint)
    except KeyboardInterrupt as stop:
        stop.add_note(f"what was finished is in {place.partial_name}; run the same again to go on")
        raise
    return place.path


def _fill(stored: xr.Dataset, place: Place, run: str, left: Sequence[Part], progress: bool) -> None:
    if not left:
        return
    from xai4land.store.graph import make_read_task, write_parts
    from xai4land.store.steps import split_into_steps

    # Several variables share each pixel; it counts once.
    sizes = [stored.variables[name].size for name in list_lazy_names(stored)]
    share = median_low(sizes) / max(sum(sizes), 1)
    pixels = share * sum(part.size for part in left)
    name = place.partial_name.removesuffix(".partial")
    with pixel_progress(f"write {name}", pixels, progress) as advance:
        read = functools.partial(make_read_task, place, run)
        for arrays, parts in split_into_steps(stored, left, read):
            write_parts(arrays, parts, place, run, lambda p: advance(share * p.size))
