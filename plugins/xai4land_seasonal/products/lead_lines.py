"""Scores against the lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal.products.drawing import LINE_COLOURS, add_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot_skill_by_lead"]

BESIDE = 0.08
"""Distance of the lines of two forecasts, in months, so that intervals do not cover each other."""


def plot_skill_by_lead(
    scores: xr.Dataset,
    *,
    metric: str = "acc",
    region: str | None = None,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw a score against the lead, a line for each forecast, with intervals where there are any.

    Parameters
    ----------
    scores : Dataset
        Of several leads, along ``lead``: means over cells or regions, as
        :func:`xai4land_seasonal.verify` gives them for each lead.
    metric : str
        Name of the score.
    region : str, optional
        By default the first, where scores are of regions.
    ax : Axes or sequence of Axes, optional
        One for each season; the legend goes into the last one.

    Raises
    ------
    InputError
        If the scores are of one lead, have no such metric or region, or are maps.

    Examples
    --------
    >>> scores = xr.Dataset(
    ...     {"acc": (("lead", "forecast"), [[0.6, 0.5], [0.4, 0.4]])},
    ...     {"lead": [0, 1], "forecast": ["ours", "persistence"]})
    >>> len(plot_skill_by_lead(scores).axes)
    1
    """
    from xai4land.figures import root_figure, use_axes

    if "lead" not in scores.dims:
        raise InputError(
            "the scores have no dimension 'lead'; verify forecasts of each lead, and join them: "
            "xr.concat(scores, xr.Variable('lead', range(6)))"
        )
    if metric not in scores:
        raise InputError(f"metric {metric!r}, expected one of {', '.join(map(str, scores))}")
    some = scores[[n for n in (metric, f"{metric}_interval") if n in scores]]
    if "region" in some.dims:
        names = [str(name) for name in some["region"].values]
        if region not in (None, *names):
            raise InputError(f"region {region!r}, expected one of {', '.join(names)}")
        some = some.sel(region=region or names[0])
    if extra := set(some[metric].dims) - {"lead", "forecast", "season"}:
        raise InputError(
            f"scores along {', '.join(sorted(map(str, extra)))}, expected means; verify with "
            "dim=('time', 'lat', 'lon') or regions="
        )
    some = some.sortby("lead").compute()
    if "season" not in some.dims:
        some = some.drop_vars("season", errors="ignore").expand_dims(season=["all seasons"])
    seasons = some["season"].values.tolist()
    axes = _make_axes(len(seasons)) if ax is None else use_axes(ax, seasons)
    for axis, season in zip(axes, seasons, strict=True):
        _draw_lines(axis, some.sel(season=season), metric)
        axis.set_title(str(season), fontsize=9)
    axes[0].set_ylabel(scores[metric].attrs.get("long_name", metric), fontsize=9)
    figure = root_figure(axes[0])
    if ax is not None:
        axes[-1].legend(fontsize=7)
        return figure
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=8)
    where = f"{region or some['region'].item()}, " if "region" in some.coords else ""
    what = ", with 90 % intervals" if f"{metric}_interval" in some else ""
    figure.supxlabel("lead: whole months before the season", fontsize=9)
    add_title(figure, f"{where}{scores.attrs.get('seasons', 'scores')}{what}", fontsize=10)
    return figure


def _make_axes(count: int) -> list[Any]:
    """Make axes for some seasons in a figure of their own."""
    from xai4land.figures import NotebookFigure

    columns = min(count, 4)
    rows = -(-count // columns)
    figure = NotebookFigure(figsize=(2 + 3.2 * columns, 0.9 + 3 * rows), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    for axis in axes[count:]:
        axis.set_axis_off()
    return list(axes[:count])


def _draw_lines(ax: Any, scores: xr.Dataset, metric: str) -> None:
    """Draw the score of each forecast against the lead."""
    leads = scores["lead"].values
    labels = scores["forecast"].values
    for k, label in enumerate(labels):
        part = scores.sel(forecast=label)
        colour = LINE_COLOURS[k % len(LINE_COLOURS)]
        beside = leads + BESIDE * (k - (len(labels) - 1) / 2)
        width = 2 if k == 0 else 1
        ax.plot(beside, part[metric], ".-", color=colour, linewidth=width, label=str(label))
        if f"{metric}_interval" in part:
            low, high = part[f"{metric}_interval"].transpose("bound", "lead").values
            ax.vlines(beside, low, high, color=colour, alpha=0.5, linewidth=1)
    ax.axhline(0, color="black", linewidth=0.5)
    ax.set_xticks(leads)
