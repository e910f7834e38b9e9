"""The files that a training reads: what they are, and whether they still are what they were."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr
from dask.base import tokenize

from xai4land.adapters.xarray import find_addresses, find_files, find_stores, is_in_memory
from xai4land.downloads.urls import redact
from xai4land.errors import StoreError
from xai4land.store.remote import ObjectStore
from xai4land.windows.sources import as_chunks

__all__ = ["Stores", "identify"]

Marks = dict[str, str]
"""What changes with the content of each file, by its path within a store: of files on a disk, size
and time of the last change; of objects, what listings say of them."""
MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class Stores:
    """Files and Zarr stores as they were when a training began.

    Attributes
    ----------
    files : dict of dict
        By path of a store; of a single file the path within is empty.
    objects : list of tuple
        Zarr stores of objects (S3 and others), and what is in them.
    unknown : bool
        Whether there are other sources, of which nothing is known.
    """

    files: dict[Path, Marks]
    objects: list[tuple[ObjectStore, Marks]] = field(default_factory=list)
    unknown: bool = False

    @classmethod
    def of(cls, arrays: Iterable[xr.DataArray]) -> Stores:
        """Find the stores that arrays are read from."""
        lazy = [array.to_dataset(name="x") for array in arrays if not is_in_memory(array)]
        local = {path for data in lazy for path in find_files(data)}
        there = {path: _list_files(path) for path in sorted(local) if path.exists()}
        found = {store.url: store for data in lazy for store in find_stores(data, ObjectStore)}
        others = any(find_addresses(data, besides=ObjectStore) for data in lazy)
        objects = [(store, store.list_marks()) for store in found.values()]
        return cls(there, objects, others or len(there) < len(local))

    def digest(self) -> str:
        """Return a hash of the marks of all files."""
        marks = {str(path): sorted(files.items()) for path, files in self.files.items()}
        marks |= {store.url: sorted(files.items()) for store, files in self.objects}
        return hashlib.sha256(json.dumps(marks).encode()).hexdigest()

    def check(self) -> None:
        """Refuse stores that are no longer what they were.

        Raises
        ------
        StoreError
            Naming the files that changed.
        """
        for path, before in self.files.items():
            _compare(str(path), before, _list_files(path))
        for store, before in self.objects:
            _compare(redact(store.url), before, store.list_marks())


def _compare(place: str, before: Marks, now: Marks) -> None:
    changed = sorted(n for n in {*before, *now} if before.get(n) != now.get(n))
    if changed:
        some = ", ".join(f"{place}/{name}" if name else place for name in changed[:MOST_NAMED])
        more = f" and {len(changed) - MOST_NAMED} more" * (len(changed) > MOST_NAMED)
        raise StoreError(
            f"{place} changed while it was trained on: {some}{more}. What was learned since the "
            "last checkpoint is lost, the checkpoint is intact: restore the data, and the same "
            "call goes on from there; or begin anew with another checkpoint="
        )


def identify(arrays: Iterable[xr.DataArray], stores: Stores) -> str | None:
    """Return what tells the content of arrays from any other; None if nothing does.

    What is in memory is hashed; what is read is told by its files and by what is computed from
    them. Of web servers and references it is not known whether they changed.
    """
    every = list(arrays)
    if stores.unknown or all(map(is_in_memory, every)):
        return None
    return str(tokenize([tokenize(as_chunks(array)) for array in every], stores.digest()))


def _list_files(path: Path) -> Marks:
    return dict(_walk(path, ""))


def _walk(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """Yield name and mark of each file in a folder, or of the one file that it is."""
    try:
        if not path.is_dir():
            about = path.stat()
            yield name, f"{about.st_size} {about.st_mtime_ns}"
            return
        with os.scandir(path) as entries:
            for entry in entries:
                inner = f"{name}/{entry.name}" if name else entry.name
                if entry.is_dir():
                    yield from _walk(Path(entry.path), inner)
                else:
                    about = entry.stat()
                    yield inner, f"{about.st_size} {about.st_mtime_ns}"
    except FileNotFoundError:
        return
