"""Small tables that are lists of rows and print as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Table"]


class Table(list[dict[str, Any]]):
    """A list of rows (dictionaries with the same keys) that prints in columns.

    Examples
    --------
    >>> Table([{"name": "unet", "parameters": 3}, {"name": "vit", "parameters": 12}])
    name  parameters
    unet           3
    vit           12
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(dict(row) for row in rows)

    def __repr__(self) -> str:
        if not self:
            return "(nothing)"
        keys = [key for key in self[0] if any(row[key] not in ("", None) for row in self)]
        columns = [[key, *(_text(row[key]) for row in self)] for key in keys]
        numeric = [all(isinstance(row[key], int | float) for row in self) for key in keys]
        widths = [max(map(len, column)) for column in columns]
        lines = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(cells, widths, numeric, strict=True)
            ).rstrip()
            for cells in zip(*columns, strict=True)
        ]
        return "\n".join(lines)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else str(value)
