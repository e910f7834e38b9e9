"""Parts of maps: figures, projections, colour bars and coastlines.

Maps are drawn with cartopy where it is installed, and plainly otherwise.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.cells import cell_edges
from xai4land.grids.grid import Grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "LINE_COLOURS",
    "add_colour_bar",
    "add_title",
    "colour_limit",
    "draw_cells",
    "make_figure",
    "make_map_axes",
    "map_options",
    "middle_longitude",
    "to_axes_longitude",
]


LINE_COLOURS = (
    "#1b7837",
    "#666666",
    "#b35806",
    "#542788",
    "#1f78b4",
    "#e31a1c",
    "#999999",
    "#cab2d6",
)


def add_colour_bar(
    figure: Figure,
    axes: Any,
    shown: Any,
    label: str,
    span: tuple[float, float] = (0.15, 0.7),
    **options: Any,
) -> None:
    """Add a colour bar under a map; ``span`` is its start and width, in map widths."""
    bar = axes.inset_axes((span[0], -0.2, span[1], 0.05))
    figure.colorbar(shown, cax=bar, orientation="horizontal", **options)
    bar.tick_params(labelsize=7)
    bar.set_xlabel(label, fontsize=8)


def colour_limit(values: xr.DataArray) -> float:
    """Return a round number that 98 % of the absolute values do not exceed."""
    size = float(np.nanquantile(np.abs(values), 0.98)) if values.notnull().any() else 1.0
    if size == 0:
        return 1.0
    digits = 10.0 ** np.floor(np.log10(size))
    return float(np.ceil(size / digits * 2) / 2 * digits)


def add_title(figure: Figure, text: str, fontsize: float = 10) -> None:
    """Add a title above all axes, and reserve room for it: maps of a fixed shape do not."""
    layout: Any = figure.get_layout_engine()
    inch = 1 / figure.get_figheight()
    layout.set(rect=(0, 0.15 * inch, 1, 1 - 0.65 * inch))
    figure.suptitle(text, fontsize=fontsize, y=1 - 0.08 * inch, va="top")


def make_figure(data: xr.Dataset | xr.DataArray, columns: int, rows: int = 1) -> Figure:
    """Make a figure for maps of the data's grid."""
    from xai4land.figures import NotebookFigure

    grid = Grid.of(data)
    height, width = (np.ptp(axis.values) + 1e-9 for axis in (grid.lat, grid.lon))
    panel = float(np.clip(6 * height / width, 2.5, 7))
    return NotebookFigure(figsize=(6 * columns, rows * panel + 1.4), layout="constrained")


def make_map_axes(figure: Figure, rows: int, columns: int, field: xr.DataArray) -> np.ndarray:
    """Make axes for maps; with cartopy, a plate carrée centred on the field's middle."""
    try:
        from cartopy.crs import PlateCarree
    except ImportError:
        return np.atleast_1d(figure.subplots(rows, columns)).ravel()
    projection = PlateCarree(central_longitude=middle_longitude(Grid.of(field)))
    axes = figure.subplots(rows, columns, subplot_kw={"projection": projection})
    return np.atleast_1d(axes).ravel()


def draw_cells(ax: Any, field: xr.DataArray, **options: Any) -> Any:
    """Draw cells between their true edges, and coastlines, in the projection that axes have."""
    from xai4land.figures import cf_label, zoom_to

    grid = Grid.of(field)
    rows, columns = cell_edges(grid, field)
    order = np.argsort(grid.lat.values)
    lat = np.append(rows[order, 0], rows[order[-1], 1])
    lon = to_axes_longitude(ax, grid, np.append(columns[:, 0], columns[-1, 1]))
    values = field.transpose(*grid.names).values[order]
    where = map_options(ax, grid)
    shown = ax.pcolormesh(lon, lat, values, **where, **options)
    if where:
        zoom_to(ax, (lon[0], lon[-1], lat[0], lat[-1]), where["transform"])
        _add_projected_coasts(ax)
        return shown
    x, y = read_coastlines().T
    for shift in (-360, 0, 360, 720) if not ax.lines else ():
        ax.plot(to_axes_longitude(ax, grid, x + shift), y, color="black", linewidth=0.5)
    ax.set(xlim=(lon[0], lon[-1]), ylim=(lat[0], lat[-1]), aspect="equal")
    if hasattr(ax, "gridlines"):
        ax.gridlines(draw_labels=["left", "bottom"], linewidth=0.2)
    else:
        row, column = (cf_label(field[name]) for name in grid.names)
        ax.set_ylabel(row, fontsize=7)
        ax.set_xlabel(column, fontsize=7, labelpad=1)
    return shown


def map_options(ax: Any, grid: Grid) -> dict[str, Any]:
    """Return what matplotlib needs to know of longitudes from :func:`to_axes_longitude`."""
    from xai4land.figures import map_transform

    return map_transform(ax, middle_longitude(grid))


def _add_projected_coasts(ax: Any) -> None:
    """Add coastlines to axes of a projection that a user chose, once."""
    from cartopy.crs import PlateCarree
    from shapely import LineString

    if getattr(ax, "_xai4land_coasts", False):
        return
    points = read_coastlines().astype(float)
    ends = np.flatnonzero(np.isnan(points[:, 0]))
    lines = [line[~np.isnan(line[:, 0])] for line in np.split(points, ends)]
    shapes = [LineString(line) for line in lines if len(line) > 1]
    ax.add_geometries(shapes, PlateCarree(), facecolor="none", edgecolor="black", linewidth=0.5)
    ax._xai4land_coasts = True


def to_axes_longitude(ax: Any, grid: Grid, lon: np.ndarray) -> np.ndarray:
    """Return longitudes in an axes' coordinate, which with cartopy starts at the grid's middle."""
    return lon - middle_longitude(grid) if hasattr(ax, "projection") else lon


def middle_longitude(grid: Grid) -> float:
    """Return the longitude in the middle of a grid."""
    return float(grid.lon.values[0] + grid.lon.values[-1]) / 2


@cache
def read_coastlines() -> npt.NDArray[np.float32]:
    """Return coastlines of Natural Earth at 1:110m, shape (points, 2): longitude, latitude.

    Rows of NaN separate the lines, as matplotlib expects.

    Examples
    --------
    >>> lines = read_coastlines()
    >>> bool((np.nanmin(lines, 0) >= (-180, -90)).all())
    True
    """
    text = files("xai4land_seasonal.products").joinpath("coasts.txt").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    points = [tuple(map(float, line.split())) or (np.nan, np.nan) for line in lines]
    return np.array(points, np.float32)
