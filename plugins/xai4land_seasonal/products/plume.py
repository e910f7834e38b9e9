"""Members' means over a region, year by year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal.data.areas import region_mean
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.regions import Region, describe_region
from xai4land_seasonal.data.variables import default_variable
from xai4land_seasonal.products.drawing import LINE_COLOURS
from xai4land_seasonal.verification.matching import check_forecast, to_seasons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.figures import AxesLike

__all__ = ["plot_plume"]


def plot_plume(
    forecast: xr.Dataset,
    region: str | Region = "nino34",
    *,
    obs: xr.Dataset | None = None,
    climatology: Climatology = None,
    season: str | None = None,
    variable: str | None = None,
    ax: AxesLike | None = None,
) -> Figure:
    """Draw members' means over a region, year by year, beside the observations.

    Parameters
    ----------
    forecast : Dataset
    region : str or tuple of float
        A name among :data:`xai4land_seasonal.data.regions.REGIONS`, or (south, north, west, east).
    obs : Dataset, optional
        Monthly, or seasonal anomalies.
    climatology
        Of monthly observations.
    season : str, optional
        By default the forecast's first.
    variable : str, optional
        By default the first of tas, pr, psl and tos that the forecast has, or else by the alphabet.
    ax : Axes, optional
    """
    from xai4land.figures import NotebookFigure, root_figure, use_axes

    check_forecast(forecast)
    name = variable or default_variable(forecast, ("time", "realization"))
    label = season or str(forecast["season"].values[0])
    at = np.flatnonzero(forecast["season"].values == label)
    if at.size == 0:
        raise InputError(f"season {label!r} is not in the forecast: {set(forecast.season.values)}")
    members = region_mean(forecast[name].isel(time=at), region).compute()
    years = members["season_year"].values
    if ax is None:
        ax = NotebookFigure(figsize=(9, 3.6), layout="constrained").subplots()
    [axis] = use_axes(ax, ["plume"])
    for low, high, alpha in ((0.05, 0.95, 0.2), (0.25, 0.75, 0.35)):
        ends = members.quantile([low, high], "realization").values
        height = ends[1] - ends[0]
        text = f"{high - low:.0%} of the members"
        axis.bar(years, height, 0.7, ends[0], color=LINE_COLOURS[0], alpha=alpha, label=text)
    axis.plot(
        years, members.mean("realization"), "_", color=LINE_COLOURS[0], markersize=9, label="mean"
    )
    if obs is not None:
        truth = to_seasons(obs, forecast[[name]], climatology, "the observations")[name]
        keep = np.flatnonzero(
            (truth["season"].values == label) & np.isin(truth["season_year"].values, years)
        )
        observed = region_mean(truth.isel(time=keep), region).compute()
        axis.plot(observed["season_year"], observed, "ok", markersize=4, label="observed")
    axis.axhline(0, color="black", linewidth=0.5)
    axis.xaxis.get_major_locator().set_params(integer=True)
    units = forecast[name].attrs.get("units", "1")
    where = region if isinstance(region, str) else describe_region(region)
    title = f"{label}, {where}: {forecast.attrs.get('emulator', 'forecast')}"
    axis.set(xlabel="year", ylabel=f"{name} anomaly ({units})", title=title)
    axis.legend(frameon=False, fontsize=8, ncols=4)
    return root_figure(axis)
