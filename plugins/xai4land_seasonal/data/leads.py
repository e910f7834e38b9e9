"""The months that the leads of hindcasts stand for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.time import holds_dates, number_of_month
from xai4land.typing import Booleans, Floats, Ints
from xai4land.units import find_conversion
from xai4land_seasonal.data.hindcast_dims import HindcastDims, comes_from_grib
from xai4land_seasonal.data.lagged import find_nominal_months
from xai4land_seasonal.data.months import start_of_months

__all__ = ["NO_MONTH", "read_months"]

NO_MONTH = -1
"""Number where a start and a lead together are of no month."""
COUNTED_FROM_ONE = ("forecastMonth", "leadtime_month", "fcmonth")
"""Names of leads that are counted from 1, the first whole month, as C3S defines them."""
MAX_DAYS_TO_EDGE = 3
"""Days from the edge of a month within which a time is one of its edges and not its middle."""
MONTH_DAYS = (27, 32)
"""Fewest and most days between the leads of monthly means of starts on one day of the year."""
MAX_DAYS_APART = 32
"""Days by which two descriptions of a month may differ: one its beginning, one its end."""


def read_months(
    data: xr.Dataset, dims: HindcastDims, starts: xr.DataArray, first: int | None = None
) -> tuple[xr.DataArray, Ints]:
    """Return the number of the month of each start and lead, and the nominal month of each start.

    Leads are numbers of months, the dates of months, or spans of time (also numbers in days or
    hours) to the beginning, the middle or the end of months. Bounds of leads and ``valid_time`` go
    before. Times at edges are ends where the data come from GRIB, whose steps end with the mean;
    otherwise they are beginnings if the first of them is that of the nominal month, and ends if it
    is the next one.

    Parameters
    ----------
    data : Dataset
    dims : HindcastDims
    starts : DataArray of dates
    first : int, optional
        The number of the start's own month.

    Returns
    -------
    DataArray of int
        Along starts, leads and, if each member has a start of its own, members;
        ``NO_MONTH`` for leads that are of other starts, as cfgrib lays them out.
    ndarray of int
        Nominal months.

    Raises
    ------
    InputError
        If leads are in other units, not a month apart, contradict ``valid_time``, or nothing says
        how they are counted.

    Examples
    --------
    >>> dates = np.array(["2000-11-01", "2001-11-01"], "M8[ns]")
    >>> days = xr.DataArray([15.0, 46.0], dims="L", attrs={"units": "days"})
    >>> tas = xr.DataArray(np.zeros((2, 2)), {"S": dates, "L": days}, ("S", "L"), name="tas")
    >>> months, nominal = read_months(tas.to_dataset(), HindcastDims("S", "L", None), tas.S)
    >>> months.values - nominal[:, None]
    array([[0, 1],
           [0, 1]])
    """
    lead = data[dims.lead] if dims.lead in data.coords else None
    valid = _valid_times(data, dims)
    days = None if lead is None else _days(lead)
    if lead is not None and holds_dates(lead):  # cfgrib's verifying_time: the first of the month
        months = xr.DataArray(number_of_month(lead), dims=dims.lead)
        return months.expand_dims({dims.start: starts.size}), find_nominal_months(data, starts)
    if lead is not None and days is None:
        return _read_numbers(data, dims, starts, lead, valid, first)
    nominal = find_nominal_months(data, starts)
    times = valid
    if lead is not None and days is not None:
        origin = _member_starts(data, dims, starts)
        bounds = _lead_bounds(data, lead)
        spans = days if bounds is None else _middles(lead, days, bounds)
        times = _add_days(origin, xr.DataArray(spans, dims=dims.lead))
        if valid is not None:
            _check_close(times, valid, dims.lead)
            times = times if bounds is not None else valid
    if times is None:
        raise InputError(
            f"the leads {dims.lead!r} have no coordinate, expected numbers of months; give "
            f"them: ds.assign_coords({dims.lead}=range(1, {data.sizes[dims.lead] + 1})), where "
            "1 is the month of the start"
        )
    months, middle = _months_of_times(times, dims, days)
    if not middle:
        months = _settle_edges(months, nominal, data, dims, starts, first)
    others = [str(d) for d in months.dims if d != dims.start]
    earliest = months.where(months != NO_MONTH).min(others)
    # A date within its own first month is a label of the month, and no start.
    return months, np.fmin(nominal, earliest.values).astype(np.int64)


def _valid_times(data: xr.Dataset, dims: HindcastDims) -> xr.DataArray | None:
    """Return the times of starts and leads, and perhaps of members, if the data give them."""
    for name, coord in data.coords.items():
        about = name == "valid_time" or coord.attrs.get("standard_name") == "time"
        known = {dims.start, dims.lead, dims.member}
        if not about or not {dims.lead} < {dims.start, *coord.dims} <= known:
            continue
        if holds_dates(coord) and (dims.start in coord.dims or data.sizes[dims.start] == 1):
            plain = xr.DataArray(coord.values, dims=coord.dims)
            return plain if dims.start in plain.dims else plain.expand_dims(dims.start)
    return None


def _days(lead: xr.DataArray) -> Floats | None:
    """Return leads that are spans of time in days; None if they are numbers of months or dates."""
    if holds_dates(lead):
        return None
    if lead.dtype.kind == "m":
        return np.asarray(lead.values / np.timedelta64(1, "D"), np.float64)
    if lead.dtype.kind not in "iuf":
        raise InputError(
            f"the leads {lead.name!r} hold {lead.dtype}, expected months after the start, or spans"
        )
    units = str(lead.attrs.get("units", lead.encoding.get("units", ""))).strip()
    if units.lower() in ("", "1", "month", "months", "mon"):
        return None
    rule = find_conversion(units, "days")
    if rule is None:
        raise InputError(
            f"the leads {lead.name!r} are in {units!r}, expected months (or days, hours); bring "
            "monthly means, or correct their units"
        )
    return np.asarray(lead.values * rule[0], np.float64)


def _read_numbers(
    data: xr.Dataset,
    dims: HindcastDims,
    starts: xr.DataArray,
    lead: xr.DataArray,
    valid: xr.DataArray | None,
    first: int | None,
) -> tuple[xr.DataArray, Ints]:
    """Return months, and nominal ones, from numbers of months."""
    numbers, halves = _whole_numbers(data, lead)
    smallest = int(numbers.min())
    whole = dims.lead in COUNTED_FROM_ONE
    begin = first
    if begin is None:
        begin = 0 if halves else 1 if whole else smallest if smallest in (0, 1) else None
    found, middle = (None, False) if valid is None else _months_of_times(valid, dims, None)
    if begin is None and not middle:
        raise InputError(
            f"the leads {dims.lead!r} begin with {smallest}, and nothing says which number the "
            "start's own month has; give it: first=1 (or 0)"
        )
    if begin is not None and smallest < begin:
        raise InputError(
            f"the leads {dims.lead!r} begin with {smallest}, before that of the start's own month, "
            f"{begin}; correct them, or give first={smallest}"
        )
    said = middle or (whole and comes_from_grib(data))
    counted = "" if said else "whole months" if whole else "months"
    nominal = find_nominal_months(data, starts, counted=counted)
    own = xr.DataArray(nominal, dims=dims.start)
    months = own + xr.DataArray(numbers, dims=dims.lead) - (begin or 0)
    if found is None or valid is None:
        return months, nominal
    # Numbers without a name may be counted from 0 or 1; C3S's and those of ``first`` may not.
    sure = begin is not None and (halves or whole or first is not None)
    apart = np.unique((found - months).values)
    allowed = (0, 1) if not middle else (0,) if sure else (0, -1)
    if apart.size > 1 or apart[0] not in allowed:
        raise InputError(
            f"the leads {dims.lead!r} ({numbers[:3].tolist()}, ...) and 'valid_time' "
            f"({str(valid.values.ravel()[0])[:10]}, ...) contradict each other; correct or drop "
            "one of them"
        )
    return found if middle else months, nominal


def _whole_numbers(data: xr.Dataset, lead: xr.DataArray) -> tuple[Ints, bool]:
    """Return numbers of months; and whether they are middles, which count from 0."""
    values = lead.values.astype(np.float64)
    if (edges := _lead_bounds(data, lead)) is not None:
        values = edges.mean(1)
    part = values - np.floor(values)
    if not np.isfinite(values).all() or len(np.unique(values)) < values.size:
        raise InputError(f"the leads {lead.name!r} have missing or doubled values; drop them")
    if np.allclose(part, 0.5, atol=0.1):  # IRI's middles of months
        return np.floor(values).astype(np.int64), True
    if np.allclose(values, np.round(values), atol=1e-6):
        return np.round(values).astype(np.int64), False
    raise InputError(
        f"the leads {lead.name!r} are {values[:4].tolist()}, ..., expected whole months, or their "
        "middles (0.5, 1.5, ...); if they are days or hours, set their units"
    )


def _lead_bounds(data: xr.Dataset, lead: xr.DataArray) -> Any:
    """Return the bounds of leads, shape (leads, 2); None if there are none."""
    named = lead.attrs.get("bounds", lead.encoding.get("bounds"))
    names = [named, f"{lead.name}_bnds", f"{lead.name}_bounds"]
    found = next((data[n] for n in names if n in data.variables), None)
    if found is None:
        return None
    if found.dims[:1] != lead.dims or found.shape != (lead.size, 2):
        raise InputError(
            f"bounds {found.name!r} have shape {found.shape}, expected {(lead.size, 2)}; drop them"
        )
    return np.sort(found.values, 1)


def _middles(lead: xr.DataArray, days: Floats, bounds: Any) -> Floats:
    """Return the middles of bounds in days."""
    as_days = bounds / np.timedelta64(1, "D") if bounds.dtype.kind == "m" else bounds
    scale = 1.0 if lead.dtype.kind == "m" else float(days[-1] / lead.values[-1])
    edges = np.asarray(as_days, np.float64) * (1.0 if bounds.dtype.kind == "m" else scale)
    if not ((days >= edges[:, 0] - 1) & (days <= edges[:, 1] + 1)).all():
        raise InputError(f"the leads {lead.name!r} lie outside their bounds; correct them")
    return np.asarray(edges.mean(1))


def _member_starts(data: xr.Dataset, dims: HindcastDims, starts: xr.DataArray) -> xr.DataArray:
    """Return when members start: dates of their own along starts and members, or the starts."""
    both = {dims.start, dims.member}
    for coord in data.coords.values():
        about = coord.attrs.get("standard_name") == "forecast_reference_time"
        if set(coord.dims) == both and holds_dates(coord) and (about or coord.name == "time"):
            return xr.DataArray(coord.values, dims=coord.dims)
    return xr.DataArray(starts.values, dims=dims.start)


def _add_days(origin: xr.DataArray, days: xr.DataArray) -> xr.DataArray:
    """Return dates after spans, along the dimensions of both."""
    if origin.dtype.kind == "M":
        return origin.astype("M8[ns]") + np.round(days * 86400).astype("m8[s]").astype("m8[ns]")
    add = np.vectorize(lambda date, count: date + timedelta(days=count), otypes=[object])
    added: xr.DataArray = xr.apply_ufunc(add, origin, days)
    return added


def _check_close(times: xr.DataArray, valid: xr.DataArray, name: str) -> None:
    """Refuse times by leads and by ``valid_time`` that cannot be of the same month."""
    apart = np.abs(_in_days((times - valid).values.ravel()))
    if (apart > MAX_DAYS_APART).any():
        raise InputError(
            f"the leads {name!r} and 'valid_time' are up to {apart.max():.0f} days apart: they "
            "contradict each other; correct or drop one of them"
        )


def _months_of_times(
    times: xr.DataArray, dims: HindcastDims, days: Floats | None
) -> tuple[xr.DataArray, bool]:
    """Return months of times, and whether these are middles; of edges, those that begin there."""
    flat = xr.DataArray(times.values.ravel(), dims="time")
    months = number_of_month(flat)
    low, high = (start_of_months(months + k, flat) for k in (0, 1))
    after, before = _in_days(flat.values - low), _in_days(high - flat.values)
    steps = np.diff(days) if days is not None else np.array([])
    if ((steps < MONTH_DAYS[0]) | (steps > MONTH_DAYS[1])).any():
        # Leads of several starts side by side: where one is of a start, it ends with a month.
        exact = after < 1
        daily = days is not None and ((days > 0) & (days < MONTH_DAYS[0])).any()
        if daily or not exact.any() or (steps > MONTH_DAYS[1]).any():
            raise InputError(
                f"the leads {dims.lead!r} are {steps.min():.3g} to {steps.max():.3g} days apart, "
                "expected monthly means; average the data over the months after each start first"
            )
        return times.copy(data=np.where(exact, months, NO_MONTH).reshape(times.shape)), False
    at_edge: Booleans = np.minimum(after, before) <= MAX_DAYS_TO_EDGE
    if at_edge.any() and not at_edge.all():
        raise InputError(
            f"the leads {dims.lead!r} lie neither all in the middle nor all at the edges of "
            f"months; say which month each is of: ds.assign_coords({dims.lead}=range(1, "
            f"{times.sizes[dims.lead] + 1}))"
        )
    months = months + (at_edge & (before < after))
    return times.copy(data=months.reshape(times.shape)), not at_edge.all()


def _settle_edges(
    found: xr.DataArray,
    nominal: Ints,
    data: xr.Dataset,
    dims: HindcastDims,
    starts: xr.DataArray,
    first: int | None,
) -> xr.DataArray:
    """Return months of times at edges: those that begin there, or those that end."""
    own = xr.DataArray(nominal, dims=dims.start)
    smallest = int((found - own).where(found != NO_MONTH).min())
    begin = first
    if begin is None and comes_from_grib(data):
        begin = min(smallest, 1)
    # A date within a month may be a start, or a label of the month.
    labels = bool((starts.dt.day > 1).any()) and np.unique(nominal).size == nominal.size
    if begin is None and smallest in (0, 1) and not labels:
        begin = smallest
    if begin is None:
        raise InputError(
            f"the leads {dims.lead!r} are edges of months, the first {smallest} months after that "
            "of the start, and nothing says whether means begin or end there; give first=0 if "
            "they begin, first=1 if they end"
        )
    return (found - begin).where(found != NO_MONTH, NO_MONTH)


def _in_days(spans: np.ndarray) -> Floats:
    if spans.dtype.kind == "m":
        return np.asarray(spans / np.timedelta64(1, "D"), np.float64)
    return np.array([span.total_seconds() / 86400 for span in spans], np.float64)
