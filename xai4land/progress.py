"""Progress on the terminal, with the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["byte_progress", "pixel_progress", "progress_bar"]


NOTEBOOK_WIDTH = 100
"""Characters of a line of text below a notebook's cell."""


def progress_bar(show: bool, count: ProgressColumn | None = None) -> Progress:
    """Make a bar with count, elapsed and remaining time, on standard error.

    Parameters
    ----------
    show : bool
    count : ProgressColumn, optional
        How much is done; by default the number of steps.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        count or MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=_make_console(),
        disable=not show,
    )


def _make_console() -> Console:
    """Return standard error as a terminal; as plain text in notebooks, which needs no widgets."""
    console = Console(stderr=True)
    if console.is_jupyter:
        return Console(stderr=True, force_jupyter=False, force_terminal=True, width=NOTEBOOK_WIDTH)
    return console


@contextmanager
def pixel_progress(
    description: str, pixels: float, show: bool
) -> Iterator[Callable[[float], None]]:
    """Show the share of the pixels that are done, and the rate.

    Yields
    ------
    callable
        To be called with the number of pixels that were just done.

    Examples
    --------
    >>> with pixel_progress("map", 4e6, show=False) as advance:
    ...     advance(1e6)
    """
    with progress_bar(show, TaskProgressColumn()) as bar:
        task = bar.add_task(description, total=pixels, note="")

        def advance(done: float) -> None:
            bar.advance(task, done)
            speed = bar.tasks[0].speed
            bar.update(task, note=f"{speed / 1e6:.2f} Mpx/s" if speed else "")

        yield advance


@contextmanager
def byte_progress(description: str, show: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Show how many bytes of a download are here, the rate and the time left.

    Yields
    ------
    callable
        To be called with the bytes that are here and, where it is known, how many there will be.

    Examples
    --------
    >>> with byte_progress("luh2.nc", show=False) as here:
    ...     here(1000, 4000)
    """
    columns = (DownloadColumn(), TransferSpeedColumn(), TextColumn("left"), TimeRemainingColumn())
    text = TextColumn("{task.description}", markup=False)
    with Progress(text, BarColumn(), *columns, console=_make_console(), disable=not show) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
