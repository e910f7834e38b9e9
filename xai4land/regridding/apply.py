"""Apply a function of whole grids to a variable, lazily if the variable is lazy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.regridding.grids import Horizontal

__all__ = ["apply_over_grid"]

GridFunction = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def apply_over_grid(
    array: xr.DataArray,
    function: GridFunction,
    source: Horizontal,
    target: Horizontal,
    dtype: np.dtype[Any],
    new_dim: tuple[str, int] | None = None,
) -> xr.DataArray:
    """Apply a function of all rows and columns; other dimensions keep their chunks.

    Parameters
    ----------
    array : DataArray, shape (..., rows, columns)
    function : callable
        From (..., rows, columns) of the source to (..., rows, columns) of the target.
    source, target : Regular or Curvilinear
    dtype : dtype
        Of what ``function`` returns.
    new_dim : tuple of str and int, optional
        Name and size of a dimension that ``function`` adds. It comes before the rows or columns.

    Returns
    -------
    DataArray
        Without coordinates of the rows and columns; other dimensions stay in their order.
    """
    sizes = {f"_{name}": n for name, n in zip(target.dims, target.shape, strict=True)}
    rows_columns = list(sizes)
    if new_dim is not None:
        sizes = {new_dim[0]: new_dim[1], **sizes}
    if array.chunks is not None:
        array = array.chunk(dict.fromkeys(source.dims, -1))
    result: xr.DataArray = xr.apply_ufunc(
        function,
        array,
        input_core_dims=[list(source.dims)],
        output_core_dims=[list(sizes)],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": sizes},
        output_dtypes=[dtype],
        keep_attrs=True,
    )
    new_names = dict(zip(source.dims, target.dims, strict=True))
    result = result.rename(dict(zip(rows_columns, target.dims, strict=True)))
    order = [new_names.get(str(dim), dim) for dim in array.dims]
    if new_dim is not None:
        order.insert(min(order.index(name) for name in target.dims), new_dim[0])
    return result.transpose(*order)
