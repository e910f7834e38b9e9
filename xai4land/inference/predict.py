"""From inputs and an emulator to lazy arrays: the dask graph of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

from xai4land.adapters.dask import make_reading_task
from xai4land.adapters.xarray import is_in_memory
from xai4land.cluster import NEIGHBOURS
from xai4land.device import Precision, choose_device, choose_precision
from xai4land.emulator import Emulator
from xai4land.emulator.inputs import Bound, Layer
from xai4land.emulator.reference import Reference
from xai4land.errors import InputError
from xai4land.inference.blocks import run_block
from xai4land.inference.layout import Layout
from xai4land.inference.plan import Plan
from xai4land.inference.tiles import CONFIDENCE_STEPS, MISSING
from xai4land.windows.cache import LIMIT, Shared
from xai4land.windows.chunks import Reader
from xai4land.windows.lattice import Windows

__all__ = ["SIDE", "Chunks", "Prediction", "predict"]

Chunks = int | tuple[int, int] | None
Sizes = tuple[tuple[int, ...], tuple[int, ...]]
SIDE = 1024
READ = 2048


@dataclass(frozen=True)
class Prediction:
    """Lazy arrays of (time,) rows, columns on the target grid.

    Attributes
    ----------
    classes : dask array of uint8
        Flag values; 255 where inputs are missing.
    confidence : dask array of float32
        Probability of the chosen class, in steps of 0.01; NaN where missing.
    probability : dask array of float32 or None
        Classes before time.
    baselines : dict of dask array of uint8
        Flag values that the ``nearest`` cell and the ``bilinear`` fractions alone suggest.
    """

    classes: da.Array
    confidence: da.Array
    probability: da.Array | None
    baselines: dict[str, da.Array]


def predict(
    emulator: Emulator,
    bound: Bound,
    chunks: Chunks = None,
    batch_size: int = 8,
    device: str = "auto",
    precision: Precision = "auto",
    probabilities: bool = False,
    baselines: bool = False,
) -> Prediction:
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
    probabilities : bool
        Whether to give the probability of every class.
    baselines : bool
        Whether to give the maps that the fractions alone suggest.
    """
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise InputError(f"batch_size={batch_size!r}, expected a whole number of at least 1")
    card = emulator.card
    device = choose_device(device)
    sizes = _chunk_sizes(chunks, bound.target.shape)
    plan = Plan(
        Reference(emulator),
        Layout(
            bound.target,
            bound.states,
            Windows(bound.target.lattice, card.window),
            sizes,
            card.conserve,
        ),
        {
            layer.spec.name: Reader(
                _data(layer), layer.grid, "states" if layer.spec.name in card.states else "fixed"
            )
            for layer in bound.layers
        },
        int(batch_size),
        device,
        choose_precision(precision, device),
        probabilities,
        baselines,
    )
    token = tokenize(
        plan.layout.target.lat,
        plan.layout.target.lon,
        emulator,
        (sizes, probabilities, baselines, str(plan.dtype)),
        [reader.data for reader in plan.inputs.values()],
    )
    name = f"xai4land-{token}"
    times = None if bound.time is None else bound.time.size
    runs = _runs(plan, name, times or 1)

    def output(what: str, dtype: Any, leading: tuple[int, ...] = ()) -> da.Array:
        return _output(runs, name, what, dtype, (leading, times, sizes))

    return Prediction(
        output("classes", np.uint8),
        output("confidence", np.float32),
        output("probability", np.float32, (len(card.classes),)) if probabilities else None,
        {kind: output(kind, np.uint8) for kind in ("nearest", "bilinear") if baselines},
    )


def _runs(plan: Plan, name: str, times: int) -> HighLevelGraph:
    """One task a time and block, ``(name, t, i, j)``, that gives all outputs of the block."""
    rows, columns = plan.layout.sizes
    kept = plan.kept(times)
    graph: dict[Any, Any] = {
        f"{name}-plan": plan,
        f"{name}-shared": (Shared, LIMIT, kept["states"], kept["fixed"]),
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
    runs: HighLevelGraph,
    name: str,
    what: str,
    dtype: Any,
    layout: tuple[tuple[int, ...], int | None, Sizes],
) -> da.Array:
    """One output as (leading,) (time,) rows, columns; a task picks it from each run."""
    leading, times, sizes = layout
    own = f"{what}-{name}"
    nothing = (0,) * len(leading)
    picks: dict[Any, Any] = {
        (own, *nothing, *(() if times is None else (t,)), i, j): (
            _pick,
            (name, t, i, j),
            what,
            times is not None,
        )
        for t in range(times or 1)
        for i, j in np.ndindex(len(sizes[0]), len(sizes[1]))
    }
    graph = HighLevelGraph({**runs.layers, own: picks}, {**runs.dependencies, own: {name}})
    steps = () if times is None else ((1,) * times,)
    return da.Array(graph, own, chunks=(*((n,) for n in leading), *steps, *sizes), dtype=dtype)


def _pick(packed: dict[str, np.ndarray], what: str, timed: bool) -> np.ndarray:
    found = packed[what][..., np.newaxis, :, :] if timed else packed[what]
    if what == "confidence":
        shares = np.arange(MISSING + 1, dtype=np.float32) / CONFIDENCE_STEPS
        shares[MISSING] = np.nan
        return np.take(shares, found)
    return found


def _data(layer: Layer) -> Any:
    """What is in memory stays as it is; all else becomes chunks that are read when needed."""
    data = layer.data
    if is_in_memory(data):
        return data.values
    if data.chunks is None:
        data = data.chunk({d: 1 if i < data.ndim - 2 else READ for i, d in enumerate(data.dims)})
    return data.data


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
