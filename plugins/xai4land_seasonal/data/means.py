"""Seasonal means of monthly data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land_seasonal.data.climatology import Climatology, describe, subtract_climatology
from xai4land_seasonal.data.monthly import is_bounds, read_monthly
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.data.seasons import STANDARD_SEASONS, find_seasons, season_coords

__all__ = ["seasonal_means"]


def seasonal_means(
    data: xr.Dataset,
    seasons: str | Sequence[str] = STANDARD_SEASONS,
    *,
    climatology: Climatology = None,
) -> xr.Dataset:
    """Compute means over three months, weighted by days; anomalies if a climatology is given.

    Parameters
    ----------
    data : Dataset
        Monthly means; any calendar, no month missing.
    seasons : str or sequence of str
        First letters of three months; a season belongs to the year of its last month, DJF to
        January's.
    climatology : tuple of int, Dataset, DataArray or None
        First and last year of the monthly means that are subtracted; None to subtract nothing.

    Returns
    -------
    Dataset
        On ``time``, the middle of the seasons, in order, with bounds, ``season`` and
        ``season_year``. Seasons that are not whole are dropped, and named in the
        attribute ``dropped_seasons``; where a month's value is missing, so is the season's.

    Raises
    ------
    InputError
        If months are missing, or no season is whole.

    Examples
    --------
    >>> import pandas as pd
    >>> time = xr.DataArray(pd.date_range("2000-01-01", periods=14, freq="MS"), dims="time")
    >>> data = xr.Dataset({"tas": ("time", np.arange(14.0))}, {"time": time})
    >>> means = seasonal_means(data)
    >>> means.season.values.tolist(), means.attrs["dropped_seasons"]
    (['MAM', 'JJA', 'SON', 'DJF'], 'DJF 2000')
    """
    wanted = find_seasons(seasons)
    data = read_monthly(data)
    months = number_months(data["time"])
    last = months.size - 2
    found, dropped = [], []
    for year in range(int(months[0]) // 12, int(months[-1]) // 12 + 2):
        for season in wanted:
            at = int(season.start(year) - months[0])
            if 0 <= at < last:
                found.append((at, season.name))
            elif -3 < at < months.size:
                dropped.append(f"{season.name} {year}")
    if not found:
        raise InputError(
            f"no whole season among {', '.join(s.name for s in wanted)} in {months.size} months"
        )
    found.sort()
    starts = np.array([at for at, _ in found])
    variables = {
        name: array if climatology is None else subtract_climatology(array, climatology)
        for name, array in data.data_vars.items()
        if "time" in array.dims and not is_bounds(name)
    }
    days = data["time"].dt.days_in_month.astype(np.float64)
    coords = season_coords(starts + int(months[0]), [name for _, name in found], data["time"])
    means = {}
    for name, array in variables.items():
        parts = [
            (array.isel(time=starts + k) * days.isel(time=starts + k)).drop_vars("time")
            for k in range(3)
        ]
        total = sum(days.isel(time=starts + k).drop_vars("time") for k in range(3))
        mean = (parts[0] + parts[1] + parts[2]) / total
        means[name] = mean.drop_vars([c for c in mean.coords if "time" in mean[c].dims])
        means[name] = means[name].transpose(*array.dims)
        # Set, not added: products keep the attributes of the days, which are those of times.
        means[name].attrs = {"long_name": str(name), **array.attrs, "cell_methods": "time: mean"}
    made = xr.Dataset(means).assign_coords(coords)
    made.attrs = cf.extend_attrs(data, "seasonal means")
    if climatology is not None:
        made.attrs["climatology_period"] = describe(climatology, next(iter(variables.values())))
    if dropped:
        made.attrs["dropped_seasons"] = ", ".join(dropped)
    return made
