"""Regridding weights, cached on disk and in memory.

They depend on coordinates, corners, method, and versions of the libraries.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from xai4land.cache import Arrays, choose_path, read_arrays, save_arrays
from xai4land.errors import StoreError
from xai4land.typing import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Weights", "get_or_make", "load_or_make"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

FORMAT_VERSION = "1"
"""Version of the file format; files of another version are not read."""
MAX_CACHED_OPERATORS = 8
"""Operators that a process keeps, the most recently used ones."""
_OPERATORS: OrderedDict[tuple[str, ...], Any] = OrderedDict()
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
        Their file, which is all that a dask graph carries to another process.
    """

    rows: Ints
    columns: Ints
    values: Floats
    shape: tuple[int, int]
    path: Path | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path is not None and self.path.exists():
            return _open, (str(self.path),)
        return Weights, (self.rows, self.columns, self.values, self.shape)

    @cached_property
    def matrix(self) -> csr_array:
        """The weights as a sparse matrix."""
        from scipy.sparse import coo_array

        return coo_array((self.values, (self.rows, self.columns)), shape=self.shape).tocsr()

    def arrays(self) -> Arrays:
        """Return the arrays of a file."""
        return {
            "rows": self.rows.astype("<i8"),
            "columns": self.columns.astype("<i8"),
            "values": self.values.astype("<f8"),
            "shape": np.array(self.shape, "<i8"),
        }


def load_or_make(contents: Sequence[str], make: Callable[[], Weights]) -> Weights:
    """Load weights from their file, or make and save them if there is none.

    Parameters
    ----------
    contents : sequence of str
        Everything that the weights depend on.
    make : callable
    """
    path = choose_path("weights", FORMAT_VERSION, *contents)
    weights = _read(path)
    if weights is None:
        logger.info("make the weights %s", path)
        weights = make()
        if save_arrays(path, weights.arrays()):
            weights = replace(weights, path=path)
    return weights


def get_or_make(key: tuple[str, ...], make: Callable[[], T]) -> T:
    """Get what was made for a key, or make it, by one thread at a time.

    Parameters
    ----------
    key : tuple of str
        Everything that the result depends on.
    make : callable
    """
    with _LOCK:
        if key not in _OPERATORS:
            _OPERATORS[key] = make()
        _OPERATORS.move_to_end(key)
        while len(_OPERATORS) > MAX_CACHED_OPERATORS:
            _OPERATORS.popitem(last=False)
        result: T = _OPERATORS[key]
        return result


def _open(path: str) -> Weights:
    """Load weights in another process, once.

    Raises
    ------
    StoreError
        If it cannot read them.
    """

    def read() -> Weights:
        if (weights := _read(Path(path))) is None:
            raise StoreError(
                f"this worker cannot read the weights {path}; set XAI4LAND_CACHE to a folder "
                "that all workers share"
            )
        return weights

    return get_or_make((path,), read)


def _read(path: Path) -> Weights | None:
    """Read a file; None if it is missing or damaged."""
    if (arrays := read_arrays(path)) is None:
        return None
    rows, columns, values, shape = (arrays[name] for name in ("rows", "columns", "values", "shape"))
    return Weights(rows, columns, values, (int(shape[0]), int(shape[1])), path)
