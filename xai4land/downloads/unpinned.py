"""Files that change under one address, so that no hash is published."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from xai4land.downloads.cache import (
    advise,
    downloads_folder,
    hash_file,
    make_work_folder,
    refuse_offline,
)
from xai4land.downloads.urls import check_url, redact, safe_file_name
from xai4land.errors import DownloadError
from xai4land.files import write_file

__all__ = ["fetch_unpinned"]


def fetch_unpinned(
    url: str, *, refresh: bool = False, command: str = "", progress: bool = True
) -> Path:
    """Download a file that has no published hash, or find it in the cache.

    It is checked against what the server says of it: the length, and the MD5 where there is one
    (``x-goog-hash``, ``Content-MD5``). Its SHA-256 is noted beside it, so later damage is found,
    and mended by downloading it again.

    Parameters
    ----------
    url : str
        ``https`` only (``http`` on this machine).
    refresh : bool
        Whether to ask the server for a newer version; otherwise what is here is taken.
    command, progress
        As for :func:`fetch`.

    Returns
    -------
    Path
        In the cache folder (see :class:`xai4land.set_options`).

    Raises
    ------
    InputError
        If the address cannot be used.
    DownloadError
        If it is not here and cannot be downloaded whole.
    StoreError
        If the cache cannot be written.
    """
    check_url(url)
    digest = hashlib.sha256(url.encode()).hexdigest()
    target = downloads_folder() / f"{digest[:16]}-{safe_file_name(url)}"
    version = _known_version(target)
    if version is not None and not refresh:
        return target
    refuse_offline(url, target, "", command, whole=version is not None)
    with make_work_folder(target) as partial:
        version = _known_version(target)
        if refresh or version is None:
            _renew(url, target, partial, version, command, progress)
    return target


def _renew(
    url: str, target: Path, partial: Path, version: str | None, command: str, progress: bool
) -> None:
    from xai4land.downloads.transfer import Transfer

    transfer = Transfer(url, unless=version or "", progress=progress)
    made = partial / target.name
    try:
        transfer(url, str(made), None)
        if transfer.same:
            return
        _check_transfer(url, made, transfer.headers)
    except DownloadError as error:
        if made.exists():  # all came, and is wrong
            shutil.rmtree(partial, ignore_errors=True)
        kept = "; the version that is here is kept" if version is not None else ""
        raise DownloadError(f"{error}; {advise(target, '', command)}{kept}") from None
    note = {
        "url": redact(url),
        "sha256": hash_file(made, "sha256"),
        "version": transfer.headers.get("ETag", ""),
        "modified": transfer.headers.get("Last-Modified", ""),
    }
    # The old note goes first: killed here, the process leaves a whole file, without a note.
    _note_path(target).unlink(missing_ok=True)
    os.replace(made, target)
    write_file(_note_path(target), json.dumps(note, indent=1))


def _note_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _known_version(target: Path) -> str | None:
    """Return the server's mark of the version here; None if there is none, or it was damaged.

    A file without a note was put there by hand: it is taken as it is.
    """
    seen = hash_file(target, "sha256")
    if seen is None:
        return None
    if not _note_path(target).exists():
        return ""
    try:
        note = json.loads(_note_path(target).read_text("utf-8"))
        return str(note["version"]) if note["sha256"] == seen else None
    except (ValueError, KeyError, TypeError):
        return None


def _check_transfer(url: str, path: Path, headers: Mapping[str, str]) -> None:
    encoded = headers.get("Content-Encoding", "identity") != "identity"
    length_known = "Content-Length" in headers or "Transfer-Encoding" in headers
    if encoded or not length_known:
        how = "compressed, unasked" if encoded else "without its length"
        raise DownloadError(
            f"{redact(url)} is sent {how}: nobody could tell whether it is whole; nothing was kept"
        )
    stated, seen = _parse_md5(headers), hash_file(path, "md5")
    if stated and stated != seen:
        raise DownloadError(
            f"{redact(url)} came with MD5 {seen}, but the server says {stated}; nothing was kept"
        )


def _parse_md5(headers: Mapping[str, str]) -> str:
    """MD5 in hexadecimal digits, from headers that have it in base 64; empty if none has."""
    # Of what was sent, which after a cut is not the whole.
    said = "" if "Content-Range" in headers else headers.get("Content-MD5", "")
    # Of the file as it is stored; one stored compressed may be sent otherwise.
    if headers.get("x-goog-stored-content-encoding", "identity") == "identity":
        for entry in headers.get("x-goog-hash", "").split(","):
            said = entry.strip().removeprefix("md5=") if "md5=" in entry else said
    try:
        digest = base64.b64decode(said, validate=True)
    except ValueError:
        return ""
    return digest.hex() if len(digest) == 16 else ""
