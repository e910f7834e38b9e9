"""Weights that are costly to make, kept on disk by their contents.

A file is named after the SHA-256 of all that its weights depend on (coordinates, corners, method,
versions of the libraries), and holds the SHA-256 of what is in it. So it can never be taken for
another's, and a damaged one is made again. It holds plain arrays, no pickles.
"""

from __future__ import annotations

import hashlib
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from xai4land.errors import StoreError
from xai4land.files import replace_file
from xai4land.grids.axis import Floats, Ints
from xai4land.options import current

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Weights", "kept", "remembered"]

T = TypeVar("T")

LAYOUT = "1"
"""Of the file; a new one makes the old files strangers."""
REMEMBERED = 8
"""Operators that a process keeps: those that it needed last."""
_KEPT: OrderedDict[tuple[str, ...], Any] = OrderedDict()
_LOCK = threading.RLock()


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of source cells in target cells.

    Attributes
    ----------
    rows, columns : ndarray of int64, shape (n,)
        Target cell and source cell, counted along the rows of their grids.
    values : ndarray, shape (n,)
    shape : tuple of int
        Number of target cells and of source cells.
    path : Path, optional
        The file that has them: all that a graph carries to another process.
    """

    rows: Ints
    columns: Ints
    values: Floats
    shape: tuple[int, int]
    path: Path | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None and self.path.exists():
            return _opened, (str(self.path),)
        return Weights, (self.rows, self.columns, self.values, self.shape)

    @cached_property
    def matrix(self) -> csr_array:
        """The same, to multiply with."""
        from scipy.sparse import coo_array

        return coo_array((self.values, (self.rows, self.columns)), shape=self.shape).tocsr()

    def arrays(self) -> dict[str, np.ndarray]:
        """As a file has them."""
        return {
            "rows": self.rows.astype("<i8"),
            "columns": self.columns.astype("<i8"),
            "values": self.values.astype("<f8"),
            "shape": np.array(self.shape, "<i8"),
        }


def kept(contents: Sequence[str], make: Callable[[], Weights]) -> Weights:
    """Weights from their file; made, and kept for the next time, if there is none.

    Several processes may do so at once: a file appears whole or not at all.

    Parameters
    ----------
    contents : sequence of str
        All that the weights depend on.
    make : callable
    """
    name = hashlib.sha256("\n".join([LAYOUT, *contents]).encode()).hexdigest()
    path = current().cache / "weights" / f"{name}.npz"
    found = _read(path)
    if found is None:
        found = make()
        if _write(path, found):
            found = replace(found, path=path)
    return found


def remembered(key: tuple[str, ...], make: Callable[[], T]) -> T:
    """What was made for a key; made now if it was not, by one thread at a time.

    Parameters
    ----------
    key : tuple of str
        All that it depends on.
    make : callable
    """
    with _LOCK:
        if key not in _KEPT:
            _KEPT[key] = make()
        _KEPT.move_to_end(key)
        while len(_KEPT) > REMEMBERED:
            _KEPT.popitem(last=False)
        found: T = _KEPT[key]
        return found


def _opened(path: str) -> Weights:
    """Weights in another process, read once.

    Raises
    ------
    StoreError
        If it cannot read them.
    """

    def read() -> Weights:
        if (found := _read(Path(path))) is None:
            raise StoreError(
                f"this worker cannot read the weights {path}; set XAI4LAND_CACHE to a folder "
                "that all workers share"
            )
        return found

    return remembered((path,), read)


def _read(path: Path) -> Weights | None:
    """What a file holds, if it is whole."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if arrays.pop("sha256").tobytes() != _digest(arrays):
            return None
        rows, columns, values, shape = (
            arrays[name] for name in ("rows", "columns", "values", "shape")
        )
        return Weights(rows, columns, values, (int(shape[0]), int(shape[1])), path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, weights: Weights) -> bool:
    """Whether it could be written."""
    arrays = weights.arrays()
    arrays["sha256"] = np.frombuffer(_digest(arrays), np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as draft, draft.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        warnings.warn(
            f"weights could not be kept in {path.parent} ({error.strerror}) and will be made "
            "again; set XAI4LAND_CACHE to a folder that can be written",
            stacklevel=2,
        )
        return False
    return True


def _digest(arrays: dict[str, np.ndarray]) -> bytes:
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.digest()
