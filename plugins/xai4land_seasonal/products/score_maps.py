"""Maps of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.scores.significance import control_fdr
from xai4land_seasonal.data.areas import area_mean
from xai4land_seasonal.products.drawing import (
    add_title,
    draw_cells,
    make_figure,
    make_map_axes,
    map_options,
    to_axes_longitude,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot_scores"]


def plot_scores(
    scores: xr.Dataset,
    *,
    metric: str = "acc",
    forecast: str | None = None,
    alpha: float = 0.1,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw maps of a score, one for each season.

    If the metric's p-value (``acc_pvalue``, ``crpss_pvalue``, ...) is among the scores, dots mark
    cells whose score is significantly above no skill at the false discovery rate ``alpha`` (Wilks
    2016), and crosses those below it. Titles say in which part of the area; with
    ``effective_size`` among the scores, also how many of the years are independent (median).

    Parameters
    ----------
    scores : Dataset
        As :func:`xai4land_seasonal.verify` gives it, per cell.
    metric : str
        Name of the score.
    forecast : str, optional
        By default the first.
    alpha : float
        False discovery rate.
    ax : Axes or sequence of Axes, optional
        One for each season, which may have a projection of cartopy.

    Raises
    ------
    InputError
        If the scores have no such metric or forecast, or are no maps.
    """
    from xai4land.figures import root_figure, use_axes

    if metric not in scores:
        raise InputError(f"metric {metric!r}, expected one of {', '.join(map(str, scores))}")
    label = forecast or str(scores["forecast"].values[0])
    if label not in scores["forecast"].values:
        raise InputError(f"forecast {label!r}, expected one of {scores['forecast'].values}")
    field = scores[metric].sel(forecast=label).compute()
    if {*field.dims} - {"season"} in (set(), {"region"}):
        raise InputError("scores are means over cells; verify with dim='time' for maps")
    seasons = [str(s) for s in field["season"].values]
    if own := ax is None:
        rows, columns = -(-len(seasons) // 2), min(len(seasons), 2)
        panels = make_map_axes(make_figure(field, columns, rows), rows, columns, field)
        for axis in panels[len(seasons) :]:
            axis.remove()
        ax = panels[: len(seasons)]
    axes = use_axes(ax, seasons)
    for season, axis in zip(seasons, axes, strict=True):
        shown = _draw_season(axis, scores.sel(forecast=label, season=season), metric, alpha)
    long_name = scores[metric].attrs.get("long_name", metric)
    figure = root_figure(axes[0])
    figure.colorbar(shown, ax=axes, orientation="horizontal", shrink=0.5, label=long_name)
    if own:
        add_title(figure, f"{label}: {scores.attrs.get('seasons', '')}", fontsize=10)
    return figure


def _draw_season(axis: Any, scores: xr.Dataset, metric: str, alpha: float) -> Any:
    """Draw the map of one season, with marks and a title."""
    centre = 0.5 if metric.startswith("roc") else 1.0 if metric == "spread_error" else 0.0
    limit = 0.5 if centre == 0.5 else 1.0
    field = scores[metric].compute()
    shown = draw_cells(axis, field, cmap="RdBu_r", vmin=centre - limit, vmax=centre + limit)
    title = str(scores["season"].values)
    if f"{metric}_pvalue" in scores:
        found = scores[f"{metric}_pvalue"].compute()
        above = control_fdr(found, alpha=alpha)
        # 1 is the p-value of what cannot be tested.
        below = control_fdr((1 - found).where(found < 1), alpha=alpha)
        _mark(axis, above, ".k")
        _mark(axis, below, "xk")
        shares = [_share_of_area(where, field.notnull()) for where in (above, below)]
        title += f": significant in {100 * shares[0]:.0f} % of the area"
        title += f", below in {100 * shares[1]:.0f} %" if shares[1] >= 0.005 else ""
    if "effective_size" in scores:
        title += f"; {float(scores['effective_size'].median()):.0f} independent years"
    axis.set_title(title, fontsize=10)
    return shown


def _share_of_area(where: xr.DataArray, known: xr.DataArray) -> float:
    return float(area_mean(where.astype(np.float64).where(known)))


def _mark(ax: Any, where: xr.DataArray, style: str) -> None:
    """Draw a mark in the middle of cells."""
    grid = Grid.of(where)
    lat, lon = np.nonzero(where.transpose(*grid.names).values)
    lon_values = to_axes_longitude(ax, grid, grid.lon.values[lon])
    options = map_options(ax, grid)
    ax.plot(lon_values, grid.lat.values[lat], style, markersize=2, **options)
