"""Regions to learn from, each with inputs and truth on grids of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from xai4land.heads.base import Head
from xai4land.training.order import VISIT, WAITING_SHARE, delay, mix_runs
from xai4land.training.samples import Corner, Cut, Sample, Samples
from xai4land.training.stores import Stores
from xai4land.typing import Booleans, Ints

__all__ = ["Plan", "Region", "Regions"]

MOST_RUNS = 32
"""Places that are read in turn."""


class Plan(NamedTuple):
    """The windows of an epoch.

    Attributes
    ----------
    corners : list of Corner
        In the order in which they are read.
    order : ndarray of int
        Numbers of these, in the order in which they are learned from.
    """

    corners: list[Corner]
    order: Ints


@dataclass(frozen=True, eq=False)
class Region:
    """What is known of a region.

    Parameters
    ----------
    data : Dataset
        The inputs, each on its own grid.
    truth : sequence of DataArray
        What is to be learned, (time,) rows, columns of the target grid, as the head of the outputs
        encodes it: one array of positions (uint8, 255 where unknown), or one array a variable (NaN
        where unknown). Its steps are those of the inputs.
    static : Dataset, optional
        More inputs.
    weight : float
        How much more often its windows are drawn than by how much there is to learn in it.
    held : sequence of int
        Steps that are not learned from; validation windows are then of these alone.
    """

    data: xr.Dataset
    truth: Sequence[xr.DataArray]
    static: xr.Dataset | None = None
    weight: float = 1.0
    held: Sequence[int] = ()

    def known_steps(self, times: int, validation: bool) -> Booleans:
        """Return which steps a side of the split has."""
        held = np.isin(np.arange(times), np.array(self.held, np.int64))
        return held == validation if held.any() else ~held


@dataclass(frozen=True)
class Regions:
    """Windows of several regions, each on a grid of its own.

    Parameters
    ----------
    parts : sequence of Samples
    weights : sequence of float
        How much more often each is drawn than by how much there is to learn in it.
    stores : Stores
        What they are read from.
    """

    parts: Sequence[Samples]
    weights: Sequence[float]
    stores: Stores = field(default_factory=lambda: Stores({}))

    @property
    def head(self) -> Head:
        """Return what the network is trained for."""
        return self.parts[0].head

    @property
    def empty(self) -> bool:
        """Return whether nothing can be learned."""
        return all(part.empty for part in self.parts)

    def at(self, corner: Corner) -> Sample:
        """Make the window at a corner."""
        return self.parts[corner.region].at(corner)

    def cut(self, corner: Corner) -> Cut:
        """Read what the window at a corner is made from."""
        return self.parts[corner.region].cut(corner)

    def make(self, corner: Corner, cut: Cut) -> Sample:
        """Make the window at a corner from what was read for it."""
        return self.parts[corner.region].make(corner, cut)

    def draw(self, count: int, rng: np.random.Generator) -> list[Corner]:
        """Draw windows at random: the region first, by how much there is to learn in it."""
        if len(self.parts) == 1:
            return self.parts[0].draw(count, rng)
        chances = np.cumsum(self._shares)
        numbers = np.searchsorted(chances, rng.random(count) * chances[-1])
        return [self.parts[n].draw(1, rng)[0]._replace(region=int(n)) for n in numbers.tolist()]

    def plan(self, count: int, cache: int, rng: np.random.Generator) -> Plan:
        """Draw the windows of an epoch, in an order in which chunks are read once, mostly.

        Parameters
        ----------
        count : int
            Number of windows.
        cache : int
            Bytes of chunks and of windows that wait, together.
        rng : Generator
        """
        shares = np.array(self._shares)
        visits = rng.multinomial(-(-count // VISIT), shares / shares.sum()).tolist()
        corners, runs, limits = [], float(MOST_RUNS), self.parts[0].cache.limits
        for number, (part, some) in enumerate(zip(self.parts, visits, strict=True)):
            if some:
                corners += [c._replace(region=number) for c in part.plan(some, rng)]
                room = [limits[k] / n for k, n in part.open_bytes(some).items() if n]
                runs = min([runs, *room])
        waiting = int(cache * WAITING_SHARE / max(part.cut_bytes for part in self.parts))
        order = mix_runs(len(corners), max(int(runs), 1), rng)[:count]
        return Plan([corners[i] for i in order.tolist()], delay(count, max(waiting, 1), rng))

    @property
    def stored_bytes(self) -> int:
        """Return the bytes of all that is read of stores."""
        return sum(reader.data.nbytes for part in self.parts for reader in part.readers)

    def cover(self, limit: int, rng: np.random.Generator) -> list[Corner]:
        """Return windows side by side in all regions, ``limit`` at most."""
        total = sum(self.weights)
        return [
            corner._replace(region=n)
            for n, (part, weight) in enumerate(zip(self.parts, self.weights, strict=True))
            for corner in part.cover(max(int(limit * weight / total), 1), rng)
        ]

    @cached_property
    def _shares(self) -> list[float]:
        # Roots, so that a large region does not drown the others.
        return [
            weight * float(np.sqrt(part.weight))
            for part, weight in zip(self.parts, self.weights, strict=True)
        ]
