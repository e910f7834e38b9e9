"""Progress on the terminal, with the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dask.callbacks import Callback
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["dask_progress", "progress_bar"]


def progress_bar(show: bool) -> Progress:
    """A bar with count, elapsed and remaining time, on standard error."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        disable=not show,
    )


@contextmanager
def dask_progress(description: str, show: bool) -> Iterator[None]:
    """Show the share of dask's tasks that are done, while a block of code computes."""
    with progress_bar(show) as bar:
        task = bar.add_task(description, total=None, note="")

        def count(_key: Any, _result: Any, _dsk: Any, state: dict[str, Any], _worker: Any) -> None:
            left = sum(len(state[k]) for k in ("ready", "waiting", "running"))
            done = len(state["finished"])
            bar.update(task, completed=done, total=done + left)

        with Callback(posttask=count):
            yield
