"""Names and units of climate variables, as data: what a source calls them, and what we do."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field, TypeAdapter

from xai4land.emulator.schema import Schema
from xai4land.errors import InputError

__all__ = ["KnownVariable", "convert", "known_variables", "recognise"]


class KnownVariable(Schema):
    """A variable that is recognised by several names.

    Attributes
    ----------
    name : str
        As in CMIP6.
    standard_name, units : str
        As in CF.
    long_name : str
    aliases : tuple of str
        Other names that data may have it under.
    factors : dict
        Units that no general rule converts, and the factor that does: water's depth to its mass.
    sources : dict
        The same, where units mean something else in a source (``source_id.table_id``).
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    standard_name: str
    long_name: str
    units: str
    aliases: tuple[str, ...] = ()
    factors: dict[str, float] = Field(default={})
    sources: dict[str, dict[str, float]] = Field(default={})


@cache
def known_variables() -> tuple[KnownVariable, ...]:
    """Read the variables that are known from ``variables.json``.

    Examples
    --------
    >>> [v.name for v in known_variables()][:3]
    ['tas', 'pr', 'psl']
    """
    content = json.loads(Path(__file__).with_name("variables.json").read_text())
    return TypeAdapter(tuple[KnownVariable, ...]).validate_python(content)


def recognise(array: xr.DataArray) -> KnownVariable | None:
    """Recognise the known variable that an array is, by its name.

    Not by its standard name: a maximum (``tasmax``) and a level have the same.

    Examples
    --------
    >>> recognise(xr.DataArray(0.0, name="t2m")).name
    'tas'
    """
    name = str(array.name)
    return next((v for v in known_variables() if name in (v.name, *v.aliases)), None)


def convert(array: xr.DataArray, known: KnownVariable, source: str = "") -> xr.DataArray:
    """Convert an array to the known units; lazy where it is.

    Parameters
    ----------
    array : DataArray
    known : Known
    source : str
        ``source_id.table_id``, for units that mean something else there.

    Raises
    ------
    InputError
        If it has no units, or such that cannot be converted.

    Examples
    --------
    >>> rain = xr.DataArray([8.64], attrs={"units": "mm day-1"}, name="tp")
    >>> pr = next(v for v in known_variables() if v.name == "pr")
    >>> convert(rain, pr).round(9).item()
    0.0001
    """
    units = str(array.attrs.get("units", ""))
    if units == known.units:
        return array
    slope, zero = _find_conversion(units, known, source, str(array.name))
    with xr.set_options(keep_attrs=True):
        made = array * np.float64(slope) + zero if zero else array * np.float64(slope)
    kept = array.dtype if array.dtype.kind == "f" else np.float32  # codes of percent are no parts
    return made.astype(kept).assign_attrs(units=known.units)


def _find_conversion(
    units: str, known: KnownVariable, source: str, name: str
) -> tuple[float, float]:
    """Find what to multiply with, and to add."""
    table = {**known.factors, **known.sources.get(source, {})}
    if units in table:
        return table[units], 0.0
    from cf_xarray.units import units as registry

    try:
        zero, one = (
            float(registry.Quantity(x, registry.Unit(units)).to(known.units).magnitude)
            for x in (0.0, 1.0)
        )
    except Exception:
        raise InputError(
            f"variable {name!r} has units {units!r}, which cannot be converted to "
            f"{known.units!r}; convert it, or correct attrs['units']"
        ) from None
    return one - zero, zero
