"""Climate variables: their names, and the units that emulators take."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, Self

import xarray as xr
from pydantic import Field, model_validator

from xai4land.catalogs.variables import known_variables
from xai4land.emulator import Schema
from xai4land.errors import InputError
from xai4land.units import ANOMALY_NAMES, convert_units, is_difference
from xai4land_seasonal.data.rates import divide_by_days

__all__ = [
    "KNOWN_VARIABLES",
    "Variable",
    "default_variable",
    "find_variable",
    "guess_variables",
    "is_there",
]


class Variable(Schema):
    """One variable.

    Attributes
    ----------
    name : str
        As in CMIP6.
    standard_name, units : str
        As in CF.
    aliases : tuple of str
        Other names for it in data.
    transform : str
        What forecasters work on: the values (``"none"``), or their standardised precipitation
        index (``"spi"``), which needs absolute values in kg m-2 s-1; see
        :mod:`xai4land_seasonal.data.precipitation`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    standard_name: str = ""
    units: str = "1"
    aliases: tuple[str, ...] = ()
    transform: Literal["none", "spi"] = "none"

    @model_validator(mode="after")
    def _has_units(self) -> Self:
        if self.transform == "spi" and self.units != PRECIPITATION_UNITS:
            raise ValueError(f"{self.name}: the index needs units {PRECIPITATION_UNITS!r}")
        return self


PRECIPITATION_UNITS = "kg m-2 s-1"
ANOMALY_ALIASES = {"tas": ("tempanomaly", "temperature_anomaly")}
"""Names that are used for anomalies only."""
KNOWN_VARIABLES = tuple(
    Variable(
        name=known.name,
        standard_name=known.standard_name,
        units=known.units,
        aliases=(f"{known.name}_anomaly", *known.aliases, *ANOMALY_ALIASES.get(known.name, ())),
        transform="spi" if known.name == "pr" else "none",
    )
    for known in known_variables()
    if known.name in ("tas", "pr", "psl", "tos")
)
"""Variables that are recognised by several names: those of catalogs, and those of anomalies."""


def guess_variables(data: xr.Dataset, absolute: bool = True) -> tuple[Variable, ...]:
    """Return the variables of data; known ones are recognised by any of their names.

    Parameters
    ----------
    data : Dataset
    absolute : bool
        Whether values may be absolute; anomalies, by this or by their metadata, are not
        transformed.

    Examples
    --------
    >>> import numpy as np
    >>> field = xr.DataArray(np.zeros((2, 3, 4)), dims=("time", "lat", "lon"))
    >>> [variable.name for variable in guess_variables(xr.Dataset({"t2m": field}))]
    ['tas']
    """
    found = []
    for name, array in data.data_vars.items():
        if array.ndim < 3 or str(name).endswith(("_bnds", "_bounds")):
            continue
        known = next((v for v in KNOWN_VARIABLES if str(name) in (v.name, *v.aliases)), None)
        if known is not None and (not absolute or is_difference(array)):
            known = known.model_copy(update={"transform": "none"})
        found.append(
            known
            or Variable(
                name=str(name),
                standard_name=str(array.attrs.get("standard_name", "")),
                units=str(array.attrs.get("units", "1")),
            )
        )
    if not found:
        raise InputError(
            f"no variable along time, latitude and longitude among {list(map(str, data.data_vars))}"
        )
    return tuple(found)


def default_variable(forecast: xr.Dataset, dims: Collection[str] = ("time",)) -> str:
    """Return the variable to use if none is named, whatever their order in the file.

    Examples
    --------
    >>> field = xr.DataArray([0.0], dims="time")
    >>> default_variable(xr.Dataset({"psl": field, "tas": field, "area": 1.0}))
    'tas'
    """
    usual = [known.name for known in KNOWN_VARIABLES]
    found = sorted(str(n) for n, a in forecast.data_vars.items() if set(dims) <= set(a.dims))
    if not found:
        raise InputError(
            f"no variable along {', '.join(dims)} among {list(map(str, forecast.data_vars))}"
        )
    return min(found, key=lambda n: usual.index(n) if n in usual else len(usual))


def find_variable(
    data: xr.Dataset, variable: Variable, *, differences: bool = True
) -> xr.DataArray:
    """Return a variable by its name, an alias or its standard name, in the wanted units.

    Parameters
    ----------
    data : Dataset
    variable : Variable
    differences : bool
        Whether values are anomalies, or are only compared with each other.

    Raises
    ------
    InputError
        If it is not there, there are several, or its units cannot be converted.
    """
    named = _find_names(data, variable)
    if len(named) != 1:
        seen = f"{len(named)} ({', '.join(named)})" if named else "none"
        raise InputError(
            f"expected one variable {variable.name!r} ({', '.join(variable.aliases) or 'no alias'}"
            f"{'; ' + variable.standard_name if variable.standard_name else ''}), found {seen}; "
            f"rename yours: ds.rename(old={variable.name!r})"
        )
    found = data[named[0]]
    if "units" not in found.attrs:
        if variable.transform == "spi":
            raise InputError(
                f"variable {found.name!r} has no units, expected {variable.units!r} or others of "
                "precipitation; set attrs['units']"
            )
        return found
    if variable.units == PRECIPITATION_UNITS:
        found = divide_by_days(found, variable.units, variable.standard_name)
    # Whether values are differences is known here, but metadata may contradict.
    return convert_units(
        found,
        variable.units,
        standard_name=variable.standard_name,
        differences=differences or is_difference(found),
    )


def is_there(data: xr.Dataset, variable: Variable) -> bool:
    """Return whether data have a variable, under whatever name.

    Examples
    --------
    >>> is_there(xr.Dataset({"t2m": 0.0}), KNOWN_VARIABLES[0])
    True
    """
    return bool(_find_names(data, variable))


def _find_names(data: xr.Dataset, variable: Variable) -> list[str]:
    """Return the names that a variable has in data: its own, aliases, or by standard name."""
    named = [n for n in (variable.name, *variable.aliases) if n in data.data_vars]
    if named or not variable.standard_name:
        return named
    return [
        str(n)
        for n, array in data.data_vars.items()
        if array.attrs.get("standard_name") in _standard_names(variable)
    ]


def _standard_names(variable: Variable) -> set[str]:
    """Return the standard names of a variable: that of absolute values, and that of anomalies."""
    return {variable.standard_name, ANOMALY_NAMES.get(variable.standard_name, "")} - {""}
