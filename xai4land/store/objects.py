"""Objects under an address, by key: the few operations that all object stores have.

There is no renaming, no appending and no lock. What a key holds changes as a whole, and a change
may ask that nobody else has made one meanwhile; on this the lock of a run (``lease.py``) is built.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from zarr.abc.store import Store

__all__ = ["GROUPS", "Entry", "Found", "Objects", "Version", "find_roots"]

GROUPS = ("zarr.json", ".zgroup")
"""Without one of these (format 3, or 2) there is no store to a reader."""


class Version(NamedTuple):
    """What an object store calls the present content of an object."""

    e_tag: str | None
    version: str | None = None


class Found(NamedTuple):
    """What an object holds."""

    content: bytes
    version: Version
    modified: datetime


class Entry(NamedTuple):
    """What a listing says of an object; the mark changes with its content."""

    mark: str
    modified: datetime


class Objects(Protocol):
    """The objects under one address; keys are relative to it.

    All methods raise ``StoreError`` where access is refused, or nothing is reached.
    """

    url: str

    def read(self, key: str) -> Found | None:
        """Read an object; None if there is none."""

    def find(self, key: str) -> Entry | None:
        """Find an object without reading it; None if there is none."""

    def download(self, key: str, path: Path) -> None:
        """Copy an object to a file."""

    def write(self, key: str, content: bytes | Path) -> str:
        """Write an object, and return the mark that listings will have of it."""

    def create(self, key: str, content: bytes) -> Version | None:
        """Write an object that is not there; None if it is, with other content."""

    def replace(self, key: str, content: bytes, version: Version) -> Version | None:
        """Write an object if it is still of a version; None if it is not."""

    def list(self, prefix: str) -> dict[str, Entry]:
        """List the objects in a folder, and in all folders in it."""

    def copy(self, key: str, target: str) -> None:
        """Copy an object, without moving its content through this machine."""

    def delete(self, keys: Collection[str]) -> None:
        """Delete objects; those that are not there are passed over."""

    def zarr_store(self, prefix: str) -> Store:
        """Return what Zarr reads a folder by; it cannot write."""


def find_roots(objects: Objects, name: str) -> dict[str, Entry]:
    """Find what makes a store one: its root metadata, or the file itself."""
    keys = [name] if name.endswith(".nc") else [f"{name}/{root}" for root in GROUPS]
    return {key: found for key in keys if (found := objects.find(key))}
