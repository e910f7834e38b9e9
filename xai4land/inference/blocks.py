"""One block of output: its windows through the network, blended, conserved and packed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch

from xai4land.device import lane, share
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.heads.base import FirstGuess
from xai4land.inference.forward import in_threads
from xai4land.inference.plan import Plan
from xai4land.inference.tiles import make_fields
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Box
from xai4land.windows.features import Features, Pixels, make_features
from xai4land.windows.fields import Stack
from xai4land.windows.lattice import Place

__all__ = ["Block", "run_block"]

_TURNS = itertools.count()
TOGETHER = 2**16
"""Pixels of the windows that one thread hands to the network at once."""


def run_block(
    plan: Plan,
    shared: ResultCache,
    time: int,
    number: tuple[int, int],
) -> dict[str, np.ndarray]:
    """Compute one block.

    Parameters
    ----------
    plan : Plan
    shared : ResultCache
        What the blocks of the run share.
    time : int
        Step of the inputs that change with time.
    number : tuple of int
        Row and column of the block.

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
        with torch.inference_mode(), lane(torch.device(plan.device)):
            return Block(plan, shared, time, number).run()
    except Exception as error:
        where = _where(plan.layout.target, plan.layout.box(number))
        if isinstance(error, InputError):
            problems = [f"{problem} (in the block {where})" for problem in error.problems]
            raise InputError(problems) from None
        error.add_note(f"in the block {where}, time step {time}")
        raise


class Block:
    """One block at work; see :func:`run_block`."""

    def __init__(self, plan: Plan, shared: ResultCache, time: int, number: tuple[int, int]) -> None:
        self.plan, self.shared, self.time, self.number = plan, shared, time, number
        self.device = torch.device(plan.device)
        self.stacks: list[Stack] = []
        # The block that began first ends first, and another is read while the next one computes.
        self.turn = next(_TURNS)

    def run(self) -> dict[str, np.ndarray]:
        """Make the block's fields."""
        guess, open_ = self.look()
        return self.finish(guess, self._answers(open_, guess))

    def look(self) -> tuple[FirstGuess, list[Place]]:
        """Read what says which windows need the network, and which these are."""
        places = self.plan.layout.places(self.number)
        self._read(self.plan.looks(self.number))
        guess = self.plan.head.first_guess(self.stacks)
        return guess, [place for place in places if not guess.is_trivial(self._pixels(place))]

    def read(self, places: list[Place]) -> None:
        """Read what the outputs still need, and the network in some windows."""
        self._read(self.plan.reads(self.number, places))

    def finish(
        self, guess: FirstGuess, answers: Mapping[Place, torch.Tensor]
    ) -> dict[str, np.ndarray]:
        """Make the fields, from what was read and what the network says of windows."""
        return make_fields(self.plan, self.number, self.stacks, guess, answers, self.turn)

    def _read(self, wanted: Sequence[tuple[Sequence[str], Box]]) -> None:
        """Read inputs, each for a part of the lattice."""
        for names, part in wanted:
            stacks = self.plan.sources.read(names, part, self.time, self.shared)
            self.stacks += [stack.to(self.device) for stack in stacks]

    def _pixels(self, place: Place) -> Pixels:
        size = self.plan.layout.windows.window.size
        rows, columns = (np.arange(first, first + size) for first in place)
        return Pixels.of(self.plan.layout.target, rows, columns)

    def _answers(self, places: list[Place], guess: FirstGuess) -> dict[Place, torch.Tensor]:
        """What the network says of windows; each is computed by one of the blocks that share it."""
        futures: dict[Place, Future[torch.Tensor]] = {}
        mine: list[Place] = []
        for place in places:
            uses = self.plan.layout.uses(place)
            if uses > 1:
                futures[place], new = self.shared.claim(self._key(place), uses)
            else:
                futures[place], new = Future(), True
            if new:
                mine.append(place)
        try:
            self.read(mine)
            self.compute(mine, futures, guess)
        except BaseException as error:
            for place in mine:
                if not futures[place].done():
                    self.shared.fail(self._key(place), futures[place], error)
            raise
        return {place: share(future.result()) for place, future in futures.items()}

    def compute(
        self,
        places: list[Place],
        futures: dict[Place, Future[torch.Tensor]],
        guess: FirstGuess,
    ) -> None:
        """Settle the futures of windows with what the network says of them."""
        plan = self.plan
        size = plan.layout.windows.window.size
        cpu = self.device.type == "cpu"
        count = min(plan.batch_size, max(TOGETHER // size**2, 1)) if cpu else plan.batch_size

        def features(place: Place) -> Features:
            at = self._pixels(place)
            return make_features(plan.card, self.stacks, guess, at, plan.dtype)

        def job(some: list[Place]) -> list[torch.Tensor]:
            with torch.inference_mode():
                made = plan.forward(some, features)
            if cpu:
                self._settle(some, futures, made)
            return made

        batches = [places[i : i + count] for i in range(0, len(places), count)]
        parts = in_threads(self.device, job, batches, self.turn)
        made = [answer for part in parts for answer in part]
        if not cpu:
            if self.device.type == "cuda":  # other lanes may take them now
                torch.cuda.current_stream(self.device).synchronize()
            self._settle(places, futures, made)

    def _settle(
        self,
        places: list[Place],
        futures: dict[Place, Future[torch.Tensor]],
        made: list[torch.Tensor],
    ) -> None:
        for place, answer in zip(places, made, strict=True):
            self.shared.settle(self._key(place), futures[place], answer)

    def _key(self, place: Place) -> tuple[Any, ...]:
        return ("window", self.time, self.plan.layout.same(place))


def _where(target: Grid, box: Box) -> str:
    lat = target.lattice_lat(np.array([box[0][1] - 1, box[0][0]]))
    lon = (target.lattice_lon(np.array([box[1][0], box[1][1] - 1])) + 180) % 360 - 180
    return f"from {lat[0]:g} to {lat[1]:g}°N, {lon[0]:g} to {lon[1]:g}°E"
