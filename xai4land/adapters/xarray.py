"""Parts of xarray: whether values are in memory, and which files lazy ones are read from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import xarray as xr

__all__ = ["find_addresses", "find_files", "find_stores", "is_in_memory"]

S = TypeVar("S")


def is_in_memory(array: xr.DataArray) -> bool:
    """Tell whether an array's values are in memory: neither on disk, nor to be computed.

    Examples
    --------
    >>> field = xr.DataArray([1.0, 2.0], dims="x")
    >>> is_in_memory(field), is_in_memory(field.chunk())
    (True, False)
    """
    return bool(array.variable._in_memory)


def find_files(data: xr.Dataset) -> set[Path]:
    """Find the files and Zarr stores on disk that a dataset's lazy values are read from.

    Objects in a dask graph that read arrays of their own name them as ``arrays_read``. Lazy
    variables that xarray has opened, by whatever engine, also remember their files themselves.

    Examples
    --------
    >>> find_files(xr.Dataset({"tas": 1.5}))
    set()
    """
    texts = {text for text in _find_sources(data) if not _is_address(text)}
    # On Windows: file:///C:/...
    paths = (re.sub(r"^file://(/(?=[A-Za-z]:))?", "", text) for text in texts)
    return {Path(path).resolve() for path in paths}


def find_stores(data: xr.Dataset, kind: type[S]) -> list[S]:
    """Find the Zarr stores of a class that a dataset's lazy values are read from.

    Examples
    --------
    >>> find_stores(xr.Dataset({"tas": 1.5}), dict)
    []
    """
    leaves = (leaf for v in data.variables.values() for leaf in _list_arrays(v._data))
    stores: list[Any] = [store for store in map(_store_of, leaves) if isinstance(store, kind)]
    return list({id(store): store for store in stores}.values())


def find_addresses(data: xr.Dataset, besides: type[Any] | None = None) -> set[str]:
    """Find the addresses elsewhere that a dataset's lazy values are read from.

    A store without one, such as a Zarr store in memory, is named after its type.

    Parameters
    ----------
    data : Dataset
    besides : type, optional
        A class of Zarr stores, with an ``url``, that are left out.

    Examples
    --------
    >>> find_addresses(xr.Dataset({"tas": 1.5}))
    set()
    """
    found = set(filter(_is_address, _find_sources(data, besides)))
    return found - ({store.url for store in find_stores(data, besides)} if besides else set())


def _is_address(text: str) -> bool:
    return "://" in text and not text.startswith("file://")


def _find_sources(data: xr.Dataset, besides: type[Any] | None = None) -> set[str]:
    """Find all that lazy values are read from: paths and addresses."""
    leaves = [leaf for v in data.variables.values() for leaf in _list_arrays(v._data)]
    kept = [one for one in leaves if besides is None or not isinstance(_store_of(one), besides)]
    texts = {text for leaf in kept for text in _list_sources(leaf)}
    lazy = [v for v in data.variables.values() if not v._in_memory]
    places = [v.encoding for v in lazy] + ([data.encoding] if lazy else [])
    return texts | {str(place["source"]) for place in places if "source" in place}


def _list_arrays(values: Any) -> Iterator[Any]:
    """List what is read: in the tasks of an array's graph, or under xarray's wrappers."""
    if hasattr(values, "__dask_graph__"):
        for task in dict(values.__dask_graph__()).values():
            for value in (getattr(task, "value", task), *getattr(task, "args", ())):
                for array in getattr(value, "arrays_read", ()):
                    yield from _list_arrays(array)
                if hasattr(value, "array"):
                    yield from _list_arrays(value)
        return
    while hasattr(values, "array"):
        values = values.array
    yield values


def _store_of(values: Any) -> Any:
    """Return the Zarr store that an array is read from; None if it is not."""
    return getattr(getattr(values, "_array", None), "store", None)


def _list_sources(values: Any) -> Iterator[str]:
    """List the paths and addresses of what is read."""
    if store := getattr(values, "datastore", None):
        opened = getattr(getattr(store, "_manager", None), "_args", ())
        yield from (str(name) for name in opened[:1] if isinstance(name, str | Path))
    store = _store_of(values)
    store = getattr(store, "_store", store)  # under a wrapper of Zarr's
    if root := getattr(store, "root", None):
        yield str(root)
    elif store is not None:
        yield from list(_list_addressed(store)) or [f"{type(store).__name__}://"]
    yield from _list_referenced(getattr(store, "fs", None))


def _list_addressed(store: Any) -> Iterator[str]:
    """List the address of a Zarr store that fsspec or obstore reads."""
    if files := getattr(store, "fs", None):
        protocol = getattr(getattr(files, "sync_fs", files), "protocol", "")
        protocol = protocol if isinstance(protocol, str) else protocol[0]
        path = str(getattr(store, "path", ""))
        if protocol not in ("", "file", "local", "reference"):
            yield path if "://" in path else f"{protocol}://{path.lstrip('/')}"
    config = getattr(getattr(store, "store", None), "config", {})
    if bucket := isinstance(config, dict) and config.get("bucket"):
        scheme = {"S3Store": "s3", "GCSStore": "gs"}.get(type(store.store).__name__, "az")
        yield f"{scheme}://{bucket}/{store.store.prefix or ''}"


def _list_referenced(files: Any) -> Iterator[str]:
    """List what kerchunk's references point to, and the file that they are in."""
    found = getattr(files, "references", {})
    yield from {str(entry[0]) for entry in found.values() if isinstance(entry, list | tuple)}
    if isinstance(whole := getattr(files, "storage_options", {}).get("fo"), str):
        yield whole
