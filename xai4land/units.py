"""Units by UDUNITS' rules: conversion of values, of differences, and of water's depth and mass."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError

__all__ = [
    "ANOMALY_NAMES",
    "convert_units",
    "find_conversion",
    "is_difference",
    "is_water",
    "mark_difference",
]

ALIASES = {
    "degC": "degrees_C = degree_C = degree_Celsius = degrees_celsius",
    "degF": "degree_F = degrees_F",
    "kelvin": "degrees_K = degree_K = degrees_kelvin = degrees_Kelvin = degree_Kelvin",
}
"""Names that UDUNITS knows and pint does not."""
SCALED = re.compile(r"^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\d.])\s*\*?\s*(.*)$")
SHIFTED = re.compile(r"^(.*\S)\s*@\s*([+-]?\d+(?:\.\d*)?)\s*$")
LONG_WORD = re.compile(r"[A-Za-z]{4,}")
DIFFERENCE_NAME = re.compile(r"(^|[_ ])(temp)?anomal(y|ies)$|^change_over_time|^tendency_of|_bias$")
DIFFERENCE_TEXT = re.compile(
    r"\b(anomal(y|ies)|departures?|deviations?|differences?|bias(es)?)\b", re.IGNORECASE
)
DIFFERENCE_METHOD = re.compile(r":\s*(standard_deviation|range)\b|\banomaly\b")
ANOMALY_NAMES = {
    "air_temperature": "air_temperature_anomaly",
    "air_pressure_at_mean_sea_level": "air_pressure_anomaly",
    "geopotential_height": "geopotential_height_anomaly",
    "sea_surface_temperature": "surface_temperature_anomaly",
    "surface_temperature": "surface_temperature_anomaly",
}
"""Standard names of anomalies, where CF has one."""
WATER_NAME = re.compile(
    r"precipitation|rainfall|evaporation|evapotranspiration|runoff|^lwe_|_lwe_|snowfall_(flux|amount)"
)


def convert_units(
    array: xr.DataArray,
    units: str,
    *,
    standard_name: str = "",
    differences: bool | None = None,
    factors: dict[str, float] | None = None,
) -> xr.DataArray:
    """Convert values to other units, lazily where they are lazy.

    Parameters
    ----------
    array : DataArray
        With an attribute ``units``.
    units : str
        The wanted units, as UDUNITS has them.
    standard_name : str
        Of what is wanted. Depths of water are converted to mass, and rates of both, where this or
        the array's own standard name is of water.
    differences : bool, optional
        Whether values are differences, such as anomalies, that have no zero point: 1 degC is
        1 K. By default what the metadata say.
    factors : dict, optional
        Units that no rule converts, and what to multiply with.

    Returns
    -------
    DataArray
        Of the same type where that is a float, otherwise float32.

    Raises
    ------
    InputError
        If units are missing or cannot be converted, or the metadata contradict each other.

    Examples
    --------
    >>> warm = xr.DataArray([20.0], dims="x", attrs={"units": "degrees_C"})
    >>> convert_units(warm, "K").values, convert_units(warm, "K", differences=True).values
    (array([293.15]), array([20.]))
    >>> rain = xr.DataArray([86.4], dims="x", attrs={"units": "mm d-1"})
    >>> convert_units(rain, "kg m-2 s-1", standard_name="precipitation_flux").round(9).values
    array([0.001])
    """
    given = str(array.attrs.get("units", "")).strip()
    if given == units:
        return array
    if factors and given in factors:
        slope, zero = factors[given], 0.0
    else:
        water = is_water(standard_name) or is_water(str(array.attrs.get("standard_name", "")))
        found = find_conversion(given, units, water=water)
        if found is None:
            raise InputError(_describe_failure(str(array.name), given, units))
        slope, zero = found
        if zero and (is_difference(array) if differences is None else differences):
            zero = 0.0
    if (slope, zero) == (1.0, 0.0) and array.dtype.kind == "f":
        return array.assign_attrs(units=units)
    with xr.set_options(keep_attrs=True):
        made = array * np.float64(slope) + zero if zero else array * np.float64(slope)
    # Integers of percent are no integers as parts.
    kept = array.dtype if array.dtype.kind == "f" else np.float32
    return made.astype(kept).assign_attrs(units=units)


@cache
def find_conversion(given: str, wanted: str, *, water: bool = False) -> tuple[float, float] | None:
    """Find what to multiply values with, and to add, to convert their units.

    Parameters
    ----------
    given, wanted : str
    water : bool
        Whether they are of water: 1 mm of it is 1 kg m-2.

    Returns
    -------
    tuple of float, or None
        None if the units cannot be converted.

    Examples
    --------
    >>> find_conversion("degC", "K"), find_conversion("mm", "kg m-2", water=True)
    ((1.0, 273.15), (1.0, 0.0))
    >>> find_conversion("mm", "kg m-2") is None
    True
    """
    if not given:
        return None
    try:
        zero, one = (_convert_value(x, given, wanted, water) for x in (0.0, 1.0))
    except Exception:  # pint's and its parser's errors have no base of their own
        return None
    return one - zero, zero


def is_water(standard_name: str) -> bool:
    """Return whether a standard name is of a depth, mass or rate of liquid water.

    Examples
    --------
    >>> is_water("precipitation_flux"), is_water("surface_snow_thickness")
    (True, False)
    """
    return "thickness_of_snowfall" not in standard_name and bool(WATER_NAME.search(standard_name))


def is_difference(array: xr.DataArray) -> bool:
    """Return whether metadata say that values are differences, such as anomalies.

    Raises
    ------
    InputError
        If they say both that they are and that they are not.

    Examples
    --------
    >>> attrs = {"units": "degC", "units_metadata": "temperature: difference"}
    >>> is_difference(xr.DataArray(1.0, attrs=attrs)), is_difference(xr.DataArray(1.0))
    (True, False)
    """
    attrs = {key: str(value) for key, value in array.attrs.items()}
    metadata = attrs.get("units_metadata", "")
    name = attrs.get("standard_name", "")
    if "difference" in metadata:
        return True
    named = bool(DIFFERENCE_NAME.search(name))
    if "on_scale" in metadata:
        if named:
            raise InputError(
                f"variable {str(array.name)!r} has the standard name {name!r}, of a difference, "
                f"and units_metadata {metadata!r}, of no difference; correct one of them"
            )
        return False
    return (
        named
        or bool(DIFFERENCE_NAME.search(str(array.name)))
        or any(DIFFERENCE_TEXT.search(attrs.get(key, "")) for key in ("long_name", "description"))
        or bool(DIFFERENCE_METHOD.search(attrs.get("cell_methods", "")))
    )


def mark_difference(array: xr.DataArray) -> xr.DataArray:
    """Return values that have become differences from a mean, described as such.

    The standard name becomes that of the anomaly where CF has one, and is left out otherwise: it
    would be that of an absolute value.

    Examples
    --------
    >>> attrs = {"standard_name": "air_temperature", "units": "K"}
    >>> mark_difference(xr.DataArray(1.0, attrs=attrs)).attrs["standard_name"]
    'air_temperature_anomaly'
    >>> attrs = {"standard_name": "precipitation_flux", "units": "kg m-2 s-1"}
    >>> mark_difference(xr.DataArray(1.0, attrs=attrs, name="pr")).attrs
    {'units': 'kg m-2 s-1', 'long_name': 'anomaly of precipitation flux'}
    """
    attrs = dict(array.attrs)
    name = str(attrs.pop("standard_name", ""))
    kept = name if DIFFERENCE_NAME.search(name) else ANOMALY_NAMES.get(name)
    if kept:
        attrs["standard_name"] = kept
    title = str(attrs.get("long_name", name.replace("_", " ") or array.name))
    if not DIFFERENCE_TEXT.search(title):
        attrs["long_name"] = f"anomaly of {title}"
    if "temperature" in name or "on_scale" in str(attrs.get("units_metadata", "")):
        attrs["units_metadata"] = "temperature: difference"
    marked = array.copy(deep=False)
    marked.attrs = attrs
    return marked


def _describe_failure(name: str, given: str, units: str) -> str:
    if not given:
        return f"variable {name!r} has no units, expected {units!r}; set attrs['units']"
    return (
        f"variable {name!r} has units {given!r}, which cannot be converted to {units!r}; convert "
        "it, or correct attrs['units']"
    )


@cache
def _registry() -> Any:
    """Return cf-xarray's registry of pint, a copy with what else UDUNITS knows."""
    import pint
    from cf_xarray.units import units

    registry = copy.deepcopy(units)
    for unit, names in ALIASES.items():
        registry.define(f"@alias {unit} = {names}")
    registry.define("year = 365.242198781 * day = yr")  # UDUNITS' tropical year
    water = pint.Context("water")
    density = registry.Quantity(1000.0, "kg m-3")

    def to_mass(ureg: Any, value: Any, **kwargs: Any) -> Any:
        return value * density

    def to_depth(ureg: Any, value: Any, **kwargs: Any) -> Any:
        return value / density

    for depth, mass in (
        ("[length]", "[mass] / [length] ** 2"),
        ("[length] / [time]", "[mass] / [length] ** 2 / [time]"),
    ):
        water.add_transformation(depth, mass, to_mass)
        water.add_transformation(mass, depth, to_depth)
    registry.add_context(water)
    return registry


def _convert_value(value: float, given: str, wanted: str, water: bool) -> float:
    registry = _registry()
    scale, shift, unit = _split(given)
    contexts = ("water",) if water else ()
    quantity = registry.Quantity(value * scale + shift, _parse(unit))
    wanted_scale, wanted_shift, wanted_unit = _split(wanted)
    found = float(quantity.to(_parse(wanted_unit), *contexts).magnitude)
    return (found - wanted_shift) / wanted_scale


def _split(units: str) -> tuple[float, float, str]:
    """Split units into a factor, a zero point and units that pint knows: "0.1 K @ 273.15"."""
    scale, shift = 1.0, 0.0
    if match := SHIFTED.match(units):
        units, shift = match[1], float(match[2])
    if match := SCALED.match(units):
        scale, units = float(match[1]), match[2]
    return scale, shift * scale, units or "1"


def _parse(units: str) -> Any:
    """Parse units; names are known in any case, symbols are not."""
    registry = _registry()
    try:
        return registry.Unit(units)
    except Exception:
        return registry.Unit(LONG_WORD.sub(lambda word: word[0].lower(), units))
