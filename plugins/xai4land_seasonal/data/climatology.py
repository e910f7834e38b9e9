"""Climatologies, and anomalies against them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.grids.time import refuse_lost_bounds
from xai4land.regridding import cell_means
from xai4land.typing import Floats, Ints
from xai4land.units import convert_units, mark_difference
from xai4land_seasonal.data.levels import check_level
from xai4land_seasonal.data.monthly import is_bounds, read_monthly
from xai4land_seasonal.data.months import number_months

__all__ = ["Climatology", "anomalies", "describe", "find_means", "subtract_climatology"]

Data = TypeVar("Data", xr.Dataset, xr.DataArray)
Climatology = tuple[int, int] | xr.Dataset | xr.DataArray | None


def anomalies(data: Data, climatology: Climatology = None, *, before: int | None = None) -> Data:
    """Compute departures of monthly means from the mean of their calendar month.

    Parameters
    ----------
    data : DataArray or Dataset, with a monthly time axis
        The bounds of months can be in a Dataset alone; a DataArray that is stamped at the first
        instants of months and names bounds, which it has not, is refused.
    climatology : tuple of int, Dataset, DataArray or None
        First and last year of the mean; or the mean itself, on ``month`` (1 to 12), in any units;
        or None where data are anomalies already.
    before : int, optional
        First year that is forecast, which the climatology must not reach.

    Returns
    -------
    DataArray or Dataset, same shape
        Lazy if the data are.

    Raises
    ------
    InputError
        If the climatology reaches into the forecast years, is not covered by the data, or is
        missing though values are no anomalies, or given though they are; lazy values are checked
        when they are computed.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=36, freq="MS")
    >>> field = xr.DataArray(np.arange(36.0), {"time": time}, "time")
    >>> anomalies(field, (2000, 2001))[::12].values
    array([-6.,  6., 18.])
    """
    if isinstance(data, xr.Dataset):
        data = read_monthly(data)
        found = {
            name: subtract_climatology(array, climatology, before=before)
            for name, array in data.data_vars.items()
            if "time" in array.dims and not is_bounds(name)
        }
        return data.assign(found)
    refuse_lost_bounds(data)
    return subtract_climatology(data, climatology, before=before)


def subtract_climatology(
    data: xr.DataArray, climatology: Climatology, *, before: int | None = None
) -> xr.DataArray:
    """Return anomalies of a field whose dates lie in their months; see :func:`anomalies`."""
    time = "time"
    if climatology is None:
        return check_level(data, absolute=False)
    # One chunk along time: each block is checked with its own values, in few tasks.
    data = check_level(data.chunk({time: -1}) if data.chunks is not None else data, absolute=True)
    mean = find_means(data, climatology, before)
    departures: xr.DataArray = xr.apply_ufunc(
        _subtract,
        data,
        mean,
        kwargs={"at": data[time].dt.month.values - 1},
        input_core_dims=[[time], ["month"]],
        output_core_dims=[[time]],
        dask="parallelized",
        output_dtypes=[data.dtype],
        dask_gufunc_kwargs={"allow_rechunk": True},
        keep_attrs="override",
    )
    return mark_difference(departures.transpose(*data.dims))


def find_means(
    data: xr.DataArray, climatology: Climatology, before: int | None = None
) -> xr.DataArray:
    """Return the mean of each calendar month, from January on; see :func:`anomalies`."""
    if isinstance(climatology, tuple):
        return _mean_of_period(data, climatology, before)
    assert climatology is not None
    return _match_given(data, climatology).sortby("month")


def _subtract(values: Floats, means: Floats, at: Ints) -> Floats:
    """Subtract monthly means along the last axis; a series that is its mean has no anomalies.

    Otherwise these would be rounding errors: those of sea surface temperature under ice, say.
    """
    departures = values - means[..., at]
    if departures.dtype.kind == "f":
        rounding = 4 * np.finfo(departures.dtype).eps * np.abs(values)
        constant = ((np.abs(departures) <= rounding) | np.isnan(departures)).all(-1)
        departures[constant] *= 0.0
    return departures


def describe(climatology: Climatology, data: xr.DataArray) -> str:
    """Return the reference period of anomalies as text.

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


def _mean_of_period(
    data: xr.DataArray, period: tuple[int, int], before: int | None
) -> xr.DataArray:
    """Compute the mean of each calendar month over a period."""
    first, last = period
    if not all(isinstance(y, int | np.integer) for y in period) or first > last:
        raise InputError(f"climatology={period!r}, expected its first and last year")
    problems = []
    if before is not None and last >= before:
        problems.append(
            f"the climatology {first}-{last} reaches into the years that are forecast "
            f"({before} and later); end it in {before - 1}"
        )
    months = number_months(data["time"], f"{data.name!r}")
    whole = int(-(-months[0] // 12)), int((months[-1] + 1) // 12 - 1)
    if first < whole[0] or last > whole[1]:
        problems.append(
            f"the climatology {first}-{last} is not within the data, which have whole years "
            f"{whole[0]}-{whole[1]}; choose among these"
        )
    InputError.raise_if(problems)
    at = slice(12 * first - int(months[0]), 12 * (last + 1) - int(months[0]))
    years = data.isel(time=at).coarsen(time=12).construct(time=("year", "month"))
    return years.mean("year").assign_coords(month=np.arange(1, 13))


def _match_given(data: xr.DataArray, climatology: xr.Dataset | xr.DataArray) -> xr.DataArray:
    """Bring a given climatology to the grid and units of the data."""
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
    if not {"units"} <= set(mean.attrs) & set(data.attrs):
        return mean
    name = str(data.attrs.get("standard_name", ""))
    return convert_units(mean, str(data.attrs["units"]), standard_name=name)
