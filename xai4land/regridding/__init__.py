"""Regridding: area means, interpolation and classes, by xESMF or xarray-regrid."""

from xai4land.regridding.fields import regrid
from xai4land.regridding.overlap import cell_means

__all__ = ["cell_means", "regrid"]
