"""Spatial blocks for training and validation, so that no validation pixel has a neighbour in
training but along the blocks' edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xai4land.errors import InputError

__all__ = ["block_numbers", "split_blocks"]

FEWEST = 20


def block_numbers(
    lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64], degrees: float
) -> npt.NDArray[np.int64]:
    """Number of the block that holds each point; blocks are anchored to the globe.

    Returns
    -------
    ndarray, shape (len(lat), len(lon))

    Examples
    --------
    >>> block_numbers(np.array([80.0, 20.0]), np.array([-170.0, 170.0]), 90.0)
    array([[0, 3],
           [0, 3]])
    """
    rows = np.floor((90 - lat) / degrees).astype(np.int64)
    columns = np.floor(((lon + 180) % 360) / degrees).astype(np.int64)
    blocks: npt.NDArray[np.int64] = rows[:, None] * int(np.ceil(360 / degrees)) + columns
    return blocks


def split_blocks(
    known: npt.NDArray[np.bool_],
    lat: npt.NDArray[np.float64],
    lon: npt.NDArray[np.float64],
    degrees: float,
    share: float,
    seed: int,
) -> tuple[float, npt.NDArray[np.int64]]:
    """Choose whole blocks for validation.

    Parameters
    ----------
    known : ndarray of bool, shape (rows, columns)
        Where the truth is known.
    lat, lon : ndarray
    degrees : float
        Side of a block; halved until there are at least 20 with known pixels.
    share : float
        Share of the blocks that is for validation.
    seed : int

    Returns
    -------
    degrees : float
        Side of the blocks that were used.
    validation : ndarray of int64
        Their numbers.
    """
    if not 0 < share < 1:
        raise InputError(f"validation={share}, expected a share of the blocks between 0 and 1")
    while True:
        numbers = np.unique(block_numbers(lat, lon, degrees)[known])
        if numbers.size >= FEWEST or degrees < 4 * abs(lat[0] - lat[-1]) / lat.size:
            break
        degrees /= 2
    if numbers.size < 2:
        raise InputError("the truth is known in fewer than two blocks; give a larger domain")
    count = min(max(round(share * numbers.size), 1), numbers.size - 1)
    return degrees, np.random.default_rng(seed).choice(numbers, count, replace=False)
