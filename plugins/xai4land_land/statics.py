"""Static features from the files that the catalog ``land`` lists: soil, climate zones, people."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid
from xai4land.units import convert_units
from xai4land_land.crosswalks.climate import SEA_CODE, koppen_codes
from xai4land_land.relief import EARTH_RADIUS
from xai4land_land.truth import drop_single

__all__ = ["prepare_koppen", "prepare_population", "prepare_soil"]

SOIL = {
    "clay": ("clay", "g kg-1", "1", "clay in the soil, by mass"),
    "sand": ("sand", "g kg-1", "1", "sand in the soil, by mass"),
    "soc": ("organic", "dg kg-1", "g kg-1", "organic carbon in the soil, by mass"),
}
"""By name in SoilGrids: our name, units of the files (which do not say them), ours, long name."""
BECK = (
    "ocean Af Am Aw BWh BWk BSh BSk Csa Csb Csc Cwa Cwb Cwc Cfa Cfb Cfc "
    "Dsa Dsb Dsc Dsd Dwa Dwb Dwc Dwd Dfa Dfb Dfc Dfd ET EF"
)
"""Classes of Beck et al. (2023) by code; the files have no flags."""
LAST_ZONE = 30


def prepare_soil(data: xr.Dataset, /) -> xr.Dataset:
    """Form clay, sand and organic carbon from the files of SoilGrids 2.0; lazily.

    Parameters
    ----------
    data : Dataset
        ``clay``, ``sand`` and ``soc`` (Poggio et al. 2021), or some of them, masked; where a file
        says no units they are those that SoilGrids documents (g/kg, and dg/kg of carbon).

    Returns
    -------
    Dataset
        ``clay`` and ``sand`` as parts of one by mass, ``organic`` in g kg-1; float32.

    Raises
    ------
    InputError
        If none is there, units are others, or values in memory beyond what a soil can have.

    Examples
    --------
    >>> import xai4land
    >>> lat, lon = [10.0, 9.0], [0.0, 1.0]
    >>> raw = xr.Dataset({"clay": (("lat", "lon"), [[150.0, 420.0], [np.nan, 0.0]])},
    ...                  {"lat": lat, "lon": lon})
    >>> prepare_soil(raw).clay.values[0]
    array([0.15, 0.42], dtype=float32)
    """
    found = [name for name in SOIL if name in data]
    if not found:
        raise InputError(f"no variables {', '.join(SOIL)}; rename those of SoilGrids to these")
    made, problems = {}, []
    for name in found:
        new, given, wanted, text = SOIL[name]
        raw = data[name].astype(np.float32)
        raw = raw.assign_attrs(units=raw.attrs.get("units") or given)
        try:
            values = convert_units(raw, wanted)
        except InputError as error:
            problems += [f"variable {name!r}: {problem}" for problem in error.problems]
            continue
        if raw.chunks is None and raw.notnull().any():
            low, high = float(values.min()), float(values.max())
            top = 1.0 if wanted == "1" else 1000.0
            if not 0 <= low <= high <= top:
                problems.append(
                    f"variable {name!r} has values from {low:g} to {high:g} {wanted} by its units "
                    f"{raw.attrs['units']!r}, expected 0 to {top:g}; mask what is missing, or set "
                    "its units"
                )
        made[new] = values.assign_attrs(units=wanted, long_name=text)
    InputError.raise_if(problems)
    return xr.Dataset(made, attrs={"title": "Soil, from SoilGrids 2.0"})


def prepare_koppen(zones: xr.DataArray, /) -> xr.Dataset:
    """Form the climate zones that emulators know from those of Beck et al. (2023); lazily.

    Parameters
    ----------
    zones : DataArray of int
        Codes 1 (Af) to 30 (EF), and 0 at sea, as ``koppen_geiger_0p00833333.tif`` has them.

    Returns
    -------
    Dataset
        ``koppen``: uint8 codes of Rubel et al. (2017), 1 (Af) to 31 (ET) in the order of the
        alphabet, 32 at sea, with flags. Beck has no As, which is Aw there.

    Raises
    ------
    InputError
        If codes in memory are others.

    Examples
    --------
    >>> beck = xr.DataArray(np.array([[0, 1, 3], [4, 29, 30]], np.uint8), dims=("lat", "lon"))
    >>> prepare_koppen(beck).koppen.values
    array([[32,  1,  4],
           [ 7, 31, 30]], dtype=uint8)
    """
    if zones.dtype.kind not in "iu":
        raise InputError(
            f"zones are of type {zones.dtype}, expected whole numbers 0 to {LAST_ZONE}; open "
            "the file without masking it"
        )
    codes = {**koppen_codes(), "ocean": SEA_CODE}
    table = np.zeros(256, np.uint8)
    table[: LAST_ZONE + 1] = [codes[name] for name in BECK.split()]
    made = xr.apply_ufunc(
        _translate, zones, kwargs={"table": table}, dask="parallelized", output_dtypes=[np.uint8]
    )
    names = {code: name for name, code in codes.items()}
    flags = {
        "flag_values": np.array(sorted(names), np.uint8),
        "flag_meanings": " ".join(names[code] for code in sorted(names)),
    }
    about = {"long_name": "Köppen-Geiger climate class", "units": "1", **flags}
    return xr.Dataset({"koppen": made.assign_attrs(about)}, attrs={"title": "Climate zones"})


def _translate(
    zones: npt.NDArray[np.integer], table: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    if zones.size and not 0 <= int(zones.min()) <= int(zones.max()) <= LAST_ZONE:
        raise InputError(
            f"zones have codes from {zones.min()} to {zones.max()}, expected 0 to {LAST_ZONE}, as "
            "Beck et al. (2023) have them"
        )
    found: npt.NDArray[np.uint8] = table[zones]
    return found


def prepare_population(people: xr.DataArray, /) -> xr.Dataset:
    """Form the logarithm of the density of people from their number in each cell; lazily.

    Parameters
    ----------
    people : DataArray, shape (rows, columns)
        Number in each cell, as GHS-POP has it (its -200 masked), missing where there is none.

    Returns
    -------
    Dataset
        ``population``: log(1 + people per km2), float32.

    Raises
    ------
    InputError
        If there are other dimensions, or numbers in memory are negative.

    Examples
    --------
    >>> grid = {"lat": [0.5, -0.5], "lon": [0.5, 1.5]}
    >>> people = xr.DataArray([[0.0, 12363.7], [np.nan, 1.0]], grid, ("lat", "lon"))
    >>> prepare_population(people).population.values[0].round(3)  # one a km2
    array([0.   , 0.693], dtype=float32)
    """
    people = drop_single(people, "the number of people")
    if people.ndim != 2:
        raise InputError(
            f"the number of people has dimensions {people.dims}, expected rows and columns; select "
            "a year"
        )
    if people.chunks is None and (people < 0).any():
        raise InputError(
            f"the number of people is {float(people.min()):g} somewhere, expected 0 or more; mask "
            "the fill value, e.g. people.where(people >= 0)"
        )
    grid = Grid.of(people, "the number of people")
    area = cell_areas(grid, people) * (4 * np.pi * (EARTH_RADIUS / 1000) ** 2)
    density = people.transpose(*grid.names).astype(np.float64) / area.drop_vars(list(area.coords))
    about = {"long_name": "logarithm of one and the people per km2", "units": "1"}
    made: xr.DataArray = xr.apply_ufunc(np.log1p, density, dask="allowed").astype(np.float32)
    made = made.assign_attrs(about)
    return xr.Dataset({"population": made}, attrs={"title": "Density of people"})
