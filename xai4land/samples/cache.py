"""Arrays of a sample in the cache folder, since a planet takes seconds to make."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from xai4land.errors import StoreError
from xai4land.files import replace_file
from xai4land.options import get_options

__all__ = ["load_or_make"]

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


def load_or_make(what: str, make: Callable[[], Arrays]) -> Arrays:
    """Return arrays from the cache folder, or make them and put them there.

    A file is named after what it holds, the code that makes it and numpy's version, so none is ever
    out of date. One that is damaged is made again; a folder that cannot be written to is no error.

    Parameters
    ----------
    what : str
        All that the arrays depend on beside the code of this package.
    make : callable
    """
    path = get_options().cache / "samples" / f"{_digest(what)}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        logger.info("%s is damaged, and made again: %s", path, error)
    arrays = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as part, part.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    except (OSError, StoreError) as error:
        logger.info("%s is not kept: %s", path, error)
    return arrays


def _digest(what: str) -> str:
    digest = hashlib.sha256(f"{what}|numpy {np.__version__}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]
