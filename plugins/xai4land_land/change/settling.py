"""One map from two: between known maps, that of a rollout forward and of one backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from xai4land.emulator import Changes
from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.grids.axis import Axis
from xai4land.typing import Floats32, Ints

__all__ = ["average", "find_cells", "settle"]


def find_cells(points: npt.NDArray[np.float64], axis: Axis) -> Ints:
    """Return the number of the coarse cell that contains each point, counted from the first.

    Examples
    --------
    >>> find_cells(np.array([0.1, 0.6, 1.2, 1.7]), Axis(np.array([0.5, 1.5])))
    array([0, 0, 1, 1])
    """
    cells = axis.cell_index(points)
    found: Ints = np.cumsum(np.diff(cells, prepend=cells[0]) != 0)
    return found


def average(forward: Floats32, backward: Floats32, share: Floats32) -> Floats32:
    """Average probabilities, (time, classes, rows, columns); where one is missing, take the other.

    ``share`` is the weight of the backward ones, (time,).

    Examples
    --------
    >>> average(*(np.full((1, 1, 1, 2), x, "f4") for x in (0, 1)), np.array([0.25], "f4")).ravel()
    array([0.25, 0.25], dtype=float32)
    """
    weight = share[:, None, None, None]
    mean = (1 - weight) * forward + weight * backward
    mean = np.where(np.isnan(forward), backward, mean)
    found: Floats32 = np.where(np.isnan(backward), forward, mean)
    return found


def settle(
    forward: npt.NDArray[np.uint8],
    backward: npt.NDArray[np.uint8],
    likely: Floats32,
    share: Floats32,
    rows: Ints,
    columns: Ints,
    *,
    outputs: Changes,
) -> npt.NDArray[np.uint8]:
    """Choose, for each pixel, the class of one of two maps.

    In each coarse cell as many pixels are of each class as the two maps have on average, by the
    weights of their probabilities. A pixel has the more probable of its two classes, but where
    the cell lacks another one: then the pixels change that lose the least probability
    (:func:`xai4land.heads.allocate.allocate`). Where the maps agree, the result is theirs unless
    the areas cannot be met otherwise. The two maps are interchangeable.

    Parameters
    ----------
    forward, backward : ndarray of uint8, shape (time, rows, columns)
        The maps, in the codes of ``outputs``; where one is missing the other is taken.
    likely : ndarray of float32, shape (time, classes, rows, columns)
        Average probabilities.
    share : ndarray, shape (time,)
        Weight of the backward map.
    rows, columns : ndarray of int, shapes (rows,), (columns,)
        Number of the coarse cell of each; cells are whole.
    outputs : Changes

    Returns
    -------
    ndarray of uint8, shape (time, 2, rows, columns)
        The map; and the probability of its class, in steps of ``1 / CONFIDENCE_STEPS``.
    """
    codes = np.array([c.value for c in outputs.classes], np.uint8)
    numbers = np.full(256, -1)
    numbers[codes] = np.arange(codes.size)
    cells = rows - rows[0], columns - columns[0]
    made = [
        _settle_step(numbers[one], numbers[other], chances, float(weight), cells)
        for one, other, chances, weight in zip(forward, backward, likely, share, strict=True)
    ]
    codes = np.append(codes, np.uint8(MISSING_CLASS))  # of number -1
    return np.stack([np.stack([codes[number], sure]) for number, sure in made])


def _settle_step(
    forward: Ints, backward: Ints, likely: Floats32, share: float, cells: tuple[Ints, Ints]
) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Choose at one step; maps are numbers of classes, -1 where missing."""
    import torch

    from xai4land.heads.allocate import allocate
    from xai4land.heads.uncertainty import pack_confidence
    from xai4land.windows.cells import Cells

    first = torch.from_numpy(np.where(forward < 0, backward, forward))
    second = torch.from_numpy(np.where(backward < 0, forward, backward))
    chances = torch.nan_to_num(torch.from_numpy(np.ascontiguousarray(likely)))
    rows, columns = (torch.from_numpy(np.ascontiguousarray(line)) for line in cells)
    known, shape = first >= 0, (int(rows[-1]) + 1, int(columns[-1]) + 1)
    one, two = first.clamp(min=0), second.clamp(min=0)
    here = [chances.gather(0, number[None])[0] for number in (one, two)]
    # A tie is broken by what both have in common.
    best = torch.where(here[0] > here[1], one, two)
    best = torch.where(here[0] == here[1], torch.minimum(one, two), best)
    cell = (rows[:, None] * shape[1] + columns).ravel()
    areas = [_count(number, cell, len(chances), shape) for number in (one, two)]
    wanted = (1 - share) * areas[0] + share * areas[1]
    wanted = (wanted / wanted.sum(0)).float()
    candidates = torch.zeros_like(chances).scatter_(0, torch.stack([one, two]), 1)
    chosen = allocate(
        torch.where(known, best, -1),
        chances * candidates,
        Cells(rows, columns, wanted),
        torch.arange(len(chances)),
    )
    sure = chances.gather(0, chosen.clamp(min=0)[None])[0]
    steps = pack_confidence(sure)
    return chosen.numpy(), torch.where(known, steps, MISSING_CLASS).to(torch.uint8).numpy()


def _count(number: Any, cell: Any, classes: int, shape: Sequence[int]) -> Any:
    """Count the pixels of each class in each cell, shape (classes, cell rows, cell columns)."""
    import torch

    count = shape[0] * shape[1]
    counted = torch.bincount(number.ravel() * count + cell, minlength=classes * count)
    return counted.reshape(classes, *shape).double()
