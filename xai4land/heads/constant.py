"""The first guess of outputs that no coarse input tells anything of."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from xai4land.windows.cells import CellLookup, Cells
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field, Stack

__all__ = ["ConstantGuess"]


@dataclass(frozen=True)
class ConstantGuess:
    """Zero everywhere, for outputs that a network makes from scratch.

    Parameters
    ----------
    layers : int
        Layers of the network's answer.
    place : Stack
        Where the inputs lie.
    """

    layers: int
    place: Stack

    def values(self, pixels: Pixels) -> torch.Tensor:
        """Return zeros, shape (layers, rows, columns)."""
        return torch.zeros((self.layers, *pixels.shape), device=self.place.values.device)

    def fill_channels(self, channels: torch.Tensor, values: torch.Tensor, pixels: Pixels) -> None:
        """Write nothing: there are no channels of the first guess."""

    def is_trivial(self, pixels: Pixels) -> bool:
        """Return False: the network is needed everywhere."""
        return False

    def cells(self, pixels: Pixels) -> Cells:
        """Return cells with nothing to agree with."""
        nothing = torch.full_like(self.place.values[:1], torch.nan, dtype=torch.float32)
        field = Field(self.place.grid, self.place.start, nothing)
        return CellLookup(field.grid, nothing.device).cells(field, pixels)

    def undecided(self, pixels: Pixels) -> torch.Tensor:
        """Return True everywhere: there is something to learn in each pixel."""
        return torch.ones(pixels.shape, dtype=torch.bool, device=self.place.values.device)
