"""Hindcasts of dynamical models, in the form of forecasts."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.catalogs.variables import convert, recognise
from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.coordinates import coord_names
from xai4land.typing import Floats, Ints
from xai4land.units import is_difference, mark_difference
from xai4land_seasonal.data.hindcast_dims import (
    HindcastDims,
    comes_from_grib,
    expand_start,
    find_dims,
    read_starts,
)
from xai4land_seasonal.data.lagged import gather_starts
from xai4land_seasonal.data.leads import NO_MONTH, read_months
from xai4land_seasonal.data.monthly import as_dataset, is_bounds
from xai4land_seasonal.data.months import start_of_months
from xai4land_seasonal.data.precipitation import clip_dry
from xai4land_seasonal.data.seasons import Season, reference_time, season_coords

__all__ = ["hindcast_seasons"]

HORIZONTAL = ("lat", "lon", "latitude", "longitude", "x", "y", "i", "j", "cell", "ncells")
"""Usual names of horizontal dimensions, which need no coordinates here."""


def hindcast_seasons(
    data: xr.Dataset,
    season: str,
    *,
    lead: int | None = None,
    first: int | None = None,
    anomalies: bool = True,
) -> xr.Dataset:
    """Compute seasonal means of a hindcast whose months are counted from each start.

    Parameters
    ----------
    data : Dataset
        Monthly means along starts, leads and, where there are several, members, found by their
        standard names or under common names (``init``, ``lead``, ``member``, ``M``, ...). Leads
        are months, or spans of time (days, hours) to the beginnings, middles or ends of months.
        Starts on several days are lagged members of the next first of a month, unless a coordinate
        ``indexing_time`` says of which.
    season : str
        First letters of three months.
    lead : int, optional
        Whole months between the start and the season, as in :func:`xai4land_seasonal.forecast`:
        with 1, DJF is that of starts in November. By default that of the data, whose starts are
        then of one month of the year.
    first : int, optional
        The number of the lead that is the month of the start itself; by default 0 or 1, whichever
        leads begin with, and 1 for C3S's ``forecastMonth``.
    anomalies : bool
        Whether the mean of all starts (and members) is subtracted, which removes the model's
        drift. That mean is of all years; do the same to what it is compared with.

    Returns
    -------
    Dataset
        On (time, realization, ...), as :func:`xai4land_seasonal.forecast` gives it. Known
        variables get their name in CMIP6 and its units (``t2m`` in degC becomes ``tas`` in K,
        ``tprate`` in m s-1 becomes ``pr`` in kg m-2 s-1); rain that packing left a little below
        zero is zero.

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
    data = expand_start(as_dataset(data, "the hindcast"))
    dims = find_dims(data)
    start, step = dims.start, dims.lead
    found = {n: a for n, a in data.data_vars.items() if {start, step} <= set(map(str, a.dims))}
    found = {n: _check_field(a, dims) for n, a in found.items() if not is_bounds(n)}
    found = dict(_harmonise(str(name), array) for name, array in found.items())
    dates = read_starts(data, start)
    months, nominal = read_months(data, dims, dates, first)
    target = Season.of(season)
    kept = _select_starts(nominal, target, lead, start)
    months, nominal, dates = months.isel({start: kept}), nominal[kept], dates.isel({start: kept})
    begins = nominal + (target.month - 1 - nominal % 12) % 12
    weights = _weigh_months(months, begins, dims, dates, target)
    used = np.flatnonzero((weights > 0).any([d for d in weights.dims if d != step]))
    fields = {}
    for name, array in found.items():
        part = array.isel({start: kept, step: used})
        part = part.drop_vars([c for c in part.coords if {start, step} & set(part[c].dims)])
        share = weights.isel({step: used})
        mean = (part.where(share > 0, 0) * share).sum(step, skipna=False)
        grib = comes_from_grib(array.to_dataset(name=name))
        mean = gather_starts(mean, nominal, start, dims.member, unique=grib)
        front = [d for d in ("time", "realization") if d in mean.dims]
        mean = mean - mean.mean(front) if anomalies else mean
        attrs = mark_difference(array).attrs if anomalies else array.attrs
        fields[name] = mean.transpose(*front, ...)
        fields[name].attrs = {"long_name": str(name), **attrs, "cell_methods": "time: mean"}
    by_start = dict(zip(nominal.tolist(), begins.tolist(), strict=True))
    own = np.unique(nominal)
    coords = season_coords(np.array([by_start[m] for m in own]), [target.name] * own.size, dates)
    result = xr.Dataset(fields).assign_coords(coords)
    result = result.assign_coords(forecast_reference_time=reference_time(own, dates))
    result.attrs = cf.extend_attrs(data, f"{target.name} means of a hindcast")
    return result


def _select_starts(nominal: Ints, target: Season, lead: int | None, start: str) -> Ints:
    """Return the positions of the starts that forecast the season at a lead."""
    leads = (target.month - 1 - nominal % 12) % 12
    there = np.unique(leads).tolist()
    if lead is None and len(there) > 1:
        raise InputError(
            f"{start!r} has starts in several months, from which {target.name} is "
            f"{', '.join(map(str, there))} months ahead; choose one: lead={there[0]}"
        )
    if lead is not None and lead not in there:
        raise InputError(
            f"lead={lead}, and from the starts {start!r} {target.name} is "
            f"{', '.join(map(str, there))} months ahead; choose one of these, or leave it out"
        )
    return np.flatnonzero(leads == (there[0] if lead is None else lead))


def _weigh_months(
    months: xr.DataArray, begins: Ints, dims: HindcastDims, like: xr.DataArray, target: Season
) -> xr.DataArray:
    """Return the share of each lead in its start's season, by days; 0 outside of it."""
    first = xr.DataArray(begins, dims=dims.start)
    place = months - first
    days = np.stack([_days_in_months(begins + k, like) for k in range(3)], 1)
    shares = days / days.sum(1, keepdims=True)
    weights = sum(
        xr.where(place == k, xr.DataArray(shares[:, k], dims=dims.start), 0.0) for k in range(3)
    )
    counts = xr.concat([(place == k).sum(dims.lead) for k in range(3)], "k")
    problems = []
    if (counts == 0).any():
        known = months.where(months != NO_MONTH).min(), months.max()
        missing = np.argwhere((counts == 0).transpose(dims.start, ...).values)
        at = int(missing[0][0])
        problems.append(
            f"{target.name} needs lead months that are not there: the season of the start "
            f"{str(like.values[at])[:10]} is {_format_months(int(begins[at]))}, and leads cover "
            f"{_format_months(int(known[0]), int(known[1]))}; choose a season within "
            "them, or give the lead of the start's own month: first="
        )
    if (counts > 1).any():
        problems.append(f"several leads {dims.lead!r} are of one month; select one of each")
    InputError.raise_if(problems)
    ordered: xr.DataArray = weights.transpose(dims.start, ...)
    return ordered


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


def _harmonise(name: str, array: xr.DataArray) -> tuple[str, xr.DataArray]:
    """Return a known variable under its name in CMIP6 and in its units; others as they are."""
    known = recognise(array)
    if known is None:
        return name, array
    if "units" in array.attrs:
        array = convert(array, known)
        if known.name == "pr" and not is_difference(array):
            array = clip_dry(array)
    return known.name, array


def _days_in_months(months: Ints, like: xr.DataArray) -> Floats:
    """Return the days of months, in the calendar of a time axis."""
    spans = start_of_months(months + 1, like) - start_of_months(months, like)
    if np.issubdtype(spans.dtype, np.timedelta64):
        return np.asarray(spans / np.timedelta64(1, "D"), np.float64)
    return np.array([span.days for span in spans], np.float64)


def _format_months(first: int, last: int | None = None) -> str:
    """Return the months between two numbers; by default three."""
    last = first + 2 if last is None else last
    return " to ".join(f"{m // 12:04d}-{m % 12 + 1:02d}" for m in (first, last))
