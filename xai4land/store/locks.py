"""One run at a time, nothing put into a store by a run that is over, and failures in words.

A task may outlive its run: after Ctrl-C, or when a cluster has lost its client. So each put holds a
shared lock on the list of what is done, and whoever begins or ends a store has to have it alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xai4land.errors import StoreError
from xai4land.store.manifest import DONE, LOCK, Manifest

__all__ = ["alone", "locked", "putting", "told"]

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the store for this call; the lock goes with the process, however it ends.

    Raises
    ------
    StoreError
        If another process, or another thread of this one, holds it.
    """
    with told(folder):
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with told(folder):
            _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    busy = f"another process is writing {folder}; wait for it"
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(busy) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        warnings.warn(
            f"the file system of {folder} has no locks ({error.strerror}): nothing keeps a second "
            "run from writing the same store; start one at a time",
            stacklevel=5,
        )
    # The one who had it may have finished, and taken the folder away, before it came to us.
    try:
        same = os.path.samestat(os.fstat(handle), (folder / LOCK).stat())
    except FileNotFoundError:
        same = False
    if not same:
        raise StoreError(busy)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until nobody puts a part."""
    with _list_of_done(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def putting(folder: Path, fingerprint: str, label: str) -> Iterator[None]:
    """Put a part, then note that it is done, if the store is still that of the run.

    Raises
    ------
    StoreError
        If it is not.
    """
    over = f"{folder} became another run's, or was taken away; nothing more is put there"
    if not folder.exists():
        raise StoreError(over)
    with _list_of_done(folder, fcntl.LOCK_SH) as handle:
        manifest = Manifest.read(folder)
        if manifest is None or manifest.fingerprint != fingerprint:
            raise StoreError(over)
        yield
        # One short append, so that several do not mix; the newline first ends a line that a
        # killed one, or a full disk, has cut. A note that is lost costs that part's time.
        os.write(handle, f"\n{label}\n".encode())


@contextmanager
def _list_of_done(folder: Path, how: int) -> Iterator[int]:
    handle = os.open(folder / DONE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, how)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield handle
    finally:
        os.close(handle)


@contextmanager
def told(partial: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that says what to do.

    Raises
    ------
    StoreError
    """
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(_message(partial, error)) from error


def _message(partial: Path, error: OSError) -> str:
    said = f"could not write {partial.with_suffix('')}: {error.strerror or error}"
    if error.errno in FULL:
        said += f" ({shutil.disk_usage(partial.parent).free / 1e6:.0f} MB free there)"
    if not partial.exists():
        return f"{said}; choose a folder that can be written"
    return (
        f"{said}; what was written is in {partial.name}, which is not whole; "
        "run the same again to go on"
    )
