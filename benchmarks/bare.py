"""The upper limit of speed: the network alone, on tensors in memory."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from common import Cost, measure
from emulators import CHANNELS, make_emulator, make_network, warm_up

from xai4land.emulator import Card

__all__ = ["DEFAULT_SETUP", "Setup", "find_best_setup", "run_bare"]

RESIDENT_WINDOWS = 16
"""Windows in memory; more of them would only use more memory."""


@dataclass(frozen=True)
class Setup:
    """Configuration of a run of the bare network.

    Attributes
    ----------
    bfloat16 : bool
        Whether weights and windows are bfloat16 rather than float32.
    prepared : bool
        Whether to use the memory layout and network optimisations of the emulator, rather than
        torch's defaults.
    batch : int
        Windows per forward pass.
    threads : int
        Python threads, each with a batch of its own and an equal share of the cores.
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


DEFAULT_SETUP = Setup(bfloat16=False, prepared=False, batch=8)


def run_bare(card: Card, windows: int, setup: Setup) -> Cost:
    """Measure a forward pass of each window."""
    kind = torch.bfloat16 if setup.bfloat16 else torch.float32
    layout = torch.channels_last if setup.prepared else torch.contiguous_format
    network = make_emulator(card).network("cpu") if setup.prepared else make_network(card)
    network = network.to(kind)
    size = card.window.size
    resident = torch.randn(RESIDENT_WINDOWS, CHANNELS, size, size).to(kind)
    codes = torch.zeros(RESIDENT_WINDOWS, 0, size, size, dtype=torch.long)
    resident = resident.contiguous(memory_format=layout)
    warm_up(network, card)

    def forward(part: slice) -> None:
        with torch.inference_mode():
            network(resident[part], codes[part])

    parts = _parts(windows, setup.batch)
    if setup.threads == 1:
        return measure(lambda: deque(map(forward, parts), maxlen=0))
    own = torch.get_num_threads() // setup.threads
    with ThreadPoolExecutor(setup.threads, "", torch.set_num_threads, (own,)) as pool:
        return measure(lambda: list(pool.map(forward, parts)))


def find_best_setup(card: Card, windows: int = 8) -> Setup:
    """Find the fastest setup in a short trial, by the better of two runs each."""
    cores = torch.get_num_threads()
    setups = [
        Setup(bfloat16, True, batch, threads)
        for bfloat16 in (False, True)
        for batch, threads in ((1, 1), (4, 1), (8, 1), (1, cores))
    ]
    taken = dict.fromkeys(setups, float("inf"))
    for _, setup in itertools.product(range(2), setups):
        taken[setup] = min(taken[setup], run_bare(card, windows, setup).seconds)
        torch.set_num_threads(cores)
    return min(setups, key=lambda setup: taken[setup])


def _parts(windows: int, batch: int) -> Iterator[slice]:
    for first in range(0, windows, batch):
        start = first % RESIDENT_WINDOWS
        yield slice(start, start + min(batch, windows - first))
