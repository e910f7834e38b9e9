"""How the classes of a map are chosen: within which areas, and whether they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xarray as xr

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
    """Join the maps of members, each lazy with time first, along ``realization``."""
    from xai4land.heads.noise import realizations
    from xai4land.inference.chain import stack_chains

    about = realizations(len(made))
    joined = made[0].assign_coords(
        {about.name: xr.DataArray(list(about.values), dims=about.name, attrs=about.attrs)}
    )
    for name, variable in made[0].data_vars.items():
        data = stack_chains([one[name].data for one in made])
        dims = variable.dims[0], about.name, *variable.dims[1:]
        joined[name] = xr.Variable(dims, data, variable.attrs, variable.encoding)
    return joined
