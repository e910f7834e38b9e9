"""Members as small maps, beside what was observed in other years."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.variables import default_variable
from xai4land_seasonal.products.drawing import (
    add_title,
    colour_limit,
    draw_cells,
    make_figure,
    make_map_axes,
)
from xai4land_seasonal.verification.matching import check_forecast, to_seasons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot_members"]


def plot_members(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    time: int = -1,
    count: int = 6,
    climatology: Climatology = None,
    variable: str | None = None,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw members of a forecast above the latest observed seasons, on one scale of colours.

    Members should look like observed years: as smooth, and with patterns as large.

    Parameters
    ----------
    forecast : Dataset
        On (time, realization, rows, columns). What is drawn is computed.
    obs : Dataset
        Monthly, or seasonal anomalies.
    time : int
        Position on the time axis of the forecast that is drawn.
    count : int
        Members that are drawn, the first ones, and observed seasons, the last ones before it.
    climatology
        Of monthly observations.
    variable : str, optional
        By default the first of tas, pr, psl and tos, or else by the alphabet.
    ax : sequence of Axes, optional
        One for each member, and for each observed season; they may have a projection of cartopy.

    Raises
    ------
    InputError
        If no season was observed before the forecast.

    Examples
    --------
    >>> import xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]]
    >>> base = {"climatology": (1900, 1929)}
    >>> made = xai4land_seasonal.forecast(
    ...     climate, "DJF", members=5, years=1959, emulator="trend", **base)
    >>> figure = plot_members(made, climate, count=2, **base)
    >>> [axes.get_title() for axes in figure.axes if axes.get_title()]
    ['member 0', 'member 1', 'observed 1957', 'observed 1958']
    """
    from xai4land.figures import root_figure, use_axes

    check_forecast(forecast)
    name = variable or default_variable(forecast, ("time", "realization"))
    one = forecast[[name]].isel(time=[time])
    members = one[name].isel(time=0, realization=slice(count)).compute()
    season, year = str(members["season"].values), int(members["season_year"])
    truth = to_seasons(obs, one, climatology, "the observations")[name]
    earlier = (truth["season"].values == season) & (truth["season_year"].values < year)
    observed = truth.isel(time=np.flatnonzero(earlier)[-count:]).compute()
    if not observed.size:
        raise InputError(f"no {season} was observed before {year}; bring earlier years")
    maps = {f"member {int(m['realization'])}": m for m in members.transpose("realization", ...)}
    years = {f"observed {int(o['season_year'])}": o for o in observed.transpose("time", ...)}
    fields = {**maps, **years}
    axes = _make_axes(members, len(maps), len(years)) if ax is None else use_axes(ax, fields)
    limit = colour_limit(members)
    for axis, (title, field) in zip(axes, fields.items(), strict=True):
        shown = draw_cells(axis, field, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set_title(title, fontsize=9)
    units = members.attrs.get("units", "1")
    figure = root_figure(axes[0])
    figure.colorbar(shown, ax=axes, label=f"{name} anomaly ({units})", shrink=0.7)
    if ax is not None:
        return figure
    label = forecast.attrs.get("emulator", "forecast")
    add_title(figure, f"{name}, {season} {year}: members of {label}, and observed {season}")
    return figure


def _make_axes(field: xr.DataArray, above: int, below: int) -> list[Any]:
    """Make two rows of axes for maps in a figure of their own."""
    columns = max(above, below)
    figure = make_figure(field, columns, 2)
    figure.set_size_inches(3.0 * columns, 0.5 * figure.get_figheight() + 0.8)
    rows = make_map_axes(figure, 2, columns, field).reshape(2, columns)
    for row, count in zip(rows, (above, below), strict=True):
        for axis in row[count:]:
            axis.remove()
    return [*rows[0, :above], *rows[1, :below]]
