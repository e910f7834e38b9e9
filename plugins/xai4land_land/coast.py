"""Distance to the coast, along great circles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.typing import Floats
from xai4land_land.masks import find_mask
from xai4land_land.relief import EARTH_RADIUS

__all__ = ["coast_distance"]


def coast_distance(data: xr.Dataset | xr.DataArray, /, land: str | None = None) -> xr.Dataset:
    """Compute the distance to the coast: positive on land, negative at sea; lazily if data are.

    The distance is that along the great circle to the nearest centre of a cell of the other kind,
    found among points of the unit sphere, where the nearest in space is the nearest on the sphere:
    so it is exact across the date line and the poles, as a distance transform of a map is not.

    Parameters
    ----------
    data : Dataset or DataArray
        A mask or fraction of land (rows, columns) on latitudes and longitudes; missing is sea.
    land : str, optional
        Name of the mask among several variables, or of one that is missing where there is no land.

    Returns
    -------
    Dataset
        ``coast_distance`` in km. A lazy one is one chunk, since any cell may be the nearest.

    Raises
    ------
    InputError
        If there is no mask, or (when it is computed) only land or only sea.

    Examples
    --------
    >>> lon = np.arange(-180.0, 180, 10)
    >>> mask = xr.DataArray([abs(lon) > 165], {"lat": [0.0], "lon": lon}, ("lat", "lon"))
    >>> coast_distance(mask).coast_distance.sel(lon=[-180, -170, -160, 0]).values[0].astype(int)
    array([  2223,   1111,  -1111, -18903])
    """
    if land is None:
        mask = find_mask(data)
    elif isinstance(data, xr.Dataset):
        mask = find_mask(land, data)
    else:
        raise InputError(f"land={land!r} with a DataArray, which is the mask itself; leave it out")
    grid = Grid.of(mask, "the land mask")
    mask = mask.transpose(*grid.names)
    args = grid.lat.centres, grid.lon.centres, grid.lon.periodic
    if mask.chunks is None:
        distance = _measure(mask.values, *args)
    else:
        distance = mask.data.rechunk(-1).map_blocks(_measure, *args, dtype=np.float32)
    attrs = {"long_name": "distance to the coast, negative at sea", "units": "km"}
    return xr.Dataset(
        {"coast_distance": (grid.names, distance, attrs)},
        {name: mask[name] for name in grid.names},
    )


def _measure(
    land: npt.NDArray[np.bool_], lat: Floats, lon: Floats, periodic: bool
) -> npt.NDArray[np.float32]:
    """Return distances in km, shape (rows, columns)."""
    from scipy.spatial import cKDTree

    if land.all() or not land.any():
        raise InputError(
            f"there is no {'sea' if land.all() else 'land'} in the mask, so no coast; give one of "
            "a larger domain"
        )
    distance = np.empty(land.shape)
    coast = _find_coast(land, periodic)
    for kind, sign in ((True, 1), (False, -1)):
        tree = cKDTree(_to_points(lat, lon, coast & (land != kind)))
        chord, _ = tree.query(_to_points(lat, lon, land == kind))
        distance[land == kind] = sign * 2 * np.arcsin(np.clip(chord / 2, 0, 1))
    return (distance * (EARTH_RADIUS / 1000)).astype(np.float32)


def _find_coast(land: npt.NDArray[np.bool_], periodic: bool) -> npt.NDArray[np.bool_]:
    """Return the cells that touch one of the other kind by a side, and the ends of rows.

    The nearest cell of the other kind is one of these: from any other cell the next one along its
    row, or its column, towards a place is nearer to it and of the same kind.
    """
    rows: npt.NDArray[np.bool_] = land[1:] != land[:-1]
    columns = land != np.roll(land, 1, 1)  # and the cell before
    if not periodic:
        columns[:, 0] = True
    coast: npt.NDArray[np.bool_] = columns | np.roll(columns, -1, 1)
    coast[1:] |= rows
    coast[:-1] |= rows
    return coast


def _to_points(lat: Floats, lon: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Return the cells of a mask as points of the unit sphere, shape (points, 3)."""
    rows, columns = np.nonzero(where)
    phi, theta = np.deg2rad(lat[rows]), np.deg2rad(lon[columns])
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], -1)
