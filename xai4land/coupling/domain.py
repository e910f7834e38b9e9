"""One domain that an emulator is run on again and again, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from xai4land.coupling.step_sources import StepSources
from xai4land.device import Precision, choose_device, choose_precision
from xai4land.emulator import Emulator
from xai4land.emulator.inputs import Bound
from xai4land.emulator.reference import Reference
from xai4land.heads.outputs import unpack
from xai4land.inference.blocks import run_block
from xai4land.inference.chain import run_first_block
from xai4land.inference.layout import BlockIndex, Layout
from xai4land.inference.plan import Plan
from xai4land.windows.cache import INPUT_CACHE_BYTES, WINDOW_CACHE_BYTES, ResultCache
from xai4land.windows.lattice import Windows
from xai4land.windows.sources import Sources

__all__ = ["Domain"]

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
    same : bool
        Whether an array that is given again has the values that it had before.
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
        same: bool,
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
        sources = vars(Sources.of(card, bound))
        self._sources = StepSources(
            **{**sources, "readers": dict(sources["readers"])},
            changing=frozenset(changing),
            part=layout.reading_box(WHOLE, layout.corners(WHOLE)),
            device=torch.device(device),
        )
        self._fixed = [name for name in self._sources.readers if name not in changing]
        self._same = same
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
        """SHA-256 of the inputs that do not change."""
        digest = hashlib.sha256()
        cache = self._make_cache()
        for name in self._fixed:
            reader = self._sources.readers[name]
            box = self._sources.needed(reader.chunking.grid, self._sources.part)
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(reader.read(box, 0, cache)).tobytes())
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
        grids = {name: self._plan.layout.target for name in values if name in priors}
        self._sources.replace(values, grids, self._same)

    def _make_cache(self) -> ResultCache:
        return ResultCache(WINDOW_CACHE_BYTES, INPUT_CACHE_BYTES, INPUT_CACHE_BYTES)

    def _unpack(self, fields: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            output.name: unpack(fields[output.name], output.steps, output.dtype)
            for output in self.head.outputs
        }
