"""``to_clm_surface``: land cover as the surface data of CLM5 have it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from xai4land.grids.cells import cell_areas
from xai4land.grids.cf import extend_attrs
from xai4land.grids.grid import Grid
from xai4land.regridding.overlap import cell_means
from xai4land.typing import Floats
from xai4land_land.crosswalks.covers import Cover
from xai4land_land.models.grid import (
    form_plant_types,
    list_outside,
    list_unlike_sums,
    select_step,
)
from xai4land_land.truth import as_variable

__all__ = ["check_clm_surface", "to_clm_surface"]

NATURAL_TYPES = 15
CROP_TYPES = (15, 16)
"""Rainfed and irrigated C3 crop, numbered as CLM5's plant functional types."""
URBAN_DENSITY = (0.0, 0.0, 1.0)
"""Shares of tall buildings, high and medium density (Jackson et al. 2010): nearly all is medium."""
EARTH_AREA = 4 * np.pi * 6371.22**2
"""Of CLM's sphere, in km2."""
LANDUNITS = ("PCT_NATVEG", "PCT_CROP", "PCT_URBAN", "PCT_LAKE", "PCT_WETLAND", "PCT_GLACIER")
UNITS = ("c3_crop", "urban", "lake", "wetland", "glacier")
"""Classes of the landunits after natural vegetation."""
ROWS_COLUMNS = ("lsmlat", "lsmlon")
SIZES = {"natpft": NATURAL_TYPES, "cft": len(CROP_TYPES), "numurbl": len(URBAN_DENSITY)}
RANGES = {"LANDFRAC_PFT": (0.0, 1.0), "LATIXY": (-90.0, 90.0), "AREA": (0.0, EARTH_AREA)}
MIN_LAND = 1e-6
"""Part of a cell below which it has no land (mksurfdata)."""
SUM_TOLERANCE = 1e-12
"""Percent: CLM5 refuses sums that differ from one by more than 1e-14 (check_sums_equal_1)."""
LAYOUT: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "PCT_NATVEG": ((), "total percent natural vegetation landunit", "unitless"),
    "PCT_CROP": ((), "total percent crop landunit", "unitless"),
    "PCT_URBAN": (("numurbl",), "percent urban for each density type", "unitless"),
    "PCT_LAKE": ((), "percent lake", "unitless"),
    "PCT_WETLAND": ((), "percent wetland", "unitless"),
    "PCT_GLACIER": ((), "percent glacier", "unitless"),
    "PCT_NAT_PFT": (
        ("natpft",),
        "percent plant functional type on the natural veg landunit (% of landunit)",
        "unitless",
    ),
    "PCT_CFT": (
        ("cft",),
        "percent crop functional type on the crop landunit (% of landunit)",
        "unitless",
    ),
    "LONGXY": ((), "longitude", "degrees east"),
    "LATIXY": ((), "latitude", "degrees north"),
    "AREA": ((), "area", "km^2"),
    "LANDFRAC_PFT": ((), "land fraction from pft dataset", "unitless"),
    "PFTDATA_MASK": ((), "land mask from pft dataset, indicative of real/fake points", "unitless"),
}
"""Variables by name: dimensions before the rows, long name and units."""


def to_clm_surface(
    data: xr.Dataset,
    *,
    climate: xr.Dataset | None = None,
    koppen: xr.Dataset | xr.DataArray | None = None,
    land: xr.Dataset | xr.DataArray | None = None,
) -> xr.Dataset:
    """Form the land cover of a surface dataset of CLM5, lazily.

    Soil, urban parameters and monthly leaf area of a surface dataset come from CTSM's
    ``mksurfdata``; copy these variables over those of its file on the same grid.

    Parameters
    ----------
    data : Dataset
        Fractions of one year on the grid of the model, of any legend that :func:`to_legend` brings
        to ``clm5``.
    climate, koppen : Dataset, optional
        As of :func:`to_legend`.
    land : Dataset or DataArray, optional
        Fraction of land, lakes included, or a mask, on any regular grid. Water beyond it is sea.
        Without it the sea is what the legend calls so; ``land_states`` and ``igbp`` do not, and
        all their water is lake.

    Returns
    -------
    Dataset
        Rows from south to north, columns from 0° to the east. ``PCT_NATVEG``, ``PCT_CROP``,
        ``PCT_URBAN`` (3 densities), ``PCT_LAKE``, ``PCT_WETLAND`` and ``PCT_GLACIER`` sum to 100
        of the land; ``PCT_NAT_PFT`` (15) and ``PCT_CFT`` (2) to 100 of their landunits, everywhere:
        where there is no landunit, bare soil and rainfed crop stand in. Cells without land, or
        whose classes are missing, are wetland with ``PFTDATA_MASK`` 0, as in ``mksurfdata``. All
        in double precision.

    Raises
    ------
    InputError
        As :func:`to_legend` does; or if there are several years.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> climate = xai4land.sample("land_climate", years=[2000])
    >>> coarse = planet[["land_cover"]].ai4land.fractions(5.0)
    >>> surface = to_clm_surface(coarse, climate=climate)
    >>> surface.PCT_NAT_PFT.dims, check_clm_surface(surface)
    (('natpft', 'lsmlat', 'lsmlon'), [])
    """
    cover = select_step(form_plant_types(data, climate, koppen))
    rule = str(cover.fractions.attrs.get("climate_rule", ""))
    turned = _turn(cover.fractions.astype(np.float64).clip(0))
    grid = Grid.of(turned)
    known = turned.notnull().all(cover.dim)
    cover = Cover(turned.fillna(0), cover.dim, cover.names)
    part = {name: cover.part(name) for name in cover.names}
    if land is not None:
        sea = 1 - cell_means(
            as_variable(land, "land", "the land mask").fillna(0), grid, min_coverage=0
        ).fillna(0)
        moved = (sea - part["ocean"]).clip(0, part["lake"])
        part |= {"ocean": part["ocean"] + moved, "lake": part["lake"] - moved}
    types = xr.concat([part[name] for name in cover.names[:NATURAL_TYPES]], "natpft")
    units = [types.sum("natpft"), *(part[name] for name in UNITS)]
    on_land = xr.concat(units, "landunit")
    there = known & (on_land.sum("landunit") > MIN_LAND)
    percents = _percents(on_land.where(there, 0), "landunit", LANDUNITS.index("PCT_WETLAND"))
    made = dict(zip(LANDUNITS, (percents.isel(landunit=k) for k in range(6)), strict=True))
    made["PCT_URBAN"] = xr.DataArray(np.array(URBAN_DENSITY), dims="numurbl") * made["PCT_URBAN"]
    made["PCT_NAT_PFT"] = _percents(types.where(there, 0), "natpft", 0)
    rainfed = xr.DataArray(np.array([100.0, 0.0]), dims="cft")
    made["PCT_CFT"] = rainfed * xr.ones_like(made["PCT_CROP"])
    made["LANDFRAC_PFT"] = (1 - part["ocean"]).clip(0, 1).where(there, 0)
    made["PFTDATA_MASK"] = there.astype(np.int32)
    return _arrange(made, grid, data, rule)


def check_clm_surface(surface: xr.Dataset) -> list[str]:
    """List all that CLM5 would refuse or misread in the land cover of a surface dataset.

    Parameters
    ----------
    surface : Dataset
        As of :func:`to_clm_surface`, or a file of CTSM's ``mksurfdata``.

    Returns
    -------
    list of str
        What is wrong, and how to correct it; empty if nothing is.

    Examples
    --------
    >>> check_clm_surface(xr.Dataset())[0]
    'PCT_NATVEG is missing; form it with ds.ai4land.to_clm_surface()'
    """
    problems: list[str] = []
    for name, (leading, _, _) in LAYOUT.items():
        if name not in surface:
            problems.append(f"{name} is missing; form it with ds.ai4land.to_clm_surface()")
            continue
        dims = (*leading, *ROWS_COLUMNS)
        if surface[name].dims != dims:
            problems.append(f"{name} has dimensions {surface[name].dims}, expected {dims}")
        elif name in RANGES or name.startswith("PCT_"):
            problems += list_outside(surface[name], *RANGES.get(name, (0.0, 100.0)))
    for dim, size in SIZES.items():
        if dim in surface.sizes and surface.sizes[dim] < size:
            problems.append(f"{dim} has {surface.sizes[dim]} entries, expected {size}")
    if problems:
        return problems
    units = [surface[name] for name in LANDUNITS if name != "PCT_URBAN"]
    total = sum(units[1:], start=units[0]) + surface.PCT_URBAN.sum("numurbl")
    problems += list_unlike_sums(total, 100, SUM_TOLERANCE, "the landunits")
    for name, dim in (("PCT_NAT_PFT", "natpft"), ("PCT_CFT", "cft")):
        problems += list_unlike_sums(surface[name].sum(dim), 100, SUM_TOLERANCE, f"types of {name}")
    if not bool(surface.PFTDATA_MASK.isin([0, 1]).all()):
        problems.append("PFTDATA_MASK has values beside 0 and 1; set it to 1 where there is land")
    for name, dim in (("LATIXY", "lsmlat"), ("LONGXY", "lsmlon")):
        if not bool((surface[name].diff(dim) > 0).all()):
            problems.append(f"{name} does not increase along {dim}; sort by it")
    return problems


def _turn(array: xr.DataArray) -> xr.DataArray:
    """Return an array from south to north, and from 0° to the east."""
    lat, lon = Grid.of(array).names
    return array.assign_coords({lon: array[lon] % 360}).sortby([lat, lon])


def _percents(parts: xr.DataArray, dim: str, default: int) -> xr.DataArray:
    """Return parts as percents that sum to 100; all of one part where there is nothing."""
    if parts.chunks is not None:
        parts = parts.chunk({dim: -1})
    found: xr.DataArray = xr.apply_ufunc(
        _divide,
        parts,
        kwargs={"default": default},
        input_core_dims=[[dim]],
        output_core_dims=[[dim]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return found.transpose(dim, ...)


def _divide(parts: Floats, default: int) -> Floats:
    """Divide by the sum along the last axis; what rounding leaves goes to the largest part."""
    total = parts.sum(-1, keepdims=True)
    there = total > MIN_LAND
    alone = np.eye(parts.shape[-1])[default]
    percents = 100 * np.where(there, parts / np.where(there, total, 1), alone)
    largest = percents.argmax(-1)[..., None]
    rest = 100 - percents.sum(-1, keepdims=True)
    np.put_along_axis(percents, largest, np.take_along_axis(percents, largest, -1) + rest, -1)
    return percents


def _arrange(made: dict[str, xr.DataArray], grid: Grid, data: xr.Dataset, rule: str) -> xr.Dataset:
    """Return the dataset with CLM's names, dimensions and places."""
    renamed = dict(zip(grid.names, ROWS_COLUMNS, strict=True))
    coords = [grid.coords()[name].values for name in grid.names]
    lat, lon = (xr.DataArray(v, dims=d) for v, d in zip(coords, ROWS_COLUMNS, strict=True))
    arrays = {n: a.drop_vars(list(a.coords)).rename(renamed) for n, a in made.items()}
    arrays |= {"LONGXY": lon + 0 * lat, "LATIXY": lat + 0 * lon}
    area = cell_areas(grid) * EARTH_AREA
    arrays["AREA"] = area.drop_vars(list(area.coords)).rename(renamed)
    result = xr.Dataset()
    for name, (leading, long_name, units) in LAYOUT.items():
        array = arrays[name].transpose(*leading, *ROWS_COLUMNS)
        result[name] = array.assign_attrs(long_name=long_name, units=units)
        result[name].encoding["_FillValue"] = None
    result["natpft"] = ("natpft", np.arange(NATURAL_TYPES, dtype=np.int32))
    result["cft"] = ("cft", np.array(CROP_TYPES, np.int32))
    result["natpft"].attrs["long_name"] = "indices of natural PFTs"
    result["cft"].attrs["long_name"] = "indices of CFTs"
    attrs = extend_attrs(data, "land cover of a surface dataset of CLM5")
    return result.assign_attrs(attrs | ({"climate_rule": rule} if rule else {}))
