"""One file over HTTP: resumed where it was cut off, and bounded in time."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests

from xai4land.downloads.session import (
    TRANSFER_ERRORS,
    Session,
    TransientError,
    describe_status,
    explain_fault,
)
from xai4land.downloads.urls import redact, safe_file_name
from xai4land.errors import DownloadError, StoreError
from xai4land.options import get_options
from xai4land.progress import byte_progress

__all__ = ["Transfer"]

logger = logging.getLogger(__name__)

PIECE_BYTES = 1 << 20
MIN_BYTES_PER_SECOND = 1024  # bytes a second, on average over the time that a server may be silent
MAX_CONNECT_SECONDS = 10.0  # seconds, at most
FIRST_PAUSE_SECONDS = 1.0  # seconds before the second attempt; doubled before each more
MAX_PAUSE_SECONDS = 30.0
RETRY_STATUSES = {408, 425, 429, 500, 502, 503, 504}

Here = Callable[[int, int | None], None]


class Transfer:
    """A downloader for pooch that goes on where a download was cut off, and never hangs.

    Parameters
    ----------
    url : str
        Where from; pooch is told only what may be shown of it.
    size : int, optional
        Bytes that the file must have.
    unless : str
        Mark of a version that need not be sent again.
    progress : bool

    Attributes
    ----------
    headers : mapping
        Those of the last answer.
    same : bool
        Whether the server still has the version ``unless``.
    """

    def __init__(
        self, url: str, size: int | None = None, unless: str = "", progress: bool = True
    ) -> None:
        self.url, self.size, self.unless, self.progress = url, size, unless, progress
        self.headers: Any = {}
        self.same = False

    def __call__(self, _url: str, output_file: str, _pooch: Any) -> None:
        """Download to ``output_file``; what is cut off stays in ``part`` beside it.

        Raises
        ------
        DownloadError
            If the server refuses, fails at every attempt, or has a file of another size.
        StoreError
            If the disk has no room.
        """
        part = Partial(Path(output_file).with_name("part"))
        with Session() as session, byte_progress(safe_file_name(self.url), self.progress) as here:
            self._try_repeatedly(session, part, here)
        if not self.same:
            os.replace(part.path, output_file)

    def _try_repeatedly(self, session: Session, part: Partial, here: Here) -> None:
        tries = 1 + get_options().retries
        for attempt in range(1, tries + 1):
            try:
                return self._try_once(session, part, here)
            except TRANSFER_ERRORS as error:
                reason, in_vain = explain_fault(error)
            if in_vain or attempt == tries:
                break
            pause = self._pause_seconds(attempt)
            logger.info("%s: %s; again in %g s", redact(self.url), reason, pause)
            time.sleep(pause)
        # Not chained: the libraries' messages hold the whole address, and what is secret in it.
        times = f", at attempt {attempt} of {tries}" if tries > 1 else ""
        raise self._make_error(f"{reason}{times}")

    def _pause_seconds(self, attempt: int) -> float:
        asked = str(self.headers.get("Retry-After", ""))
        least = int(asked) if re.fullmatch(r"[0-9]{1,9}", asked) else 0
        return float(min(max(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), least), MAX_PAUSE_SECONDS))

    def _try_once(self, session: Session, part: Partial, here: Here) -> None:
        self.headers = {}
        asked = part.request or ({"If-None-Match": self.unless} if self.unless else {})
        # As it lies there: a compressed copy would have another hash, and other ranges.
        asked |= {"Accept-Encoding": "identity"}
        with self._request(session, asked) as answer:
            self.headers = answer.headers
            self.same = bool(self.unless) and answer.status_code == HTTPStatus.NOT_MODIFIED
            if not self.same:
                self._receive(answer, part, here, "Range" in asked)

    def _request(self, session: Session, asked: dict[str, str]) -> requests.Response:
        timeout = get_options().timeout
        limits = (min(MAX_CONNECT_SECONDS, timeout), timeout)
        try:
            return session.get(self.url, headers=asked, stream=True, timeout=limits)
        except (requests.RequestException, DownloadError):
            raise
        except OSError as error:  # of certificates that are not where REQUESTS_CA_BUNDLE says
            raise self._make_error(str(error)) from None

    def _receive(
        self, answer: requests.Response, part: Partial, here: Here, resuming: bool
    ) -> None:
        total = self._expected_bytes(answer, part, resuming)
        if self.size is not None and total not in (None, self.size):
            raise self._make_error(f"the server has {total} bytes, expected {self.size}")
        part.check_room(total)
        if answer.status_code == HTTPStatus.OK:
            part.begin(answer.headers)
        most = self.size if total is None else total
        with part.path.open("ab") as stream:
            for piece in _read_pieces(answer, get_options().timeout):
                stream.write(piece)
                here(stream.tell(), most)
                if most is not None and stream.tell() > most:
                    raise self._make_error(f"the server sends more than the expected {most} bytes")
        if total is not None and part.size < total:
            raise TransientError(f"the connection was cut after {part.size} of {total} bytes")

    def _expected_bytes(
        self, answer: requests.Response, part: Partial, resuming: bool
    ) -> int | None:
        """Bytes of the whole file, if the server says; any answer without the file is a fault."""
        status = answer.status_code
        if status == HTTPStatus.OK:
            length = answer.headers.get("Content-Length", "")
            return int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
        if resuming and status == HTTPStatus.PARTIAL_CONTENT:
            said = answer.headers.get("Content-Range", "")
            if found := re.fullmatch(rf"bytes {part.size}-[0-9]+/([0-9]{{1,18}})", said):
                return int(found[1])
        if resuming and status in (HTTPStatus.PARTIAL_CONTENT, 416):
            part.begin({})
            raise TransientError("the server does not go on where the download was cut off")
        if status in RETRY_STATUSES:
            raise TransientError(f"the server answered {describe_status(status)}")
        raise self._make_error(f"the server answered {describe_status(status)}")

    def _make_error(self, reason: str) -> DownloadError:
        return DownloadError(f"could not download {redact(self.url)}: {reason}")


class Partial:
    """The first bytes of a file, and the server's mark of the version that they are of.

    The mark keeps bytes of two versions from being put together. It is written before the first
    byte, so a killed process leaves no bytes with another's mark.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = path.with_name(f"{path.name}.version")

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def request(self) -> dict[str, str]:
        """Headers that ask for the rest, if it is still the same version."""
        mark = self._mark.read_text("latin-1") if self._mark.exists() else ""
        return {"Range": f"bytes={self.size}-", "If-Range": mark} if mark and self.size else {}

    def begin(self, headers: Mapping[str, str]) -> None:
        """Forget what is here; what comes now is of the version that the headers tell."""
        self._mark.unlink(missing_ok=True)
        self.path.write_bytes(b"")
        # A weak tag says that two versions mean the same, not that they have the same bytes.
        tag = headers.get("ETag", "")
        mark = tag if tag.startswith('"') else headers.get("Last-Modified", "")
        if mark:
            self._mark.write_text(mark, "latin-1")

    def check_room(self, total: int | None) -> None:
        """Look before the download whether the disk holds it.

        Raises
        ------
        StoreError
        """
        free = shutil.disk_usage(self.path.parent).free
        if total is not None and total - self.size > free:
            raise StoreError(
                f"no room for {total / 1e6:.1f} MB in {self.path.parent.parent}, where "
                f"{free / 1e6:.1f} MB are free; make room, or choose another folder by "
                "XAI4LAND_CACHE or xai4land.set_options(cache=...)"
            )


def _read_pieces(answer: requests.Response, timeout: float) -> Iterator[bytes]:
    """Read pieces as they come; a server that is too slow is given up."""
    since, got = time.monotonic(), 0
    while piece := answer.raw.read1(PIECE_BYTES, decode_content=False):
        yield piece
        got += len(piece)
        if (passed := time.monotonic() - since) > timeout:
            if got < MIN_BYTES_PER_SECOND * passed:
                raise TransientError(f"the server sent only {got} bytes in {passed:.0f} s")
            since, got = time.monotonic(), 0
