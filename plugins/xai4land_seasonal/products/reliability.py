"""Reliability diagrams and rank histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal.products.drawing import LINE_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot_reliability"]

MIN_SHARE = 0.002
"""Share of the cases that a bin needs to be drawn."""


def plot_reliability(
    scores: xr.Dataset,
    *,
    forecasts: Sequence[str] | None = None,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw reliability diagrams of the outer terciles, and the rank histogram.

    Parameters
    ----------
    scores : Dataset
        As :func:`xai4land_seasonal.verify` gives it, with ``reliability_below``,
        ``reliability_above`` or ``rank_histogram`` among its metrics.
    forecasts : sequence of str, optional
        By default the first three.
    ax : Axes or sequence of Axes, optional
        One for each diagram that there is, and for the histogram.
    """
    from xai4land.figures import NotebookFigure, root_figure, use_axes

    kinds = [k for k in ("below", "above") if f"reliability_{k}_weight" in scores]
    ranks = "rank_histogram" in scores
    if not kinds and not ranks:
        raise InputError(
            "no reliability among the scores; verify with "
            "metrics=['reliability_below', 'reliability_above', 'rank_histogram']"
        )
    labels = list(forecasts or scores["forecast"].values[:3])
    wanted = [v for v in scores.data_vars if "bin" in scores[v].dims]
    table = scores[wanted].sel(forecast=labels).compute()
    panels = [*kinds, *(["ranks"] if ranks else [])]
    if ax is None:
        figure = NotebookFigure(figsize=(4.2 * len(panels), 4.2), layout="constrained")
        ax = figure.subplots(1, len(panels))
    axes = use_axes(ax, panels)
    for kind, axis in zip(kinds, axes, strict=False):
        _draw_reliability(axis, table, kind)
    if ranks:
        _draw_ranks(axes[-1], table["rank_histogram"])
    return root_figure(axes[0])


def _draw_reliability(ax: Any, table: xr.Dataset, kind: str) -> None:
    """Draw how often the lower or upper tercile occurs that is forecast with a probability."""
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.6)
    ax.axhline(1 / 3, color="black", linewidth=0.4, linestyle=":")
    ax.axvline(1 / 3, color="black", linewidth=0.4, linestyle=":")
    for label, colour in zip(table["forecast"].values, LINE_COLOURS, strict=False):
        part = table.sel(forecast=label)
        weight = part[f"reliability_{kind}_weight"]
        others = [d for d in weight.dims if d != "bin"]
        total = weight.sum(others)
        x, y = (
            ((part[f"reliability_{kind}_{k}"] * weight).sum(others) / total).where(
                total / total.sum() > MIN_SHARE
            )
            for k in ("probability", "frequency")
        )
        ax.plot(x, y, color=colour, linewidth=1)
        drawn = (x.notnull() & y.notnull()).values
        size = (400 * total / total.sum()).values[drawn]
        ax.scatter(x[drawn], y[drawn], s=size, color=colour, alpha=0.7, label=label)
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.set(xlabel="probability", ylabel="frequency", title=f"{kind} normal")
    ax.legend(frameon=False, fontsize=8, markerscale=0.5)


def _draw_ranks(ax: Any, shares: xr.DataArray) -> None:
    """Draw a rank histogram, bars of the forecasts side by side."""
    shares = shares.mean([d for d in shares.dims if d not in ("bin", "forecast")])
    size = shares.sizes["bin"]
    width = 0.9 / shares.sizes["forecast"]
    for k, (label, colour) in enumerate(zip(shares["forecast"].values, LINE_COLOURS, strict=False)):
        position = np.arange(size) + k * width
        ax.bar(position, shares.sel(forecast=label), width, align="edge", color=colour)
    ax.axhline(1 / size, color="black", linewidth=0.6)
    ax.set(xlabel="rank of the observation (tenths)", ylabel="share", title="rank histogram")
