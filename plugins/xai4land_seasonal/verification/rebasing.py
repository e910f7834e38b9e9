"""Anomalies against another period."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land_seasonal.data.monthly import read_monthly
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.verification.matching import check_forecast, to_seasons

__all__ = ["rebase"]


def rebase(
    data: xr.Dataset, period: tuple[int, int], *, obs: xr.Dataset | None = None
) -> xr.Dataset:
    """Bring anomalies to another base: subtract what was observed in the mean of a period.

    Skill over climatology depends on the base: against a colder one, any forecast that knows of
    the warming has it.

    Parameters
    ----------
    data : Dataset
        Monthly anomalies (or absolute values), seasonal anomalies, or a forecast.
    period : tuple of int
        First and last year of the new base.
    obs : Dataset, optional
        For seasonal anomalies and forecasts: observations that cover the period, monthly or
        seasonal, as anomalies on the base that the data have now. By default the data themselves,
        which a forecast must not be brought to, since that would remove its bias.

    Returns
    -------
    Dataset
        Same shape, lazy if the data are; each month or season is zero in the mean of the period
        in the observations. The attribute ``climatology_period`` names it.

    Raises
    ------
    InputError
        If the period is not covered, or a forecast comes without observations.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("1990-01-01", periods=36, freq="MS")
    >>> data = xr.Dataset({"tas": ("time", np.arange(36.0))}, {"time": time})
    >>> rebase(data, (1991, 1992)).tas.values[::12]
    array([-18.,  -6.,   6.])
    """
    seasonal = "season_year" in data.coords
    first, last = _check_period(period)
    if obs is not None and not seasonal:
        raise InputError("obs= is for seasonal data; monthly anomalies have a base of their own")
    if obs is None and any("realization" in array.dims for array in data.data_vars.values()):
        raise InputError(
            "the base of a forecast is that of observations, otherwise its bias would be removed; "
            "give obs= (anomalies on the forecast's present base)"
        )
    if seasonal:
        check_forecast(data)
        source = data if obs is None else to_seasons(obs, data, None, "the observations")
        labels, years = source["season"].values, source["season_year"].values
        wanted = data["season"].values
    else:
        data = source = read_monthly(data)
        months = number_months(data["time"])
        labels, years = months % 12, months // 12
        wanted = labels
    inside = (years >= first) & (years <= last)
    numbers, problems = {}, []
    for label in dict.fromkeys(wanted.tolist()):
        at = np.flatnonzero(inside & (labels == label))
        numbers[label] = at
        if at.size < last - first + 1:
            what = label if seasonal else f"month {label + 1}"
            problems.append(
                f"{what}: {at.size} of the years {first}-{last} are there; choose a period that "
                f"the {'observations' if obs is not None else 'data'} cover"
            )
    InputError.raise_if(problems)
    places = np.array([list(numbers).index(label) for label in wanted.tolist()])
    made = {}
    for name, array in data.data_vars.items():
        if "time" not in array.dims or not np.issubdtype(array.dtype, np.floating):
            continue
        parts = [source[name].isel(time=at).mean("time") for at in numbers.values()]
        base = xr.concat(parts, "time", coords="minimal", compat="override").isel(time=places)
        base = base.drop_vars([c for c in base.coords if c not in base.dims])
        shifted = (array - base.assign_coords(time=array["time"])).transpose(*array.dims)
        attrs = {**array.attrs, "climatology_period": f"{first}-{last}"}
        made[name] = shifted.astype(array.dtype).assign_attrs(attrs)
        made[name].encoding = dict(array.encoding)
    found = data.assign(made)
    found.attrs = cf.extend_attrs(data, f"anomalies against {first}-{last}")
    found.attrs["climatology_period"] = f"{first}-{last}"
    return found


def _check_period(period: tuple[int, int]) -> tuple[int, int]:
    years = tuple(period) if isinstance(period, tuple | list) else ()
    whole = [y for y in years if isinstance(y, int | np.integer) and not isinstance(y, bool)]
    if len(years) != 2 or len(whole) != 2 or years[0] > years[1]:
        raise InputError(f"period={period!r}, expected its first and last year, as (1991, 2020)")
    return int(years[0]), int(years[1])
