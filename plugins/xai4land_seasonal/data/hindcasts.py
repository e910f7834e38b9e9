"""Hindcasts of dynamical models, in the form of forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.typing import Floats, Ints
from xai4land_seasonal.data.months import start_of_months
from xai4land_seasonal.data.seasons import Season, reference_time, season_coords

__all__ = ["hindcast_seasons"]

MEMBER_NAMES = ("realization", "member", "number", "ensemble")
START_NAMES = ("init", "forecast_reference_time", "start_date", "start", "initial_time", "S")
LEAD_NAMES = ("lead", "forecastMonth", "leadtime_month", "lead_time", "leadtime", "L")


def hindcast_seasons(
    data: xr.Dataset, season: str, *, first: int | None = None, anomalies: bool = True
) -> xr.Dataset:
    """Compute seasonal means of a hindcast whose months are counted from each start.

    Parameters
    ----------
    data : Dataset
        Monthly means along starts, lead months and, where there are several, members, under
        common names (``init``, ``lead``, ``member``, ``number``, ...).
    season : str
        First letters of three months.
    first : int, optional
        The number of the lead that is the month of the start itself; by default the smallest
        lead there is.
    anomalies : bool
        Whether the mean of all starts (and members) is subtracted, which removes the model's
        drift. That mean is of all years; do the same to what it is compared with.

    Returns
    -------
    Dataset
        On (time, realization, ...), as :func:`xai4land_seasonal.forecast` gives it.

    Raises
    ------
    InputError
        If dimensions are not recognised, or the season is not within the lead months.

    Examples
    --------
    >>> starts = np.array(["2000-11-01", "2001-11-01"], "M8[ns]")
    >>> months = xr.DataArray(
    ...     np.arange(12.0).reshape(2, 3, 2), {"init": starts, "lead": [1, 2, 3]},
    ...     ("init", "lead", "member"))
    >>> made = hindcast_seasons(xr.Dataset({"tas": months}), "NDJ")
    >>> made.tas.values[:, 0], made.season_year.values.tolist()
    (array([-3.5,  2.5]), [2001, 2002])
    """
    dims = {str(d) for array in data.data_vars.values() for d in array.dims}
    problems: list[str] = []
    start, lead = (
        _find_dim(dims, names, what, problems)
        for names, what in ((START_NAMES, "starts"), (LEAD_NAMES, "lead months"))
    )
    member = next((name for name in MEMBER_NAMES if name in dims), None)
    InputError.raise_if(problems)
    target = Season.of(season)
    dates = data[start]
    months = 12 * dates.dt.year.values + dates.dt.month.values - 1
    offsets = (target.month - 1 - months % 12) % 12
    if len(set(offsets.tolist())) > 1:
        raise InputError(
            f"{start!r} has starts in several months; select those of one: "
            f"ds.sel({start}=ds.{start}.dt.month == 11)"
        )
    number = data[lead].values.astype(int)
    begin = int(number.min()) if first is None else first
    needed = begin + int(offsets[0]) + np.arange(3)
    if not set(needed.tolist()) <= set(number.tolist()):
        raise InputError(
            f"{target.name} needs lead months {needed.tolist()}, and there are {number.tolist()}; "
            "choose a season within them, or give the lead of the start's own month: first="
        )
    starts = months + offsets
    coords: dict[str, Any] = season_coords(starts, [target.name] * len(starts), dates)
    days = np.stack([_days_in_months(starts + k, dates) for k in range(3)], 1)
    weights = xr.DataArray(days / days.sum(1, keepdims=True), dims=(start, lead))
    fields = {}
    for name, array in data.data_vars.items():
        if not {start, lead} <= set(map(str, array.dims)):
            continue
        months_of_season = array.isel({lead: [number.tolist().index(n) for n in needed]})
        mean = (months_of_season.drop_vars(lead) * weights).sum(lead, skipna=False)
        mean = mean.drop_vars(start, errors="ignore").rename({start: "time"})
        if member in array.dims and member != "realization":
            mean = mean.rename({member: "realization"})
        front = [d for d in ("time", "realization") if d in mean.dims]
        mean = mean - mean.mean(front) if anomalies else mean
        fields[name] = mean.transpose(*front, ...).assign_attrs(
            {**array.attrs, "cell_methods": "time: mean"}
        )
    result = xr.Dataset(fields).assign_coords(coords)
    result = result.assign_coords(forecast_reference_time=reference_time(months, dates))
    result.attrs = {
        **data.attrs,
        "history": cf.extend_history(data, f"{target.name} means of a hindcast"),
    }
    return result


def _find_dim(dims: set[str], names: tuple[str, ...], what: str, problems: list[str]) -> str:
    """Return the dimension that has one of some names, or note that there is none."""
    found = next((name for name in names if name in dims), None)
    if found is None:
        problems.append(
            f"no dimension of {what} among {sorted(dims)}; rename yours to {names[0]!r}"
        )
    return found or ""


def _days_in_months(months: Ints, like: xr.DataArray) -> Floats:
    """Return the days of months, in the calendar of a time axis."""
    spans = start_of_months(months + 1, like) - start_of_months(months, like)
    if np.issubdtype(spans.dtype, np.timedelta64):
        return np.asarray(spans / np.timedelta64(1, "D"), np.float64)
    return np.array([span.days for span in spans], np.float64)
