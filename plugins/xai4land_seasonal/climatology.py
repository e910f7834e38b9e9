"""Climatologies, and anomalies against them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land_seasonal.seasons import month_numbers

__all__ = ["Climatology", "anomalies", "describe"]

Climatology = tuple[int, int] | xr.Dataset | xr.DataArray | None
ABSOLUTE = {"K": 100.0, "Pa": 20000.0, "hPa": 200.0}
"""Above these no anomaly's median is, and below their half no temperature's or pressure's."""
CELSIUS = 5.0
"""The same where an offset was left out."""


def anomalies(
    data: xr.DataArray, climatology: Climatology = None, *, before: int | None = None
) -> xr.DataArray:
    """Departures of monthly means from the mean of their calendar month.

    Parameters
    ----------
    data : DataArray, with a monthly time axis
    climatology : tuple of int, Dataset, DataArray or None
        First and last year of the mean; or the mean itself, on ``month`` (1 to 12); or None
        where data are anomalies already.
    before : int, optional
        A year that the climatology must not reach, since it is to be forecast.

    Returns
    -------
    DataArray, same shape
        Lazy if the data are.

    Raises
    ------
    InputError
        If the climatology reaches into the forecast years, is not covered by the data, or is
        missing though values are plainly no anomalies, or given though they plainly are; lazy
        values are checked when they are computed.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=36, freq="MS")
    >>> field = xr.DataArray(np.arange(36.0), {"time": time}, "time")
    >>> anomalies(field, (2000, 2001))[::12].values
    array([-6.,  6., 18.])
    """
    time = "time"
    if climatology is None:
        return _checked(data, absolute=False)
    mean: xr.DataArray
    if isinstance(climatology, tuple):
        mean = _mean(data, climatology, before)
        data = _checked(data, absolute=True) if _tells(data) else data
    else:
        mean = _given(data, climatology)
    with xr.set_options(keep_attrs=True):
        made = data.groupby(f"{time}.month") - mean
    return made.drop_vars("month", errors="ignore").transpose(*data.dims)


def describe(climatology: Climatology, data: xr.DataArray) -> str:
    """What anomalies are against, in words.

    Examples
    --------
    >>> describe((1981, 2010), xr.DataArray())
    '1981-2010'
    """
    if isinstance(climatology, tuple):
        return f"{climatology[0]}-{climatology[1]}"
    if climatology is None:
        return str(data.attrs.get("climatology_period", "as in the input"))
    return str(climatology.attrs.get("climatology_period", "as given"))


def _mean(data: xr.DataArray, period: tuple[int, int], before: int | None) -> xr.DataArray:
    first, last = period
    if not all(isinstance(y, int | np.integer) for y in period) or first > last:
        raise InputError(f"climatology={period!r}, expected its first and last year")
    problems = []
    if before is not None and last >= before:
        problems.append(
            f"the climatology {first}-{last} reaches into the years that are forecast "
            f"({before} and later); end it in {before - 1}"
        )
    months = month_numbers(data["time"], f"{data.name!r}")
    has = int(-(-months[0] // 12)), int((months[-1] + 1) // 12 - 1)
    if first < has[0] or last > has[1]:
        problems.append(
            f"the climatology {first}-{last} is not within the data, which have whole years "
            f"{has[0]}-{has[1]}; choose among these"
        )
    InputError.raise_if(problems)
    at = slice(12 * first - int(months[0]), 12 * (last + 1) - int(months[0]))
    return data.isel(time=at).groupby("time.month").mean()


def _given(data: xr.DataArray, climatology: xr.Dataset | xr.DataArray) -> xr.DataArray:
    mean = climatology
    if isinstance(mean, xr.Dataset):
        if data.name not in mean:
            raise InputError(f"the climatology has no variable {data.name!r}; rename it")
        mean = mean[data.name]
    if "month" not in mean.coords or sorted(mean["month"].values.tolist()) != list(range(1, 13)):
        raise InputError(
            "the climatology has no coordinate 'month' from 1 to 12; make it with "
            "ds.groupby('time.month').mean()"
        )
    return mean


def _tells(data: xr.DataArray) -> bool:
    return data.attrs.get("units") in ABSOLUTE


def _checked(data: xr.DataArray, absolute: bool) -> xr.DataArray:
    """The data, refused when they are seen to be absolute values (or the reverse)."""
    limit = ABSOLUTE.get(data.attrs.get("units", ""))
    if data.attrs.get("units") == "K" and "without_offset" in data.attrs:
        limit = CELSIUS
    if limit is None:
        return data
    looked: xr.DataArray = xr.apply_ufunc(
        _look,
        data,
        kwargs={"limit": limit, "absolute": absolute, "name": str(data.name)},
        dask="parallelized",
        output_dtypes=[data.dtype],
        keep_attrs=True,
    )
    return looked


def _look(values: np.ndarray, limit: float, absolute: bool, name: str) -> np.ndarray:
    known = values[np.isfinite(values)]
    if known.size == 0:
        return values
    middle = float(np.median(np.abs(known)))
    if not absolute and middle > limit:
        raise InputError(
            f"{name!r} has a median of {middle:g}: these are absolute values, not anomalies; give "
            "climatology=(first year, last year)"
        )
    if absolute and middle < limit / 2:
        raise InputError(
            f"{name!r} has a median of {middle:g}: these are anomalies already, not absolute "
            "values; leave climatology= out"
        )
    return values
