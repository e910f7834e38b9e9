"""Temperature at the elevation of each pixel, from that of coarse cells."""

from __future__ import annotations

import numbers

import xarray as xr

from xai4land.emulator.card import ELEVATION
from xai4land.errors import InputError
from xai4land.units import convert_units
from xai4land_land.leaf.climate import find_climate, is_lag
from xai4land_land.leaf.emulator import LeafAreaEmulator

__all__ = ["bring_to_sea_level", "find_orography", "follow_elevation"]

MOST = 15.0
"""K/km; more than any mean lapse rate (dry adiabatic: 9.8)."""
OROGRAPHY = ("orog", "surface_altitude")
"""CMIP6's name, and CF's standard name, of the elevation of a model's cells."""


def follow_elevation(emulator: LeafAreaEmulator, lapse_rate: float) -> LeafAreaEmulator:
    """Return the emulator with a temperature that falls with the elevation of the pixel.

    Parameters
    ----------
    emulator : LeafAreaEmulator
        With an input ``elevation``.
    lapse_rate : float
        K/km.

    Raises
    ------
    InputError
        If it is no such rate, or the emulator does not know elevation.
    """
    problems = []
    number = isinstance(lapse_rate, numbers.Real) and not isinstance(lapse_rate, bool)
    if not number or not 0 <= lapse_rate <= MOST:
        problems.append(f"lapse_rate={lapse_rate!r}, expected K/km from 0 to {MOST:g}, as 6.5")
    elif 0 < lapse_rate * 1000 <= MOST:
        problems.append(
            f"lapse_rate={lapse_rate!r} is a rate in K/m, expected K/km; give {lapse_rate * 1000:g}"
        )
    if ELEVATION not in [spec.name for spec in emulator.card.inputs]:
        problems.append(
            f"emulator {emulator.card.name!r} has no input {ELEVATION!r}, by which temperature is "
            "corrected; fit it with inputs=['elevation'], or leave lapse_rate= out"
        )
    if not emulator.weights:
        problems.append(
            f"lapse_rate= with the exported emulator {emulator.card.name!r}; give the one that it "
            "was exported from"
        )
    InputError.raise_if(problems)
    slope = -lapse_rate / 1000
    inputs = tuple(
        spec.model_copy(update={"elevation_slope": slope}) if is_lag(spec.name, "tas") else spec
        for spec in emulator.card.inputs
    )
    return LeafAreaEmulator(emulator.card.with_(inputs=inputs), emulator.weights)


def find_orography(data: xr.Dataset) -> xr.Dataset:
    """Return the elevation of a model's cells, if there is one: ``orog``, or by standard name."""
    names = [
        name
        for name, array in data.data_vars.items()
        if name == OROGRAPHY[0] or array.attrs.get("standard_name") == OROGRAPHY[1]
    ]
    return data[names]


def bring_to_sea_level(
    climate: xr.Dataset, lapse_rate: float, *sources: xr.Dataset | None
) -> xr.Dataset:
    """Return the climate with the temperature that its cells would have at sea level; lazily.

    Parameters
    ----------
    climate : Dataset
        With ``tas`` and, if there is one, the elevation of its cells (``orog``, or by standard
        name ``surface_altitude``).
    lapse_rate : float
        K/km.
    *sources : Dataset
        Where a finer ``elevation`` is; its mean over each cell of the climate is taken where the
        climate has no elevation of its own. Where it is missing there is sea.

    Raises
    ------
    InputError
        If there is no elevation.
    """
    from xai4land.regridding.fields import regrid

    tas = find_climate(climate, "tas")
    if tas is None:
        return climate  # what lacks is said with all other faults
    own = [*find_orography(climate).data_vars.values()]
    fine = [source[ELEVATION] for source in sources if source is not None and ELEVATION in source]
    if own:
        height = own[0]
    elif fine:
        height = regrid(fine[0], tas, "conservative", min_coverage=0.0)
    else:
        raise InputError(
            "lapse_rate= without an elevation: give static= with 'elevation', or the climate's own "
            "as 'orog'"
        )
    if "units" in height.attrs:
        height = convert_units(height, "m")
    attrs, encoding = tas.attrs, tas.encoding
    level = (tas + height.fillna(0.0) * (lapse_rate / 1000)).transpose(*tas.dims)
    level = level.astype(tas.dtype).assign_attrs(attrs)
    level.encoding = encoding
    return climate.drop_vars(str(tas.name)).assign(tas=level)
