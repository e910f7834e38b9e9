"""``fractions``: the area fractions of classes on another grid."""

from __future__ import annotations

import xarray as xr

from xai4land.errors import InputError
from xai4land.regridding import regrid
from xai4land.regridding.detect import Target
from xai4land_land.crosswalks.covers import find_cover, find_map
from xai4land_land.legends import flag_meanings

__all__ = ["fractions"]

ENGINE = "xarray-regrid"
"""Its area means are our own overlap matrices on the sphere, exact between regular grids."""


def fractions(data: xr.Dataset, target: Target, *, min_coverage: float = 0.5) -> xr.Dataset:
    """Compute the area fractions of classes on a coarser grid, lazily.

    Parameters
    ----------
    data : Dataset
        Probabilities of classes (``land_cover_probability``), which are used if they are there
        since their mean is the expected area; or fractions (``land_cover_fraction``, or a variable
        a class); or a map of classes with flags, whose pixels are counted by area.
    target : float, tuple of float, Dataset or DataArray
        Degrees, for a grid of the whole globe; or data on the wanted regular grid.
    min_coverage : float
        Part of a cell that must be known, from 0 to 1. Fractions are those of the known part.

    Returns
    -------
    Dataset
        ``land_cover_fraction`` (time, class, lat, lon), which sums to one, missing where less than
        ``min_coverage`` of the cell is known. The coordinate of classes has codes with flags, and
        ``class_name`` their names.

    Raises
    ------
    InputError
        If there are neither probabilities nor fractions nor a map, fractions do not sum to one, or
        there is no grid.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> coarse = fractions(planet[["land_cover"]], 5.0)
    >>> coarse.land_cover_fraction.dims
    ('time', 'land_cover_class', 'lat_fine', 'lon_fine')
    >>> bool((abs(coarse.land_cover_fraction.sum("land_cover_class") - 1) < 1e-5).all())
    True
    """
    cover = find_cover(data)
    if cover is not None:
        source = cover.fractions
        # Of a pixel that lacks one class nothing is known.
        source = source.where(source.notnull().all(cover.dim))
        dim, names = cover.dim, cover.names
    else:
        map_ = find_map(data)
        if map_ is None:
            raise InputError(
                "the data have neither fractions or probabilities of classes nor a map with flags; "
                "give ds.ai4land.reconstruct(probabilities=True), or set flag_values and "
                "flag_meanings"
            )
        source, dim, names = map_, f"{map_.name}_class", tuple(flag_meanings(map_).values())
    bounds = [n for n, a in data.data_vars.items() if str(n).endswith(("_bnds", "_bounds"))]
    name = str(source.name).removesuffix("_probability").removesuffix("_fraction")
    placed = data[bounds].assign({str(source.name): source}).assign_attrs(data.attrs)
    how = "conservative" if cover is not None else "fractions"
    made = regrid(placed, target, how, engine=ENGINE, min_coverage=min_coverage)  # type: ignore[arg-type]
    old = str(source.name) if cover is not None else f"{source.name}_fraction"
    made = made.rename({old: f"{name}_fraction"} if old != f"{name}_fraction" else {})
    array = made[f"{name}_fraction"]
    array.attrs = {
        "standard_name": "area_fraction",
        "long_name": "area fraction of each class",
        "units": "1",
        "cell_methods": "area: mean",
        **({"grid_mapping": m} if (m := array.attrs.get("grid_mapping")) else {}),
    }
    label = {"long_name": "name of the class"}
    result: xr.Dataset = made.assign_coords(class_name=(dim, list(names), label))
    return result
