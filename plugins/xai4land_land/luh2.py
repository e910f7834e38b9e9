"""From LUH2's or LUH3's states to the eight that the MODIS emulator reads."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.emulator import Input
from xai4land.emulator.inputs import find_layer
from xai4land.errors import InputError
from xai4land.grids.grid import Grid

__all__ = ["states_from_luh2"]

SUMS = {
    "forest": ("primf", "secdf", "pltns"),
    "open": ("primn", "secdn", "pastr", "range"),
    "crops": ("c3ann", "c3per", "c4ann", "c4per", "c3nfx"),
    "urban": ("urban",),
}
ABSENT_IN_LUH2 = ("pltns",)

# Shares by Köppen-Geiger class (Rubel et al. 2017, codes 1 to 32), from MCD12C1 2019 over the
# blocks that the emulator was trained on; classes that are not named have none.
CODES = tuple(range(1, 33))
BARREN = {5: 0.05, 6: 0.07, 7: 0.74, 8: 0.53, 11: 0.03, 12: 0.04, 17: 0.20, 30: 0.92, 31: 0.27}
ICE = {30: 0.96, 31: 0.44}
MOSAIC = {1: 0.66, 2: 0.44, 3: 0.21, 4: 0.14, 7: 0.09, 9: 0.15, 10: 0.10, 15: 0.19, 16: 0.13}


def states_from_luh2(
    data: xr.Dataset, koppen: xr.DataArray, *, fill_ocean: bool = True
) -> xr.Dataset:
    """Form the states of ``modis-landcover-0p05`` from those of LUH2 or LUH3.

    ===================  =====================================================================
    state                from LUH2
    ===================  =====================================================================
    forest               primf + secdf + pltns (LUH3's plantations; missing ones are none)
    barren               a share of primn + secdn + pastr + range, by climate (0.74 in BWh)
    nonforest_natural    the rest of primn + secdn + pastr + range
    crop_mosaic          a share of c3ann + c3per + c4ann + c4per + c3nfx, by climate (0.66 in Af)
    cropland             the rest of these
    urban                urban
    ice                  a share of what the states leave of the cell, by climate (0.96 in EF)
    water                the rest of what they leave
    ===================  =====================================================================

    LUH2 knows no bare ground and no ice apart from water, so their shares are climatological:
    the mean in each Köppen-Geiger class of MODIS' land cover of 2019.

    Parameters
    ----------
    data : Dataset
        The twelve states of LUH2 or the thirteen of LUH3, as fractions of the cell.
    koppen : DataArray
        Köppen-Geiger classes of Rubel et al. (2017), 1 to 32, on any regular grid that covers
        the states.
    fill_ocean : bool
        Whether cells where all states are missing are open water; else they stay missing.

    Returns
    -------
    Dataset
        Eight states that add up to one, lazy where ``data`` is.

    Raises
    ------
    InputError
        If states are missing or not fractions.

    Examples
    --------
    >>> import numpy as np, xai4land, xai4land_land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> koppen = xr.full_like(planet.elevation, 10).astype("uint8")
    >>> states = xai4land_land.states_from_luh2(planet, koppen)
    >>> total = states.to_dataarray().sum("variable")
    >>> bool(np.allclose(total, 1, atol=1e-5))
    True
    """
    problems: list[str] = []
    found = {}
    for name in (name for names in SUMS.values() for name in names):
        if name in ABSENT_IN_LUH2 and name not in data:
            continue
        spec = Input(name=name, role="dynamic", valid_range=(0.0, 1.0))
        try:
            found[name] = find_layer(spec, data, None)
        except InputError as error:
            problems += error.problems
    climate = None
    try:
        climate = Grid.of(koppen, "koppen")
        koppen = find_layer(
            Input(name="koppen", role="categorical", codes=CODES),
            koppen.to_dataset(name="koppen"),
            None,
        ).data
    except InputError as error:
        problems += error.problems
    InputError.raise_if(problems)
    assert climate is not None
    grid = found["urban"].grid
    fractions = {
        name: layer.data.fillna(0) if name in ABSENT_IN_LUH2 else layer.data
        for name, layer in found.items()
    }
    sums = {
        state: sum((fractions[n] for n in names[1:] if n in found), start=fractions[names[0]])
        for state, names in SUMS.items()
    }
    land: xr.DataArray = sum(list(sums.values())[1:], start=sums["forest"])
    if fill_ocean:
        sums = {name: values.fillna(0) for name, values in sums.items()}
        land = land.fillna(0)
    rest = (1 - land).clip(0, 1)
    barren, ice, mosaic = (
        _average_share(koppen, climate, grid, table) for table in (BARREN, ICE, MOSAIC)
    )
    states = {
        "forest": sums["forest"],
        "nonforest_natural": sums["open"] * (1 - barren),
        "cropland": sums["crops"] * (1 - mosaic),
        "crop_mosaic": sums["crops"] * mosaic,
        "urban": sums["urban"],
        "ice": rest * ice,
        "barren": sums["open"] * barren,
        "water": rest * (1 - ice),
    }
    made = xr.Dataset({name: values.astype("float32") for name, values in states.items()})
    for state, values in made.items():
        values.attrs = {
            "standard_name": "area_fraction",
            "long_name": f"fraction of the grid cell that is {state}",
            "units": "1",
        }
    made.attrs = {**data.attrs, "comment": "states formed from LUH2 by states_from_luh2"}
    return made


def _average_share(
    koppen: xr.DataArray, climate: Grid, grid: Grid, table: dict[int, float]
) -> xr.DataArray:
    """Return a class' share in each coarse cell: the mean over the climate's pixels."""
    shares = np.zeros(256, np.float32)
    shares[list(table)] = list(table.values())
    codes = koppen.transpose(*climate.names).values
    fine = shares[np.nan_to_num(codes).astype(np.int64).clip(0, 255)]
    if not (
        climate.lat.contains_points(grid.lat.values).all()
        and climate.lon.contains_points(grid.lon.values).all()
    ):
        raise InputError("koppen does not reach over all of the states; give a larger one")
    row, down = climate.lat.resampling_matrix(grid.lat.values, grid.lat.spacing)
    column, across = climate.lon.resampling_matrix(grid.lon.values, grid.lon.spacing)
    rows = climate.lat.wrap_or_clip(np.arange(row, row + down.shape[1]))
    columns = climate.lon.wrap_or_clip(np.arange(column, column + across.shape[1]))
    coarse = down @ fine[np.ix_(rows, columns)] @ across.T
    return xr.DataArray(coarse.astype(np.float32), dims=grid.names)
