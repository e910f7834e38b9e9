"""Tables as text for a terminal."""

from __future__ import annotations

import pandas as pd

__all__ = ["format_table"]


def format_table(table: pd.DataFrame) -> str:
    """Return a table as text: without empty columns.

    Examples
    --------
    >>> table = pd.DataFrame({"name": ["unet", "vit"], "skill": [0.5, 0.25], "problem": ""})
    >>> print(format_table(table))
    name  skill
    unet 0.500
    vit  0.250
    """
    if any(table.index.names):
        table = table.reset_index()
    if table.empty:
        return "(nothing)"
    table = table.loc[:, ~(table.isna() | (table == "")).all()]
    words = table.select_dtypes(exclude="number").astype(str)
    widths = {name: max(len(str(name)), *map(len, column)) for name, column in words.items()}
    text = table.to_string(
        index=False,
        justify="left",
        na_rep="",
        float_format="{:.3f}".format,
        formatters={name: f"{{!s:<{width}}}".format for name, width in widths.items()},
    )
    return "\n".join(line.rstrip() for line in text.splitlines())
