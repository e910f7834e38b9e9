"""What all blocks of a run share, and what the graph carries of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch

from xai4land.emulator import Card, Emulator
from xai4land.emulator.reference import Reference
from xai4land.grid import Grid
from xai4land.inference.layout import Layout
from xai4land.inference.network import Forward
from xai4land.inference.reading import Chunking, Reader

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """A run, but for its data that change with time, which come to each block as chunks.

    Attributes
    ----------
    reference : Reference
        The emulator.
    layout : Layout
        Blocks and windows of the target.
    grids : tuple of Grid
        Grid of each input, in the card's order.
    fixed : dict of str to Reader
        Inputs that blocks read themselves, if they need them.
    moving : dict of str to Chunking
        Inputs whose chunks are passed.
    batch_size : int
    device, dtype
        Where and in what numbers the network computes.
    probabilities, baselines : bool
        Whether the probability of each class, and the maps without the network, are wanted.
    """

    reference: Reference
    layout: Layout
    grids: tuple[Grid, ...]
    fixed: dict[str, Reader]
    moving: dict[str, Chunking]
    batch_size: int
    device: str
    dtype: torch.dtype
    probabilities: bool
    baselines: bool

    @property
    def emulator(self) -> Emulator:
        """The emulator, loaded once a process."""
        return self.reference.emulator

    @property
    def card(self) -> Card:
        """The emulator's card."""
        return self.emulator.card

    @cached_property
    def forward(self) -> Forward:
        """The network on the device."""
        device = torch.device(self.device)
        network = self.emulator.network(self.device, self.dtype)
        return Forward(network, device, self.dtype, self.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone; a worker makes the rest itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
