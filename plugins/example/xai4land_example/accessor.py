"""``ds.landscape``: how varied a reconstructed map is."""

from __future__ import annotations

import numpy as np
import xarray as xr


class LandscapeAccessor:
    """Measures of a map's landscape."""

    def __init__(self, data: xr.Dataset) -> None:
        self._data = data

    def diversity(self, cells: int) -> xr.DataArray:
        """Compute the Shannon diversity, in nats, of blocks of ``cells`` x ``cells`` pixels."""
        cover = self._data.land_cover
        total = xr.zeros_like(cover, dtype=np.float64).coarsen(lat=cells, lon=cells).mean()
        for value in cover.attrs["flag_values"]:
            share = (cover == value).coarsen(lat=cells, lon=cells).mean()
            total = total - share * np.log(share.where(share > 0, 1))
        return total.assign_attrs(long_name="Shannon diversity of land cover", units="1")
