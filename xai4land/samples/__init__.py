"""Synthetic sample data, made in memory and reproducible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import xarray as xr

from xai4land.errors import InputError

__all__ = ["sample"]

DEFAULT_YEARS = {
    "land": range(2000, 2005),
    "land_history": range(1950, 2011),
    "land_climate": range(1999, 2010),
    "leaf_area": range(2000, 2010),
    "climate": range(1850, 2021),
}


def sample(
    kind: Literal["land", "land_history", "land_climate", "leaf_area", "climate"] = "land",
    *,
    seed: int = 0,
    years: Sequence[int] | None = None,
) -> xr.Dataset:
    """Return a synthetic planet in memory; made in seconds, and from the cache folder after that.

    Parameters
    ----------
    kind : {"land", "land_history", "land_climate", "leaf_area", "climate"}
        ``"land"``: the 12 land-use states of LUH2 with ``secma`` and ``secmb`` at 1°, static
        features and the true ``land_cover`` in the eight groups of HILDA+ at 0.25°. The block
        fractions of the truth agree with the states. ``"land_history"``: the same variables on
        16° x 24°, at 0.5° and 0.0625°, where each year's land cover follows from the last one by
        known processes: frontiers of cropland and pasture, growth of towns, abandonment and
        regrowth of forest change about 0.6 % of the land a year; see
        :mod:`xai4land.samples.history`. ``"land_climate"``: monthly temperature, rain and
        radiation of the planet at 5°, with dry seasons and droughts that last; see
        :mod:`xai4land.samples.land_climate`. ``"leaf_area"``: yearly fractions of the planet's
        classes at 1°, and what grows on them in that climate each month by a known law; see
        :mod:`xai4land.samples.leaf_law`. ``"climate"``: monthly temperature,
        pressure and precipitation at 10°, from a stochastic model whose best possible forecast is
        known; see
        :mod:`xai4land.samples.climate`.
    seed : int
        Seed of the planet, or of a climate's weather.
    years : sequence of int
        Land use changes slowly from year to year; a history's years are within 1950 to 2050. No
        year of the planet depends on which others are wanted; those of ``"climate"`` must follow
        one another. By default 2000 to 2004, 1950 to 2010, 1999 to 2009, 2000 to 2009, and 1850 to
        2020.

    Returns
    -------
    Dataset
        Of land: states on (time, lat, lon), missing over cells that are all ocean, as in LUH2;
        static features and truth on (lat_fine, lon_fine). Of climate: ``tas``, ``psl`` and
        ``pr`` on (time, lat, lon), or ``tas``, ``pr`` and ``rsds`` of the planet. Of leaf area:
        fractions on (year, lat, lon), ``elevation``, and on (time, lat, lon) ``leaf_area_index`` as
        observed and ``expected_leaf_area_index`` without noise, missing over cells that are all
        ocean.

    Raises
    ------
    InputError
        If the kind is unknown, there is no year, or it has no such years.

    Examples
    --------
    >>> import xai4land
    >>> planet = xai4land.sample("land", years=[2000])
    >>> planet.primf.shape, planet.land_cover.shape
    ((1, 180, 360), (1, 720, 1440))
    """
    if kind not in DEFAULT_YEARS:
        raise InputError(f"sample({kind!r}), expected one of {', '.join(DEFAULT_YEARS)}")
    if years is None:
        years = DEFAULT_YEARS[kind]
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
    if kind == "land_history":
        from xai4land.samples.history import FIRST_YEAR, LAST_YEAR, land_history

        if years[0] < FIRST_YEAR or years[-1] > LAST_YEAR:
            raise InputError(
                f"years from {years[0]} to {years[-1]}, expected some within {FIRST_YEAR} to "
                f"{LAST_YEAR}, the years of the history"
            )
        return land_history(seed, years)
    if kind == "land_climate":
        from xai4land.samples.land_climate import land_climate

        return land_climate(seed, years)
    if kind == "leaf_area":
        from xai4land.samples.leaf_area import leaf_area

        return leaf_area(seed, years)
    from xai4land.samples.land import land_planet

    return land_planet(seed, years)
