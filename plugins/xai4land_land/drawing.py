"""How the classes of a map are chosen: within which areas, and whether they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

from xai4land.emulator.inputs import time_name
from xai4land.errors import InputError

if TYPE_CHECKING:
    from xai4land.heads.areas import Areas

__all__ = ["check_drawing", "join_members"]


def check_drawing(areas: Areas, members: int | None, seed: int) -> float | None:
    """Return the tolerance of areas, None where they are free.

    Raises
    ------
    InputError
        Listing what is wrong with areas, members and seed.
    """
    from xai4land.heads.areas import check_areas
    from xai4land.heads.noise import check_members

    problems = check_members(members, seed)
    tolerance = None
    try:
        tolerance = check_areas(areas)
    except InputError as error:
        problems += error.problems
    InputError.raise_if(problems)
    return tolerance


def join_members(made: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join the maps of members along ``realization``, after time."""
    from xai4land.heads.noise import realizations

    about = realizations(len(made))
    coord = xr.DataArray(list(about.values), dims=about.name, name=about.name, attrs=about.attrs)
    joined = xr.concat(made, coord, data_vars="all", coords="minimal", compat="override")
    for name, variable in joined.data_vars.items():
        time = [dim for dim in (time_name(variable),) if dim is not None]
        joined[name] = variable.transpose(*time, about.name, ...)
        joined[name].encoding = dict(made[0][name].encoding)
    return joined
