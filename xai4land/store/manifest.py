"""What an unfinished store knows of itself: what it will be, which chunks are done, who writes.

An unfinished store is a folder with the store in the making and three small files beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from xai4land.errors import StoreError

__all__ = ["STORE", "Manifest", "begin", "locked", "mark_done", "read_done"]

STORE, MANIFEST, DONE, LOCK = "store", "manifest.json", "done.txt", "lock"


@dataclass(frozen=True)
class Manifest:
    """What the finished store will hold.

    Attributes
    ----------
    fingerprint : str
        Hash of the values, lazy or not, and of the layout.
    title : str
        For people.
    chunks : int
        How many there will be.
    """

    fingerprint: str
    title: str
    chunks: int

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of an unfinished store; none if it was not even begun."""
        try:
            return cls(**json.loads((folder / MANIFEST).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Write it whole or not at all."""
        beside = folder / f"{MANIFEST}.new"
        beside.write_text(json.dumps(asdict(self)))
        beside.replace(folder / MANIFEST)


def begin(folder: Path) -> None:
    """Forget what an unfinished store held, the lock aside."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def read_done(folder: Path) -> set[str]:
    """Labels of the chunks that are done; a line that was cut off does not count."""
    try:
        text = (folder / DONE).read_text()
    except OSError:
        return set()
    return set(text[: text.rfind("\n") + 1].split())


def mark_done(folder: Path, label: str) -> None:
    """Add a chunk; one short append, so that several writers do not mix."""
    handle = os.open(folder / DONE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        # A newline first ends a line that a killed writer left.
        os.write(handle, f"\n{label}\n".encode())
    finally:
        os.close(handle)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the store for this process; the lock goes with the process, however it ends.

    Raises
    ------
    StoreError
        If another process holds it.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"another process is writing {folder}; wait for it") from error
        yield
    finally:
        os.close(handle)
