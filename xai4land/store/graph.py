"""Compute parts of a store and write them there, in one dask graph.

It is one graph so that what several parts need (all outputs of a block come from one task) is
computed once. It is run by whatever dask would use: threads here, or the workers of a client.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from inspect import ismethod
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
from dask.base import get_scheduler
from dask.callbacks import local_callbacks
from dask.highlevelgraph import HighLevelGraph

from xai4land.adapters.dask import find_failed_key
from xai4land.cluster import persist
from xai4land.errors import Xai4landError
from xai4land.store.parts import Part
from xai4land.store.places import Place

__all__ = ["make_read_task", "write_parts"]

OnDone = Callable[[Part], None]


def write_parts(
    arrays: Mapping[str, da.Array],
    parts: Sequence[Part],
    place: Place,
    run: str,
    done: OnDone,
) -> None:
    """Compute parts and write them into an unfinished store.

    Parameters
    ----------
    arrays : mapping to dask array
        By variable, as encoded for the store.
    parts : sequence of Part
    place : Place
        Of the unfinished store.
    run : str
        The mark of the run.
    done : callable
        Called with each part that was written.

    Raises
    ------
    StoreError
        If a part cannot be written.
    Exception
        What a task raised, with a note that names the parts that need the task.
    """
    writes = _make_graph(arrays, parts, place, run)
    if ismethod(get_scheduler(collections=[writes])):  # a client's
        _follow(persist(writes), parts, done)
        return
    # Passed to this run alone: callbacks registered with dask are seen, too, by other runs of the
    # process, and by tasks that compute in turn.
    with local_callbacks() as others:
        writes.persist(callbacks=[*others, _make_callbacks(writes.name, parts, done)])


def _make_graph(
    arrays: Mapping[str, da.Array], parts: Sequence[Part], place: Place, run: str
) -> da.Array:
    """Make an array of one value a part, and one more; to compute a value is to write its part.

    dask works towards the end of a graph. Left with many ends, it would begin all shards and
    finish none until late; so one end, ``(name, len(parts))``, hangs on the parts one by one.
    """
    name = f"write-{uuid4().hex}"
    graph: dict[Any, Any] = {}
    after: list[Any] = []
    for k, part in enumerate(parts):
        keys = _chunk_keys(arrays[part.variable].name, part)
        graph[name, k] = (_write_part, keys, place, run, part)
        graph[f"{name}-after", k] = (_join, [(name, k), *after])
        after = [(f"{name}-after", k)]
    graph[name, len(parts)] = (_join, after)
    needed: list[Any] = [arrays[variable] for variable in {part.variable: None for part in parts}]
    layers = HighLevelGraph.from_collections(name, graph, dependencies=needed)
    return da.Array(layers, name, chunks=((1,) * (len(parts) + 1),), dtype=bool)


def _join(_writes: Any) -> np.ndarray:
    return np.ones(1, bool)


def _chunk_keys(name: str, part: Part) -> Any:
    """Return the keys of the part's dask chunks: one, or nested lists of them."""
    if all(len(block) == 1 for block in part.blocks):
        return (name, *(block.start for block in part.blocks))

    def nested(index: tuple[int, ...]) -> Any:
        if len(index) == len(part.blocks):
            return (name, *index)
        return [nested((*index, i)) for i in part.blocks[len(index)]]

    return nested(())


def _write_part(values: Any, place: Place, run: str, part: Part) -> np.ndarray:
    """Write one part, then note that it is done."""
    whole = np.block(values) if isinstance(values, list) else values
    place.write_part(run, part, whole)
    return np.ones(1, bool)


def make_read_task(
    place: Place, run: str, variable: str, region: tuple[slice, ...]
) -> tuple[Any, ...]:
    """Make the task that reads a region of a variable from an unfinished store, as it is stored."""
    return _read_region, place, run, variable, region


def _read_region(place: Place, run: str, variable: str, region: tuple[slice, ...]) -> np.ndarray:
    return place.read_region(run, variable, region)


def _make_callbacks(name: str, parts: Sequence[Part], done: OnDone) -> tuple[Any, ...]:
    """Make what dask's local schedulers call: count the parts, name them if a task fails."""

    def part(key: Any) -> Part | None:
        mine = isinstance(key, tuple) and key[0] == name and key[1] < len(parts)
        return parts[key[1]] if mine else None

    def count(key: Any, *_about: Any) -> None:
        if found := part(key):
            done(found)

    def finish(_graph: Any, state: Any, _failed: bool) -> None:
        error = sys.exception()
        if isinstance(error, Exception):
            dependents = state["dependents"]
            waiting = _dependents_of(find_failed_key(error, dependents), dependents)
            _name_parts(error, [found for key in waiting if (found := part(key))])

    return None, None, None, count, finish


def _dependents_of(key: Any, dependents: dict[Any, set[Any]]) -> set[Any]:
    """Return a task and all that wait for it."""
    seen, todo = {key}, [key]
    while todo:
        new = dependents.get(todo.pop(), set()) - seen
        seen |= new
        todo += new
    return seen


def _name_parts(error: Exception, parts: Sequence[Part], limit: int = 4) -> None:
    """Note the parts that could not be made; our own errors already say where."""
    if isinstance(error, Xai4landError) or not parts:
        return
    names = sorted(map(str, parts))
    more = f", and {len(names) - limit} more" if len(names) > limit else ""
    error.add_note(f"could not make {', '.join(names[:limit])}{more}")


def _import_distributed() -> Any:
    """Import the package, if it is there."""
    try:
        import distributed
    except ImportError:
        return None
    return distributed


def _follow(made: da.Array, parts: Sequence[Part], done: OnDone) -> None:
    """Wait for a client's writes, if one computes, and release each as it is done."""
    distributed = _import_distributed()
    waiting = {f.key[1]: f for f in distributed.futures_of(made)} if distributed else {}
    if not waiting:
        return
    end = waiting.pop(len(parts))
    try:
        for future in distributed.as_completed(list(waiting.values())):
            # It has set the order; if it were kept, parts would be written again that a lost
            # worker had written.
            end.release()
            part = parts[future.key[1]]
            if future.status != "finished":
                try:
                    future.result()
                except Exception as error:
                    _name_parts(error, [part])
                    raise
            waiting.pop(future.key[1]).release()
            done(part)
    finally:
        if waiting:
            distributed.get_client().cancel([end, *waiting.values()])
