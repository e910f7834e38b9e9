"""Parts of a map that are scored: masks, weights and regions, put on its pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from xai4land.adapters.xarray import is_in_memory
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_land.truth import drop_single

__all__ = ["find_regions", "place_mask", "place_on_pixels", "place_weights"]


def place_on_pixels(
    array: xr.DataArray, grid: Grid, what: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the value of the cell that holds the centre of each pixel, and whether there is one.

    Parameters
    ----------
    array : DataArray, shape (rows, columns)
        On any regular or irregular grid of latitudes and longitudes.
    grid : Grid
        The pixels.
    what : str
        How to call the array in errors.

    Returns
    -------
    values, inside : DataArray, shape (lat, lon)
        Without coordinates; lazy where the array is.

    Raises
    ------
    InputError
        If the array has other dimensions, or no cell in common with the pixels.
    """
    array = drop_single(array, what)
    if array.ndim != 2:
        raise InputError(
            f"{what} has dimensions {array.dims}, expected rows and columns; select a step"
        )
    own = Grid.of(array, what)
    array = array.transpose(*own.names).rename(dict(zip(own.names, grid.names, strict=True)))
    inside: xr.DataArray | None = None
    places = {}
    for name, cells, points in (
        (grid.names[0], own.lat, grid.lat.centres),
        (grid.names[1], own.lon, grid.lon.centres),
    ):
        numbers = cells.cell_index(points)
        there = xr.DataArray(cells.contains_cells(numbers), dims=name)
        inside = there if inside is None else inside & there
        places[name] = cells.wrap_or_clip(numbers)
    assert inside is not None
    if not inside.any():
        raise InputError(f"{what} and the map have no pixel in common; compare coordinates")
    values = array.drop_vars(list(array.coords))
    if own != grid:
        values = values.isel(places)
    return values, inside


def place_mask(mask: xr.DataArray, grid: Grid, what: str = "where") -> xr.DataArray:
    """Return a mask on the pixels of a grid, false where it does not reach.

    Raises
    ------
    InputError
        If it holds other than true and false, or nothing is true.
    """
    if not isinstance(mask, xr.DataArray) or mask.dtype != bool:
        kind = mask.dtype if isinstance(mask, xr.DataArray) else type(mask).__name__
        raise InputError(
            f"{what} is of type {kind}, expected a DataArray of true and false, as "
            f"{what}=fraction > 0.5"
        )
    values, inside = place_on_pixels(mask, grid, what)
    found: xr.DataArray = values & inside
    if is_in_memory(found) and not found.any():
        raise InputError(f"{what} is true nowhere on the map; nothing is left to score")
    return found


def place_weights(weights: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Return the weight of each pixel, 0 where none is given.

    Raises
    ------
    InputError
        If they are no numbers, negative, or all zero.
    """
    if not isinstance(weights, xr.DataArray) or weights.dtype.kind not in "iufb":
        raise InputError("weights must be a DataArray of numbers, as weights=cell_area")
    values, inside = place_on_pixels(weights, grid, "weights")
    found = values.astype(np.float64).where(inside).fillna(0.0)
    if is_in_memory(found):
        least, total = float(found.min()), float(found.sum())
        if least < 0 or not 0 < total < np.inf:
            raise InputError(
                f"weights from {least:g}, adding up to {total:g}, expected finite ones from 0 that "
                "are not all zero"
            )
    return found


def find_regions(regions: xr.DataArray, grid: Grid) -> Iterator[tuple[str, xr.DataArray]]:
    """Yield the name and the mask of each region of a map of codes; the codes are read.

    Parameters
    ----------
    regions : DataArray, shape (rows, columns)
        Codes on any grid, with flags if they are to be named; missing or negative where there is
        no region.
    grid : Grid
        The pixels.

    Raises
    ------
    InputError
        If the codes are no whole numbers, or no region lies on the map.
    """
    if not isinstance(regions, xr.DataArray) or regions.dtype.kind not in "iuf":
        raise InputError(
            "regions must be a DataArray of whole numbers, one for each region, as regionmask's "
            "mask() gives it"
        )
    values, inside = place_on_pixels(regions, grid, "regions")
    codes = values.astype(np.float64).where(inside).fillna(-1).compute()
    found = [code for code in np.unique(codes) if code >= 0]
    if not found:
        raise InputError("regions has no region on the map; compare coordinates and codes")
    if odd := [code for code in found if code != int(code)]:
        raise InputError(f"regions has the value {odd[0]:g}, expected whole numbers")
    names = _name_codes(regions)
    for code in found:
        yield names.get(int(code), str(int(code))), codes == code


def _name_codes(regions: xr.DataArray) -> dict[int, str]:
    """Return names by code, from CF flags where there are any."""
    values = np.atleast_1d(regions.attrs.get("flag_values", []))
    meanings = str(regions.attrs.get("flag_meanings", "")).split()
    if values.size != len(meanings):
        return {}
    return {int(value): meaning for value, meaning in zip(values, meanings, strict=True)}
