"""Training: weak scaling of two processes of one thread, beside the machine's own.

Each process computes as many windows a step, by the trainer itself, on windows in memory. *apart*
are processes that do not know of each other: what the machine loses by itself; the target is .95 of
these. Where a machine is shared, the processor time of a step says more than the clock. About two
minutes on two quiet cores: ``OMP_NUM_THREADS=1 python benchmarks/run.py training --networks 2M``.
"""

from __future__ import annotations

import itertools
import os
import socket
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import pandas as pd
import torch
from common import Settings
from emulators import CHANNELS, NETWORKS
from torch.nn import functional as F

from xai4land.heads.loss import Loss
from xai4land.networks.unet import UNet
from xai4land.training.distributed import join_world
from xai4land.training.loop import optimise

__all__ = ["Resident", "make_unet", "table"]

CLASSES = 8
WINDOWS = 4
"""A process and step."""


class Resident:
    """An objective on random windows that are in memory already."""

    def __init__(self, steps: int, size: int, windows: int, device: str, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.steps, self.device = steps, torch.device(device)
        x = torch.randn(windows, CHANNELS, size, size, generator=generator)
        self.x = x.contiguous(memory_format=torch.channels_last).to(device)
        self.codes = torch.zeros(windows, 0, size, size, dtype=torch.long, device=device)
        self.truth = (torch.rand(windows, size, size, generator=generator) * CLASSES).long()
        self.truth = self.truth.to(device)

    def batches(self, epoch: int, first: int = 0) -> list[list[int]]:
        return [[step] for step in range(first, self.steps)]

    def loss(self, network: torch.nn.Module, part: int) -> Loss:
        with torch.autocast(self.device.type, torch.bfloat16):
            raw = network(self.x, self.codes)
        total = F.cross_entropy(raw.float(), self.truth, reduction="sum")
        return Loss(total, total.new_tensor(float(self.truth.numel())))

    def validate(self, network: torch.nn.Module) -> None:
        return None

    def name(self, part: int) -> str:
        return f"step {part}"


def make_unet(network: str) -> UNet:
    """Make a network of a number of parameters, whose weights are those of a training."""
    torch.manual_seed(0)
    made = UNet(CHANNELS, [], CLASSES, NETWORKS[network])
    return made.to(memory_format=torch.channels_last)


def table(settings: Settings) -> pd.DataFrame:
    """Measure seconds of a step, alone and in two processes, in turn."""
    steps, size = (3, 32) if settings.quick else (6, 160)
    network = settings.networks[0]
    jobs = {
        "one process": partial(_run, 1, False, network, steps, size),
        "two, apart": partial(_run, 2, False, network, steps, size),
        "two, together": partial(_run, 2, True, network, steps, size),
    }
    taken: dict[str, list[Step]] = {name: [] for name in jobs}
    for _ in range(settings.repeats):
        for name, job in jobs.items():
            taken[name].append(job())
    medians = {n: Step(*map(statistics.median, zip(*v, strict=True))) for n, v in taken.items()}
    one, apart, _ = medians.values()
    return pd.DataFrame(
        [
            {
                "": name,
                "seconds a step": step.seconds,
                "fastest": min(taken[name]).seconds,
                "efficiency": one.seconds / step.seconds,
                "of two apart": apart.seconds / step.seconds,
                "processor, s a step": step.processor,
                "of two apart, by processor": apart.processor / step.processor,
            }
            for name, step in medians.items()
        ]
    )


class Step(NamedTuple):
    """Seconds of a step, by the clock and of the processor."""

    seconds: float
    processor: float


def _run(count: int, together: bool, network: str, steps: int, size: int) -> Step:
    """Return the step of the slowest process, and the most processor time."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_train, k, count if together else 1, port, network, steps, size)
            for k in range(count)
        ]
        return Step(*map(max, zip(*(job.result(timeout=300) for job in jobs), strict=True)))


def _train(rank: int, count: int, port: int, network: str, steps: int, size: int) -> Step:
    torch.set_num_threads(1)
    found: dict[str, Any] = {"RANK": rank, "WORLD_SIZE": count}
    os.environ |= {k: str(v) for k, v in found.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    world, ends = join_world("cpu"), list[Step]()
    optimise(
        make_unet(network),
        Resident(steps + 1, size, WINDOWS, "cpu", rank),
        epochs=1,
        steps=steps + 1,
        learning_rate=1e-3,
        weight_decay=0.05,
        world=world,
        on_step=lambda: ends.append(Step(time.perf_counter(), time.process_time())),
    )
    clocks = zip(*ends, strict=True)
    return Step(*(statistics.median(b - a for a, b in itertools.pairwise(c)) for c in clocks))
