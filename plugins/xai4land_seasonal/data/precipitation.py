"""Precipitation as a normal variable: the standardised precipitation index.

McKee, Doesken and Kleist (1993): a gamma distribution of wet months (or seasons) and the share of
dry ones, in each cell and month of the year; the index is the normal quantile of a value's
probability. A dry one has the middle of the dry share (Stagge et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.typing import Floats

__all__ = ["DRY", "PrecipitationIndex", "clip_dry"]

DRY = 3.5e-7
"""Precipitation that counts as none, in kg m-2 s-1: 0.03 mm a day, 0.9 mm a month."""
MAX_NEGATIVE = 0.1 / 86400
"""Negative precipitation that packing and interpolation may leave: 0.1 mm a day."""
MIN_WET = 1 / 3
"""Share of years that must be wet: with fewer, the terciles of the season coincide."""
MIN_WET_YEARS = 8
"""Wet years that a gamma distribution is fitted to."""
MAX_INDEX = 5.0
"""Largest index, to either side."""


@dataclass(frozen=True)
class PrecipitationIndex:
    """Distributions of precipitation, in each cell and month of the year.

    Attributes
    ----------
    dry : ndarray, shape (12, ..., cells)
        Share of dry years.
    shape, scale : ndarray, same shape
        Of the gamma distribution of wet years; missing in mostly dry cells.
    """

    dry: Floats
    shape: Floats
    scale: Floats

    @classmethod
    def fit(cls, values: Floats) -> PrecipitationIndex:
        """Fit distributions to years, (years, 12, ..., cells), by Thom's (1958) estimator.

        Examples
        --------
        >>> rain = np.random.default_rng(0).gamma(2.0, 3e-5, (2000, 12, 1, 1))
        >>> index = PrecipitationIndex.fit(rain)
        >>> float(index.shape.mean().round(1)), float((index.scale.mean() * 1e5).round(1))
        (2.0, 3.0)
        """
        known, wet = np.isfinite(values), values > DRY
        count = wet.sum(0)
        enough = (count >= MIN_WET_YEARS) & (count >= MIN_WET * known.sum(0))
        safe = np.maximum(count, 1)
        mean = np.where(wet, values, 0.0).sum(0) / safe
        logarithm = np.log(np.where(wet, values, 1.0)).sum(0) / safe
        mean = np.where(enough, mean, 1.0)
        # From 1e-4 on: a cell that hardly varies has a normal distribution in effect.
        gap = np.maximum(np.log(mean) - logarithm, 1e-4)
        shape = np.where(enough, (1 + np.sqrt(1 + 4 * gap / 3)) / (4 * gap), np.nan)
        dry = 1 - count / np.maximum(known.sum(0), 1)
        return cls(dry, shape, mean / shape)

    def take(self, variable: int) -> PrecipitationIndex:
        """Return the distributions of one variable, (12, cells)."""
        parts = (self.dry, self.shape, self.scale)
        return PrecipitationIndex(*(part[:, variable] for part in parts))

    def normalise(self, values: Floats) -> Floats:
        """Return the index of values, (years, 12, ..., cells); missing in dry cells."""
        from scipy.special import gammainc, ndtri

        wet = np.clip(np.nan_to_num(values), 0, None) / self.scale
        share = self.dry + (1 - self.dry) * gammainc(self.shape, wet)
        share = np.where(values > DRY, share, self.dry / 2)
        index = np.clip(ndtri(share), -MAX_INDEX, MAX_INDEX)
        return np.where(np.isfinite(values) & np.isfinite(self.shape), index, np.nan)

    def restore(self, index: Floats, month: int) -> Floats:
        """Return precipitation from the index in one month of the year, (..., cells).

        Examples
        --------
        >>> rain = np.random.default_rng(0).gamma(2.0, 3e-5, (50, 12, 4))
        >>> index = PrecipitationIndex.fit(rain)
        >>> bool(np.allclose(index.restore(index.normalise(rain)[:, 3], 3), rain[:, 3]))
        True
        """
        from scipy.special import gammaincinv, ndtr

        dry = self.dry[month]
        share = (ndtr(index) - dry) / np.maximum(1 - dry, 1e-12)
        amount = gammaincinv(self.shape[month], share.clip(0, 1 - 1e-9)) * self.scale[month]
        return np.where(amount > DRY, amount, np.where(np.isnan(amount), np.nan, 0.0))


def clip_dry(data: xr.DataArray) -> xr.DataArray:
    """Return precipitation in kg m-2 s-1 without the tiny negatives that interpolation leaves.

    Lazy data are checked when they are computed.

    Raises
    ------
    InputError
        If it is negative by more than 0.1 mm a day.

    Examples
    --------
    >>> clip_dry(xr.DataArray([-1e-9, 1e-5], name="pr")).values
    array([0.e+00, 1.e-05])
    """
    clipped: xr.DataArray = xr.apply_ufunc(
        _clip,
        data,
        kwargs={"name": str(data.name)},
        dask="parallelized",
        output_dtypes=[data.dtype],
        keep_attrs=True,
    )
    return clipped


def _clip(values: np.ndarray, name: str) -> np.ndarray:
    negative = values < -MAX_NEGATIVE
    if negative.any():
        raise InputError(
            f"precipitation {name!r} is negative in {negative.mean():.2%} of its values (down to "
            f"{np.nanmin(values) * 86400:.3g} mm a day), expected none below 0; correct it, or if "
            "these are anomalies, say so: ds.pr.attrs['long_name'] = 'anomaly of precipitation'"
        )
    return np.where(values < 0, values.dtype.type(0), values)
