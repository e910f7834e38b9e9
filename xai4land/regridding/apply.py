"""A function of blocks of cells, applied to a variable: lazily if it is lazy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.regridding.grids import Horizontal

__all__ = ["applied"]

Block = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


def applied(
    array: xr.DataArray,
    block: Block,
    source: Horizontal,
    target: Horizontal,
    dtype: np.dtype[Any],
    classes: tuple[str, int] | None = None,
) -> xr.DataArray:
    """Apply a function of all rows and columns; other dimensions keep their chunks.

    Parameters
    ----------
    array : DataArray, shape (..., rows, columns)
    block : callable
        From (..., rows, columns) of the source to (..., rows, columns) of the target.
    source, target : Regular or Curvilinear
    dtype : dtype
        Of what ``block`` returns.
    classes : tuple of str and int, optional
        Name and size of a dimension that ``block`` puts before the rows. It comes first.

    Returns
    -------
    DataArray
        Without coordinates of the rows and columns. Dimensions stand where they stood.
    """
    sizes = {f"_{name}": n for name, n in zip(target.dims, target.shape, strict=True)}
    rows_columns = list(sizes)
    if classes is not None:
        sizes = {classes[0]: classes[1], **sizes}
    if array.chunks is not None:
        array = array.chunk(dict.fromkeys(source.dims, -1))
    made: xr.DataArray = xr.apply_ufunc(
        block,
        array,
        input_core_dims=[list(source.dims)],
        output_core_dims=[list(sizes)],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": sizes},
        output_dtypes=[dtype],
        keep_attrs=True,
    )
    named = dict(zip(source.dims, target.dims, strict=True))
    made = made.rename(dict(zip(rows_columns, target.dims, strict=True)))
    order = [named.get(str(dim), dim) for dim in array.dims]
    return made.transpose(*([classes[0]] if classes else []), *order)
