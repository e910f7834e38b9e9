"""One domain that an emulator is run on again and again, in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from xai4land.device import Precision, choose_device, choose_precision, download, upload
from xai4land.emulator import Emulator
from xai4land.emulator.inputs import Bound
from xai4land.emulator.reference import Reference
from xai4land.heads.outputs import unpack
from xai4land.inference.blocks import run_block
from xai4land.inference.chain import run_first_block
from xai4land.inference.layout import BlockIndex, Layout
from xai4land.inference.plan import Plan
from xai4land.typing import Floats
from xai4land.windows.cache import INPUT_CACHE_BYTES, WINDOW_CACHE_BYTES, ResultCache
from xai4land.windows.chunks import Box, Reader
from xai4land.windows.fields import Stack
from xai4land.windows.lattice import Windows
from xai4land.windows.sources import Sources

__all__ = ["Domain"]

HELD_BYTES = 2**30
"""Most that is kept of fixed inputs on pixels; beyond it they are interpolated at each step."""
WHOLE = BlockIndex((0, 0))


class Domain:
    """An emulator on a target that is computed as a whole, from arrays.

    What does not change is read, checked and brought to the pixels once.

    Parameters
    ----------
    emulator : Emulator
    bound : Bound
        Inputs that were checked against the emulator's card, without a time axis; those that
        change are given again at each run.
    changing : sequence of str
        Names of these.
    device, precision, batch_size
        As of :func:`xai4land.inference.predict.predict`.
    options : mapping
        Options of the emulator's head.
    """

    def __init__(
        self,
        emulator: Emulator,
        bound: Bound,
        changing: Sequence[str],
        *,
        device: str,
        precision: Precision,
        batch_size: int,
        options: Mapping[str, Any],
    ) -> None:
        card, target = emulator.card, bound.target
        device = choose_device(device)
        rows, columns = target.shape
        layout = Layout(
            target,
            bound.coarse,
            Windows(target.lattice_shape, card.window),
            ((rows,), (columns,)),
            card.outputs.whole_cells,
        )
        everything = layout.reading_box(WHOLE, layout.corners(WHOLE))
        sources = Sources.of(card, bound)
        self._readers = dict(sources.readers)
        self._sources = _FixedSources(
            **{**vars(sources), "readers": self._readers},
            changing=frozenset(changing),
            whole=everything,
            device=torch.device(device),
        )
        self._plan = Plan(
            Reference(emulator),
            options,
            layout,
            self._sources,
            batch_size,
            device,
            choose_precision(precision, device),
        )
        self.head = self._plan.head
        for names in (
            self._plan.screening_inputs,
            self._plan.required_inputs,
            self._plan.network_inputs,
        ):
            self._sources.hold(names)
        _ = self._plan.forward  # the network is loaded here, not in the first step

    @cached_property
    def fixed_digest(self) -> str:
        """SHA-256 of the inputs that do not change, where a grid of their own holds them."""
        digest = hashlib.sha256()
        for stacks in self._sources.held.values():
            for stack in stacks:
                digest.update(",".join(spec.name for spec in stack.specs).encode())
                digest.update(download(stack.values).tobytes())
        return digest.hexdigest()

    def run(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs by name, from the inputs that change.

        Parameters
        ----------
        values : mapping from str to ndarray, shape (rows, columns)
            On the grids of ``bound``; a prior map on that of the target.

        Raises
        ------
        InputError
            If values are out of range.
        """
        self._set(values)
        return self._unpack(run_block(self._plan, self._make_cache(), 0, WHOLE))

    def repeat(self, prior: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs of a prior map itself."""
        self._set(prior)
        return self._unpack(run_first_block(self._plan, self._make_cache(), 0, WHOLE))

    def _set(self, values: Mapping[str, np.ndarray]) -> None:
        priors = self._plan.card.outputs.fine_inputs
        for name, array in values.items():
            old = self._readers[name]
            grid = self._plan.layout.target if name in priors else old.chunking.grid
            assert array.shape == grid.shape, (name, array.shape, grid.shape)
            kind = old.kind if isinstance(old, Reader) else "others"
            self._readers[name] = Reader(array, grid, kind)

    def _make_cache(self) -> ResultCache:
        return ResultCache(WINDOW_CACHE_BYTES, INPUT_CACHE_BYTES, INPUT_CACHE_BYTES)

    def _unpack(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            output.name: unpack(fields[output.name], output.steps, output.dtype)
            for output in self.head.outputs
        }


@dataclass(frozen=True)
class _FixedSources(Sources):
    """Inputs of which some are replaced at each run; stacks of the others are read once."""

    changing: frozenset[str] = frozenset()
    whole: Box = ((0, 0), (0, 0))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    held: dict[tuple[str, ...], list[Stack]] = field(default_factory=dict)

    def hold(self, names: Sequence[str]) -> None:
        """Read the fixed ones of some inputs, which are read together, for the whole domain."""
        wanted = self._order(names)
        cache = ResultCache(0, INPUT_CACHE_BYTES, INPUT_CACHE_BYTES)
        stacks = super().read(wanted, self.whole, 0, cache) if wanted else []
        self.held[wanted] = [
            _HeldStack(s.grid, s.start, upload(s.values, self.device), s.specs)
            for s in stacks
            if not self.changing.intersection(spec.name for spec in s.specs)
        ]

    def _order(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.specs if spec.name in names)

    def read(self, names: Sequence[str], part: Box, time: int, cache: ResultCache) -> list[Stack]:
        """Read inputs for a part of the target's lattice, or take them as they are held."""
        wanted = self._order(names)
        fixed = self.held.get(wanted, [])
        known = {spec.name for stack in fixed for spec in stack.specs}
        rest = [name for name in wanted if name not in known]
        stacks = [*fixed, *(super().read(rest, part, time, cache) if rest else [])]
        order = {name: place for place, name in enumerate(wanted)}
        return sorted(stacks, key=lambda stack: order[stack.specs[0].name])


@dataclass(frozen=True)
class _HeldStack(Stack):
    """Fixed inputs, whose values on pixels are kept."""

    results: dict[Any, Any] = field(default_factory=dict, compare=False)
    lock: threading.Lock = field(default_factory=threading.Lock, compare=False)

    def to(self, device: torch.device) -> Stack:
        """Return the stack itself, which lies on the device already."""
        return self

    def interpolate(
        self, lat: Floats, lon: Floats, spacings: tuple[float, float]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Interpolate to points, once."""
        key = (float(lat[0]), float(lon[0]), lat.size, lon.size, *spacings)
        if key in self.results:
            return self.results[key]  # type: ignore[no-any-return]
        found = super().interpolate(lat, lon, spacings)
        with self.lock:
            count = len(self.results) + 1
            if count * sum(v.nbytes for v in found if v is not None) <= HELD_BYTES:
                self.results[key] = found
        return found
