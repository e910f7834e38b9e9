"""What all blocks of a run share, and what the graph carries of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch

from xai4land.device import keep_memory
from xai4land.emulator import Emulator, MapCard
from xai4land.emulator.reference import Reference
from xai4land.heads.base import Head
from xai4land.heads.make import make_head
from xai4land.heads.outputs import Output
from xai4land.inference.forward import Forward
from xai4land.inference.layout import Layout
from xai4land.windows.cache import BRIEF, LASTING, Source
from xai4land.windows.chunks import Box, Reader
from xai4land.windows.lattice import Place
from xai4land.windows.sources import Sources

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """A run.

    Attributes
    ----------
    reference : Reference
        The emulator.
    options : mapping
        What is wanted beside the main outputs, as the emulator's head knows it.
    layout : Layout
        Blocks and windows of the target.
    sources : Sources
        The inputs, in the card's order.
    batch_size : int
    device, dtype
        Where and in what numbers the network computes.
    """

    reference: Reference
    options: Mapping[str, Any]
    layout: Layout
    sources: Sources
    batch_size: int
    device: str
    dtype: torch.dtype

    @property
    def emulator(self) -> Emulator:
        """The emulator, loaded once a process."""
        return self.reference.emulator

    @property
    def card(self) -> MapCard:
        """The emulator's card."""
        return self.emulator.card

    @cached_property
    def head(self) -> Head:
        """The head of the emulator's outputs."""
        return make_head(self.card, **self.options)

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """The outputs by name."""
        return {output.name: output for output in self.head.outputs}

    @property
    def inputs(self) -> Mapping[str, Reader]:
        """Readers of the inputs by name."""
        return self.sources.readers

    @property
    def arrays_read(self) -> list[Any]:
        """Arrays that blocks read, though the graph does not show it."""
        others = [a for o in self.options.values() for a in getattr(o, "arrays_read", ())]
        return [*(reader.data for reader in self.inputs.values()), *others]

    @cached_property
    def first(self) -> list[str]:
        """Inputs that tell which windows need a network: the coarse ones; all if there are none."""
        return list(self.card.outputs.coarse_inputs) or list(self.inputs)

    @cached_property
    def strict(self) -> list[str]:
        """Of the others, those that every map needs: where they are missing, it is."""
        return [
            spec.name
            for spec in self.card.inputs
            if spec.name not in self.first and not spec.fillable
        ]

    @cached_property
    def others(self) -> list[str]:
        """Inputs that only windows need which the network sees."""
        return [name for name in self.inputs if name not in [*self.first, *self.strict]]

    def looks(self, number: tuple[int, int]) -> list[tuple[list[str], Box]]:
        """Inputs, and for which part of the lattice, that tell which windows need a network."""
        return [(self.first, self.layout.reach(number))]

    def reads(self, number: tuple[int, int], places: list[Place]) -> list[tuple[list[str], Box]]:
        """The others that a block needs that computes some windows."""
        found = [(self.strict, self.layout.sight(number, places))] if self.strict else []
        return [*found, (self.others, self.layout.around(places))] if places else found

    def kept(self, steps: int) -> dict[Source, int]:
        """Bytes of inputs that a run of some steps keeps for its next blocks, and steps.

        Of fixed ones four chunks each, if that is not much, since so many meet at a corner; of all
        at least one each, or it would be read again for each block.
        """
        largest: dict[Source, int] = {"screening": 0, "others": 0}
        for reader in self.inputs.values():
            largest[reader.kind] += reader.largest
        corner = min(max(BRIEF, 4 * largest["others"]), LASTING)
        return {
            "screening": max(LASTING, largest["screening"]),
            "others": max(LASTING if steps > 1 else corner, largest["others"]),
        }

    @cached_property
    def forward(self) -> Forward:
        """The network on the device."""
        keep_memory()
        device = torch.device(self.device)
        network = self.emulator.network(self.device, self.dtype)
        return Forward(network, device, self.dtype, self.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone; a worker makes the rest itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
