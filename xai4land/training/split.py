"""Spatial blocks for training and validation.

No validation pixel has a neighbour in training but along the edges of blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from xai4land.errors import InputError

__all__ = [
    "FEWEST_BLOCKS",
    "Split",
    "block_lines",
    "block_numbers",
    "count_halvings",
    "number_blocks",
    "split_blocks",
]

FEWEST_BLOCKS = 20


def block_numbers(
    lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64], degrees: float
) -> npt.NDArray[np.int64]:
    """Return the number of the block that holds each point; blocks are anchored to the globe.

    Returns
    -------
    ndarray, shape (len(lat), len(lon))

    Examples
    --------
    >>> block_numbers(np.array([80.0, 20.0]), np.array([-170.0, 170.0]), 90.0)
    array([[0, 3],
           [0, 3]])
    """
    rows, columns = block_lines(lat, lon, degrees)
    return number_blocks(rows[:, None], columns, degrees)


def block_lines(
    lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64], degrees: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows and the columns of blocks that latitudes and longitudes lie in.

    Blocks of half the side are exactly the quarters of a block: with these, both are halved.
    """
    rows = np.floor((90 - lat) / degrees).astype(np.int64)
    return rows, np.floor(((lon + 180) % 360) / degrees).astype(np.int64)


def number_blocks(
    rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], degrees: float
) -> npt.NDArray[np.int64]:
    """Return the numbers of blocks in rows and columns."""
    blocks: npt.NDArray[np.int64] = rows * int(np.ceil(360 / degrees)) + columns
    return blocks


@dataclass(frozen=True, eq=False)
class Split:
    """The pixels of one side of a split: those in the blocks that are held out, or all others.

    Attributes
    ----------
    degrees : float
        Side of a block.
    held : ndarray of int
        Numbers of the blocks that are held out for validation.
    blocks : ndarray of int
        Numbers of the blocks on this side in which the truth is known.
    validation : bool
        Which side this is.
    """

    degrees: float
    held: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64]
    validation: bool

    def holds(
        self, lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_]:
        """Return which points are in the split, shape (len(lat), len(lon))."""
        return self.holds_blocks(block_numbers(lat, lon, self.degrees))

    def holds_blocks(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which of some blocks are in the split."""
        held = np.isin(numbers, self.held)
        return held if self.validation else ~held


def split_blocks(
    known_blocks: Callable[[float], npt.NDArray[np.int64]],
    spacing: float,
    degrees: float,
    share: float,
    seed: int,
) -> tuple[Split, Split]:
    """Choose whole blocks for validation.

    Parameters
    ----------
    known_blocks : callable
        Numbers of the blocks of some side, in degrees, in which the truth is known.
    spacing : float
        Degrees between rows.
    degrees : float
        Side of a block; halved until there are at least 20 with known pixels.
    share : float
        Share of the blocks that is for validation.
    seed : int

    Returns
    -------
    training, validation : Split

    Raises
    ------
    InputError
        If the share is out of range, or the truth is known in fewer than two blocks.

    Examples
    --------
    >>> training, validation = split_blocks(lambda degrees: np.arange(20), 1.0, 30.0, 0.1, seed=0)
    >>> validation.held.size
    2
    """
    if not 0 < share < 1:
        raise InputError(f"validation={share}, expected a share of the blocks between 0 and 1")
    while True:
        numbers = known_blocks(degrees)
        if numbers.size >= FEWEST_BLOCKS or not count_halvings(spacing, degrees):
            break
        degrees /= 2
    if numbers.size < 2:
        raise InputError("the truth is known in fewer than two blocks; give a larger domain")
    count = min(max(round(share * numbers.size), 1), numbers.size - 1)
    held = np.random.default_rng(seed).choice(numbers, count, replace=False)
    return (
        Split(degrees, held, np.setdiff1d(numbers, held), False),
        Split(degrees, held, np.sort(held), True),
    )


def count_halvings(spacing: float, degrees: float) -> int:
    """Return how often blocks may be halved, so that they still have two pixels along a side.

    Examples
    --------
    >>> count_halvings(1.0, 30.0)
    3
    """
    times = 0
    while degrees >= 4 * spacing:
        degrees, times = degrees / 2, times + 1
    return times
