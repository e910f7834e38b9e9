"""A mask of pixels, read where it is needed."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
import xarray as xr
from dask.base import tokenize

from xai4land.grids.grid import Grid
from xai4land.windows.cache import ResultCache
from xai4land.windows.chunks import Box, Reader
from xai4land.windows.features import Pixels
from xai4land.windows.fields import Field
from xai4land.windows.sources import as_chunks

__all__ = ["Mask"]


class Mask:
    """Pixels that belong to a domain, such as land.

    Parameters
    ----------
    array : DataArray of bool, shape (rows, columns)
        On a grid of its own; a pixel takes the value of the cell that holds its centre, and is
        not in the domain where there is none.
    """

    def __init__(self, array: xr.DataArray) -> None:
        grid = Grid.of(array, "the mask")
        self.reader = Reader(as_chunks(array.transpose(*grid.names)), grid)

    @property
    def arrays_read(self) -> list[Any]:
        """Arrays that are read, though a graph does not show it."""
        return [self.reader.data]

    def on(self, pixels: Pixels, device: torch.device) -> torch.Tensor:
        """Return which pixels are in the domain, as bool of shape (rows, columns)."""
        grid = self.reader.chunking.grid
        cells = grid.lat.cell_index(pixels.lat), grid.lon.cell_index(pixels.lon)
        rows, columns = (
            axis.wrap_or_clip(numbers)
            for axis, numbers in zip((grid.lat, grid.lon), cells, strict=True)
        )
        box: Box = _span(rows), _span(columns)
        values = np.asarray(self.reader.read(box, 0, self._cache)).astype(np.uint8)
        start = box[0][0], box[1][0]
        field = Field(grid, start, torch.from_numpy(np.ascontiguousarray(values))[None])
        inside: torch.Tensor = field.select_cells(*cells)[0] > 0
        return inside.to(device)

    @cached_property
    def _cache(self) -> ResultCache:
        return ResultCache()

    def __getstate__(self) -> dict[str, Any]:
        return {"reader": self.reader}

    def __dask_tokenize__(self) -> Any:
        grid = self.reader.chunking.grid
        return "Mask", tokenize(self.reader.data, grid.lat, grid.lon)


def _span(cells: np.ndarray) -> tuple[int, int]:
    return int(cells.min()), int(cells.max()) + 1
