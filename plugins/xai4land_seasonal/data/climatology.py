"""Climatologies, and anomalies against them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.regridding import cell_means
from xai4land_seasonal.data.seasons import month_numbers
from xai4land_seasonal.data.variables import convert

__all__ = ["Climatology", "anomalies", "checked", "describe"]

Climatology = tuple[int, int] | xr.Dataset | xr.DataArray | None
Floats = npt.NDArray[np.float64]
STEADY = 5.0
"""A month's mean over the years, in standard deviations of the years. Anomalies stay below, at
about 2 under strong warming; absolute temperatures reach 6 (Europe in Celsius) to hundreds."""


def anomalies(
    data: xr.DataArray, climatology: Climatology = None, *, before: int | None = None
) -> xr.DataArray:
    """Departures of monthly means from the mean of their calendar month.

    Parameters
    ----------
    data : DataArray, with a monthly time axis
    climatology : tuple of int, Dataset, DataArray or None
        First and last year of the mean; or the mean itself, on ``month`` (1 to 12), in any units;
        or None where data are anomalies already.
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
        return checked(data, absolute=False)
    # Whole in time: each block is told from its own, with few tasks.
    data = checked(data.chunk({time: -1}) if data.chunks is not None else data, absolute=True)
    given = climatology
    mean = _mean(data, given, before) if isinstance(given, tuple) else _given(data, given)
    made: xr.DataArray = xr.apply_ufunc(
        lambda values, means, at: values - means[..., at],
        data,
        mean.sortby("month"),
        kwargs={"at": data[time].dt.month.values - 1},
        input_core_dims=[[time], ["month"]],
        output_core_dims=[[time]],
        dask="parallelized",
        output_dtypes=[data.dtype],
        dask_gufunc_kwargs={"allow_rechunk": True},
        keep_attrs="override",
    )
    return made.transpose(*data.dims)


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
    years = data.isel(time=at).coarsen(time=12).construct(time=("year", "month"))
    return years.mean("year").assign_coords(month=np.arange(1, 13))


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
    dims = [d for d in mean.dims if d != "month"]
    if not all(d in data.dims and np.array_equal(mean[d], data[d]) for d in dims):
        mean = cell_means(mean, Grid.of(data), climatology)
    return convert(mean, str(data.attrs.get("units", mean.attrs.get("units", "1"))))


def checked(data: xr.DataArray, absolute: bool) -> xr.DataArray:
    """Monthly data, refused when they are seen to be absolute values, or to be anomalies.

    Anomalies are small beside what varies from year to year, and have both signs. So units need
    not be known, nor where their zero is. Lazy data are looked at when they are computed; fewer
    than two years tell nothing.

    Parameters
    ----------
    data : DataArray, monthly along time, none missing
    absolute : bool
        What is expected.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=48, freq="MS")
    >>> celsius = xr.DataArray(np.sin(np.arange(48.0)) + 12, {"time": time}, "time", name="tas")
    >>> checked(celsius, absolute=True).equals(celsius)
    True
    """
    if data.sizes["time"] < 24:
        return data
    data = data.chunk(time=-1) if data.chunks is not None else data
    facts = xr.apply_ufunc(
        _facts,
        data,
        input_core_dims=[["time"]],
        output_core_dims=[["fact"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"fact": 3}},
    )
    steady, square = (facts.isel(fact=k).mean() for k in (0, 1))
    looked: xr.DataArray = xr.apply_ufunc(
        _look,
        data,
        steady,
        square,
        facts.isel(fact=2).min(),
        kwargs={"absolute": absolute, "name": str(data.name)},
        dask="parallelized",
        output_dtypes=[data.dtype],
        keep_attrs="override",
    )
    return looked


def _facts(values: np.ndarray, least: int = 24) -> Floats:
    """Of whole years: mean square of months' means, of all values, and the lowest value."""
    found = np.full((*values.shape[:-1], 3), np.nan)
    known = np.isfinite(values)
    some = known.sum(-1) >= least
    kept = values[some, : values.shape[-1] // 12 * 12].astype(np.float64)
    if kept.size:
        years = kept.reshape(len(kept), -1, 12)
        count = np.isfinite(years).sum(1)
        mean = np.nansum(years, 1) / np.where(count > 0, count, np.nan)
        square, low = np.nanmean(years**2, (1, 2)), np.nanmin(years, (1, 2))
        found[some] = np.stack([np.nanmean(mean**2, 1), square, low], 1)
    return found


def _look(
    values: np.ndarray, steady: Any, square: Any, lowest: Any, absolute: bool, name: str
) -> np.ndarray:
    if values.size == 0 or not np.isfinite(steady):
        return values
    mean, varying = float(steady) ** 0.5, max(float(square - steady), 0.0) ** 0.5
    signed = bool(lowest < 0)
    seen = (
        f"{name!r}: its months are {mean:.3g} in the mean (root mean square), and vary by "
        f"{varying:.3g} from year to year"
    )
    if not absolute and mean > (STEADY if signed else 1.0) * varying:
        raise InputError(
            f"{seen}: these are absolute values, not anomalies; give climatology=(first year, "
            "last year)"
        )
    if absolute and signed and mean < varying:
        raise InputError(
            f"{seen}: these are anomalies already, not absolute values; leave climatology= out"
        )
    return values
