"""Sample data, made in memory: a synthetic planet, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import xarray as xr

from xai4land.errors import InputError

__all__ = ["sample"]


def sample(
    kind: Literal["land"] = "land", *, seed: int = 0, years: Sequence[int] = range(2000, 2005)
) -> xr.Dataset:
    """Make a synthetic planet in memory, in seconds.

    Parameters
    ----------
    kind : {"land"}
        ``"land"``: the 12 land-use states of LUH2 with ``secma`` and ``secmb`` at 1°, static
        features and the true ``land_cover`` in the eight groups of HILDA+ at 0.25°. The block
        fractions of the truth agree with the states.
    seed : int
        Same seed, same planet.
    years : sequence of int
        Land use changes slowly from year to year.

    Returns
    -------
    Dataset
        States on (time, lat, lon), missing over cells that are all ocean, as in LUH2; static
        features and truth on (lat_fine, lon_fine).

    Raises
    ------
    InputError
        If the kind is unknown, or there is no year.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> planet.primf.shape, planet.land_cover.shape
    ((1, 180, 360), (1, 720, 1440))
    """
    if kind != "land":
        raise InputError(f"sample({kind!r}), expected 'land'")
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed={seed!r}, expected a whole number from 0")
    if isinstance(years, int) or not all(1 <= int(year) <= 9999 for year in years):
        raise InputError(f"years={years!r}, expected a sequence of years from 1 to 9999")
    years = sorted({int(year) for year in years})
    if not years:
        raise InputError("years is empty, expected at least one year")
    from xai4land.samples.land import land_planet

    return land_planet(seed, years)
