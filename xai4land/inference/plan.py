"""The plan of a run: what all its blocks share, and what the graph holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch

from xai4land.device import keep_memory
from xai4land.emulator import Emulator, MapCard
from xai4land.emulator.reference import Reference
from xai4land.errors import InputError
from xai4land.heads.base import CarryingHead, Head
from xai4land.heads.make import make_head
from xai4land.heads.outputs import Output
from xai4land.inference.forward import Forward
from xai4land.inference.layout import BlockIndex, Layout
from xai4land.windows.cache import INPUT_CACHE_BYTES, ONE_STEP_CACHE_BYTES, InputKind
from xai4land.windows.chunks import Box, Reader
from xai4land.windows.lattice import WindowCorner
from xai4land.windows.sources import Sources

__all__ = ["InputRead", "Plan", "check_batch_size"]

InputRead = tuple[list[str], Box]
"""Inputs to read, and for which part of the lattice."""


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Attributes
    ----------
    reference : Reference
        The emulator.
    options : mapping
        Options of the emulator's head.
    layout : Layout
        Blocks and windows of the target.
    sources : Sources
        The inputs, in the card's order.
    batch_size : int
    device, dtype
        Where the network computes, and in which precision.
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
        """The emulator, loaded once per process."""
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
    def carried(self) -> str:
        """The output that is the prior map of the next step, where maps follow from each other."""
        return cast(CarryingHead, self.head).carried

    @property
    def inputs(self) -> Mapping[str, Reader]:
        """Readers of the inputs by name."""
        readers = self.sources.readers.items()
        return {name: reader for name, reader in readers if isinstance(reader, Reader)}

    @property
    def arrays_read(self) -> list[Any]:
        """Arrays that blocks read, though the graph does not show it."""
        others = [a for o in self.options.values() for a in getattr(o, "arrays_read", ())]
        return [*(reader.data for reader in self.inputs.values()), *others]

    @cached_property
    def screening_inputs(self) -> list[str]:
        """Inputs that decide which windows need the network.

        They are the coarse ones and prior maps, or all where there are none of these.
        """
        outputs = self.card.outputs
        return [*outputs.coarse_inputs, *outputs.fine_inputs] or list(self.inputs)

    @cached_property
    def required_inputs(self) -> list[str]:
        """Of all others, those that cannot be filled: every block needs them."""
        return [
            spec.name
            for spec in self.card.inputs
            if spec.name not in self.screening_inputs and not spec.fillable
        ]

    @cached_property
    def network_inputs(self) -> list[str]:
        """Inputs that only windows need that go through the network."""
        known = [*self.screening_inputs, *self.required_inputs]
        return [name for name in self.inputs if name not in known]

    def list_screening_reads(self, block: BlockIndex) -> list[InputRead]:
        """List what to read to decide which windows of a block need the network."""
        return [(self.screening_inputs, self.layout.screening_box(block))]

    def list_further_reads(self, block: BlockIndex, corners: list[WindowCorner]) -> list[InputRead]:
        """List what else to read for a block that computes some windows."""
        reads: list[InputRead] = []
        if self.required_inputs:
            reads.append((self.required_inputs, self.layout.reading_box(block, corners)))
        if corners:
            reads.append((self.network_inputs, self.layout.bounding_box(corners)))
        return reads

    def cache_limits(self, steps: int) -> dict[InputKind, int]:
        """Return bytes of each kind of inputs that a run of some time steps may cache.

        There is always room for one chunk of each kind, or it would be read again for each block.
        In a run of one step there is room for four of the others, if that is not much, since so
        many meet at a corner.
        """
        largest: dict[InputKind, int] = {"screening": 0, "others": 0}
        for reader in self.inputs.values():
            largest[reader.kind] += reader.max_chunk_bytes
        one_step = min(max(ONE_STEP_CACHE_BYTES, 4 * largest["others"]), INPUT_CACHE_BYTES)
        return {
            "screening": max(INPUT_CACHE_BYTES, largest["screening"]),
            "others": max(INPUT_CACHE_BYTES if steps > 1 else one_step, largest["others"]),
        }

    @cached_property
    def forward(self) -> Forward:
        """The network on the device."""
        keep_memory()
        device = torch.device(self.device)
        network = self.emulator.network(self.device, self.dtype)
        return Forward(network, device, self.dtype, self.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone; a worker makes the rest itself."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def check_batch_size(batch_size: object) -> int:
    """Return a number of windows, or refuse what is none.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_batch_size(8)
    8
    """
    whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:  # type: ignore[operator]
        raise InputError(f"batch_size={batch_size!r}, expected a whole number of at least 1")
    return int(batch_size)  # type: ignore[call-overload, no-any-return]
