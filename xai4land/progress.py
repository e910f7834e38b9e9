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

__all__ = ["chunk_progress", "progress_bar"]


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
def chunk_progress(description: str, pixels: int, layers: int, show: bool) -> Iterator[None]:
    """Show the share of the pixels that are stored, and the rate, while chunks are put."""
    with progress_bar(show) as bar:
        task = bar.add_task(description, total=pixels, note="")

        def count(key: Any, result: Any, *_state: Any) -> None:
            if str(key).startswith("_put-"):
                bar.advance(task, result / layers)
                speed = bar.tasks[0].speed
                bar.update(task, note=f"{speed / 1e6:.2f} Mpx/s" if speed else "")

        with Callback(posttask=count):
            yield
