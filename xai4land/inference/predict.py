"""From inputs and an emulator to lazy arrays: the dask graph of a run."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from xai4land.adapters.dask import make_reading_task
from xai4land.cluster import NEIGHBOURS
from xai4land.device import Precision, choose_device, choose_precision
from xai4land.emulator import Emulator
from xai4land.emulator.inputs import Bound
from xai4land.emulator.reference import Reference
from xai4land.errors import InputError
from xai4land.heads.outputs import Output, unpack
from xai4land.inference.blocks import run_block
from xai4land.inference.layout import Layout
from xai4land.inference.plan import Plan
from xai4land.windows.cache import LIMIT, ResultCache
from xai4land.windows.lattice import Windows
from xai4land.windows.sources import Sources

__all__ = ["SIDE", "Chunks", "predict"]

Chunks = int | tuple[int, int] | None
Sizes = tuple[tuple[int, ...], tuple[int, ...]]
SIDE = 1024


def predict(
    emulator: Emulator,
    bound: Bound,
    chunks: Chunks = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    **options: Any,
) -> dict[str, da.Array]:
    """Describe a run; nothing is computed.

    Parameters
    ----------
    emulator : Emulator
    bound : Bound
        Inputs that were checked against the emulator's card.
    chunks : int or tuple of int, optional
        Rows and columns of an output chunk, by default 1,024. It does not change the result.
    batch_size : int
        Windows that the network sees at once. It does not change the result.
    device : str
        ``"auto"`` or a torch device.
    precision : {"auto", "float32", "bfloat16"}
        Numbers that the network computes in.
    **options
        What is wanted beside the main outputs, as the emulator's head knows it.

    Returns
    -------
    dict of dask array
        Each output of the head by name: (time, leading dimensions,) rows, columns of the target.
    """
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InputError(f"batch_size={batch_size!r}, expected a whole number of at least 1")
    card = emulator.card
    device = choose_device(device)
    sizes = _chunk_sizes(chunks, bound.target.shape)
    plan = Plan(
        Reference(emulator),
        options,
        Layout(
            bound.target,
            bound.coarse,
            Windows(bound.target.lattice_shape, card.window),
            sizes,
            card.outputs.whole_cells,
        ),
        Sources.of(card, bound),
        int(batch_size),
        device,
        choose_precision(precision, device),
    )
    token = tokenize(
        plan.layout.target.lat,
        plan.layout.target.lon,
        emulator,
        (sizes, sorted(options.items()), str(plan.dtype)),
        [reader.data for reader in plan.inputs.values()],
    )
    name = f"xai4land-{token}"
    times = None if bound.time is None else bound.time.size
    runs = _runs(plan, name, times or 1)
    return {output.name: _output(runs, name, output, times, sizes) for output in plan.head.outputs}


def _runs(plan: Plan, name: str, times: int) -> HighLevelGraph:
    """One task a time and block, ``(name, t, i, j)``, that gives all outputs of the block."""
    rows, columns = plan.layout.sizes
    kept = plan.kept(times)
    graph: dict[Any, Any] = {
        f"{name}-plan": plan,
        f"{name}-shared": (ResultCache, LIMIT, kept["screening"], kept["others"]),
    }
    given = f"{name}-plan", f"{name}-shared"
    for t, i, j in np.ndindex(times, len(rows), len(columns)):
        # Marked as what reads data, or all blocks would follow the plan to one worker.
        key = (name, t, i, j)
        graph[key] = make_reading_task(key, run_block, given, t, (i, j))
    order = (1, 3, 2) if plan.layout.wide else (1, 2, 3)
    layer = MaterializedLayer(graph, collection_annotations={NEIGHBOURS: order})
    return HighLevelGraph({name: layer}, {name: set()})


def _output(
    runs: HighLevelGraph, name: str, output: Output, times: int | None, sizes: Sizes
) -> da.Array:
    """One output as (time,) (leading,) rows, columns; a task picks it from each run."""
    own = f"{output.name}-{name}"
    zeros = (0,) * len(output.shape)
    picks: dict[Any, Any] = {
        (own, *(() if times is None else (t,)), *zeros, i, j): (
            _pick,
            (name, t, i, j),
            output.name,
            times is not None,
            (output.steps, output.dtype),
        )
        for t in range(times or 1)
        for i, j in np.ndindex(len(sizes[0]), len(sizes[1]))
    }
    graph = HighLevelGraph({**runs.layers, own: picks}, {**runs.dependencies, own: {name}})
    steps = () if times is None else ((1,) * times,)
    chunks = (*steps, *((n,) for n in output.shape), *sizes)
    return da.Array(graph, own, chunks=chunks, dtype=output.dtype)


def _pick(
    fields: dict[str, np.ndarray], name: str, timed: bool, packing: tuple[int | None, str]
) -> np.ndarray:
    """Take one output from what a block has made."""
    values = fields[name]
    return unpack(values[np.newaxis] if timed else values, *packing)


def _chunk_sizes(chunks: Chunks, shape: tuple[int, int]) -> Sizes:
    chunks = SIDE if chunks is None else chunks
    wanted = chunks if isinstance(chunks, tuple | list) else (chunks, chunks)
    if len(wanted) != 2 or not all(isinstance(n, int | np.integer) and n > 0 for n in wanted):
        raise InputError(f"chunks={chunks!r}, expected rows and columns of an output chunk")
    rows, columns = (
        (*(size for _ in range(n // size)), *((n % size,) if n % size else ()))
        for n, size in zip(shape, map(int, wanted), strict=True)
    )
    return rows, columns
