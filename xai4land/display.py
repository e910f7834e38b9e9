"""Names and values as a table, for the terminal and for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["format_html", "format_text"]

Rows = Iterable[tuple[str, str]]


def format_text(title: str, rows: Rows) -> str:
    """Return a title, and a line for each row that has a value.

    Examples
    --------
    >>> print(format_text("<Emulator 'mine'>", [("title", "A map"), ("licence", "")]))
    <Emulator 'mine'>
      title         A map
    """
    return "\n".join([title, *(f"  {name:<13} {text}" for name, text in rows if text)])


def format_html(title: str, rows: Rows) -> str:
    """Return the same as a table that notebooks show.

    Examples
    --------
    >>> format_html("<Emulator>", [("title", "A map")])[:38]
    '<table><caption style="text-align:left'
    """
    cell = '<t{0} style="text-align:left">{1}</t{0}>'.format
    body = "".join(
        f"<tr>{cell('h', escape(name))}{cell('d', escape(text))}</tr>"
        for name, text in rows
        if text
    )
    caption = f'<caption style="text-align:left">{escape(title)}</caption>'
    return f"<table>{caption}<tbody>{body}</tbody></table>"
