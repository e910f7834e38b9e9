"""Types of NumPy arrays, defined once for all modules, and of datasets with accessors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xarray as xr

    from xai4land_land.accessor import LandAccessor
    from xai4land_seasonal.accessor import SeasonalAccessor

    class Dataset(xr.Dataset):
        """A dataset as type checkers see it: with accessors, which are registered at run time."""

        @property
        def ai4land(self) -> LandAccessor:
            """Land use and land cover."""

        @property
        def seasonal(self) -> SeasonalAccessor:
            """Seasonal forecasts."""

    class DataArray(xr.DataArray):
        """A data array as type checkers see it."""

        @property
        def ai4land(self) -> LandAccessor:
            """Land use and land cover."""

        @property
        def seasonal(self) -> SeasonalAccessor:
            """Seasonal forecasts."""


__all__ = ["Booleans", "Floats", "Floats32", "Ints", "with_accessors"]

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@overload
def with_accessors(data: xr.Dataset) -> Dataset: ...


@overload
def with_accessors(data: xr.DataArray) -> DataArray: ...


def with_accessors(data: Any) -> Any:
    """Return the data as they are; editors and type checkers then know their accessors.

    xarray registers accessors at run time, which no static tool can see. Notebooks and
    interpreters need no help: they complete ``ds.ai4land.`` from the object itself.

    Parameters
    ----------
    data : Dataset or DataArray

    Returns
    -------
    Dataset or DataArray
        The same object.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.with_accessors(xai4land.sample("land", years=[2000]))
    >>> world = planet.isel(time=[0]).ai4land.reconstruct()  # completed and checked
    >>> planet is xai4land.with_accessors(planet)
    True
    """
    return data
