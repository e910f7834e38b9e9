"""Maps of a forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from xai4land.scores.ensembles import ensemble_mean
from xai4land_seasonal.data.variables import default_variable
from xai4land_seasonal.products.drawing import (
    add_colour_bar,
    add_title,
    colour_limit,
    draw_cells,
    make_figure,
    make_map_axes,
)
from xai4land_seasonal.verification.matching import check_forecast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot"]


TERCILE_COLOURS = {"below": "Blues", "near": "Greys", "above": "Reds"}


def plot(
    forecast: xr.Dataset,
    *,
    terciles: xr.Dataset | None = None,
    time: int = -1,
    variable: str | None = None,
    ax: AxesLike | None = None,
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
        By default the first of tas, pr, psl and tos, or else by the alphabet.
    ax : sequence of Axes, optional
        Two, which may have a projection of cartopy.

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
    from xai4land.figures import root_figure, use_axes

    check_forecast(forecast)
    name = variable or default_variable(forecast, ("time", "realization"))
    season_forecast = forecast[name].isel(time=time).compute()
    mean = ensemble_mean(season_forecast)
    own = ax is None
    if ax is None:
        ax = make_map_axes(make_figure(forecast, 2), 1, 2, season_forecast)
    left, right = use_axes(ax, ["mean", "spread" if terciles is None else "tercile"])
    figure = root_figure(left)
    units = season_forecast.attrs.get("units", "1")
    limit = colour_limit(mean)
    shown = draw_cells(left, mean, cmap="RdBu_r", vmin=-limit, vmax=limit)
    add_colour_bar(figure, left, shown, units)
    left.set_title("mean of the members", fontsize=9)
    if terciles is None:
        spread = season_forecast.std("realization", ddof=1)
        shown = draw_cells(right, spread, cmap="viridis", vmin=0)
        add_colour_bar(figure, right, shown, units)
        right.set_title("spread of the members", fontsize=9)
    else:
        probability = terciles[f"{name}_probability"].isel(time=time).compute()
        _draw_terciles(figure, right, probability)
    if own:
        add_title(figure, _describe(forecast, season_forecast, name), fontsize=10)
    return figure


def _describe(forecast: xr.Dataset, season_forecast: xr.DataArray, name: str) -> str:
    """Say which forecast of which season is drawn."""
    season, year = str(season_forecast["season"].values), int(season_forecast["season_year"])
    reference = season_forecast["forecast_reference_time"].dt.strftime("%Y-%m-%d").item()
    size = forecast.sizes["realization"]
    label = forecast.attrs.get("emulator", "forecast")
    period = str(forecast.attrs.get("climatology_period", "as given"))
    against = period if period.startswith("as ") else f"against {period}"
    return (
        f"{name}, {season} {year}: {label}, as of {reference}, {size} members; anomalies {against}"
    )


def _draw_terciles(figure: Figure, axes: Any, probability: xr.DataArray) -> None:
    """Draw the most likely category, coloured by its probability if that is above 40 %."""
    from matplotlib.colors import BoundaryNorm

    levels = [40, 50, 60, 70, 80, 100]
    known = probability.notnull().all("category")
    best = probability.fillna(0).argmax("category")
    for k, (category, colours) in enumerate(TERCILE_COLOURS.items()):
        percent = 100 * probability.sel(category=category)
        percent = percent.where((best == k) & known).where(percent >= levels[0])
        shown = draw_cells(
            axes, percent, cmap=colours, norm=BoundaryNorm(levels, 256, extend="neither")
        )
        span = (0.02 + 0.33 * k, 0.3)
        add_colour_bar(figure, axes, shown, f"{category} (%)", span, ticks=levels[:-1])
    axes.set_title("most likely tercile and its probability", fontsize=9)
