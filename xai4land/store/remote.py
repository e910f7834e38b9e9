"""Open what lies elsewhere; what is not complete is refused there, too."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import xarray as xr
from zarr.storage import WrapperStore

from xai4land.downloads.urls import redact, safe_file_name
from xai4land.errors import InputError, StoreError
from xai4land.files import replace_file
from xai4land.options import get_options
from xai4land.store.addresses import CLOUD, scheme_of, split_address
from xai4land.store.manifest import MANIFEST
from xai4land.store.objects import Objects, find_roots
from xai4land.store.reaching import WRITABLE, open_objects
from xai4land.store.reading import open_file

__all__ = ["ObjectStore", "copy_object", "open_remote"]

FILES = (".nc", ".nc4", ".cdf", ".h5", ".grib", ".grib2", ".grb", ".grb2")
REFERENCES = (".json", ".parq", ".parquet")


def open_remote(url: str, lazy: bool, options: Mapping[str, Any] | None) -> xr.Dataset:
    """Open a store or a file at an address; see :func:`xai4land.open_store`.

    Raises
    ------
    InputError
        If it cannot be reached or read, or the run that writes it has not ended.
    """
    shown = redact(url)
    if scheme_of(url) in (*CLOUD, "http", "https") and get_options().offline:
        raise InputError(f"{shown} is away and xai4land is offline; copy it here")
    try:
        if file := _find_file(url):
            return _open_copy(file, url.removeprefix(file).strip("/"), lazy, options)
        return _open_zarr(url, lazy, options)
    except InputError:
        raise
    except StoreError as error:
        raise InputError(str(error)) from None
    except Exception as error:  # each protocol's library has errors of its own
        reason = str(error).splitlines()[0].replace(url, shown) if str(error) else type(error)
        raise InputError(
            f"cannot read {shown}: {reason}; check the address, and storage_options"
        ) from None


def _open_zarr(url: str, lazy: bool, options: Mapping[str, Any] | None) -> xr.Dataset:
    """Open a Zarr store, or references to one."""
    how: dict[str, Any] = {"engine": "zarr", "consolidated": False, "chunks": {} if lazy else None}
    if PurePosixPath(redact(url)).suffix in REFERENCES:
        access = {"fo": url, "target_options": dict(options or {})}
        return xr.open_dataset("reference://", backend_kwargs={"storage_options": access}, **how)
    if scheme_of(url) not in WRITABLE:
        access = {"storage_options": dict(options or {})}
        with warnings.catch_warnings():
            # Web servers list no folders; where nothing is consolidated, it is tried all the same.
            warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated")
            return xr.open_dataset(url, backend_kwargs=access, **{**how, "consolidated": None})
    folder, name = split_address(url)
    objects = open_objects(folder, options, read_only=True)
    consolidated = _refuse_unfinished(objects, name, url)
    store = ObjectStore(objects.zarr_store(name))
    store.url, store.objects, store.name = url, objects, name
    store.version = (url, *map(str, sorted(find_roots(objects, name).items())))
    opened: Any = store  # of which xarray's types say nothing
    data = xr.open_dataset(opened, **{**how, "consolidated": consolidated})
    if not data.variables:
        raise InputError(f"{url} has no variables, expected some; was anything written to it?")
    data.encoding["source"] = url
    return data


class ObjectStore(WrapperStore[Any]):
    """A Zarr store of objects whose changes are seen.

    While it is the same, its lazy arrays have the same names in every process.

    Attributes
    ----------
    url : str
    version : tuple of str
        What tells it from what was written to the same address before or after.
    """

    url: str = ""
    version: tuple[str, ...] = ()
    objects: Objects | None = None
    name: str = ""

    def list_marks(self) -> dict[str, str]:
        """Return a mark of each object, which changes with its content; nothing is read.

        A copy in another process knows of none.
        """
        entries = {} if self.objects is None else self.objects.list(self.name)
        return {key.removeprefix(f"{self.name}/"): entry.mark for key, entry in entries.items()}

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return self.version

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "objects": None}


def _refuse_unfinished(objects: Objects, name: str, url: str) -> bool:
    """Refuse a store that has no root metadata; return whether these list all variables."""
    unfinished = f"{name}.partial/{MANIFEST}"
    inside = ".partial/" in url or url.endswith(".partial")
    if (roots := find_roots(objects, name)) and not inside:
        if f"{name}/zarr.json" not in roots:
            return objects.find(f"{name}/.zmetadata") is not None
        root = objects.read(f"{name}/zarr.json")
        return root is not None and b'"consolidated_metadata"' in root.content
    if not roots and not inside and not objects.find(unfinished):
        if any(key.endswith(("zarr.json", ".zarray")) for key in objects.list(name)):
            raise InputError(
                f"{url} is not whole: it has no root metadata, which a store gets last; write it "
                "again"
            )
        raise InputError(f"cannot read {url} as a Zarr store: there is none; check the address")
    raise InputError(
        f"{url} is not whole: the run that writes it has not ended; let it end, or run the same "
        "again to go on"
    )


def _find_file(url: str) -> str:
    """Find the address of the file in that of a group in one; empty for what is no such file."""
    if PurePosixPath(redact(url)).suffix in FILES:
        return url
    parts = url.split("/")
    ends = (k for k, part in enumerate(parts) if k > 2 and PurePosixPath(part).suffix in FILES)
    return "/".join(parts[: next(ends, -1) + 1])


def _open_copy(url: str, group: str, lazy: bool, options: Mapping[str, Any] | None) -> xr.Dataset:
    """Open a file whose library reads nothing but disks: from a copy in the cache folder."""
    if scheme_of(url) in ("http", "https") and not options:
        from xai4land.downloads import fetch_unpinned

        copy = fetch_unpinned(url, refresh=True)
    elif scheme_of(url) in WRITABLE:
        copy = copy_object(url, options)
    else:
        copy = _copy_by_fsspec(url, options)
    try:
        return open_file(copy / group, lazy)
    except InputError as error:
        raise InputError(str(error).replace(str(copy), redact(url))) from error


def copy_object(url: str, options: Mapping[str, Any] | None = None) -> Path:
    """Copy an object to the cache folder, and return its path there; what is there already stays.

    Raises
    ------
    InputError
        If there is none.
    StoreError
        If it cannot be reached.
    """
    folder, name = split_address(url)
    objects = open_objects(folder, options, read_only=True)
    if (found := objects.find(name)) is None:
        raise InputError(f"there is no {url}; check the address")
    copy = _copy_of(url, found.mark)
    if not copy.exists():
        with replace_file(copy) as draft:
            objects.download(name, draft)
            # The names of lazy arrays follow from it: they are the same for another copy.
            os.utime(draft, (found.modified.timestamp(),) * 2)
    return copy


def _copy_by_fsspec(url: str, options: Mapping[str, Any] | None) -> Path:
    import fsspec

    files, path = fsspec.core.url_to_fs(url, **(options or {}))
    copy = _copy_of(url, str(files.ukey(path)))
    if not copy.exists():
        with replace_file(copy) as draft:
            files.get_file(path, str(draft))
    return copy


def _copy_of(url: str, mark: str) -> Path:
    """Return the path of a file's copy in the cache; another version has another."""
    digest = hashlib.sha256(f"{url} {mark}".encode()).hexdigest()[:16]
    copy = get_options().cache / "copies" / f"{digest}-{safe_file_name(url)}"
    copy.parent.mkdir(parents=True, exist_ok=True)
    return copy
