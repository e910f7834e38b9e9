"""One run at a time where there are no locks: an object that its owner renews.

Whoever finds the object waits: if it changes, its owner lives, and the run is refused; if it has
not changed for the time of a lease, its owner is gone, and the object is replaced, on the condition
that it is still the one that was seen. No two clocks are compared: age is that of the store's own.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from xai4land.errors import StoreError
from xai4land.store.objects import Found, Objects, Version

__all__ = ["Lease", "hold_lease", "read_owner"]

LEASE_SECONDS = 60.0
"""After so long without a sign of its owner, a lock is another's to take."""
RENEWALS = 4
"""Signs that an owner gives in that time."""
TIME_RESOLUTION_SECONDS = 1.0
"""Of the times that object stores tell."""


class Lease:
    """A lock that is held."""

    def __init__(self, objects: Objects, key: str) -> None:
        self._objects, self._key = objects, key
        self._name = f"{objects.url}/{key.partition('.partial')[0]}"
        self.token = uuid4().hex
        self._beats = 0
        self._version: Version | None = None
        self._changes = threading.Lock()

    def acquire(self) -> None:
        """Take the lock if it is free, or if its owner is gone.

        Raises
        ------
        StoreError
            If its owner lives.
        """
        while self._version is None:
            self._version = self._objects.create(self._key, self._content())
            found = None if self._version else self._objects.read(self._key)
            if found is not None and (stale := self._wait_until_stale(found)) is not None:
                # If another was faster, it is seen in the next round.
                self._version = self._objects.replace(self._key, self._content(), stale.version)
        self._check_conditions()

    def _check_conditions(self) -> None:
        """Warn where an object store overlooks the conditions that locks are made of."""
        if self._objects.create(self._key, b"{}") is not None:
            warnings.warn(
                f"{self._objects.url} overlooks conditions of writes (If-None-Match): nothing "
                "keeps a second run from writing the same store; start one at a time",
                stacklevel=2,
            )
            self._objects.write(self._key, self._content())
            found = self._objects.read(self._key)
            self._version = found and found.version

    def _wait_until_stale(self, found: Found) -> Found | None:
        """Wait until an owner has given no sign for the time of a lease; None if the lock went."""
        if _owner(found) is None:
            return found
        left = LEASE_SECONDS - max(self._age(found), 0.0)
        end = time.monotonic() + left
        while left > 0:
            time.sleep(min(left, LEASE_SECONDS / RENEWALS / 2))
            now = self._objects.read(self._key)
            if now is None or _owner(now) is None:
                return now
            if now.version != found.version:
                self._refuse(now)
            left = end - time.monotonic()
        return found

    def _age(self, found: Found) -> float:
        """Return the age of an object in seconds, by the store's own clock."""
        key = f"{self._key}.{self.token}"
        self._objects.write(key, b"now")
        now = self._objects.find(key)
        self._objects.delete([key])
        age = (now.modified - found.modified).total_seconds() if now else 0.0
        return age - TIME_RESOLUTION_SECONDS

    def _refuse(self, found: Found) -> None:
        raise StoreError(f"another process is writing {self._name} ({_owner(found)}); wait for it")

    def renew(self) -> None:
        """Give a sign of life.

        Raises
        ------
        StoreError
            If the lock became another's.
        """
        with self._changes:
            if self._version is not None:
                self._beats += 1
                self._version = self._objects.replace(self._key, self._content(), self._version)
            if self._version is None:
                raise StoreError(
                    f"{self._name} became another run's; nothing more is written there"
                )

    def release(self) -> None:
        """Leave the lock to others; it goes by itself where nothing is reached."""
        with self._changes, suppress(StoreError):
            if self._version is not None:
                free = json.dumps({"owner": None, "token": ""}).encode()
                self._objects.replace(self._key, free, self._version)
            self._version = None

    def forget(self) -> None:
        """Let the lock go that was deleted with its store."""
        with self._changes:
            self._version = None

    def _content(self) -> bytes:
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        about = {"owner": owner, "token": self.token, "renewed": self._beats}
        return json.dumps(about).encode()


@contextmanager
def hold_lease(objects: Objects, key: str) -> Iterator[Lease]:
    """Hold a lock, and renew it until the block ends.

    Parameters
    ----------
    objects : Objects
    key : str
        Of the lock.

    Raises
    ------
    StoreError
        If another holds it, or nothing can be written there.
    """
    lease, ended = Lease(objects, key), threading.Event()
    lease.acquire()

    def renew() -> None:
        while not ended.wait(LEASE_SECONDS / RENEWALS):
            # Out of reach for a while, it is tried again; that it is lost, writers of parts see.
            with suppress(StoreError):
                lease.renew()

    thread = threading.Thread(target=renew, name="xai4land-lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        lease.release()


def read_owner(objects: Objects, key: str) -> str:
    """Read the token of the run that holds a lock; empty if none does."""
    found = objects.read(key)
    return str(json.loads(found.content).get("token", "")) if found else ""


def _owner(found: Found) -> str | None:
    """Return who holds a lock; None if nobody does."""
    try:
        owner: str | None = json.loads(found.content)["owner"]
    except (ValueError, KeyError, TypeError):
        return "unknown"
    return owner
