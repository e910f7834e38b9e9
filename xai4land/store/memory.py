"""The memory of this process as an object store: ``memory://``, as fsspec has it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from fsspec.implementations.memory import MemoryFileSystem
from zarr.storage import FsspecStore

from xai4land.store.objects import Entry, Found, Version

__all__ = ["MemoryObjects"]

_CHANGES = Lock()
"""Held while an object is looked at and changed, by all threads of the process."""


class MemoryObjects:
    """Objects in fsspec's memory; see :class:`xai4land.store.objects.Objects`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._files: Any = MemoryFileSystem()
        self._root = f"/{url.partition('://')[2]}".rstrip("/")

    def read(self, key: str) -> Found | None:
        """Read an object; None if there is none."""
        with _CHANGES:
            return self._read(key)

    def _read(self, key: str) -> Found | None:
        try:
            content = self._files.cat_file(f"{self._root}/{key}")
        except FileNotFoundError:
            return None
        return Found(content, Version(_mark(content)), self._modified(f"{self._root}/{key}"))

    def find(self, key: str) -> Entry | None:
        """Find an object without reading it; None if there is none."""
        found = self.read(key)
        return found and Entry(_mark(found.content), found.modified)

    def download(self, key: str, path: Path) -> None:
        """Copy an object to a file."""
        path.write_bytes(self._files.cat_file(f"{self._root}/{key}"))

    def write(self, key: str, content: bytes | Path) -> str:
        """Write an object, and return the mark that listings will have of it."""
        content = content.read_bytes() if isinstance(content, Path) else content
        with _CHANGES:
            self._files.pipe_file(f"{self._root}/{key}", content)
        return _mark(content)

    def create(self, key: str, content: bytes) -> Version | None:
        """Write an object that is not there; None if it is, with other content."""
        with _CHANGES:
            found = self._read(key)
            if found is None:
                self._files.pipe_file(f"{self._root}/{key}", content)
        return Version(_mark(content)) if found is None or found.content == content else None

    def replace(self, key: str, content: bytes, version: Version) -> Version | None:
        """Write an object if it is still of a version; None if it is not."""
        with _CHANGES:
            found = self._read(key)
            if found is None or found.version != version:
                return None
            self._files.pipe_file(f"{self._root}/{key}", content)
        return Version(_mark(content))

    def list(self, prefix: str) -> dict[str, Entry]:
        """List the objects in a folder, and in all folders in it."""
        folder = f"{self._root}/{prefix}".rstrip("/")
        with _CHANGES:
            return {
                path[len(self._root) + 1 :]: Entry(
                    _mark(self._files.cat_file(path)), self._modified(path)
                )
                for path in self._files.find(folder)
            }

    def copy(self, key: str, target: str) -> None:
        """Copy an object where it is."""
        with _CHANGES:
            self._files.cp_file(f"{self._root}/{key}", f"{self._root}/{target}")

    def delete(self, keys: Collection[str]) -> None:
        """Delete objects; those that are not there are passed over."""
        with _CHANGES:
            for key in keys:
                if self._files.isfile(f"{self._root}/{key}"):
                    self._files.rm_file(f"{self._root}/{key}")

    def zarr_store(self, prefix: str) -> FsspecStore:
        """Return what Zarr reads a folder by; it cannot write."""
        return FsspecStore.from_url(f"memory:/{self._root}/{prefix}", read_only=True)

    def _modified(self, path: str) -> datetime:
        modified: datetime = self._files.modified(path)
        return modified


def _mark(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
