"""Maps of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.scores.significance import control_fdr
from xai4land_seasonal.products.drawing import (
    add_title,
    draw_cells,
    make_figure,
    make_map_axes,
    to_axes_longitude,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_scores"]


def plot_scores(
    scores: xr.Dataset, *, metric: str = "acc", forecast: str | None = None, alpha: float = 0.1
) -> Figure:
    """Draw maps of a score, one for each season.

    If ``acc`` is drawn and ``acc_pvalue`` is among the scores, dots mark cells whose correlation is
    significant at the false discovery rate ``alpha``.

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

    Raises
    ------
    InputError
        If the scores have no such metric or forecast, or are no maps.
    """
    if metric not in scores:
        raise InputError(f"metric {metric!r}, expected one of {', '.join(map(str, scores))}")
    label = forecast or str(scores["forecast"].values[0])
    if label not in scores["forecast"].values:
        raise InputError(f"forecast {label!r}, expected one of {scores['forecast'].values}")
    field = scores[metric].sel(forecast=label).compute()
    if {*field.dims} - {"season"} in (set(), {"region"}):
        raise InputError("scores are means over cells; verify with dim='time' for maps")
    seasons = [str(s) for s in field["season"].values]
    rows = -(-len(seasons) // 2)
    columns = min(len(seasons), 2)
    figure = make_figure(field, columns, rows)
    axes = make_map_axes(figure, rows, columns, field)
    centre = 0.5 if metric.startswith("roc") else 1.0 if metric == "spread_error" else 0.0
    limit = 0.5 if centre == 0.5 else 1.0
    pvalues = scores.get("acc_pvalue") if metric == "acc" else None
    for season, ax in zip(seasons, axes, strict=False):
        part = field.sel(season=season)
        shown = draw_cells(ax, part, cmap="RdBu_r", vmin=centre - limit, vmax=centre + limit)
        ax.set_title(season, fontsize=10)
        if pvalues is not None:
            significant = control_fdr(
                pvalues.sel(forecast=label, season=season).compute(), alpha=alpha
            )
            lat, lon = np.nonzero(significant.values)
            grid = Grid.of(part)
            ax.plot(
                to_axes_longitude(ax, grid, grid.lon.values[lon]),
                grid.lat.values[lat],
                ".k",
                markersize=2,
            )
    long_name = scores[metric].attrs.get("long_name", metric)
    figure.colorbar(shown, ax=list(axes), orientation="horizontal", shrink=0.5, label=long_name)
    add_title(figure, f"{label}: {scores.attrs.get('seasons', '')}", fontsize=10)
    return figure
