"""Logs and warnings as a command shows them: lines on standard error."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from xai4land.commands.hints import name_options
from xai4land.errors import Xai4landWarning

__all__ = ["show_logs", "show_warnings"]


class _Echo(logging.Handler):
    """Lines on standard error as it is at that time: progress bars put their own in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


@contextmanager
def show_logs(verbosity: int) -> Iterator[None]:
    """Show what xai4land logs: nothing (0), what it does (1), or every detail (2).

    Examples
    --------
    >>> with show_logs(1):
    ...     logging.getLogger("xai4land").isEnabledFor(logging.INFO)
    True
    """
    logger, handler = logging.getLogger("xai4land"), _Echo()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s", "%H:%M:%S"))
    before = logger.level
    if verbosity:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if verbosity == 1 else logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def show_warnings() -> Iterator[None]:
    """Show xai4land's own warnings as one line, without the code that they come from."""
    with warnings.catch_warnings():
        show_other = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, Xai4landWarning):
                click.echo(f"warning: {_name_options(str(message))}", err=True)
            else:
                show_other(message, category, *place, **more)

        warnings.showwarning = show
        yield


def _name_options(message: str) -> str:
    """Return a message with the options of the command that runs."""
    context = click.get_current_context(silent=True)
    return message if context is None else name_options(message, context.command)
