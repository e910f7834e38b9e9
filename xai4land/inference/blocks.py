"""One block of output: its windows through the network, blended, conserved and packed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch

from xai4land.device import device_slot, record_use
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.heads.base import FirstGuess
from xai4land.inference.forward import run_in_threads
from xai4land.inference.layout import BlockIndex
from xai4land.inference.plan import InputRead, Plan
from xai4land.inference.tiles import make_fields
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Box, HeldChunks
from xai4land.windows.features import Features, Pixels, make_features
from xai4land.windows.fields import Stack
from xai4land.windows.lattice import WindowCorner

__all__ = ["Block", "run_block"]

_BLOCK_COUNTER = itertools.count()
MAX_PIXELS_PER_JOB = 2**16
"""Pixels of the windows that one thread gives to the network at once."""


def run_block(
    plan: Plan,
    cache: ResultCache,
    time: int,
    index: BlockIndex,
    prior: HeldChunks | None = None,
) -> dict[str, np.ndarray]:
    """Compute one block.

    Parameters
    ----------
    plan : Plan
    cache : ResultCache
        Results that the blocks of the run share.
    time : int
        Step of the inputs that change with time.
    index : BlockIndex
    prior : HeldChunks, optional
        The map of the step before, where maps follow from each other.

    Returns
    -------
    dict of ndarray
        The outputs by name, as blocks keep them; rows run as on the target.

    Raises
    ------
    InputError
        If values are out of range; the block is named.
    """
    try:
        with torch.inference_mode(), device_slot(torch.device(plan.device)):
            return Block(plan, cache, time, index, prior).run()
    except Exception as error:
        where = _describe_box(plan.layout.target, plan.layout.box(index))
        if isinstance(error, InputError):
            problems = [f"{problem} (in the block {where})" for problem in error.problems]
            raise InputError(problems) from None
        error.add_note(f"in the block {where}, time step {time}")
        raise


class Block:
    """The computation of one block; see :func:`run_block`."""

    def __init__(
        self,
        plan: Plan,
        cache: ResultCache,
        time: int,
        index: BlockIndex,
        prior: HeldChunks | None = None,
    ) -> None:
        self.plan, self.cache, self.time, self.index = plan, cache, time, index
        self.sources = plan.sources
        if prior is not None:
            (name,) = plan.card.outputs.fine_inputs
            self.sources = plan.sources.with_chunks(name, prior)
        self.device = torch.device(plan.device)
        self.stacks: list[Stack] = []
        # The block that began first ends first, and another is read while the next one computes.
        self.priority = next(_BLOCK_COUNTER)

    def run(self) -> dict[str, np.ndarray]:
        """Make the block's fields."""
        guess, corners = self.screen()
        return self.finish(guess, self._get_answers(corners, guess))

    def screen(self) -> tuple[FirstGuess, list[WindowCorner]]:
        """Read the screening inputs, and find the windows that need the network."""
        corners = self.plan.layout.corners(self.index)
        self._read(self.plan.list_screening_reads(self.index))
        guess = self.plan.head.first_guess(self.stacks)
        return guess, [c for c in corners if not guess.is_trivial(self._pixels(c))]

    def read(self, corners: list[WindowCorner]) -> None:
        """Read what else the outputs need, and the network in some windows."""
        self._read(self.plan.list_further_reads(self.index, corners))

    def finish(
        self, guess: FirstGuess, answers: Mapping[WindowCorner, torch.Tensor]
    ) -> dict[str, np.ndarray]:
        """Make the fields from what was read and the network's output for windows."""
        return make_fields(self.plan, self.index, self.stacks, guess, answers, self.priority)

    def _read(self, reads: Sequence[InputRead]) -> None:
        for names, part in reads:
            stacks = self.sources.read(names, part, self.time, self.cache)
            self.stacks += [stack.to(self.device) for stack in stacks]

    def _pixels(self, corner: WindowCorner) -> Pixels:
        size = self.plan.layout.windows.window.size
        rows, columns = (np.arange(first, first + size) for first in corner)
        return Pixels.of(self.plan.layout.target, rows, columns)

    def _get_answers(
        self, corners: list[WindowCorner], guess: FirstGuess
    ) -> dict[WindowCorner, torch.Tensor]:
        """Return the network's output for windows; one of the blocks that share it computes it."""
        futures: dict[WindowCorner, Future[torch.Tensor]] = {}
        own: list[WindowCorner] = []
        for corner in corners:
            uses = self.plan.layout.count_uses(corner)
            if uses > 1:
                futures[corner], reserved = self.cache.reserve(self._key(corner), uses)
            else:
                futures[corner], reserved = Future(), True
            if reserved:
                own.append(corner)
        try:
            self.read(own)
            self.compute(own, futures, guess)
        except BaseException as error:
            for corner in own:
                if not futures[corner].done():
                    self.cache.set_exception(self._key(corner), futures[corner], error)
            raise
        return {corner: record_use(future.result()) for corner, future in futures.items()}

    def compute(
        self,
        corners: list[WindowCorner],
        futures: dict[WindowCorner, Future[torch.Tensor]],
        guess: FirstGuess,
    ) -> None:
        """Run the network in windows, and set the results of their futures."""
        plan = self.plan
        size = plan.layout.windows.window.size
        cpu = self.device.type == "cpu"
        count = plan.batch_size
        if cpu:
            shared = math.ceil(len(corners) / torch.get_num_threads())
            count = max(min(count, MAX_PIXELS_PER_JOB // size**2, shared), 1)

        def features(corner: WindowCorner) -> Features:
            pixels = self._pixels(corner)
            return make_features(plan.card, self.stacks, guess, pixels, plan.dtype)

        def job(batch: list[WindowCorner]) -> list[torch.Tensor]:
            with torch.inference_mode():
                answers = [
                    plan.head.refine(answer, guess, self._pixels(corner))
                    for corner, answer in zip(batch, plan.forward(batch, features), strict=True)
                ]
            if cpu:
                self._set_results(batch, futures, answers)
            return answers

        batches = [corners[i : i + count] for i in range(0, len(corners), count)]
        parts = run_in_threads(self.device, job, batches, self.priority)
        if not cpu:
            if self.device.type == "cuda":  # other streams may use the results now
                torch.cuda.current_stream(self.device).synchronize()
            self._set_results(corners, futures, [answer for part in parts for answer in part])

    def _set_results(
        self,
        corners: list[WindowCorner],
        futures: dict[WindowCorner, Future[torch.Tensor]],
        answers: list[torch.Tensor],
    ) -> None:
        for corner, answer in zip(corners, answers, strict=True):
            self.cache.set_result(self._key(corner), futures[corner], answer)

    def _key(self, corner: WindowCorner) -> tuple[Any, ...]:
        return ("window", self.time, self.plan.layout.canonical_corner(corner))


def _describe_box(target: Grid, box: Box) -> str:
    lat = target.lattice_lat(np.array([box[0][1] - 1, box[0][0]]))
    lon = (target.lattice_lon(np.array([box[1][0], box[1][1] - 1])) + 180) % 360 - 180
    return f"from {lat[0]:g} to {lat[1]:g}°N, {lon[0]:g} to {lon[1]:g}°E"
