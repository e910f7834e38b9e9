"""A store that grows in an object store, where nothing can be renamed.

The parts are put where they stay, and the metadata of all variables are held back until the end,
the root's being the last: until then there is nothing that a reader takes for a store. Beside it,
under ``<name>.partial``, lie the lock, the manifest with the metadata, and a note for each part
that is done. What must not be seen under its name (a store that replaces another, or becomes
NetCDF) grows there, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr

from xai4land.adapters.xarray import find_addresses
from xai4land.errors import StoreError
from xai4land.store import netcdf
from xai4land.store.addresses import split_address
from xai4land.store.begun import Begun
from xai4land.store.lease import Lease, hold_lease, read_owner
from xai4land.store.manifest import MANIFEST, STORE, Manifest
from xai4land.store.objects import GROUPS, Entry, Objects, find_roots
from xai4land.store.parts import Part, split_into_parts
from xai4land.store.pieces import METADATA, encode_part, find_keys, make_pieces, open_array
from xai4land.store.reaching import open_objects
from xai4land.store.targets import note_fingerprint, read_fingerprint, refuse_addresses

__all__ = ["BucketPlace"]

LOCK, NOTES, UNFINISHED = "lock.json", "done", "unfinished.txt"
REQUESTS = 16
"""Made at once where there is nothing to compute."""


class BucketPlace:
    """An address of an object store; see :class:`xai4land.store.places.Place`."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self._folder, self._name = split_address(url)
        self.path: Path | str = url
        self.partial_name = f"{self._name}.partial"
        self._options = dict(options or {})
        self._lease: Lease | None = None
        _open(self)  # what is wrong with the options is said at once

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lease": None}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketPlace) and (self.path, self._options) == (
            other.path,
            other._options,
        )

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:  # without the options, which may be secret
        return f"BucketPlace({self.path!r})"

    @property
    def _objects(self) -> Objects:
        return _open(self)

    def _beside(self, *names: str) -> str:
        return "/".join((self.partial_name, *names))

    # What is there

    def check(self, data: xr.Dataset) -> None:
        """Refuse a place that cannot be, or that the dataset is read from."""
        refuse_addresses(str(self.path), find_addresses(data))

    def refuse_existing(self, overwrite: bool) -> None:
        """Refuse to replace a store without ``overwrite``, anything else always."""
        exists = bool(find_roots(self._objects, self._name)) or self._holds_stores()
        if exists and not overwrite:
            raise StoreError(f"{self.path} exists; choose another name, or overwrite=True")

    def _holds_stores(self) -> bool:
        """Tell whether a folder without metadata of its own holds stores that no run has begun.

        Raises
        ------
        StoreError
            If it holds anything else.
        """
        found = self._objects.list(self._name)
        inside = sorted(key.removeprefix(f"{self._name}/") for key in found)
        if not inside or UNFINISHED in inside:
            return False
        begun = self._read_begun()
        if begun is not None and begun.folder == self._name:  # killed before its last object
            return False
        if any(key.rpartition("/")[2] in METADATA for key in inside):
            return True
        raise StoreError(
            f"{self.path} is a folder that holds no store, but {', '.join(inside[:3])}"
            f"{', ...' if len(inside) > 3 else ''}; choose another name"
        )

    def read_finished(self) -> str | None:
        """Return the fingerprint of the run that has finished the store; None if unknown."""
        if not (roots := find_roots(self._objects, self._name)):
            return None
        begun = self._read_begun()
        if begun is not None and begun.folder == self._name:  # killed in its last clean-up
            return begun.manifest.fingerprint
        return read_fingerprint(str(self.path), _describe(roots))

    def note_finished(self, fingerprint: str) -> None:
        """Note which run has finished the store."""
        with suppress(OSError):
            roots = find_roots(self._objects, self._name)
            note_fingerprint(str(self.path), _describe(roots), fingerprint)

    def _read_begun(self) -> Begun | None:
        found = self._objects.read(self._beside(MANIFEST))
        try:
            return Begun.parse(found.content) if found else None
        except (ValueError, TypeError, KeyError):  # as on a disk, a damaged one is none
            return None

    def _list_notes(self, begun: Begun) -> set[str]:
        return {key.rpartition("/")[2] for key in self._objects.list(self._beside(NOTES, begun.id))}

    # A run

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the place for one run."""
        with hold_lease(self._objects, self._beside(LOCK)) as self._lease:
            yield

    def _check_lease(self) -> Lease:
        assert self._lease is not None, "only while it is held"
        self._lease.renew()
        return self._lease

    def begin(
        self, stored: xr.Dataset, wanted: Manifest, overwrite: bool
    ) -> tuple[str, list[Part]]:
        """Begin or go on with an unfinished store; return the run's mark, and what is left."""
        self.refuse_existing(overwrite)
        begun = self._read_begun()
        if begun and not overwrite and self._list_notes(begun):
            begun.manifest.refuse_other(wanted, f"{self.path}.partial")
        if begun is None or begun.manifest != wanted:
            begun = self._begin_anew(stored, wanted)
        entries = self._objects.list(begun.folder)
        left = begun.list_left(split_into_parts(stored), self._list_notes(begun), entries)
        return self._check_lease().token, left

    def _begin_anew(self, stored: xr.Dataset, wanted: Manifest) -> Begun:
        metadata, values = make_pieces(stored)
        aside = self._name.endswith(".nc") or bool(find_roots(self._objects, self._name))
        if self._name.endswith(".nc"):
            with tempfile.TemporaryDirectory() as folder:
                netcdf.check(stored, Path(folder) / "first.nc")
        self._clear_partial()
        if not aside:
            self._objects.delete(self._objects.list(self._name))
            text = f"The run that writes this store has not ended; see {self.partial_name}.\n"
            self._objects.write(f"{self._name}/{UNFINISHED}", text.encode())
        folder = self._beside(STORE) if aside else self._name
        marks = {key: self._objects.write(f"{folder}/{key}", v) for key, v in values.items()}
        begun = Begun(wanted, uuid4().hex, folder, metadata, marks)
        self._objects.write(self._beside(MANIFEST), begun.to_bytes())
        return begun

    def write_part(self, run: str, part: Part, values: np.ndarray) -> None:
        """Write a part, and note that it is done; refuse if the run is over."""
        begun = _read_run(self, run)
        content = encode_part(begun.metadata, part, values)
        (key,) = find_keys(begun.metadata, [part])
        if read_owner(self._objects, self._beside(LOCK)) != run:
            raise StoreError(f"{self.path} became another run's; nothing more is written there")
        mark = ""
        if content is None:
            self._objects.delete([f"{begun.folder}/{key}"])
        else:
            mark = self._objects.write(f"{begun.folder}/{key}", content)
        self._objects.write(self._beside(NOTES, begun.id, begun.note_of(part, mark)), b"")

    def read_region(self, run: str, variable: str, region: tuple[slice, ...]) -> np.ndarray:
        """Read a region of a variable of the unfinished store, as it is stored."""
        begun = _read_run(self, run)
        store = self._objects.zarr_store(begun.folder)
        return np.asarray(open_array(store, begun.metadata, variable)[region])

    # The end of a run

    def finish(self, stored: xr.Dataset, overwrite: bool) -> None:
        """Give the store its name."""
        begun = self._read_begun()
        assert begun is not None, "it was begun"
        parts, entries = split_into_parts(stored), self._objects.list(begun.folder)
        changed = begun.list_left(parts, self._list_notes(begun), entries)
        missing = [k for k, m in begun.marks.items() if _mark_of(entries, begun, k) != m]
        if changed or missing:
            names = ", ".join([*map(str, changed), *missing][:4])
            raise StoreError(
                f"{self.path}: {names} ({len(changed) + len(missing)} in all) changed after they "
                "were written; see that nothing else writes there, and run the same again"
            )
        self.refuse_existing(overwrite)
        self._check_lease()
        if self._name.endswith(".nc"):
            self._put_netcdf(stored, begun)
        else:
            foreign = begun.list_foreign(parts, entries)
            self._objects.delete([k for k in foreign if k != f"{self._name}/{UNFINISHED}"])
            self._reveal(begun)
        self._remove()

    def _put_netcdf(self, stored: xr.Dataset, begun: Begun) -> None:
        for key, text in begun.metadata.items():
            self._objects.write(f"{begun.folder}/{key}", text.encode())
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / "whole.nc"
            netcdf.to_netcdf(stored, self._objects.zarr_store(begun.folder), whole)
            self._check_lease()
            self._objects.write(self._name, whole)

    def _reveal(self, begun: Begun) -> None:
        """Put the metadata in their place, the root's last."""
        if begun.folder != self._name:
            self._replace_old(begun)
        roots = [root for root in GROUPS if root in begun.metadata]
        inner = [key for key in begun.metadata if key not in roots]
        _at_once(
            lambda key: self._objects.write(f"{self._name}/{key}", begun.metadata[key].encode()),
            inner,
        )
        self._check_lease()
        self._objects.delete([f"{self._name}/{UNFINISHED}"])
        for key in roots:
            if not self._objects.create(f"{self._name}/{key}", begun.metadata[key].encode()):
                raise StoreError(f"{self.path} exists; choose another name, or overwrite=True")

    def _replace_old(self, begun: Begun) -> None:
        """Copy a store to the place of another, which is not seen any more."""
        old = self._objects.list(self._name)
        mark = f"{self._name}/{UNFINISHED}"
        self._objects.write(mark, b"A store is being copied here.\n")
        self._objects.delete(find_roots(self._objects, self._name))
        self._objects.delete(old.keys() - {mark})
        keys = self._objects.list(begun.folder)
        _at_once(
            lambda key: self._objects.copy(key, f"{self._name}{key.removeprefix(begun.folder)}"),
            keys,
        )

    def remove_if_empty(self) -> None:
        """Remove an unfinished store in which nothing is finished."""
        with suppress(StoreError):
            self._check_lease()
            begun = self._read_begun()
            if begun is not None and self._list_notes(begun):
                return
            grown = begun is not None and begun.folder == self._name
            if grown and not find_roots(self._objects, self._name):
                self._objects.delete(self._objects.list(self._name))
            self._remove()

    def _remove(self) -> None:
        """Delete what lies beside the store; the lock is the last, since it is held."""
        self._clear_partial()
        if self._lease is not None:
            self._lease.forget()
        self._objects.delete([self._beside(LOCK)])

    def _clear_partial(self) -> None:
        """Delete what an unfinished store holds, but for its lock; its manifest first."""
        self._objects.delete([self._beside(MANIFEST)])
        keys = self._objects.list(self.partial_name).keys() - {self._beside(LOCK)}
        self._objects.delete(keys)


def _describe(roots: Mapping[str, Entry]) -> list[list[str]]:
    return [[key, found.mark, str(found.modified)] for key, found in sorted(roots.items())]


def _mark_of(entries: Mapping[str, Entry], begun: Begun, key: str) -> str:
    entry = entries.get(f"{begun.folder}/{key}")
    return entry.mark if entry else ""


def _at_once(change: Callable[[str], Any], keys: Iterable[str]) -> None:
    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(change, keys))


@lru_cache(maxsize=16)
def _open(place: BucketPlace) -> Objects:
    """Open the objects of a place once a process."""
    return open_objects(place._folder, place._options)


@lru_cache(maxsize=16)
def _read_run(place: BucketPlace, run: str) -> Begun:
    """Read what a run has begun, once a process.

    Raises
    ------
    StoreError
        If it was taken away.
    """
    begun = place._read_begun()
    if begun is None:
        raise StoreError(f"{place.path} was taken away; nothing more is written there")
    return begun
