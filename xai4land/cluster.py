"""The active client of dask.distributed, and which of its workers computes which block.

Neighbours go to one worker, since they share windows. The marks by which a graph says what its
tasks have to do with one another are defined here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import dask.array as da
from dask.base import annotate, get_annotations
from dask.core import flatten

__all__ = ["NEIGHBOURS", "STACKED", "STEPS", "get_client_workers", "persist"]

NEIGHBOURS = "neighbours share results"
"""Marks a layer of dask's graph, with the parts of its tasks' keys by which neighbours follow one
another: the last changes first."""

STEPS = "steps follow each other"
"""Marks the layer of an array that is made step by step, with its chunks along the first dimension
from the first step to the last: those of a step need those of the step before."""
STACKED = "chunks are those of other arrays"
"""Annotation of a layer beside :data:`STEPS`: names of the arrays that the chunks are taken from,
along the second dimension, which those have not."""


def get_client_workers() -> dict[str, Any] | None:
    """Return what the active client's scheduler knows of its workers, by address; None without one.

    The package is not imported for that: without it there is no client.
    """
    try:
        client = sys.modules["distributed"].default_client()
    except (KeyError, ValueError):
        return None
    return dict(client.scheduler_info(n_workers=-1)["workers"])


def persist(array: da.Array) -> da.Array:
    """Start computing; each worker of an active client gets a run of neighbours.

    Left alone, dask hands each worker the next block, and what two blocks share is computed twice.
    Others may take a block over where its worker is gone or they have nothing left to do. Where the
    caller has said who may compute, nothing is added.

    Parameters
    ----------
    array : dask array

    Returns
    -------
    dask array
        As its own ``persist`` returns it.
    """
    layers = [
        (layer, about[NEIGHBOURS])
        for layer in array.dask.layers.values()
        if NEIGHBOURS in (about := layer.collection_annotations or {})
    ]
    restricted = not get_annotations().keys().isdisjoint(["workers", "resources"])
    threads = [] if restricted or not layers else _list_worker_threads()
    if len(set(threads)) < 2:
        return array.persist()  # type: ignore[no-any-return]
    ends = list(flatten(array.__dask_keys__()))
    needed = set(array.dask.cull(ends))
    homes: dict[Any, str] = {}
    for layer, order in layers:
        tasks = [key for key in needed.intersection(layer) if isinstance(key, tuple)]
        tasks.sort(key=itemgetter(*order))
        homes |= {task: threads[k * len(threads) // len(tasks)] for k, task in enumerate(tasks)}
    # An end, too, or it would be fused with what needs it, under another name that has no home.
    graph = array.__dask_optimize__(array.dask, [*ends, *homes])
    made = da.Array(graph, array.name, array.chunks, meta=array)
    with annotate(workers=_WorkersByTask(homes), allow_other_workers=True):
        return made.persist(optimize_graph=False)  # type: ignore[no-any-return]


class _WorkersByTask:
    """What dask's scheduler asks for the workers of each task; an empty list means any."""

    def __init__(self, homes: Mapping[Any, str]) -> None:
        self.homes = homes

    def __call__(self, key: Any) -> list[str]:
        return [self.homes[key]] if key in self.homes else []


def _list_worker_threads() -> list[str]:
    """List the active client's worker of each thread; none without a client."""
    workers = get_client_workers() or {}
    return [address for address in sorted(workers) for _ in range(workers[address]["nthreads"])]
