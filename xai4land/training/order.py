"""The order of an epoch: windows in chunks that are near each other, mixed with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xai4land.typing import Floats, Ints

__all__ = ["VISIT", "WAITING_SHARE", "Shelves", "delay", "find_places", "mix_runs", "morton_order"]

WAITING_SHARE = 0.25
"""Of the cache, for windows that wait to be mixed with others; the rest is for chunks."""
VISIT = 8
"""Windows that are drawn in a place when its chunks are read."""


@dataclass(frozen=True, eq=False)
class Shelves:
    """Windows sorted by the place that they are in, to be drawn place by place.

    Parameters
    ----------
    numbers : ndarray of int
        Of the windows, place by place.
    ends : ndarray of int, shape (places + 1,)
        Where the windows of each place begin, and the last ends.
    chances : ndarray, shape (windows + 1,)
        Sums of the windows' weights; 0 first.
    """

    numbers: Ints
    ends: Ints
    chances: Floats

    @classmethod
    def of(cls, weights: Floats, places: Ints) -> Shelves:
        """Sort windows with a weight by their places, numbered in the order of reading."""
        useful = np.flatnonzero(weights > 0)
        order = useful[np.argsort(places[useful], kind="stable")]
        starts = np.flatnonzero(np.diff(places[order], prepend=-1))
        chances = np.concatenate([[0.0], np.cumsum(weights[order], dtype=np.float64)])
        return cls(order, np.append(starts, order.size), chances)

    def draw(self, visits: int, rng: np.random.Generator) -> Ints:
        """Draw windows of places that are drawn, shape (visits, windows each), in reading order.

        Each window is as likely as by its weight alone. Places are drawn at even distances along
        the sum of weights, so that a large one comes several times, one visit after another.
        """
        if not self.numbers.size:
            return np.zeros((0, VISIT), np.int64)
        bounds = self.chances[self.ends]
        at = bounds[-1] * (rng.random() + np.arange(visits)) / visits
        place = np.searchsorted(bounds, at, side="right").clip(1, bounds.size - 1)
        low, high = bounds[place - 1, None], bounds[place, None]
        wanted = low + rng.random((visits, VISIT)) * (high - low)
        found = np.searchsorted(self.chances, wanted, side="right") - 1
        last = self.ends[place, None] - 1
        return self.numbers[np.clip(found, self.ends[place - 1, None], last)]


def mix_runs(count: int, runs: int, rng: np.random.Generator) -> Ints:
    """Return an order of things that follows several runs at once, taken in turn at random.

    Parameters
    ----------
    count : int
        Number of things, in the order of reading.
    runs : int
        Parts into which they are cut, each of which keeps its order.
    rng : Generator

    Examples
    --------
    >>> order = mix_runs(6, 2, np.random.default_rng(0))
    >>> [n for n in order.tolist() if n < 3], [n for n in order.tolist() if n >= 3]
    ([0, 1, 2], [3, 4, 5])
    """
    runs_of = np.arange(count) * runs // max(count, 1)
    turns = rng.permutation(runs_of)
    order = np.empty(count, np.int64)
    order[np.argsort(turns, kind="stable")] = np.arange(count)
    return order


def delay(count: int, most: int, rng: np.random.Generator) -> Ints:
    """Return an order in which each thing comes after a random delay.

    Parameters
    ----------
    count : int
        Number of things.
    most : int
        Things that may wait, at most.
    rng : Generator

    Examples
    --------
    >>> order = delay(1000, 10, np.random.default_rng(0))
    >>> int(np.abs(order - np.arange(1000)).max()) <= 10
    True
    """
    return np.argsort(np.arange(count) + rng.random(count) * most, kind="stable")


def morton_order(rows: Ints, columns: Ints) -> Ints:
    """Return numbers by which cells near each other mostly follow each other (Morton 1966).

    Examples
    --------
    >>> morton_order(np.array([[0], [1]]), np.array([[0, 1, 2]])).tolist()
    [[0, 1, 4], [2, 3, 6]]
    """
    return _spread_bits(rows) << 1 | _spread_bits(columns)


def _spread_bits(numbers: Ints) -> Ints:
    """Put a zero before each bit of numbers below 2**24."""
    bits: Ints = sum((numbers >> k & 1) << 2 * k for k in range(24))  # type: ignore[assignment]
    return bits


def find_places(ends: Sequence[int], points: Ints, least: int) -> Ints:
    """Return the number of the place along an axis that each point lies in.

    Parameters
    ----------
    ends : sequence of int
        Where chunks end.
    points : ndarray of int
    least : int
        What places are joined to have at least.

    Examples
    --------
    >>> find_places([2, 4, 6, 8], np.array([0, 3, 4, 7]), 3).tolist()
    [0, 0, 1, 1]
    """
    kept, start = [], 0
    for end in ends:
        if end - start >= least:
            kept.append(end)
            start = end
    return np.searchsorted(kept[:-1], points, side="right").astype(np.int64)
