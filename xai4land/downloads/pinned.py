"""Files whose hash is known before they are downloaded."""

from __future__ import annotations

import logging
import os
import shutil
from contextvars import ContextVar
from pathlib import Path

from xai4land.downloads.cache import (
    advise,
    downloads_folder,
    hash_file,
    make_work_folder,
    refuse_offline,
)
from xai4land.downloads.urls import check_url, parse_hash, redact, safe_file_name
from xai4land.errors import DownloadError

__all__ = ["cached_path", "fetch"]

logger = logging.getLogger(__name__)

_OURS = ContextVar("ours", default=False)


def cached_path(url: str, known_hash: str) -> Path:
    """Where a download lies, or would lie; nothing is looked at.

    Parameters
    ----------
    url, known_hash : str
        As for :func:`fetch`.

    Examples
    --------
    >>> cached_path("https://host.org/a.nc", "sha256:" + 64 * "0").name
    '0000000000000000-a.nc'
    """
    return downloads_folder() / f"{parse_hash(known_hash)[1][:16]}-{safe_file_name(url)}"


def fetch(
    url: str,
    known_hash: str,
    *,
    size: int | None = None,
    command: str = "",
    progress: bool = True,
) -> Path:
    """Download a file, or find it in the cache; it has the hash in either case.

    Parameters
    ----------
    url : str
        ``https`` only (``http`` on this machine).
    known_hash : str
        SHA-256, as 64 digits or ``sha256:…``. ``md5:…`` is taken for archives that publish no
        better one; it finds accidents, not malice.
    size : int, optional
        Bytes that the file must have; a server that has another is not asked for it.
    command : str
        The command line that gets the file, for the error where there is no network.
    progress : bool
        Whether to show progress and the time left on standard error.

    Returns
    -------
    Path
        In the cache folder (see :class:`xai4land.set_options`).

    Raises
    ------
    InputError
        If the address or the hash cannot be used.
    DownloadError
        If it is not here and cannot be downloaded, or has another hash; then nothing is kept.
    StoreError
        If the cache cannot be written.
    """
    check_url(url)
    target = cached_path(url, known_hash)
    algorithm, digits = parse_hash(known_hash)
    known = f"{algorithm}:{digits}"
    if hash_file(target, algorithm) == digits:
        logger.debug("%s is here: %s", redact(url), target)
        return target
    refuse_offline(url, target, known, command)
    logger.info("download %s to %s", redact(url), target)
    with make_work_folder(target) as partial:
        if hash_file(target, algorithm) != digits:  # another process may have got it
            os.replace(_download(url, known, partial, size, command, progress), target)
    return target


def _download(
    url: str, known: str, partial: Path, size: int | None, command: str, progress: bool
) -> Path:
    import pooch

    from xai4land.downloads.transfer import Transfer

    target = cached_path(url, known)
    token = _OURS.set(True)
    pooch.get_logger().addFilter(_not_ours)
    try:
        # pooch checks the hash, and deletes what has another.
        transfer = Transfer(url, size, progress=progress)
        made = pooch.retrieve(redact(url), known, target.name, partial, downloader=transfer)
        return Path(made)
    except ValueError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise DownloadError(f"{redact(url)} is not the file that was asked for: {error}") from None
    except DownloadError as error:
        raise DownloadError(f"{error}; {advise(target, known, command)}") from None
    finally:
        _OURS.reset(token)


def _not_ours(_record: object) -> bool:
    """Whether pooch should say what it does: we show progress ourselves."""
    return not _OURS.get()
