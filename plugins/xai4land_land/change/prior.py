"""The prior map: a class map of another year, in the emulator's classes and on its pixels."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.emulator import ClassMap
from xai4land.emulator.inputs import DATES, scalar_dates, time_name
from xai4land.emulator.outputs import MISSING_CLASS
from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_land.legends import Legend, match_classes
from xai4land_land.truth import NO_CLASS, Recoding, as_variable

__all__ = ["encode_prior", "find_years", "put_on_target", "read_year"]

PRIOR_DIMS = ("lat_prior", "lon_prior")


def encode_prior(
    prior: xr.Dataset | xr.DataArray, outputs: ClassMap, legend: str | Legend | None = None
) -> xr.DataArray:
    """Return a prior map in the codes of an emulator's classes (uint8, 255 where missing).

    Parameters
    ----------
    prior : Dataset or DataArray
        Classes with CF flags; those that merge into the emulator's are merged.
    outputs : ClassMap
    legend : str or Legend, optional
        How classes merge. By default the first legend that has all of the emulator's.

    Raises
    ------
    InputError
        If classes are unknown. Codes that no flag names are refused when they are read.
    """
    array = as_variable(prior, outputs.name, "the prior map")
    values = [c.value for c in outputs.classes]
    positions = match_classes([c.name for c in outputs.classes], array, legend, "the prior map")
    recoding = Recoding.of(array, positions, "the prior map")

    def encode(codes: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
        found = recoding(codes)
        if (unknown := np.unique(codes[found == NO_CLASS])).size:
            some = ", ".join(f"{code:g}" for code in unknown[:8].astype(float))
            raise InputError(
                f"the prior map has codes {some} that no class takes; name them in flag_values "
                "and flag_meanings, or mask them as missing"
            )
        table = np.full(256, MISSING_CLASS, np.uint8)
        table[: len(values)] = values
        return table[found]

    coded: xr.DataArray = xr.apply_ufunc(
        encode, array, dask="parallelized", output_dtypes=[np.uint8], keep_attrs=False
    )
    own = Grid.of(array, "the prior map")
    # Names of its own: a dataset holds it beside the states, which may have the same ones.
    grid = Grid(own.lat, own.lon, PRIOR_DIMS)
    coded = coded.rename(dict(zip(own.names, PRIOR_DIMS, strict=True))).assign_coords(grid.coords())
    coded.attrs = {"flag_values": np.array(values, np.uint8), "_FillValue": np.uint8(MISSING_CLASS)}
    return coded.rename("prior")


def find_years(prior: xr.DataArray) -> list[int]:
    """Return the year of each map.

    Raises
    ------
    InputError
        If a map has no date.
    """
    name = time_name(prior)
    dates = [name] if name is not None else scalar_dates(prior)
    if len(dates) != 1 or (name is not None and not isinstance(prior.indexes.get(name), DATES)):
        raise InputError(
            "the prior map has no date; give it one: "
            "prior.assign_coords(time=np.datetime64('2014-07-01'))"
        )
    years: list[int] = np.atleast_1d(prior[dates[0]].dt.year.values).tolist()
    if repeated := sorted({year for year in years if years.count(year) > 1}):
        raise InputError(
            f"the prior maps have {', '.join(map(str, repeated))} twice; "
            f"run prior.drop_duplicates({str(dates[0])!r}) on one map a year"
        )
    return years


def read_year(year: object) -> int:
    """Return a year that is given as a whole number or its text.

    Raises
    ------
    InputError
        If it is something else, such as a date.

    Examples
    --------
    >>> read_year("1850")
    1850
    """
    if not re.fullmatch(r"\d{1,6}(\.0)?", str(year)):
        raise InputError(
            f"years has {year!r}, expected whole numbers, e.g. years=slice(2014, 1850)"
        )
    return int(float(str(year)))


def put_on_target(prior: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Return a prior map on the pixels of the outputs; by majority where these are coarser.

    Raises
    ------
    InputError
        If the pixels of the outputs are finer.
    """
    own = Grid.of(prior, "the prior map")
    if abs(grid.resolution / own.resolution - 1) < 1e-3:
        return prior
    if grid.resolution < own.resolution * (1 - 1e-3):
        raise InputError(
            f"the prior map is at {own.resolution:g}°, coarser than target={grid.resolution:g}°; "
            "leave target= out, or give a prior map that is at least as fine"
        )
    from xai4land.regridding import regrid

    made = regrid(prior, xr.Dataset(coords=grid.coords()), method="majority")
    return made.reset_coords(drop=True).rename(dict(zip(grid.names, PRIOR_DIMS, strict=True)))
