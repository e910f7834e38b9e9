"""Synthetic sample data, made in memory and reproducible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import xarray as xr

from xai4land.errors import InputError

__all__ = ["sample"]


def sample(
    kind: Literal["land", "climate"] = "land",
    *,
    seed: int = 0,
    years: Sequence[int] | None = None,
) -> xr.Dataset:
    """Make a synthetic planet in memory, in seconds.

    Parameters
    ----------
    kind : {"land", "climate"}
        ``"land"``: the 12 land-use states of LUH2 with ``secma`` and ``secmb`` at 1°, static
        features and the true ``land_cover`` in the eight groups of HILDA+ at 0.25°. The block
        fractions of the truth agree with the states. ``"climate"``: monthly temperature and
        pressure at 10°, from a linear stochastic model whose best possible forecast is known; see
        :mod:`xai4land.samples.climate`.
    seed : int
        Seed of the planet, or of a climate's weather.
    years : sequence of int
        Land use changes slowly from year to year; a climate's years must follow one another. By
        default 2000 to 2004, and 1850 to 2020.

    Returns
    -------
    Dataset
        Of land: states on (time, lat, lon), missing over cells that are all ocean, as in LUH2;
        static features and truth on (lat_fine, lon_fine). Of climate: ``tas`` and ``psl`` on (time,
        lat, lon).

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
    if kind not in ("land", "climate"):
        raise InputError(f"sample({kind!r}), expected 'land' or 'climate'")
    if years is None:
        years = range(2000, 2005) if kind == "land" else range(1850, 2021)
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed={seed!r}, expected a whole number from 0")
    if isinstance(years, int) or not all(1 <= int(year) <= 9999 for year in years):
        raise InputError(f"years={years!r}, expected a sequence of years from 1 to 9999")
    years = sorted({int(year) for year in years})
    if not years:
        raise InputError("years is empty, expected at least one year")
    if kind == "climate":
        from xai4land.samples.climate import climate

        return climate(seed, years)
    from xai4land.samples.land import land_planet

    return land_planet(seed, years)
