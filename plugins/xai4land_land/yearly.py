"""Scores of each year of a rollout, by the years that it is away from the known map."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land_land.change.prior import find_years
from xai4land_land.comparison import select_year
from xai4land_land.scores import evaluate
from xai4land_land.truth import as_variable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot_years", "score_years"]

STYLES: list[dict[str, Any]] = [
    {"color": "#1b7837"},
    {"color": "#004488"},
    {"color": "#bb5566", "linestyle": "--"},
    {"color": "#ddaa33", "linestyle": "-."},
    {"color": "#000000", "linestyle": ":"},
    {"color": "#888888", "linestyle": (0, (5, 1))},
    {"color": "#6699cc"},
    {"color": "#888888", "linestyle": (0, (1, 1))},
    {"color": "#994455", "linestyle": "-."},
]
"""Told apart in grey, too (Paul Tol's high contrast, and the green of the emulator)."""


def score_years(
    data: xr.Dataset,
    /,
    truth: xr.Dataset | xr.DataArray,
    prior: xr.Dataset | xr.DataArray | int,
    *,
    name: str = "land_cover",
    **options: Any,
) -> xr.Dataset:
    """Score each year of a rollout by itself; lazily.

    Parameters
    ----------
    data : Dataset
        As :func:`reconstruct` returns it, and other maps beside it.
    truth : Dataset or DataArray
        Maps of all years of ``data`` but the prior's own.
    prior : Dataset, DataArray or int
        The known map that the rollout began with, and its date; or its year, if it is a step of
        ``data``. Change is that since then.
    name : str
        The map's variable.
    **options
        As for :func:`evaluate`: ``factors``, ``blocks``, ``legend``.

    Returns
    -------
    Dataset
        As :func:`evaluate` gives it for one year, along the time axis of the map, with ``lead``
        (time): years from the prior, negative backward.

    Raises
    ------
    InputError
        If the map has no years beside the prior's, or grids, years or classes do not fit.

    Examples
    --------
    >>> import xai4land
    >>> from xai4land_land.change.references import change_reference
    >>> world = xai4land.sample("land_history", years=[1990, 1992, 1994])
    >>> rule = change_reference("density", world, world.land_cover)
    >>> made = world.ai4land.reconstruct(rule, prior=world.land_cover.isel(time=0))
    >>> scores = made.ai4land.score_years(world.land_cover, 1990)
    >>> scores.lead.values.tolist()
    [2, 4]
    """
    if name not in data:
        raise InputError(f"no variable {name!r} to score; reconstruct(prior=...) makes it")
    made = data[name]
    known = select_year(made, int(prior)) if isinstance(prior, int | np.integer) else prior
    known = as_variable(known, what="the prior")
    start = find_years(known)
    step = time_name(made)
    years: Sequence[int] = [] if step is None else made[step].dt.year.values.tolist()
    others = [k for k, year in enumerate(years) if year != start[0]]
    if step is None or not others:
        raise InputError(
            "the map has no year beside the prior's; "
            "reconstruct(prior=map, years=slice(first, last)) gives several"
        )
    scores = [
        evaluate(data.isel({step: [k]}), truth, prior=known, name=name, **options) for k in others
    ]
    time = made[step].isel({step: others}).reset_coords(drop=True)
    joined = xr.concat(scores, step, combine_attrs="override").assign_coords({step: time})
    lead = time.dt.year - start[0]
    about = {"long_name": "years from the known map", "units": "year"}
    return joined.assign_coords(lead=(step, lead.values, about))


def plot_years(
    scores: xr.Dataset,
    names: Sequence[str] = ("accuracy", "macro_f1", "figure_of_merit"),
    classes: Sequence[str] = (),
    *,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw scores against the years from the known map, one line a source.

    Parameters
    ----------
    scores : Dataset
        From :func:`score_years`; computed here.
    names : sequence of str
        Scores, one panel each.
    classes : sequence of str
        Classes whose IoU is drawn too, one panel each.
    ax : Axes or sequence of Axes, optional
        One for each panel.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the dataset has no scores by year.
    """
    from xai4land.figures import NotebookFigure, root_figure, use_axes

    if "lead" not in scores.coords or "source" not in scores.dims:
        raise InputError("no scores by year, expected those of out.ai4land.score_years(...)")
    scores = scores.sel(factor=1, drop=True) if "factor" in scores.dims else scores
    panels = {name.replace("_", " "): scores[name] for name in names}
    panels |= {f"IoU of {one}": scores.iou.sel(land_cover_class=one) for one in classes}
    if own := ax is None:
        figure = NotebookFigure(figsize=(3.6 * len(panels), 3.6), layout="constrained")
        ax = figure.subplots(1, len(panels), squeeze=False)[0]
    axes = use_axes(ax, panels)
    sources = scores.source.values.tolist()
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        values = values.compute()
        for source, style in zip(sources, itertools.cycle(STYLES), strict=False):
            wide = 2.2 if source == "emulator" else 1.3
            axis.plot(scores.lead, values.sel(source=source), **style, linewidth=wide, label=source)
        axis.set(title=title, xlabel="years from the known map")
        axis.spines[["top", "right"]].set_visible(False)
    if own:
        lines = axes[0].get_legend_handles_labels()
        axes[0].figure.legend(*lines, loc="outside lower center", ncols=6)
    else:
        axes[-1].legend(fontsize=7)
    return root_figure(axes[0])
