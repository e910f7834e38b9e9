"""Where downloads lie, and one process at a time to make each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from xai4land.downloads.urls import redact
from xai4land.errors import DownloadError, StoreError
from xai4land.files import translate_os_errors
from xai4land.options import get_options

__all__ = ["advise", "downloads_folder", "hash_file", "make_work_folder", "refuse_offline"]

ADVICE = (
    "what came is kept, to go on from; choose a folder with room that can be written, by "
    "XAI4LAND_CACHE or xai4land.set_options(cache=...)"
)


def downloads_folder() -> Path:
    """Return the folder of downloads in the cache."""
    return get_options().cache / "downloads"


def hash_file(path: Path, algorithm: str) -> str | None:
    """Return the hash of a file, or None if there is none.

    Raises
    ------
    StoreError
        If the file is there, and cannot be read.
    """
    import pooch

    try:
        return str(pooch.file_hash(str(path), alg=algorithm))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"could not read {path}: {error.strerror or error}") from error


@contextmanager
def make_work_folder(target: Path) -> Iterator[Path]:
    """Wait until no other process makes ``target``, then give a folder to make it in.

    The folder is taken away when the work is done; it stays, to go on from, when it fails.

    Raises
    ------
    StoreError
        If the disk is full or cannot be written.
    """
    partial = target.with_name(f"{target.name}.partial")
    with translate_os_errors(target, ADVICE):
        locks = target.parent / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / target.name):
            partial.mkdir(exist_ok=True)
            yield partial
            shutil.rmtree(partial, ignore_errors=True)


def refuse_offline(
    url: str, target: Path, known_hash: str, command: str, whole: bool = False
) -> None:
    """Raise an error that says what to do, if nothing may be downloaded.

    Raises
    ------
    DownloadError
    """
    if get_options().offline:
        damaged = "was damaged here" if target.exists() else "is not here"
        here = "cannot be renewed" if whole else damaged
        raise DownloadError(
            f"{redact(url)} {here}, and nothing may be downloaded (the option 'offline'); "
            f"{advise(target, known_hash, command)}"
        )


def advise(target: Path, known_hash: str, command: str) -> str:
    """Tell how a file gets here without network."""
    run = f"run `{command}` where there is network, with the same cache folder, or " * bool(command)
    what = f" ({known_hash})" if known_hash else ""
    return f"{run}put the file{what} at {target}"
