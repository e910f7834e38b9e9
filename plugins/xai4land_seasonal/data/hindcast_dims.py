"""Dimensions of hindcasts, and their starts."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.time import holds_dates
from xai4land_seasonal.data.monthly import is_bounds

__all__ = ["HindcastDims", "comes_from_grib", "expand_start", "find_dims", "read_starts"]

MEMBER_NAMES = ("realization", "member", "number", "ensemble", "members", "ens", "M")
START_NAMES = (
    *("init", "forecast_reference_time", "indexing_time", "start_date", "start"),
    *("initial_time", "reftime", "S"),
)
LEAD_NAMES = (
    *("lead", "forecastMonth", "leadtime_month", "lead_time", "leadtime", "step", "L"),
    *("forecast_period", "fcmonth", "lead_month", "verifying_time", "valid_month"),
)


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
    >>> import numpy as np
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
    attrs = data["time"].attrs
    described = "initial" in str(attrs.get("long_name", ""))
    described |= attrs.get("standard_name") == "forecast_reference_time"
    return described or ("valid_time" in data.coords and data["valid_time"].ndim == 2)


def expand_start(data: xr.Dataset) -> xr.Dataset:
    """Return a forecast of one start with a dimension of starts.

    Examples
    --------
    >>> import numpy as np
    >>> start = xr.DataArray(np.datetime64("2000-11-01", "ns"))
    >>> one = xr.Dataset({"tas": ("step", [1.0])}, {"forecast_reference_time": start})
    >>> expand_start(one).tas.dims
    ('forecast_reference_time', 'step')
    """
    names = [n for n in (*START_NAMES, "time") if n in data.coords and data[n].ndim == 0]
    starts = [n for n in names if n != "time" or _is_start(data)]
    dims = {str(d) for array in data.data_vars.values() for d in array.dims}
    if not starts or dims & {*START_NAMES, "time"}:
        return data
    fields = {n: a for n, a in data.data_vars.items() if a.ndim and not is_bounds(n)}
    rest = data.drop_vars([*fields, starts[0]])
    return rest.assign({n: a.expand_dims(starts[0]) for n, a in fields.items()})


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


def comes_from_grib(data: xr.Dataset) -> bool:
    """Return whether fields have the attributes that cfgrib gives them.

    Examples
    --------
    >>> comes_from_grib(xr.Dataset({"t2m": ((), 0.0, {"GRIB_paramId": 167})}))
    True
    """
    return any(
        str(key).startswith("GRIB_") for array in data.data_vars.values() for key in array.attrs
    )
