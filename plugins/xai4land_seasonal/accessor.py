"""``ds.seasonal``: a place kept; says what it will need."""

from __future__ import annotations

import xarray as xr

__all__ = ["SeasonalAccessor"]

NEEDS = (
    "seasonal forecasts are not built yet; they will need monthly CF fields (2 m temperature "
    "'tas' in K, precipitation 'pr' in kg m-2 s-1) on a regular grid with a time axis"
)


class SeasonalAccessor:
    """Seasonal anomalies one month ahead. Nothing is built yet.

    Examples
    --------
    >>> import xarray as xr, xai4land
    >>> xr.Dataset().seasonal
    <seasonal: seasonal forecasts are not built yet; they will need monthly CF fields (2 m temperature 'tas' in K, precipitation 'pr' in kg m-2 s-1) on a regular grid with a time axis>
    """  # noqa: E501

    def __init__(self, data: xr.Dataset) -> None:
        self._data = data

    def forecast(self) -> xr.Dataset:
        """Not built yet.

        Raises
        ------
        NotImplementedError
            Always; says what it will need.
        """
        raise NotImplementedError(NEEDS)

    def __repr__(self) -> str:
        return f"<seasonal: {NEEDS}>"
