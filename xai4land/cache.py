"""Arrays in the cache folder, so that what takes time is made once.

A file is named after the SHA-256 of all that its arrays follow from, so none is ever out of date,
and holds the SHA-256 of its arrays, so a damaged one is made again. Of several processes that write
at once each writes a file of its own, and the last one stays; no reader sees half of one. A folder
that cannot be written to, or is full, is told, and is no error. Files hold plain arrays, and no
pickles.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from xai4land.errors import StoreWarning
from xai4land.files import replace_file
from xai4land.options import get_options

__all__ = ["Arrays", "choose_path", "load_or_make", "read_arrays", "save_arrays"]

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]
DIGEST = "sha256"
"""Name of the array in a file that is the hash of all others."""


def choose_path(folder: str, *contents: str) -> Path:
    """Choose the file of arrays.

    Parameters
    ----------
    folder : str
        In the cache folder.
    *contents : str
        All that the arrays follow from.

    Examples
    --------
    >>> path = choose_path("weights", "conservative", "0.25")
    >>> path.parent.name, path.suffix, path == choose_path("weights", "conservative", "0.5")
    ('weights', '.npz', False)
    """
    name = hashlib.sha256("\n".join(contents).encode()).hexdigest()
    return get_options().cache / folder / f"{name}.npz"


def load_or_make(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """Return arrays from their file, or make them and save them there.

    Parameters
    ----------
    path : Path
    make : callable
    """
    found = read_arrays(path)
    if found is None:
        found = make()
        save_arrays(path, found)
    return found


def read_arrays(path: Path) -> Arrays | None:
    """Read arrays; None if there is no such file, or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if arrays.pop(DIGEST).tobytes() == _hash(arrays):
            return arrays
        reason = "it is not what was written"
    except FileNotFoundError:
        return None
    except Exception as error:  # of a damaged archive: those of zip, zlib, numpy and the system
        reason = str(error)
    logger.info("%s cannot be used, and is made again: %s", path, reason)
    return None


def save_arrays(path: Path, arrays: Arrays) -> bool:
    """Save arrays, and tell whether that succeeded.

    Parameters
    ----------
    path : Path
    arrays : dict of str to ndarray
    """
    digest = np.frombuffer(_hash(arrays), np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as draft, draft.open("wb") as stream:
            np.savez(stream, **{**arrays, DIGEST: digest})  # type: ignore[arg-type]
    except OSError as error:
        warnings.warn(
            f"nothing could be saved in {path.parent} ({error.strerror or error}), so it will be "
            "made again each time; set XAI4LAND_CACHE to a folder with room that can be written",
            StoreWarning,
            stacklevel=2,
        )
        return False
    return True


def _hash(arrays: Arrays) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.digest()
