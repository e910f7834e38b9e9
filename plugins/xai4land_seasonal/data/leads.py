"""Dimensions of hindcasts, and the months that their leads stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.time import holds_dates, number_of_month
from xai4land.typing import Booleans, Floats, Ints
from xai4land.units import find_conversion
from xai4land_seasonal.data.months import start_of_months

__all__ = ["HindcastDims", "find_dims", "read_leads", "read_starts"]

MEMBER_NAMES = ("realization", "member", "number", "ensemble", "members", "ens", "M")
START_NAMES = (
    *("init", "forecast_reference_time", "start_date", "start", "initial_time", "reftime", "S"),
)
LEAD_NAMES = (
    *("lead", "forecastMonth", "leadtime_month", "lead_time", "leadtime", "step", "L"),
    *("forecast_period", "fcmonth", "lead_month"),
)
COUNTED_FROM_ONE = ("forecastMonth", "leadtime_month", "fcmonth")
"""Names of leads that are counted from 1, the start's own month, as C3S defines them."""
MAX_DAYS_TO_EDGE = 3
"""Days from the edge of a month within which a time is one of its edges and not its middle."""
MONTH_DAYS = (27, 32)


@dataclass(frozen=True)
class HindcastDims:
    """Names of the dimensions of a hindcast.

    Attributes
    ----------
    start, lead : str
    member : str or None
        None where there is one member.
    """

    start: str
    lead: str
    member: str | None


def find_dims(data: xr.Dataset) -> HindcastDims:
    """Find the dimensions of a hindcast by their standard names, or else by usual names.

    Raises
    ------
    InputError
        If starts or leads are not found, or there are several of one kind.

    Examples
    --------
    >>> find_dims(xr.Dataset({"tas": (("S", "L", "M"), np.zeros((2, 3, 4)))}))
    HindcastDims(start='S', lead='L', member='M')
    """
    dims = sorted({str(d) for array in data.data_vars.values() for d in array.dims})
    problems: list[str] = []
    found: list[str | None] = []
    for what, standard_name, names in (
        ("starts", "forecast_reference_time", START_NAMES),
        ("lead months", "forecast_period", LEAD_NAMES),
        ("members", "realization", MEMBER_NAMES),
    ):
        described = [
            d
            for d in dims
            if d in data.coords and data[d].attrs.get("standard_name") == standard_name
        ]
        named = described or [n for n in names if n in dims]
        if not named and what == "starts":
            named = [d for d in dims if d == "time" and _is_start(data)]
        if len(named) > 1:
            problems.append(
                f"several dimensions of {what} ({', '.join(named)}), expected one; rename the "
                "others, or select from them"
            )
        elif not named and what != "members":
            problems.append(f"no dimension of {what} among {dims}; rename yours to {names[0]!r}")
        found.append(named[0] if named else None)
    InputError.raise_if(problems)
    start, lead, member = found
    assert start is not None
    assert lead is not None
    return HindcastDims(start, lead, member)


def _is_start(data: xr.Dataset) -> bool:
    """Return whether ``time`` is that of the start, as in files read by cfgrib."""
    if "time" not in data.coords:
        return False
    described = "initial" in str(data["time"].attrs.get("long_name", ""))
    return described or ("valid_time" in data.coords and data["valid_time"].ndim == 2)


def read_starts(data: xr.Dataset, start: str) -> xr.DataArray:
    """Return the dates of the starts.

    Raises
    ------
    InputError
        If there is no coordinate, or it holds no dates.
    """
    if start not in data.coords:
        raise InputError(
            f"the starts {start!r} have no coordinate, expected their dates; give them: "
            f"ds.assign_coords({start}=pd.date_range('1993-11-01', periods={data.sizes[start]}, "
            "freq='12MS'))"
        )
    dates = data[start]
    if not holds_dates(dates):
        raise InputError(
            f"the starts {start!r} hold {dates.dtype} ({dates.values.ravel()[0]}, ...), expected "
            "dates; decode them, xr.decode_cf(ds), or make them of years: "
            f"ds.assign_coords({start}=[np.datetime64(f'{{int(y)}}-11-01') "
            f"for y in ds.{start}.values])"
        )
    return dates


def read_leads(data: xr.Dataset, dims: HindcastDims, first: int | None = None) -> tuple[Ints, int]:
    """Return the number of the month of each lead, and the number of the start's own month.

    Leads are numbers of months, or spans of time (also numbers in days or hours) to the first
    instant, the middle or the end of months, told apart by the first one; bounds of leads and
    ``valid_time`` go before.

    Parameters
    ----------
    data : Dataset
    dims : HindcastDims
    first : int, optional
        The number of the start's own month.

    Raises
    ------
    InputError
        If leads are in other units, not a month apart, contradict ``valid_time``, or begin after
        the first month and nothing says how they are counted.

    Examples
    --------
    >>> starts = np.array(["2000-11-01", "2001-11-01"], "M8[ns]")
    >>> days = xr.DataArray([15.0, 46.0], dims="L", attrs={"units": "days"})
    >>> tas = xr.DataArray(np.zeros((2, 2)), {"S": starts, "L": days}, ("S", "L"), name="tas")
    >>> read_leads(tas.to_dataset(), HindcastDims("S", "L", None))
    (array([0, 1]), 0)
    """
    dates = read_starts(data, dims.start)
    valid = _valid_times(data, dims)
    if dims.lead not in data.coords:
        if valid is None:
            raise InputError(
                f"the leads {dims.lead!r} have no coordinate, expected numbers of months; give "
                f"them: ds.assign_coords({dims.lead}=range(1, {data.sizes[dims.lead] + 1})), where "
                "1 is the month of the start"
            )
        numbers, absolute = _months_of_dates(valid, dates, dims.lead)
    else:
        lead = data[dims.lead]
        days = _days(lead)
        if days is None:
            numbers, absolute = _months_of_numbers(data, lead)
        else:
            numbers, absolute = _months_of_days(data, dates, lead, days)
        if valid is not None:
            numbers, absolute = _check_valid(numbers, absolute, valid, dates, dims.lead, first)
    if first is not None:
        return numbers, first
    smallest = int(numbers.min())
    if absolute or smallest == 0:
        return numbers, 0
    if smallest == 1 or dims.lead in COUNTED_FROM_ONE:
        return numbers, 1
    raise InputError(
        f"the leads {dims.lead!r} begin with {smallest}, and nothing says which number the start's "
        "own month has; give it: first=1 (or 0)"
    )


def _valid_times(data: xr.Dataset, dims: HindcastDims) -> np.ndarray | None:
    """Return the times of starts and leads, shape (starts, leads), if the data give them."""
    both = {dims.start, dims.lead}
    for name, coord in data.coords.items():
        about = name == "valid_time" or coord.attrs.get("standard_name") == "time"
        if about and set(coord.dims) == both and holds_dates(coord):
            return np.asarray(coord.transpose(dims.start, dims.lead).values)
    return None


def _days(lead: xr.DataArray) -> Floats | None:
    """Return leads that are spans of time in days; None if they are numbers of months."""
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


def _months_of_numbers(data: xr.Dataset, lead: xr.DataArray) -> tuple[Ints, bool]:
    """Return months from numbers of months; and whether they count from the start's own as 0."""
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


def _months_of_days(
    data: xr.Dataset, dates: xr.DataArray, lead: xr.DataArray, days: Floats
) -> tuple[Ints, bool]:
    """Return months from spans of time."""
    steps = np.diff(days)
    if steps.size and not ((steps >= MONTH_DAYS[0]) & (steps <= MONTH_DAYS[1])).all():
        raise InputError(
            f"the leads {lead.name!r} are {steps.min():.3g} to {steps.max():.3g} days apart, "
            "expected monthly means; average the data over the months after each start first"
        )
    edges = _lead_bounds(data, lead)
    if edges is not None:
        as_days = edges / np.timedelta64(1, "D") if edges.dtype.kind == "m" else edges
        scale = 1.0 if lead.dtype.kind == "m" else float(days[-1] / lead.values[-1])
        middles = as_days.mean(1) * scale
        inside = (days >= as_days[:, 0] * scale - 1) & (days <= as_days[:, 1] * scale + 1)
        if not inside.all():
            raise InputError(f"the leads {lead.name!r} lie outside their bounds; correct them")
        return _months_of_dates(_add_days(dates, middles), dates, str(lead.name))
    return _months_of_dates(_add_days(dates, days), dates, str(lead.name))


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


def _add_days(dates: xr.DataArray, days: Floats) -> np.ndarray:
    """Return dates after spans, shape (starts, leads)."""
    if dates.dtype.kind == "M":
        spans = np.round(days * 86400).astype("m8[s]")
        return np.asarray(dates.values.astype("M8[s]")[:, None] + spans[None, :])
    from datetime import timedelta

    added = np.array([timedelta(days=float(d)) for d in days])
    result: np.ndarray = dates.values[:, None] + added[None, :]
    return result


def _months_of_dates(times: np.ndarray, dates: xr.DataArray, name: str) -> tuple[Ints, bool]:
    """Return months of times, shape (starts, leads): of edges or of middles, alike in all."""
    flat = xr.DataArray(times.ravel(), dims="time")
    months = number_of_month(flat)
    low, high = (start_of_months(months + k, flat) for k in (0, 1))
    after, before = _in_days(flat.values - low), _in_days(high - flat.values)
    at_edge: Booleans = np.minimum(after, before) <= MAX_DAYS_TO_EDGE
    if at_edge.all():
        months = months + (before < after)
    elif at_edge.any():
        raise InputError(
            f"the leads {name!r} lie neither all in the middle nor all at the edges of months; "
            f"say which month each is of: ds.assign_coords({name}=range(1, {times.shape[1] + 1}))"
        )
    relative = months.reshape(times.shape) - number_of_month(dates)[:, None]
    if (relative != relative[:1]).any():
        raise InputError(
            f"the leads {name!r} stand for other months in some starts than in others; select "
            "starts of one day of the month"
        )
    return relative[0], not bool(at_edge.all())


def _in_days(spans: np.ndarray) -> Floats:
    if spans.dtype.kind == "m":
        return np.asarray(spans / np.timedelta64(1, "D"), np.float64)
    return np.array([span.total_seconds() / 86400 for span in spans], np.float64)


def _check_valid(
    numbers: Ints,
    absolute: bool,
    valid: np.ndarray,
    dates: xr.DataArray,
    name: str,
    first: int | None,
) -> tuple[Ints, bool]:
    """Return months by ``valid_time`` where it decides; raise if it contradicts the leads."""
    found, middle = _months_of_dates(valid, dates, name)
    apart = np.unique(found - numbers)
    allowed = (0, 1) if not middle else (0,) if absolute else (0, -1)
    if first is not None:
        allowed = (-first,) if middle else (-first, 1 - first)
    if apart.size > 1 or apart[0] not in allowed:
        raise InputError(
            f"the leads {name!r} ({numbers[:3].tolist()}, ...) and 'valid_time' "
            f"({found[:3].tolist()}, ... months after the start) contradict each other; correct or "
            "drop one of them"
        )
    return (found, True) if middle and first is None else (numbers, absolute)
