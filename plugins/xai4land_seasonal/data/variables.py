"""Climate variables: their names, and the units that emulators take."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import xarray as xr
from pydantic import Field

from xai4land.catalogs.variables import known_variables
from xai4land.emulator import Schema
from xai4land.errors import InputError
from xai4land.units import ANOMALY_NAMES, convert_units, is_difference

__all__ = [
    "KNOWN_VARIABLES",
    "Variable",
    "default_variable",
    "find_variable",
    "guess_variables",
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
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    standard_name: str = ""
    units: str = "1"
    aliases: tuple[str, ...] = ()


ANOMALY_ALIASES = {"tas": ("tempanomaly", "temperature_anomaly")}
"""Names that are used for anomalies only."""
KNOWN_VARIABLES = tuple(
    Variable(
        name=known.name,
        standard_name=known.standard_name,
        units=known.units,
        aliases=(f"{known.name}_anomaly", *known.aliases, *ANOMALY_ALIASES.get(known.name, ())),
    )
    for known in known_variables()
    if known.name in ("tas", "pr", "psl", "tos")
)
"""Variables that are recognised by several names: those of catalogs, and those of anomalies."""


def guess_variables(data: xr.Dataset) -> tuple[Variable, ...]:
    """Return the variables of data; known ones are recognised by any of their names.

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
    named = [n for n in (variable.name, *variable.aliases) if n in data.data_vars]
    if not named and variable.standard_name:
        named = [
            str(n)
            for n, array in data.data_vars.items()
            if array.attrs.get("standard_name") in _standard_names(variable)
        ]
    if len(named) != 1:
        seen = f"{len(named)} ({', '.join(named)})" if named else "none"
        raise InputError(
            f"expected one variable {variable.name!r} ({', '.join(variable.aliases) or 'no alias'}"
            f"{'; ' + variable.standard_name if variable.standard_name else ''}), found {seen}; "
            f"rename yours: ds.rename(old={variable.name!r})"
        )
    found = data[named[0]]
    if "units" not in found.attrs:
        return found
    # Whether values are differences is known here, but metadata may contradict.
    return convert_units(
        found,
        variable.units,
        standard_name=variable.standard_name,
        differences=differences or is_difference(found),
    )


def _standard_names(variable: Variable) -> set[str]:
    """Return the standard names of a variable: that of absolute values, and that of anomalies."""
    return {variable.standard_name, ANOMALY_NAMES.get(variable.standard_name, "")} - {""}
