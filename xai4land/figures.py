"""Figures that notebooks show as pictures, axes that users bring, and labels by CF."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xai4land.errors import InputError

__all__ = [
    "AxesLike",
    "NotebookFigure",
    "cf_label",
    "map_transform",
    "root_figure",
    "use_axes",
    "zoom_to",
]

AxesLike = Axes | Sequence[Axes] | npt.NDArray[np.object_]
"""One axes, or several, as ``plt.subplots`` gives them."""


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


def use_axes(ax: AxesLike, panels: Iterable[str]) -> list[Any]:
    """Return the axes that a user brings, one for each panel.

    Parameters
    ----------
    ax : Axes or sequence of Axes
    panels : iterable of str
        What is drawn, in this order.

    Raises
    ------
    InputError
        If there are more or fewer.

    Examples
    --------
    >>> figure = Figure()
    >>> len(use_axes(figure.subplots(1, 2), ["map", "confidence"]))
    2
    """
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel().tolist()
    names = list(panels)
    if len(axes) != len(names):
        raise InputError(
            f"ax= has {len(axes)} axes, expected {len(names)} ({', '.join(names)}); "
            f"figure, ax = plt.subplots(1, {len(names)})"
        )
    if strange := [type(one).__name__ for one in axes if not isinstance(one, Axes)]:
        raise InputError(f"ax= has {', '.join(strange)}, expected axes of matplotlib; plt.gca()")
    return axes


def root_figure(ax: Any) -> Figure:
    """Return the figure of axes, which may be in a part of it."""
    figure: Figure = ax.figure.figure
    return figure


def map_transform(ax: Any, middle: float) -> dict[str, Any]:
    """Return the option ``transform`` for longitudes that are counted from a middle one.

    It is empty for axes without a projection, and for those of just these coordinates.

    Parameters
    ----------
    ax : Axes
    middle : float
        Degrees east.
    """
    if not hasattr(ax, "projection"):
        return {}
    from cartopy.crs import PlateCarree

    own = PlateCarree(central_longitude=middle)
    return {} if ax.projection == own else {"transform": own}


def zoom_to(ax: Any, extent: tuple[float, float, float, float], transform: Any) -> None:
    """Let axes of another projection show a region, or the globe.

    Parameters
    ----------
    ax : GeoAxes
    extent : tuple of float
        West, east, south and north.
    transform : CRS
        Of the extent.
    """
    if extent[1] - extent[0] >= 359:
        ax.set_global()
    else:
        ax.set_extent(extent, transform)


def cf_label(variable: xr.DataArray) -> str:
    """Return a variable's name and units as its CF attributes have them.

    Examples
    --------
    >>> attrs = {"long_name": "air temperature", "units": "K"}
    >>> cf_label(xr.DataArray(280.0, name="t2m", attrs=attrs))
    'air temperature (K)'
    """
    attrs = variable.attrs
    name = attrs.get("long_name") or attrs.get("standard_name") or variable.name
    written = str(attrs.get("units", "1"))
    units = {"degrees_north": "°N", "degrees_east": "°E", "1": ""}.get(written, written)
    text = str(name).replace("_", " ")
    return f"{text} ({units})" if units else text
