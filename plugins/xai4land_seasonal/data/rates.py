"""Rates of precipitation from sums over months."""

from __future__ import annotations

import re

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.units import find_conversion

__all__ = ["divide_by_days"]

PER_MONTH = re.compile(
    r"^(?P<amount>\S+?)\s*(?:/\s*mon(?:th)?|(?:\s|\*|\.)mon(?:th)?(?:\^|\*\*)?-1)s?$"
)
MONTHLY_SUM = re.compile(r"\btime:\s*sum\b(?!\s+(?:within|over))(?!\s*\(interval)")


def divide_by_days(array: xr.DataArray, units: str, standard_name: str) -> xr.DataArray:
    """Return rates of precipitation where values are sums over months, by each month's days.

    Parameters
    ----------
    array : DataArray, monthly along ``time``
        Sums have units such as ``mm month-1``, or those of a depth or mass and the cell method
        ``time: sum``.
    units, standard_name : str
        Of the rate.

    Returns
    -------
    DataArray
        As it was, if it is a rate already.

    Raises
    ------
    InputError
        If units are those of a depth and nothing says over which time: in monthly means of ERA5
        ``m`` is metres a day.

    Examples
    --------
    >>> time = np.array(["2001-02-14", "2001-03-14"], "M8[ns]")
    >>> rain = xr.DataArray([28.0, 31.0], {"time": time}, "time", attrs={"units": "mm month-1"})
    >>> rate = divide_by_days(rain, "kg m-2 s-1", "precipitation_flux")
    >>> (rate * 86400).values, rate.units
    (array([1., 1.]), 'kg m-2 s-1')
    """
    given = str(array.attrs.get("units", "")).strip()
    match = PER_MONTH.match(given)
    amount = match["amount"] if match else given
    found = find_conversion(amount, "kg m-2", water=True)
    if found is None or "time" not in array.dims:
        return array
    summed = match or MONTHLY_SUM.search(str(array.attrs.get("cell_methods", "")))
    if not summed:
        raise InputError(
            f"variable {str(array.name)!r} has units {given!r}, a depth of water, and nothing says "
            "over which time; set attrs['units']: 'mm month-1' for sums over months, 'm d-1' for "
            "monthly means of ERA5"
        )
    days = array["time"].dt.days_in_month
    with xr.set_options(keep_attrs=True):
        rate = array * (np.float64(found[0]) / 86400 / days.astype(np.float64))
    kept = array.dtype if array.dtype.kind == "f" else np.float32
    rate = rate.transpose(*array.dims).astype(kept)
    rate.attrs = {**array.attrs, "units": units, "cell_methods": "time: mean"}
    return rate
