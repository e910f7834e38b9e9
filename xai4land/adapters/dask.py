"""Parts of dask: tasks like reads, the task that failed, and the tasks that some keys need."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from dask._task_spec import DataNode, Task, TaskRef, convert_legacy_graph
from dask.blockwise import Blockwise
from dask.core import keys_in_tasks
from dask.highlevelgraph import HighLevelGraph, Layer, MaterializedLayer

__all__ = [
    "find_failed_key",
    "find_needed_keys",
    "find_tasks",
    "is_read",
    "make_reading_task",
    "run_task",
    "select_tasks",
]


def make_reading_task(
    key: Any, function: Callable[..., Any], dependencies: tuple[Any, ...], *args: Any
) -> Any:
    """Make a task that dask's scheduler takes for one that reads data.

    Tasks that need one other task follow it to its worker; those that read are spread over all.

    Parameters
    ----------
    key : hashable
        Of the task.
    function : callable
        Called with the results of the dependencies, then with ``args``.
    dependencies : tuple of hashable
        Keys of other tasks.
    *args
        Passed as they are.

    Examples
    --------
    >>> import dask
    >>> graph = {"plan": 3, "block": make_reading_task("block", pow, ("plan",), 2)}
    >>> dask.get(graph, "block")
    9
    """
    return Task(key, function, *map(TaskRef, dependencies), *args, _data_producer=True)


def find_failed_key(error: BaseException, keys: Container[Any]) -> Any:
    """Find the task that raised, where dask's local schedulers ran it.

    dask tells nobody its key. It is a variable in the innermost of dask's own frames around the
    task that has one of the keys: frames further in are of what a task computes in turn.

    Parameters
    ----------
    error : BaseException
        As it was caught.
    keys : container of hashable
        Of the graph.

    Returns
    -------
    hashable
        None if it is not found.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [f.f_locals for f in frames if f.f_globals.get("__name__") == "dask.local"]
    return next((n["key"] for n in reversed(own) if "key" in n and n["key"] in keys), None)


def find_needed_keys(
    graph: HighLevelGraph, keys: Iterable[Any], is_given: Callable[[Any], bool]
) -> dict[str, set[Any]]:
    """Find what some keys need, in time and memory that do not grow with the rest of the graph.

    Parameters
    ----------
    graph : HighLevelGraph
    keys : iterable of hashable
    is_given : callable
        Tells whether the value of a key is known, so that what it needs is not needed.

    Returns
    -------
    dict of set
        The keys themselves and all that they need, by layer.

    Examples
    --------
    >>> sums = {("sum", k): (sum, [("sum", k - 1), k]) for k in range(1, 4)}
    >>> graph = HighLevelGraph.from_collections("sum", {("sum", 0): 0, **sums})
    >>> needed = find_needed_keys(graph, [("sum", 3)], lambda key: key == ("sum", 2))
    >>> sorted(needed["sum"])
    [('sum', 2), ('sum', 3)]
    """
    found: dict[str, set[Any]] = defaultdict(set)
    known, todo = _Keys(graph.layers), set(keys)
    while todo:
        new: dict[str, set[Any]] = defaultdict(set)
        for key in todo:
            if (name := known.find_layer(key)) is not None and key not in found[name]:
                new[name].add(key)
        todo = set()
        for name, some in new.items():
            found[name] |= some
            made = {key for key in some if not is_given(key)}
            todo |= _list_dependencies(graph.layers[name], made, known)
    return dict(found)


def select_tasks(
    graph: HighLevelGraph, keys: Mapping[str, set[Any]], given: Mapping[Any, Any]
) -> HighLevelGraph:
    """Select tasks of a graph; layers keep their names and annotations.

    Parameters
    ----------
    graph : HighLevelGraph
    keys : mapping to set
        By layer, as :func:`find_needed_keys` returns them.
    given : mapping
        Tasks that take the place of the graph's own.

    Examples
    --------
    >>> graph = HighLevelGraph.from_collections("sum", {"a": 1, "sum": (sum, ["a", 2])})
    >>> dict(select_tasks(graph, {"sum": {"sum", "a"}}, {"a": 5}))["a"]
    5
    """
    layers = {name: _select(graph.layers[name], some, given) for name, some in keys.items()}
    dependencies = {name: set(graph.dependencies[name] & layers.keys()) for name in layers}
    return HighLevelGraph(layers, dependencies)


def find_tasks(graph: Any, key: Any) -> dict[Any, Any]:
    """Find all tasks that one key needs, in time that does not grow with the rest of the graph.

    Examples
    --------
    >>> import dask.array as da, numpy as np
    >>> plus = da.from_array(np.zeros(4), chunks=1) + 1
    >>> tasks = find_tasks(plus.__dask_graph__(), (plus.name, 2))
    >>> [key[1] for key in tasks if is_read(tasks, key)]
    [2]
    """
    needed = find_needed_keys(graph, [key], lambda _: False)
    found: dict[Any, Any] = convert_legacy_graph(dict(select_tasks(graph, needed, {})))
    return found


def run_task(tasks: Mapping[Any, Any], key: Any, known: Mapping[Any, Any] | None = None) -> Any:
    """Return the result of one of a few tasks, without a scheduler.

    Parameters
    ----------
    tasks : mapping
        As :func:`find_tasks` finds them.
    key : hashable
    known : mapping, optional
        Results of some of them.

    Examples
    --------
    >>> import dask.array as da
    >>> plus = da.zeros(4, chunks=1) + 1
    >>> run_task(find_tasks(plus.__dask_graph__(), (plus.name, 2)), (plus.name, 2))
    array([1.])
    """
    values = dict(known or {})
    todo = [key]
    while todo:
        if todo[-1] in values:
            todo.pop()
            continue
        task = tasks[todo[-1]]
        if missing := [name for name in task.dependencies if name not in values]:
            todo += missing
        else:
            values[todo.pop()] = task(values)
    return values[key]


def is_read(tasks: Mapping[Any, Any], key: Any) -> bool:
    """Tell whether a task reads an array: it needs objects of the graph, and no other task."""
    task = tasks[key]
    return isinstance(task, Task) and all(
        isinstance(tasks.get(name), DataNode) for name in task.dependencies
    )


class _Keys(Container[Any]):
    """The keys of layers, which are not listed for that."""

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        self.layers = layers

    def __contains__(self, key: Any) -> bool:
        return self.find_layer(key) is not None

    def find_layer(self, key: Any) -> str | None:
        """Find the layer that makes a key; mostly it has the key's own name."""
        own = key[0] if isinstance(key, tuple) and key else key
        if own in self.layers and self._makes(own, key):
            return str(own)
        return next((name for name in self.layers if self._makes(name, key)), None)

    def _makes(self, name: str, key: Any) -> bool:
        layer = self.layers[name]
        if isinstance(layer, Blockwise):
            return isinstance(key, tuple) and key[:1] == (layer.output,)
        return key in layer


def _list_dependencies(layer: Layer, keys: set[Any], known: Container[Any]) -> set[Any]:
    if isinstance(layer, Blockwise):
        return set().union(*layer.cull(keys, ())[1].values())
    tasks = [layer[key] for key in keys]
    return set(keys_in_tasks(known, tasks))  # type: ignore[arg-type]


def _select(layer: Layer, keys: set[Any], given: Mapping[Any, Any]) -> Layer:
    if isinstance(layer, Blockwise) and given.keys().isdisjoint(keys):
        return layer.cull(keys, ())[0]
    tasks = {key: given[key] if key in given else layer[key] for key in keys}
    return MaterializedLayer(tasks, layer.annotations, layer.collection_annotations)
