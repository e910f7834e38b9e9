"""Pictures: forecasts, skill, reliability, plumes.

Maps are drawn with cartopy where it is installed, and plainly otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_edges
from xai4land.grids.grid import Grid
from xai4land.scores.ensembles import ensemble_mean
from xai4land.scores.significance import fdr
from xai4land_seasonal.data.areas import Box, box_text, region_mean
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.variables import usual_variable
from xai4land_seasonal.products.coasts import coasts
from xai4land_seasonal.verification.matching import seasonal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot", "plot_plume", "plot_reliability", "plot_scores"]

COLOURS = {"below": "Blues", "near": "Greys", "above": "Reds"}
LINES = ("#1b7837", "#666666", "#b35806", "#542788", "#1f78b4", "#e31a1c", "#999999", "#cab2d6")


def plot(
    forecast: xr.Dataset,
    *,
    terciles: xr.Dataset | None = None,
    time: int = -1,
    variable: str | None = None,
) -> Figure:
    """Draw a forecast: the mean of its members, and the most likely tercile or their spread.

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, rows, columns). What is drawn is computed.
    terciles : Dataset, optional
        As :func:`xai4land_seasonal.tercile_probabilities` gives it.
    time : int
        Position on the time axis.
    variable : str, optional
        By default the first.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]]
    >>> made = xai4land_seasonal.forecast(
    ...     climate, "DJF", members=5, years=1959, emulator="trend", climatology=(1900, 1929))
    >>> [axes.get_title() for axes in plot(made).axes]
    ['mean of the members', 'spread of the members']
    """
    name = variable or usual_variable(forecast, ("time", "realization"))
    one = forecast[name].isel(time=time).compute()
    mean = ensemble_mean(one)
    figure = _figure(forecast, 2)
    left, right = _maps(figure, 1, 2, one)
    units = one.attrs.get("units", "1")
    limit = _limit(mean)
    shown = _draw(left, mean, cmap="RdBu_r", vmin=-limit, vmax=limit)
    _bar(figure, left, shown, units)
    left.set_title("mean of the members", fontsize=9)
    if terciles is None:
        spread = one.std("realization", ddof=1)
        shown = _draw(right, spread, cmap="viridis", vmin=0)
        _bar(figure, right, shown, units)
        right.set_title("spread of the members", fontsize=9)
    else:
        chance = terciles[f"{name}_probability"].isel(time=time).compute()
        _draw_terciles(figure, right, chance)
    season, year = str(one["season"].values), int(one["season_year"])
    reference = one["forecast_reference_time"].dt.strftime("%Y-%m-%d").item()
    size = forecast.sizes["realization"]
    label = forecast.attrs.get("emulator", "forecast")
    period = str(forecast.attrs.get("climatology_period", "as given"))
    against = period if period.startswith("as ") else f"against {period}"
    _title(
        figure,
        f"{name}, {season} {year}: {label}, as of {reference}, {size} members; anomalies {against}",
        fontsize=10,
    )
    return figure


def _draw_terciles(figure: Figure, axes: Any, chance: xr.DataArray) -> None:
    """The most likely category, coloured by its probability; white where none is above 40 %."""
    from matplotlib.colors import BoundaryNorm

    levels = [40, 50, 60, 70, 80, 100]
    known = chance.notnull().all("category")
    best = chance.fillna(0).argmax("category")
    for k, (category, colours) in enumerate(COLOURS.items()):
        value = (100 * chance.sel(category=category)).where((best == k) & known)
        value = value.where(value >= levels[0])
        shown = _draw(axes, value, cmap=colours, norm=BoundaryNorm(levels, 256, extend="neither"))
        span = (0.02 + 0.33 * k, 0.3)
        _bar(figure, axes, shown, f"{category} (%)", span, ticks=levels[:-1])
    axes.set_title("most likely tercile and its probability", fontsize=9)


def _bar(
    figure: Figure,
    axes: Any,
    shown: Any,
    label: str,
    span: tuple[float, float] = (0.15, 0.7),
    **how: Any,
) -> None:
    """A colour bar under a map's own tick labels: where it begins and how wide, in map widths."""
    bar = axes.inset_axes((span[0], -0.2, span[1], 0.05))
    figure.colorbar(shown, cax=bar, orientation="horizontal", **how)
    bar.tick_params(labelsize=7)
    bar.set_xlabel(label, fontsize=8)


def plot_scores(
    scores: xr.Dataset, *, metric: str = "acc", forecast: str | None = None, alpha: float = 0.1
) -> Figure:
    """Draw maps of a score, one a season.

    Where ``acc_pvalue`` is among the scores and ``acc`` is drawn, dots mark cells whose correlation
    is significant with the rate of false discoveries held at ``alpha``.

    Parameters
    ----------
    scores : Dataset
        As :func:`xai4land_seasonal.verify` gives it, per cell.
    metric : str
    forecast : str, optional
        By default the first.
    alpha : float
    """
    if metric not in scores:
        raise InputError(f"metric {metric!r}, expected one of {', '.join(map(str, scores))}")
    label = forecast or str(scores["forecast"].values[0])
    if label not in scores["forecast"].values:
        raise InputError(f"forecast {label!r}, expected one of {scores['forecast'].values}")
    one = scores[metric].sel(forecast=label).compute()
    if {*one.dims} - {"season"} in (set(), {"region"}):
        raise InputError("scores are means over cells; verify with dim='time' for maps")
    seasons = [str(s) for s in one["season"].values]
    rows = -(-len(seasons) // 2)
    across = min(len(seasons), 2)
    figure = _figure(one, across, rows)
    axes = _maps(figure, rows, across, one)
    centre = 0.5 if metric.startswith("roc") else 1.0 if metric == "spread_error" else 0.0
    limit = 0.5 if centre == 0.5 else 1.0
    pvalues = scores.get("acc_pvalue") if metric == "acc" else None
    for season, ax in zip(seasons, axes, strict=False):
        part = one.sel(season=season)
        shown = _draw(ax, part, cmap="RdBu_r", vmin=centre - limit, vmax=centre + limit)
        ax.set_title(season, fontsize=10)
        if pvalues is not None:
            sure = fdr(pvalues.sel(forecast=label, season=season).compute(), alpha=alpha)
            lat, lon = np.nonzero(sure.values)
            grid = Grid.of(part)
            ax.plot(
                _across(ax, grid, grid.lon.values[lon]), grid.lat.values[lat], ".k", markersize=2
            )
    long_name = scores[metric].attrs.get("long_name", metric)
    figure.colorbar(shown, ax=list(axes), orientation="horizontal", shrink=0.5, label=long_name)
    _title(figure, f"{label}: {scores.attrs.get('seasons', '')}", fontsize=10)
    return figure


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
    from matplotlib.figure import Figure

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
    figure = Figure(figsize=(4.2 * count, 4.2), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, count))
    for kind, ax in zip(kinds, axes, strict=False):
        ax.plot([0, 1], [0, 1], color="black", linewidth=0.6)
        ax.axhline(1 / 3, color="black", linewidth=0.4, linestyle=":")
        ax.axvline(1 / 3, color="black", linewidth=0.4, linestyle=":")
        for label, colour in zip(labels, LINES, strict=False):
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
        for k, (label, colour) in enumerate(zip(labels, LINES, strict=False)):
            place = np.arange(size) + k * width
            ax.bar(place, shares.sel(forecast=label), width, align="edge", color=colour)
        ax.axhline(1 / size, color="black", linewidth=0.6)
        ax.set(xlabel="rank of the observation (tenths)", ylabel="share", title="rank histogram")
    return figure


def plot_plume(
    forecast: xr.Dataset,
    region: str | Box = "nino34",
    *,
    obs: xr.Dataset | None = None,
    climatology: Climatology = None,
    season: str | None = None,
    variable: str | None = None,
) -> Figure:
    """Draw the members' mean over a region, year by year, beside what was observed.

    Parameters
    ----------
    forecast : Dataset
    region : str or tuple of float
        A name among :data:`xai4land_seasonal.data.areas.REGIONS`, or a box.
    obs : Dataset, optional
        Monthly, or seasonal anomalies.
    climatology
        Of monthly observations.
    season : str, optional
        By default the forecast's first.
    variable : str, optional
        By default the first of tas, pr, psl and tos that the forecast has, or else by the alphabet.
    """
    from matplotlib.figure import Figure

    name = variable or usual_variable(forecast, ("time", "realization"))
    label = season or str(forecast["season"].values[0])
    at = np.flatnonzero(forecast["season"].values == label)
    if at.size == 0:
        raise InputError(f"season {label!r} is not in the forecast: {set(forecast.season.values)}")
    members = region_mean(forecast[name].isel(time=at), region).compute()
    years = members["season_year"].values
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    ax: Any = figure.subplots()
    for low, high, alpha in ((0.05, 0.95, 0.2), (0.25, 0.75, 0.35)):
        ends = members.quantile([low, high], "realization").values
        height = ends[1] - ends[0]
        text = f"{high - low:.0%} of the members"
        ax.bar(years, height, 0.7, ends[0], color=LINES[0], alpha=alpha, label=text)
    ax.plot(years, members.mean("realization"), "_", color=LINES[0], markersize=9, label="mean")
    if obs is not None:
        truth = seasonal(obs, forecast[[name]], climatology, "the observations")[name]
        keep = np.flatnonzero(
            (truth["season"].values == label) & np.isin(truth["season_year"].values, years)
        )
        seen = region_mean(truth.isel(time=keep), region).compute()
        ax.plot(seen["season_year"], seen, "ok", markersize=4, label="observed")
    ax.axhline(0, color="black", linewidth=0.5)
    ax.xaxis.get_major_locator().set_params(integer=True)
    units = forecast[name].attrs.get("units", "1")
    where = region if isinstance(region, str) else box_text(region)
    title = f"{label}, {where}: {forecast.attrs.get('emulator', 'forecast')}"
    ax.set(ylabel=f"{name} anomaly ({units})", title=title)
    ax.legend(frameon=False, fontsize=8, ncols=4)
    return figure


def _limit(values: xr.DataArray) -> float:
    """A round number that few cells are beyond."""
    size = float(np.nanquantile(np.abs(values), 0.98)) if values.notnull().any() else 1.0
    digits = 10.0 ** np.floor(np.log10(max(size, 1e-9)))
    return float(np.ceil(size / digits * 2) / 2 * digits)


def _title(figure: Figure, text: str, fontsize: float = 10) -> None:
    """A title above all axes, with room of its own: maps of one shape would not make any."""
    layout: Any = figure.get_layout_engine()
    inch = 1 / figure.get_figheight()
    layout.set(rect=(0, 0.15 * inch, 1, 1 - 0.65 * inch))
    figure.suptitle(text, fontsize=fontsize, y=1 - 0.08 * inch, va="top")


def _figure(data: xr.Dataset | xr.DataArray, across: int, rows: int = 1) -> Figure:
    from matplotlib.figure import Figure

    grid = Grid.of(data)
    height, width = (np.ptp(axis.values) + 1e-9 for axis in (grid.lat, grid.lon))
    each = float(np.clip(6 * height / width, 2.5, 7))
    return Figure(figsize=(6 * across, rows * each + 1.4), layout="constrained")


def _maps(figure: Figure, rows: int, columns: int, field: xr.DataArray) -> np.ndarray:
    """Axes for maps, with cartopy those of a plate carrée around the field's middle."""
    try:
        from cartopy.crs import PlateCarree
    except ImportError:
        return np.atleast_1d(figure.subplots(rows, columns)).ravel()
    projection = PlateCarree(central_longitude=_middle(Grid.of(field)))
    made = figure.subplots(rows, columns, subplot_kw={"projection": projection})
    return np.atleast_1d(made).ravel()


def _draw(ax: Any, field: xr.DataArray, **how: Any) -> Any:
    """Cells in their true edges, and coasts."""
    grid = Grid.of(field)
    rows, columns = cell_edges(grid, field)
    order = np.argsort(grid.lat.values)
    lat = np.append(rows[order, 0], rows[order[-1], 1])
    lon = _across(ax, grid, np.append(columns[:, 0], columns[-1, 1]))
    shown = ax.pcolormesh(lon, lat, field.transpose(*grid.names).values[order], **how)
    x, y = coasts().T
    for turn in (-360, 0, 360, 720) if not ax.lines else ():
        ax.plot(_across(ax, grid, x + turn), y, color="black", linewidth=0.5)
    ax.set(xlim=(lon[0], lon[-1]), ylim=(lat[0], lat[-1]), aspect="equal")
    if hasattr(ax, "gridlines"):
        ax.gridlines(draw_labels=["left", "bottom"], linewidth=0.2)
    return shown


def _across(ax: Any, grid: Grid, lon: np.ndarray) -> np.ndarray:
    """Longitudes as an axes' own coordinate, which with cartopy begins in the grid's middle."""
    return lon - _middle(grid) if hasattr(ax, "projection") else lon


def _middle(grid: Grid) -> float:
    return float(grid.lon.values[0] + grid.lon.values[-1]) / 2
