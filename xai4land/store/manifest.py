"""What an unfinished store knows of itself: what it will be, and what is done.

An unfinished store is a folder ``<name>.partial`` with the store in the making and small files
beside it. One of these is the store's own root metadata: it is put in its place last, so that
no reader takes for a store what is not whole.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from xai4land.errors import StoreError
from xai4land.files import delete, write_file

__all__ = [
    "DONE",
    "LOCKS",
    "MANIFEST",
    "ROOTS",
    "STORE",
    "Manifest",
    "begin",
    "hide",
    "list_foreign",
    "read_done",
    "remove",
    "reveal",
]

STORE, MANIFEST, DONE = "store", "manifest.json", "done.txt"
LOCKS = "locks"
ROOTS = ("zarr.json", ".zgroup", ".zmetadata")
"""Root metadata of a Zarr store of format 3, or of format 2."""
OWN = {STORE, MANIFEST, DONE, LOCKS, *ROOTS, "first.nc", "whole.nc", "replaced"}
"""All that lies in the folder of an unfinished store, beside drafts of these."""


@dataclass(frozen=True)
class Manifest:
    """What the finished store will hold.

    Attributes
    ----------
    fingerprint : str
        Hash of the values, lazy or not, and of the layout.
    title : str
        For people.
    """

    fingerprint: str
    title: str

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """Read the manifest of an unfinished store; None if it was not even begun."""
        try:
            return cls(**json.loads((folder / MANIFEST).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def refuse_other(self, wanted: Manifest, partial: object) -> None:
        """Refuse to go on with other data than those of an unfinished store.

        Raises
        ------
        StoreError
        """
        if self != wanted:
            raise StoreError(
                f"{partial} is an unfinished store of other data ({self.title or 'untitled'}: "
                "other inputs, emulator or chunks; a file that was moved or written anew counts as "
                "another); finish that run, delete it, or overwrite=True"
            )

    def write(self, folder: Path) -> None:
        """Write it whole or not at all."""
        write_file(folder / MANIFEST, json.dumps(asdict(self)))


def begin(folder: Path) -> None:
    """Delete what an unfinished store holds, but for its locks.

    Raises
    ------
    StoreError
        If the folder holds what is none of ours.
    """
    if foreign := list_foreign(folder):
        raise StoreError(
            f"{folder} holds {foreign[0]!r}, expected an unfinished store; move it elsewhere"
        )
    _delete_manifest(folder)
    for entry in folder.iterdir():
        if entry.name != LOCKS:
            delete(entry)


def list_foreign(folder: Path) -> list[str]:
    """List what lies in the folder of an unfinished store and is none of ours."""
    return [e.name for e in folder.iterdir() if e.name not in OWN and e.suffix != ".part"]


def remove(folder: Path) -> None:
    """Delete an unfinished store's folder, when its store is whole and elsewhere."""
    # What cannot be deleted (a lock on NFS) does no harm without a manifest.
    with suppress(OSError):
        _delete_manifest(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _delete_manifest(folder: Path) -> None:
    """Without a manifest nothing that is left counts, however a kill leaves it."""
    (folder / MANIFEST).unlink(missing_ok=True)


def hide(folder: Path) -> None:
    """Take the root metadata out of the store, which is not whole."""
    for root in ROOTS:
        if (folder / STORE / root).exists():
            (folder / STORE / root).replace(folder / root)


def reveal(folder: Path) -> None:
    """Put the root metadata into the store, which is whole."""
    # What killed writers left of a file.
    for scrap in (folder / STORE).rglob("*.partial"):
        if scrap.is_file():  # no variable of such a name
            scrap.unlink()
    for root in ROOTS:
        if (folder / root).exists():
            (folder / root).replace(folder / STORE / root)


def read_done(folder: Path) -> set[str]:
    """Return the labels of the parts that are done; a line that was cut is no part's."""
    try:
        return set((folder / DONE).read_text().split("\n")) - {""}
    except FileNotFoundError:
        return set()
