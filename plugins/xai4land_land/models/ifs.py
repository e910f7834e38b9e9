"""``to_ifs_cover``: low and high vegetation as ECMWF's model has them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xai4land.grids.cf import extend_attrs
from xai4land_land.crosswalks.classes import get_legend
from xai4land_land.crosswalks.converting import to_legend
from xai4land_land.crosswalks.covers import Cover, find_cover
from xai4land_land.models.grid import form_plant_types, list_outside

__all__ = ["check_ifs_cover", "to_ifs_cover"]

LOW = (1, 2, 7, 9, 10, 11, 13, 16, 17, 20)
"""Types of low vegetation (IFS documentation Cy47r3, part IV, table 8.1; GRIB code of tvl)."""
HIGH = (3, 4, 5, 6, 18, 19)
"""Types of high vegetation."""
LAYOUT = {
    "cvl": ("low vegetation cover", "1", 27),
    "cvh": ("high vegetation cover", "1", 28),
    "tvl": ("type of low vegetation", "1", 29),
    "tvh": ("type of high vegetation", "1", 30),
}
"""Variables by name: long name, units and number in ECMWF's table of parameters."""
COVER_TOLERANCE = 1e-5
"""Rounding error of covers in single precision."""


def to_ifs_cover(
    data: xr.Dataset,
    *,
    climate: xr.Dataset | None = None,
    koppen: xr.Dataset | xr.DataArray | None = None,
) -> xr.Dataset:
    """Form cover and type of low and high vegetation, as IFS reads them; lazily.

    Parameters
    ----------
    data : Dataset
        Fractions on the grid of the model, of any legend that :func:`to_legend` brings to
        ``clm5``.
    climate, koppen : Dataset, optional
        As of :func:`to_legend`.

    Returns
    -------
    Dataset
        ``cvl`` and ``cvh``, the fractions of the cell that low and high vegetation cover, and
        ``tvl`` and ``tvh``, the numbers of the types with the largest fraction of it (of equal
        ones the smaller), 0 where there is none. float32, missing where the classes are.

    Raises
    ------
    InputError
        As :func:`to_legend` does.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> climate = xai4land.sample("land_climate", years=[2000])
    >>> coarse = planet[["land_cover"]].ai4land.fractions(5.0)
    >>> cover = to_ifs_cover(coarse, climate=climate)
    >>> sorted(cover.data_vars), check_ifs_cover(cover)
    (['cvh', 'cvl', 'tvh', 'tvl'], [])
    """
    plants = form_plant_types(data, climate, koppen)
    rule = plants.fractions.attrs.get("climate_rule")
    name = str(plants.fractions.name)
    types = find_cover(to_legend(plants.fractions.to_dataset(name=name), "ifs"))
    assert types is not None  # to_legend gives what it was given
    made: dict[str, xr.DataArray] = {}
    for letter, numbers in (("l", LOW), ("h", HIGH)):
        made[f"cv{letter}"], made[f"tv{letter}"] = _dominate(types, numbers)
    result = xr.Dataset()
    for variable, (long_name, units, number) in LAYOUT.items():
        attrs = {"long_name": long_name, "units": units, "GRIB_paramId": number}
        if variable.startswith("tv"):
            attrs |= _flags(LOW if variable == "tvl" else HIGH)
        result[variable] = made[variable].astype(np.float32).assign_attrs(attrs)
    history = extend_attrs(data, "cover and types of vegetation for IFS")
    return result.assign_attrs(history | ({"climate_rule": rule} if rule else {}))


def check_ifs_cover(cover: xr.Dataset) -> list[str]:
    """List all that IFS would misread in cover and types of vegetation; missing cells are left out.

    Parameters
    ----------
    cover : Dataset
        As of :func:`to_ifs_cover`, or fields of ERA5.

    Returns
    -------
    list of str
        What is wrong, and how to correct it; empty if nothing is.

    Examples
    --------
    >>> check_ifs_cover(xr.Dataset())[0]
    'cvl is missing; form it with ds.ai4land.to_ifs_cover()'
    """
    problems = [
        f"{name} is missing; form it with ds.ai4land.to_ifs_cover()"
        for name in LAYOUT
        if name not in cover
    ]
    if problems:
        return problems
    missing = {name: cover[name].isnull() for name in LAYOUT}
    if any(bool((missing[name] != missing["cvl"]).any()) for name in LAYOUT):
        problems.append("cvl, cvh, tvl and tvh are missing in different cells; mask all alike")
    for letter, numbers in (("l", LOW), ("h", HIGH)):
        share, kind = cover[f"cv{letter}"], cover[f"tv{letter}"]
        problems += list_outside(share.fillna(0), 0, 1 + COVER_TOLERANCE)
        wrong = ~kind.isin([0, *numbers]) & kind.notnull()
        if bool(wrong.any()):
            found = np.unique(kind.where(wrong).values)[:5].tolist()
            problems.append(
                f"tv{letter} has types {', '.join(f'{k:g}' for k in found if k == k)}, expected 0 "
                f"or one of {', '.join(map(str, numbers))}"
            )
        if bool(((share > 0) & (kind == 0)).any()):
            problems.append(f"cv{letter} is above 0 where tv{letter} is 0; give the type")
        if bool(((share == 0) & (kind > 0)).any()):
            problems.append(f"tv{letter} names a type where cv{letter} is 0; set it to 0")
    if bool((cover.cvl + cover.cvh > 1 + COVER_TOLERANCE).any()):
        problems.append("cvl + cvh is above 1 somewhere; divide both by their sum")
    return problems


def _dominate(types: Cover, numbers: tuple[int, ...]) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the sum of some types, and the number of the largest."""
    some = types.fractions.sel({types.dim: list(numbers)})
    if some.chunks is not None:
        some = some.chunk({types.dim: -1})
    total = some.sum(types.dim, skipna=False).clip(0, 1)
    place = some.fillna(0).argmax(types.dim)
    largest = sum(number * (place == k) for k, number in enumerate(numbers))
    kind = xr.where(total > 0, largest, 0).where(total.notnull())
    return total, kind


def _flags(numbers: tuple[int, ...]) -> dict[str, object]:
    """Return CF flags of some types, and of none."""
    names = {c.value: c.name for c in get_legend("ifs").classes}
    return {
        "flag_values": np.array([0, *numbers], np.float32),
        "flag_meanings": " ".join(["none", *(names[number] for number in numbers)]),
    }
