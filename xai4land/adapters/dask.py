"""Parts of dask: tasks that are spread over workers like reads, and the task that failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Container
from typing import Any

from dask._task_spec import Task, TaskRef

__all__ = ["find_failed_key", "make_reading_task"]


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
