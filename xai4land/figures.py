"""Figures that notebooks show as pictures."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

__all__ = ["NotebookFigure"]


class NotebookFigure(Figure):
    """A figure that does not belong to pyplot, and is shown where a notebook's cell returns it.

    pyplot would keep each figure until it is closed, and its inline backend would show the figure
    once more at the end of the cell.

    Examples
    --------
    >>> NotebookFigure(figsize=(2, 1))._repr_png_()[1:4]
    b'PNG'
    """

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()
