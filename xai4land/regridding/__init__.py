"""Fields on other grids: means over cells, interpolation, classes; by two engines alike."""

from xai4land.regridding.fields import regrid
from xai4land.regridding.overlap import cell_means

__all__ = ["cell_means", "regrid"]
