"""Hindcasts of dynamical models, in the form of forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.coordinates import coord_names
from xai4land.typing import Floats, Ints
from xai4land.units import mark_difference
from xai4land_seasonal.data.leads import HindcastDims, find_dims, read_leads, read_starts
from xai4land_seasonal.data.monthly import as_dataset, is_bounds
from xai4land_seasonal.data.months import start_of_months
from xai4land_seasonal.data.seasons import Season, reference_time, season_coords

__all__ = ["hindcast_seasons"]

HORIZONTAL = ("lat", "lon", "latitude", "longitude", "x", "y", "i", "j", "cell", "ncells")
"""Usual names of horizontal dimensions, which need no coordinates here."""


def hindcast_seasons(
    data: xr.Dataset, season: str, *, first: int | None = None, anomalies: bool = True
) -> xr.Dataset:
    """Compute seasonal means of a hindcast whose months are counted from each start.

    Parameters
    ----------
    data : Dataset
        Monthly means along starts, leads and, where there are several, members, found by their
        standard names or under common names (``init``, ``lead``, ``member``, ``M``, ...). Leads
        are months, or spans of time (days, hours) to the beginnings, middles or ends of months.
    season : str
        First letters of three months.
    first : int, optional
        The number of the lead that is the month of the start itself; by default 0 or 1, whichever
        leads begin with, and 1 for C3S's ``forecastMonth``.
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
        If dimensions or leads are not recognised, or the season is not within the lead months.

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
    data = as_dataset(data, "the hindcast")
    dims = find_dims(data)
    start, lead = dims.start, dims.lead
    found = {n: a for n, a in data.data_vars.items() if {start, lead} <= set(map(str, a.dims))}
    found = {n: _check_field(a, dims) for n, a in found.items() if not is_bounds(n)}
    number, begin = read_leads(data, dims, first)
    target = Season.of(season)
    dates = read_starts(data, start)
    months = 12 * dates.dt.year.values + dates.dt.month.values - 1
    offsets = (target.month - 1 - months % 12) % 12
    if len(set(offsets.tolist())) > 1:
        raise InputError(
            f"{start!r} has starts in several months; select those of one: "
            f"ds.sel({start}=ds.{start}.dt.month == 11)"
        )
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
    for name, array in found.items():
        part = array.isel({lead: [number.tolist().index(n) for n in needed]})
        part = part.drop_vars([c for c in part.coords if {start, lead} & set(part[c].dims)])
        mean = (part * weights).sum(lead, skipna=False).rename({start: "time"})
        if dims.member in array.dims and dims.member != "realization":
            mean = mean.rename({dims.member: "realization"})
        front = [d for d in ("time", "realization") if d in mean.dims]
        mean = mean - mean.mean(front) if anomalies else mean
        attrs = mark_difference(array).attrs if anomalies else array.attrs
        fields[name] = mean.transpose(*front, ...)
        fields[name].attrs = {"long_name": str(name), **attrs, "cell_methods": "time: mean"}
    result = xr.Dataset(fields).assign_coords(coords)
    result = result.assign_coords(forecast_reference_time=reference_time(months, dates))
    result.attrs = cf.extend_attrs(data, f"{target.name} means of a hindcast")
    return result


def _check_field(array: xr.DataArray, dims: HindcastDims) -> xr.DataArray:
    """Return a field along starts, leads, members and its grid alone; refuse other dimensions."""
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"variable {str(array.name)!r} holds {array.dtype}, expected numbers; convert it: "
            f"ds.assign({array.name}=ds.{array.name}.astype(float))"
        )
    known = {dims.start, dims.lead, dims.member, *HORIZONTAL}
    for kind in ("latitude", "longitude"):
        known |= {str(d) for name in coord_names(array, kind) for d in array[name].dims}
    extra = [str(d) for d in array.dims if d not in known]
    InputError.raise_if(
        f"variable {str(array.name)!r} has a dimension {dim!r} ({array.sizes[dim]} steps) that is "
        "neither of starts, leads and members nor horizontal; rename that of members to "
        f"'realization', or select from it: .isel({dim}=0)"
        for dim in extra
        if array.sizes[dim] > 1
    )
    return array.squeeze(extra, drop=True)


def _days_in_months(months: Ints, like: xr.DataArray) -> Floats:
    """Return the days of months, in the calendar of a time axis."""
    spans = start_of_months(months + 1, like) - start_of_months(months, like)
    if np.issubdtype(spans.dtype, np.timedelta64):
        return np.asarray(spans / np.timedelta64(1, "D"), np.float64)
    return np.array([span.days for span in spans], np.float64)
