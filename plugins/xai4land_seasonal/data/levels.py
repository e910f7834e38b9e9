"""Absolute values and anomalies, told apart by how they vary."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.typing import Floats

__all__ = ["MAX_STEADINESS", "check_level"]


MAX_STEADINESS = 5.0
"""A month's mean over the years, in standard deviations of the years. Anomalies stay below, at
about 2 under strong warming; absolute temperatures reach 6 (Europe in Celsius) to hundreds."""


def check_level(data: xr.DataArray, absolute: bool) -> xr.DataArray:
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
    >>> check_level(celsius, absolute=True).equals(celsius)
    True
    """
    if data.sizes["time"] < 24:
        return data
    data = data.chunk(time=-1) if data.chunks is not None else data
    facts = xr.apply_ufunc(
        _level_statistics,
        data,
        input_core_dims=[["time"]],
        output_core_dims=[["fact"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"fact": 3}},
    )
    steady, square = (facts.isel(fact=k).mean() for k in (0, 1))
    looked: xr.DataArray = xr.apply_ufunc(
        _refuse_other_level,
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


def _level_statistics(values: np.ndarray, least: int = 24) -> Floats:
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


def _refuse_other_level(
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
    if not absolute and mean > (MAX_STEADINESS if signed else 1.0) * varying:
        raise InputError(
            f"{seen}: these are absolute values, not anomalies; give climatology=(first year, "
            "last year)"
        )
    if absolute and signed and mean < varying:
        raise InputError(
            f"{seen}: these are anomalies already, not absolute values; leave climatology= out"
        )
    return values
