"""What a lazy reconstruction will take, said before it runs."""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from operator import getitem
from pathlib import Path
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
import torch
import xarray as xr
from dask.base import get_scheduler
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph
from dask.system import CPU_COUNT
from dask.threaded import get as threaded_get

from xai4land.errors import InputError
from xai4land.inference.blocks import _Block
from xai4land.inference.device import LANES, lane
from xai4land.inference.features import class_fractions
from xai4land.inference.maps import make_maps
from xai4land.inference.plan import Plan
from xai4land.inference.predict import AUTO
from xai4land.inference.reading import Chunking
from xai4land.inference.shared import LIMIT, Shared
from xai4land.inference.windows import Place
from xai4land.inputs import scalar_dates, time_name

__all__ = ["Explanation", "explain"]

Number = tuple[int, int]
Values = Mapping[str, Mapping[Number, np.ndarray]]

SECONDS = 3.0
"""How long the run is tried out."""
SAMPLE = 512
"""Pixels along a side of a block that is tried out, at most."""
TINY = 256
"""Chunks of a fixed input with less pixels along a side cost more to handle than to read."""
HELD = 2**28
"""Bytes of chunks of several time steps that may wait for their turn."""
BASE = 2**29
"""Memory of a process that has done nothing yet, where it cannot be measured."""


@dataclass(frozen=True)
class Explanation:
    """What a reconstruction will take.

    Attributes
    ----------
    blocks : int
        Output blocks, over all time steps.
    windows : int
        Windows of those blocks, over all time steps; one that blocks share counts once.
    skipped : float
        Share of the windows that need no network, since their cells are pure or missing. It is
        that of one time step.
    step : str
        Date of that time step, the first that is needed; empty if there are no dates.
    state_bytes, static_bytes : int
        Bytes of the chunks to be read, uncompressed: of inputs that change with time, and of fixed
        ones where the network is needed. What is in memory is not read.
    reread : bool
        Whether the fixed inputs are too large to be kept, and are read again for each time step.
    memory : int
        Bytes that a worker takes at its peak, without the finished map.
    threads : int
        Threads a worker, each with a block of its own.
    tasks : int
        Tasks in the graph.
    seconds : float
        From a few seconds of this very run on this machine; writing is not in it.
    chunks : tuple of int
        What to pass as ``reconstruct(chunks=...)``.
    rechunk : dict of str to int
        Better chunks of the inputs, for ``xr.open_dataset(path, chunks=...)``, or ``ds.chunk(...)``
        where they are open already; empty if theirs are good.
    advice : tuple of str
        Why, if ``chunks`` are not those of the run, or ``rechunk`` is not empty.
    """

    blocks: int
    windows: int
    skipped: float
    step: str
    state_bytes: int
    static_bytes: int
    reread: bool
    memory: int
    threads: int
    tasks: int
    seconds: float
    chunks: tuple[int, int]
    rechunk: dict[str, int]
    advice: tuple[str, ...]

    def __repr__(self) -> str:
        again = ", again for each time step" if self.reread else ""
        lines = {
            "blocks": f"{self.blocks:,}",
            "windows": f"{self.windows:,}, {self.skipped:.0%} of them need no network"
            + (f" (as in {self.step})" if self.step else ""),
            "reads": f"{_size(self.state_bytes)} of states, "
            f"{_size(self.static_bytes)} of fixed inputs{again}",
            "memory": f"{_size(self.memory)} a worker of {self.threads} threads",
            "tasks": f"{self.tasks:,}, {self.tasks / self.blocks:.1f} a block",
            "time": f"about {_span(self.seconds)}, without writing",
            "advice": "\n           ".join(self.advice) or "none",
        }
        return "\n".join(f"{what:<9}  {said}" for what, said in lines.items())


def explain(out: xr.Dataset) -> Explanation:
    """Say what a lazy reconstruction will take.

    The states of one time step are read, and a few windows go through the network for about
    three seconds. Nothing else is computed.

    Parameters
    ----------
    out : Dataset
        What ``reconstruct`` returns, or a part of it.

    Raises
    ------
    InputError
        If it is computed already, or not from one reconstruction.

    Examples
    --------
    >>> import xai4land
    >>> world = xai4land.sample("land").ai4land.reconstruct()
    >>> part = world.isel(time=[0], lat=slice(0, 300))
    >>> said = part.ai4land.explain()
    >>> said.windows, said.chunks, said.advice
    (340, (1024, 1024), ())
    """
    run = _Run.of(out)
    start = time.perf_counter()
    values = run.values()
    reading = time.perf_counter() - start
    needs, machine = _Needs(run, values), _Machine.now()
    seconds = _seconds(needs, machine, reading)
    chunks, why = _better_chunks(needs, machine)
    rechunk, reasons = _better_inputs(needs, _dates(out)[0])
    return Explanation(
        blocks=run.blocks,
        windows=needs.windows,
        skipped=needs.skipped,
        step=_dates(out)[1],
        state_bytes=needs.state_bytes,
        static_bytes=needs.static_bytes,
        reread=needs.reread,
        memory=needs.memory(machine.threads),
        threads=machine.threads,
        tasks=run.tasks,
        seconds=seconds,
        chunks=chunks,
        rechunk=rechunk,
        advice=(*why, *reasons),
    )
