"""Pictures of maps and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.scores.change import PARTS, UNKNOWN_PART, figure_of_merit, find_parts
from xai4land_land.comparison import CHOSEN, Comparison, compare_maps, select_year
from xai4land_land.legends import LEGENDS, Legend, flag_meanings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot", "plot_calibration", "plot_change", "plot_scores"]

MAX_PIXELS = 1600
MAX_COLUMNS = 4

PART_COLOURS = {
    "hits": "#004488",
    "misses": "#bb5566",
    "false_alarms": "#ddaa33",
    "wrong_hits": "#000000",
    "persistence": "#dddddd",
}
"""High contrast for the colour-blind and in grey (Paul Tol, Introduction to colour schemes)."""


def plot(
    data: xr.Dataset,
    *,
    beside: Mapping[str, xr.DataArray] | None = None,
    time: int = -1,
    years: Sequence[int] | None = None,
    name: str = "land_cover",
    ax: AxesLike | None = None,
) -> Figure:
    """Draw a map in its legend's colours, between the coarse majority and its confidence.

    With ``years`` draw the maps of these years instead.

    Parameters
    ----------
    data : Dataset
        As :func:`reconstruct` returns it. What is drawn is computed.
    beside : mapping from str to DataArray, optional
        Other maps with flags, by title, instead of the confidence.
    time : int
        Position on the time axis.
    years : sequence of int, optional
        Years of a series to draw side by side.
    name : str
        The map's variable.
    ax : Axes or sequence of Axes, optional
        One for each map, and one for the confidence; they may have a projection of cartopy.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved with ``savefig``, or shown by a notebook.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> figure = planet.ai4land.reconstruct().ai4land.plot()
    >>> len(figure.axes) >= 2
    True
    """
    from xai4land.figures import root_figure, use_axes

    maps = _choose_maps(data, name, beside, years)
    confident = years is None and beside is None and "confidence" in data
    panels = [*maps, *(["confidence"] if confident else [])]
    axes = _make_axes(len(panels), 4.2 if years else 5.0) if ax is None else use_axes(ax, panels)
    seen: dict[str, str] = {}
    for axis, (title, variable) in zip(axes, maps.items(), strict=False):
        seen |= _draw(axis, _select_step(variable, time), title)
    if confident:
        confidence = _select_step(data["confidence"], time)
        image = _show(axes[-1], confidence, "confidence", vmin=0, vmax=1)
        axes[-1].figure.colorbar(image, ax=axes[-1], shrink=0.6)
    _add_legend(axes if ax is None else axes[: len(maps)], seen, outside=ax is None)
    return root_figure(axes[0])


def _choose_maps(
    data: xr.Dataset,
    name: str,
    beside: Mapping[str, xr.DataArray] | None,
    years: Sequence[int] | None,
) -> dict[str, xr.DataArray]:
    """Return the maps to draw, by title."""
    if name not in data:
        raise InputError(f"no variable {name!r} to draw; reconstruct() makes it")
    if years is not None:
        chosen = {str(year): select_year(data[name], int(year)) for year in years}
        return {**chosen, **(beside or {})}
    maps = {name.replace("_", " "): data[name], **(beside or {})}
    if f"{name}_nearest" in data:
        maps = {"coarse majority": data[f"{name}_nearest"], **maps}
    return maps


def _make_axes(panels: int, width: float) -> list[Axes]:
    """Make axes for some maps in a figure of their own; width in inches."""
    from xai4land.figures import NotebookFigure

    columns = min(panels, MAX_COLUMNS)
    rows = -(-panels // columns)
    figure = NotebookFigure(figsize=(width * columns, 3.8 * rows + 0.6), layout="constrained")
    axes: list[Axes] = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[panels:]:
        axis.set_axis_off()
    return axes[:panels]


def plot_scores(scores: xr.Dataset, *, ax: AxesLike | None = None) -> Figure:
    """Draw the IoU of each class and source as bars, beside the map's confusion matrix.

    Parameters
    ----------
    scores : Dataset
        From :func:`evaluate`; computed here.
    ax : sequence of Axes, optional
        Two: for the bars, and for the matrix.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the scores are of several regions.
    """
    from xai4land.figures import NotebookFigure, root_figure, use_axes

    if "region" in scores.dims:
        raise InputError("scores of several regions; select one: scores.isel(region=0)")
    scores = scores.compute()
    names = [str(c) for c in scores.land_cover_class.values]
    if ax is None:
        figure = NotebookFigure(figsize=(12, 4.5), layout="constrained")
        ax = figure.subplots(1, 2, width_ratios=[2, 1])
    bars, matrix = use_axes(ax, ["IoU of each class", "confusion"])
    sources = [str(m) for m in scores.source.values]
    width = 0.8 / len(sources)
    greys = np.linspace(0.6, 0.85, max(len(sources) - 1, 1)).astype(str)
    for k, (source, colour) in enumerate(zip(sources, ("#1b7837", *greys), strict=False)):
        place = np.arange(len(names)) + (k - (len(sources) - 1) / 2) * width
        mean = float(scores.mean_iou.sel(source=source))
        values = scores.iou.sel(source=source)
        bars.bar(place, values, 0.93 * width, color=colour, label=f"{source} (mean {mean:.3f})")
    bars.set_xticks(range(len(names)), names, rotation=30, ha="right")
    bars.set(ylabel="intersection over union", ylim=(0, 1))
    bars.legend(frameon=False)
    share = scores.confusion.isel(source=0)
    total = share.sum("land_cover_class")
    share = (share / total.where(total > 0)).values
    matrix.imshow(share, vmin=0, vmax=1, cmap="Greens")
    for (i, j), value in np.ndenumerate(share):
        if value >= 0.005:
            colour = "white" if value > 0.6 else "black"
            matrix.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    matrix.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
    matrix.set_yticks(range(len(names)), names, fontsize=8)
    matrix.set(title=f"{sources[0]}: share of each true class", xlabel="map", ylabel="truth")
    return root_figure(bars)


def plot_calibration(scores: xr.Dataset, *, ax: AxesLike | None = None) -> Figure:
    """Draw how often what a map says with a probability is so, above how often it says it.

    Parameters
    ----------
    scores : Dataset
        From :func:`evaluate` of a map with ``confidence``, or with the probability of every class;
        computed here.
    ax : sequence of Axes, optional
        Two: for the diagram, and for the shares of the area below it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the scores hold no reliability.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> world = planet.ai4land.reconstruct(probabilities=True)
    >>> figure = world.ai4land.evaluate(planet.land_cover).ai4land.plot_calibration()
    >>> len(figure.axes)
    2
    """
    from xai4land.figures import NotebookFigure, root_figure, use_axes

    if "reliability_frequency" not in scores or "region" in scores.dims:
        raise InputError(
            "no reliability of one map among the scores; evaluate a map with confidence or "
            "probabilities, and select a region"
        )
    scores = scores.compute()
    if ax is None:
        figure = NotebookFigure(figsize=(6, 6.5), layout="constrained")
        ax = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    above, below = use_axes(ax, ["reliability", "share of the area"])
    above.plot([0, 1], [0, 1], color="#888888", linewidth=0.8)
    events = [str(event) for event in scores.event.values]
    colours = {CHOSEN: "black", **_choose_colours([e for e in events if e != CHOSEN])}
    for event in events:
        part = scores.sel(event=event)
        style = {"color": colours[event], "linewidth": 2 if event == CHOSEN else 1.2}
        label = f"{event.replace('_', ' ')}: {float(part.calibration_error):.3f}"
        likely = part.reliability_probability
        above.plot(likely, part.reliability_frequency, marker="o", ms=3, label=label, **style)
        below.plot(part.bin, part.reliability_weight, **style)
    above.set(ylabel="share of the area where it is so", xlim=(0, 1), ylim=(0, 1))
    above.legend(title="calibration error", frameon=False, fontsize=8)
    below.set(xlabel="probability", ylabel="share of the area", yscale="log")
    for axis in (above, below):
        axis.spines[["top", "right"]].set_visible(False)
    return root_figure(above)


def plot_change(
    data: xr.Dataset,
    truth: xr.Dataset | xr.DataArray,
    prior: xr.Dataset | xr.DataArray | int,
    *,
    time: int = -1,
    name: str = "land_cover",
    legend: str | Legend | None = None,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw where change is hit, missed, falsely alarmed or of a wrong class.

    Parameters
    ----------
    data : Dataset
        As :func:`reconstruct` returns it. What is drawn is computed.
    truth, prior, name, legend
        As in :func:`evaluate`.
    time : int
        Position on the time axis.
    ax : Axes, optional
        It may have a projection of cartopy.

    Returns
    -------
    matplotlib.figure.Figure
        Shares of the area in the legend, the figure of merit in the title; both of all pixels,
        of which a large picture shows some.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[1950, 2000])
    >>> world = planet.isel(time=[1]).ai4land.reconstruct()
    >>> cover = planet.land_cover
    >>> figure = world.ai4land.plot_change(cover, cover.isel(time=0))
    >>> figure.axes[0].get_title()[:32]
    'change to 2000: figure of merit '
    """
    from matplotlib.colors import to_rgb

    from xai4land.figures import NotebookFigure, root_figure, use_axes

    if name not in data:
        raise InputError(f"no variable {name!r} to draw; reconstruct() makes it")
    step = time_name(data[name])
    if isinstance(prior, int):
        prior = select_year(data[name], prior)
    if step is not None:
        _check_time(time, data.sizes[step])
        data = data[[name]].isel({step: [time]})
    maps = compare_maps(data, truth, prior=prior, name=name, legend=legend)
    parts, shares = _find_shares(maps)
    drawn = NotebookFigure(figsize=(7, 5), layout="constrained").subplots() if ax is None else ax
    axes = use_axes(drawn, ["change"])
    year = "" if step is None else f" to {int(data[step].dt.year[0])}"
    title = f"change{year}: figure of merit {float(figure_of_merit(shares)):.3f}"
    thinned = _select_step(parts, time)
    colours = np.array([to_rgb(colour) for colour in (*PART_COLOURS.values(), "white")])
    _show(axes[0], thinned, title, picture=colours[thinned.values])
    labels = {f"{p} {100 * float(shares[p]):.2f} %": c for p, c in PART_COLOURS.items()}
    _add_legend(axes, labels, columns=3, outside=ax is None)
    return root_figure(axes[0])


def _find_shares(maps: Comparison) -> tuple[xr.DataArray, xr.Dataset]:
    """Return a map of the parts of change, and their shares of the area; computed."""
    made = dict(zip(("prior", "truth", "made"), maps.maps("emulator"), strict=True))
    steps = [dim for dim in maps.truth.dims if dim not in maps.grid.names]
    codes = xr.Dataset(made).isel(dict.fromkeys(steps, 0)).compute()
    known = (codes < len(maps.classes)).to_dataarray().all("variable")
    found = find_parts(*(codes[name].values for name in made))
    parts = known.copy(data=np.where(known, found, UNKNOWN_PART))
    area = maps.weights * xr.ones_like(parts)
    total = area.where(known).sum()
    shares = {name: area.where(parts == k).sum() / total for k, name in enumerate(PARTS)}
    return parts.assign_coords(maps.grid.coords()), xr.Dataset(shares)


def _select_step(variable: xr.DataArray, time: int) -> xr.DataArray:
    """Return one step, computed: north up, thinned to what a picture can show."""
    grid = Grid.of(variable, "the map")
    extra = {dim: time for dim in variable.dims if dim not in grid.names}
    for dim in extra:
        _check_time(time, variable.sizes[dim])
    if min(grid.shape) < 2:
        raise InputError("a map of one row or column cannot be drawn; select a larger area")
    variable = variable.isel(extra).transpose(*grid.names)
    if grid.ascending:
        variable = variable.isel({grid.names[0]: slice(None, None, -1)})
    step = max(max(variable.shape) // MAX_PIXELS, 1)
    return variable.isel({n: slice(None, None, step) for n in grid.names}).compute()


def _check_time(time: int, steps: int) -> None:
    if not -steps <= time < steps:
        raise InputError(f"time={time}, but there are {steps} steps")


def _draw(axis: Axes, variable: xr.DataArray, title: str) -> dict[str, str]:
    from matplotlib.colors import to_rgb

    meanings = flag_meanings(variable)
    colours = _choose_colours(list(meanings.values()))
    picture = np.ones((*variable.shape, 3))
    for value, meaning in meanings.items():
        picture[variable.values == value] = to_rgb(colours[meaning])
    _show(axis, variable.copy(data=np.zeros(variable.shape)), title, picture=picture)
    here = {m for v, m in meanings.items() if (variable.values == v).any()}
    return {m: c for m, c in colours.items() if m in here}


def _show(axis: Axes, variable: xr.DataArray, title: str, picture: Any = None, **how: Any) -> Any:
    """Show values, or a picture of them, where they lie; in the projection that axes may have."""
    from xai4land.figures import cf_label, map_transform, zoom_to

    grid = Grid.of(variable, "the map")
    dy, dx = (s / 2 for s in grid.spacings)
    lat, lon = grid.lat.values, grid.lon.values
    if hasattr(axis, "projection"):
        middle = float(lon[0] + lon[-1]) / 2
        lon, how = lon - middle, {**how, **map_transform(axis, middle)}
    else:
        how["aspect"] = 1 / max(float(np.cos(np.deg2rad(lat.mean()))), 0.3)
        rows, columns = grid.names
        axis.set_ylabel(cf_label(variable[rows]), fontsize=7)
        axis.set_xlabel(cf_label(variable[columns]), fontsize=7)
    extent = (lon[0] - dx, lon[-1] + dx, lat[-1] - dy, lat[0] + dy)
    if "transform" in how:  # before: what is shown is brought to the axes' own pixels
        zoom_to(axis, extent, how["transform"])
    image = axis.imshow(
        variable.values if picture is None else picture,
        extent=extent,
        interpolation="nearest",
        **how,
    )
    axis.set_title(title, fontsize=10)
    axis.tick_params(labelsize=7)
    return image


def _choose_colours(names: list[str]) -> dict[str, str]:
    known = {c.name: c.colour for legend in LEGENDS.values() for c in legend.classes}
    spare = ["#8dd3c7", "#bebada", "#fb8072", "#80b1d3", "#fdb462", "#b3de69", "#fccde5"]
    return {name: known.get(name, spare[k % len(spare)]) for k, name in enumerate(names)}


def _add_legend(
    axes: Sequence[Axes], colours: Mapping[str, str], columns: int = 4, outside: bool = True
) -> None:
    """Add a legend below all axes, or in the last of those that a user brought."""
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=c, edgecolor="#666666", label=n.replace("_", " "))
        for n, c in colours.items()
    ]
    if not outside:
        axes[-1].legend(handles=handles, fontsize=7)
        return
    axes[0].figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(handles), columns * min(len(axes), MAX_COLUMNS)),
        fontsize=8,
        frameon=False,
    )
