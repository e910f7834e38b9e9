"""Absolute values and anomalies, distinguished by how they vary."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.typing import Floats

__all__ = ["MAX_ANOMALY_MEAN", "check_level"]


MAX_ANOMALY_MEAN = 5.0
"""Largest root-mean-square monthly mean of anomalies, in standard deviations of the years. Under
strong warming it is about 2; for absolute temperatures it is 6 (Europe in Celsius) to hundreds."""

MIN_MONTHS = 24
"""Months that a check needs."""


def check_level(data: xr.DataArray, absolute: bool) -> xr.DataArray:
    """Return monthly data; raise where they are anomalies and should be absolute, or the reverse.

    The monthly means of anomalies are small beside their variation from year to year, and they
    have both signs; so units need not be known. Lazy data are checked when they are computed;
    fewer than two years are passed on.

    Parameters
    ----------
    data : DataArray, monthly along time, none missing
    absolute : bool
        Whether absolute values are expected, or anomalies.

    Examples
    --------
    >>> import pandas as pd
    >>> time = pd.date_range("2000-01-01", periods=48, freq="MS")
    >>> celsius = xr.DataArray(np.sin(np.arange(48.0)) + 12, {"time": time}, "time", name="tas")
    >>> check_level(celsius, absolute=True).equals(celsius)
    True
    """
    if data.sizes["time"] < MIN_MONTHS:
        return data
    data = data.chunk(time=-1) if data.chunks is not None else data
    statistics = xr.apply_ufunc(
        _level_statistics,
        data,
        input_core_dims=[["time"]],
        output_core_dims=[["statistic"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"statistic": 3}},
    )
    mean_square, square = (statistics.isel(statistic=k).mean() for k in (0, 1))
    checked: xr.DataArray = xr.apply_ufunc(
        _refuse_other_level,
        data,
        mean_square,
        square,
        statistics.isel(statistic=2).min(),
        kwargs={"absolute": absolute, "name": str(data.name)},
        dask="parallelized",
        output_dtypes=[data.dtype],
        keep_attrs="override",
    )
    return checked


def _level_statistics(values: np.ndarray, minimum: int = MIN_MONTHS) -> Floats:
    """Return, over whole years, the mean square of monthly means and of values, and the minimum."""
    found = np.full((*values.shape[:-1], 3), np.nan)
    known = np.isfinite(values)
    some = known.sum(-1) >= minimum
    kept = values[some, : values.shape[-1] // 12 * 12].astype(np.float64)
    if kept.size:
        years = kept.reshape(len(kept), -1, 12)
        count = np.isfinite(years).sum(1)
        mean = np.nansum(years, 1) / np.where(count > 0, count, np.nan)
        square, low = np.nanmean(years**2, (1, 2)), np.nanmin(years, (1, 2))
        found[some] = np.stack([np.nanmean(mean**2, 1), square, low], 1)
    return found


def _refuse_other_level(
    values: np.ndarray, mean_square: Any, square: Any, lowest: Any, absolute: bool, name: str
) -> np.ndarray:
    """Return values, or raise if they are plainly of the other level."""
    if values.size == 0 or not np.isfinite(mean_square):
        return values
    mean, varying = float(mean_square) ** 0.5, max(float(square - mean_square), 0.0) ** 0.5
    signed = bool(lowest < 0)
    seen = (
        f"{name!r}: its months are {mean:.3g} in the mean (root mean square), and vary by "
        f"{varying:.3g} from year to year"
    )
    if not absolute and mean > (MAX_ANOMALY_MEAN if signed else 1.0) * varying:
        raise InputError(
            f"{seen}: these are absolute values, not anomalies; give climatology=(first year, "
            "last year)"
        )
    if absolute and signed and mean < varying:
        raise InputError(
            f"{seen}: these are anomalies already, not absolute values; leave climatology= out"
        )
    return values
