"""The limit: the network alone, on tensors that are in memory already."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from common import Taken, clock
from emulators import CHANNELS, make_emulator, make_network, warm

from xai4land.emulator import Card

__all__ = ["PLAIN", "Way", "bare", "best_way"]

RESIDENT = 16
"""Windows in memory; more of them would only test the size of the memory."""


@dataclass(frozen=True)
class Way:
    """How to run a network.

    Attributes
    ----------
    bfloat16 : bool
        Whether weights and windows are bfloat16, or else float32.
    prepared : bool
        Whether they are laid out as suits the processor, with all that the emulator does to its
        network; or else as torch makes them.
    batch : int
        Windows at once.
    threads : int
        Python threads that each have a batch of their own, and an equal part of the cores.
    """

    bfloat16: bool
    prepared: bool
    batch: int
    threads: int = 1

    def __str__(self) -> str:
        kind = "bfloat16" if self.bfloat16 else "float32"
        layout = "channels-last" if self.prepared else "default layout"
        split = f"{self.threads} threads of one core" if self.threads > 1 else "one thread"
        return f"{kind}, {layout}, batch {self.batch}, {split}"


PLAIN = Way(bfloat16=False, prepared=False, batch=8)


def bare(card: Card, windows: int, way: Way) -> Taken:
    """As many forward passes as there are windows."""
    kind = torch.bfloat16 if way.bfloat16 else torch.float32
    layout = torch.channels_last if way.prepared else torch.contiguous_format
    network = make_emulator(card).network("cpu") if way.prepared else make_network(card)
    network = network.to(kind)
    size = card.window.size
    resident = torch.randn(RESIDENT, CHANNELS, size, size).to(kind)
    codes = torch.zeros(RESIDENT, 0, size, size, dtype=torch.long)
    resident = resident.contiguous(memory_format=layout)
    warm(network, card)

    def forward(part: slice) -> None:
        with torch.inference_mode():
            network(resident[part], codes[part])

    parts = _parts(windows, way.batch)
    if way.threads == 1:
        return clock(lambda: deque(map(forward, parts), maxlen=0))
    own = torch.get_num_threads() // way.threads
    with ThreadPoolExecutor(way.threads, "", torch.set_num_threads, (own,)) as pool:
        return clock(lambda: list(pool.map(forward, parts)))


def best_way(card: Card, windows: int = 8) -> Way:
    """The fastest of all ways, by a short trial; the better of two runs counts."""
    cores = torch.get_num_threads()
    ways = [
        Way(bfloat16, True, batch, threads)
        for bfloat16 in (False, True)
        for batch, threads in ((1, 1), (4, 1), (8, 1), (1, cores))
    ]
    taken = dict.fromkeys(ways, float("inf"))
    for _, way in itertools.product(range(2), ways):
        taken[way] = min(taken[way], bare(card, windows, way).seconds)
        torch.set_num_threads(cores)
    return min(ways, key=lambda way: taken[way])


def _parts(windows: int, batch: int) -> Iterator[slice]:
    for first in range(0, windows, batch):
        start = first % RESIDENT
        yield slice(start, start + min(batch, windows - first))
