"""One run at a time, and nothing written into a store by a run that is over.

A task may outlive its run: after Ctrl-C, or when a cluster has lost its client. So whoever writes a
part holds a lock of its own, one of a few that are numbered; and whoever begins or ends a store
marks it as closed and waits until all of these are free. Writers look for the mark when they have
their lock, so none is overlooked.
"""

from __future__ import annotations

import errno
import itertools
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from xai4land.errors import StoreError, StoreWarning
from xai4land.files import translate_os_errors
from xai4land.store.manifest import DONE, LOCKS, Manifest

__all__ = ["hold_run", "pause_writers", "record_part", "translate_store_errors"]

RUN, CLOSED = "run", "closed"
NO_LOCKS_CODES = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
POLL_SECONDS = 0.002
"""Between two looks at a lock that another holds."""


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Hold an unfinished store for one run; the lock goes with the process, however it ends.

    Raises
    ------
    StoreError
        If another process, or another thread of this one, holds it.
    """
    lock = _lock(folder, RUN)
    with translate_store_errors(folder):
        (folder / LOCKS).mkdir(exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise StoreError(f"another process is writing {folder}; wait for it") from error
        except OSError as error:
            _check_no_locks(error)
            warnings.warn(
                f"the file system of {folder} has no locks ({error.strerror}): nothing keeps a "
                "second run from writing the same store; start one at a time",
                StoreWarning,
                stacklevel=4,
            )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def pause_writers(folder: Path) -> Iterator[None]:
    """Wait until nobody writes a part, and let nobody begin to."""
    closed = folder / LOCKS / CLOSED
    closed.touch()
    try:
        for path in (folder / LOCKS).iterdir():
            if path.name.isdigit():
                _wait_for(_lock(folder, path.name))
        yield
    finally:
        closed.unlink(missing_ok=True)


@contextmanager
def record_part(folder: Path, fingerprint: str, label: str) -> Iterator[None]:
    """Let a part be written, if the store is still that of the run; then note that it is done.

    Raises
    ------
    StoreError
        If it is not.
    """
    over = f"{folder} became another run's, or was taken away; nothing more is written there"
    if not folder.exists():
        raise StoreError(over)
    with _hold_number(folder):
        manifest = Manifest.read(folder)
        closed = (folder / LOCKS / CLOSED).exists()
        if closed or manifest is None or manifest.fingerprint != fingerprint:
            raise StoreError(over)
        yield
        # One short append, so that several do not mix; the newline first ends a line that a
        # killed one, or a full disk, has cut. A note that is lost costs that part's time.
        handle = os.open(folder / DONE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, f"\n{label}\n".encode())
        finally:
            os.close(handle)


def translate_store_errors(partial: Path) -> AbstractContextManager[None]:
    """Turn what the file system refuses into an error that says how to go on.

    Raises
    ------
    StoreError
    """

    def advice() -> str:
        if not partial.exists():
            return "choose a folder that can be written"
        return (
            f"what was written is in {partial.name}, which is not whole; run the same again to "
            "go on"
        )

    return translate_os_errors(partial.with_suffix(""), advice)


def _lock(folder: Path, name: str) -> FileLock:
    # A file in the place of a lock would outlive a killed process.
    return FileLock(folder / LOCKS / name, poll_interval=POLL_SECONDS, fallback_to_soft=False)


@contextmanager
def _hold_number(folder: Path) -> Iterator[None]:
    """Hold the first of the numbered locks that is free; a few are enough for all writers."""
    locks = (_lock(folder, str(number)) for number in itertools.count())
    lock = next(lock for lock in locks if _try_to_hold(lock))
    try:
        yield
    finally:
        lock.release()


def _wait_for(lock: FileLock) -> None:
    """Wait until nobody holds a lock."""
    try:
        lock.acquire()
    except OSError as error:
        _check_no_locks(error)
    lock.release()


def _try_to_hold(lock: FileLock) -> bool:
    """Hold a lock if nobody else does; return whether this is so."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        _check_no_locks(error)
    return True


def _check_no_locks(error: OSError) -> None:
    """Raise an error again, unless it says that the file system has no locks."""
    if error.errno not in NO_LOCKS_CODES:
        raise error
