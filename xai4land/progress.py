"""Progress on the terminal, with the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["byte_progress", "pixel_progress", "progress_bar"]


NOTEBOOK_WIDTH = 100
"""Characters of a line of text below a notebook's cell."""
SECONDS_BETWEEN_LINES = 30.0
"""In logs, where no line can be drawn again."""


class LoggedProgress(Progress):
    """Progress that is drawn on a terminal, and in logs is a line now and then."""

    _written = 0.0

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Advance a task; see rich."""
        super().advance(task_id, advance)
        self._log()

    def update(self, task_id: TaskID, **fields: Any) -> None:
        """Update a task; see rich."""
        super().update(task_id, **fields)
        self._log()

    def start(self) -> None:
        """Start; the first line comes after an interval."""
        self._written = self.get_time()
        super().start()

    def _log(self) -> None:
        """Write a line, unless there is a terminal, or the last one is recent."""
        if self.disable or self.console.is_terminal:
            return
        if self.get_time() - self._written >= SECONDS_BETWEEN_LINES and not self.finished:
            self._written = self.get_time()
            self.console.print(self.get_renderable())


def progress_bar(show: bool, count: ProgressColumn | None = None) -> Progress:
    """Make a bar with count, elapsed and remaining time, on standard error.

    Where that is no terminal, as in batch jobs, a line is written every half a minute.

    Parameters
    ----------
    show : bool
    count : ProgressColumn, optional
        How much is done; by default the number of steps.
    """
    console = _make_console()
    return LoggedProgress(
        TextColumn("{task.description}"),
        *([BarColumn()] if console.is_terminal else []),
        count or MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
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
    text, console = TextColumn("{task.description}", markup=False), _make_console()
    drawn = [BarColumn()] if console.is_terminal else []
    with LoggedProgress(text, *drawn, *columns, console=console, disable=not show) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
