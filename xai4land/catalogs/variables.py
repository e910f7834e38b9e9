"""Names and units of climate variables, as data: what a source calls them, and what we do."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Annotated

import xarray as xr
from pydantic import Field, TypeAdapter

from xai4land.emulator.schema import Schema
from xai4land.units import ANOMALY_NAMES, convert_units, is_difference

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
        Units that no general rule converts, and the factor that does.
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
    content = json.loads(Path(__file__).with_name("variables.json").read_text("utf-8"))
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
    """Convert an array to the known units, and describe it; lazy where it is.

    Differences, such as anomalies, stay differences, and are described as such.

    Parameters
    ----------
    array : DataArray
    known : KnownVariable
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
    factors = {**known.factors, **known.sources.get(source, {})}
    name = known.standard_name
    made = convert_units(array, known.units, standard_name=name, factors=factors)
    if not is_difference(array):
        return made.assign_attrs(standard_name=name, long_name=known.long_name)
    made = made.assign_attrs(long_name=f"anomaly of {known.long_name}")
    if "temperature" in name:
        made.attrs["units_metadata"] = "temperature: difference"
    if made.attrs.get("standard_name") == name:
        del made.attrs["standard_name"]
    if name in ANOMALY_NAMES:
        made.attrs.setdefault("standard_name", ANOMALY_NAMES[name])
    return made
