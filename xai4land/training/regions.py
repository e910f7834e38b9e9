"""Regions to learn from, each with inputs and truth on grids of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from xai4land.heads.base import Head
from xai4land.training.samples import Corner, Sample, Samples

__all__ = ["Region", "Regions"]


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
    """

    data: xr.Dataset
    truth: Sequence[xr.DataArray]
    static: xr.Dataset | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Regions:
    """Windows of several regions, each on a grid of its own.

    Parameters
    ----------
    parts : sequence of Samples
    weights : sequence of float
        How much more often each is drawn than by how much there is to learn in it.
    """

    parts: Sequence[Samples]
    weights: Sequence[float]

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

    def draw(self, count: int, rng: np.random.Generator) -> list[Corner]:
        """Draw windows at random: the region first, by how much there is to learn in it."""
        if len(self.parts) == 1:
            return self.parts[0].draw(count, rng)
        chances = np.cumsum(self._shares)
        numbers = np.searchsorted(chances, rng.random(count) * chances[-1])
        return [self.parts[n].draw(1, rng)[0]._replace(region=int(n)) for n in numbers.tolist()]

    def cover(self, limit: int, rng: np.random.Generator) -> list[Corner]:
        """Return windows side by side in all regions, ``limit`` at most."""
        each = max(limit // len(self.parts), 1)
        return [
            corner._replace(region=n)
            for n, part in enumerate(self.parts)
            for corner in part.cover(each, rng)
        ]

    @cached_property
    def _shares(self) -> list[float]:
        # Roots, so that a large region does not drown the others.
        return [
            weight * float(np.sqrt(part.weight))
            for part, weight in zip(self.parts, self.weights, strict=True)
        ]
