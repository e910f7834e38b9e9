"""Reliability diagrams and rank histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal.products.drawing import LINE_COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_reliability"]


def plot_reliability(scores: xr.Dataset, *, forecasts: Sequence[str] | None = None) -> Figure:
    """Draw reliability diagrams of the outer terciles, and the rank histogram.

    Parameters
    ----------
    scores : Dataset
        As :func:`xai4land_seasonal.verify` gives it, with ``reliability_below``,
        ``reliability_above`` or ``rank_histogram`` among its metrics.
    forecasts : sequence of str, optional
        By default the first three.
    """
    from xai4land.figures import NotebookFigure

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
    count = len(kinds) + ranks
    figure = NotebookFigure(figsize=(4.2 * count, 4.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, count))
    for kind, ax in zip(kinds, axes, strict=False):
        ax.plot([0, 1], [0, 1], color="black", linewidth=0.6)
        ax.axhline(1 / 3, color="black", linewidth=0.4, linestyle=":")
        ax.axvline(1 / 3, color="black", linewidth=0.4, linestyle=":")
        for label, colour in zip(labels, LINE_COLOURS, strict=False):
            part = table.sel(forecast=label)
            weight = part[f"reliability_{kind}_weight"]
            others = [d for d in weight.dims if d != "bin"]
            total = weight.sum(others)
            x, y = (
                ((part[f"reliability_{kind}_{k}"] * weight).sum(others) / total).where(
                    total / total.sum() > 0.002
                )
                for k in ("probability", "frequency")
            )
            ax.plot(x, y, color=colour, linewidth=1)
            ax.scatter(x, y, s=400 * total / total.sum(), color=colour, alpha=0.7, label=label)
        ax.set(
            xlim=(0, 1),
            ylim=(0, 1),
            aspect="equal",
            xlabel="probability",
            ylabel="frequency",
            title=f"{kind} normal",
        )
        ax.legend(frameon=False, fontsize=8, markerscale=0.5)
    if ranks:
        ax = axes[-1]
        shares = table["rank_histogram"]
        others = [d for d in shares.dims if d not in ("bin", "forecast")]
        shares = shares.mean(others)
        size = shares.sizes["bin"]
        width = 0.9 / len(labels)
        for k, (label, colour) in enumerate(zip(labels, LINE_COLOURS, strict=False)):
            place = np.arange(size) + k * width
            ax.bar(place, shares.sel(forecast=label), width, align="edge", color=colour)
        ax.axhline(1 / size, color="black", linewidth=0.6)
        ax.set(xlabel="rank of the observation (tenths)", ylabel="share", title="rank histogram")
    return figure
