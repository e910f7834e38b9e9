"""Köppen and Geiger's zones of a monthly climate, with the second letter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xai4land.typing import Booleans, Floats

__all__ = ["ZONES", "find_zones"]

ZONES = ("Af", "Am", "Aw", "BW", "BS", "Cs", "Cw", "Cf", "Ds", "Dw", "Df", "ET", "EF")


def find_zones(tas: Floats, pr: Floats | None, lat: Floats) -> npt.NDArray[np.int64]:
    """Find the zone of each pixel by the rules of Peel et al. (2007).

    They are applied in the order E, B, A, C, D. Without rain there are no dry zones and no dry
    seasons.

    Parameters
    ----------
    tas, pr : ndarray, shape (12, pixels)
        Means of January to December, in degC and mm a month.
    lat : ndarray, shape (pixels,)

    Returns
    -------
    ndarray of int, shape (pixels,)
        Positions in :data:`ZONES`.

    Examples
    --------
    >>> warm, rain = np.full((12, 1), 26.0), np.full((12, 1), 200.0)
    >>> [ZONES[k] for k in find_zones(warm, rain, np.array([0.0]))]
    ['Af']
    """
    hottest, coldest = tas.max(0), tas.min(0)
    if pr is None:
        pr = np.full_like(tas, 1000.0)
    warm_half = np.isin(np.arange(12), np.arange(3, 9))[:, None] == (lat >= 0)
    summer, winter = np.where(warm_half, pr, np.nan), np.where(warm_half, np.nan, pr)
    dry = {"s": np.nanmin(summer, 0), "w": np.nanmin(winter, 0)}
    wet = {"s": np.nanmax(summer, 0), "w": np.nanmax(winter, 0)}
    yearly, driest = pr.sum(0), pr.min(0)
    arid = 10 * _aridity(tas.mean(0), np.nansum(summer, 0) / np.maximum(yearly, 1e-9))
    dry_summer = (dry["s"] < 40) & (dry["s"] < wet["w"] / 3)
    dry_winter = dry["w"] < wet["s"] / 10
    polar, desert, tropical = hottest < 10, yearly < arid, coldest >= 18
    mild = coldest > 0
    rules: list[tuple[str, Booleans]] = [
        ("EF", polar & (hottest <= 0)),
        ("ET", polar),
        ("BW", desert & (yearly < arid / 2)),
        ("BS", desert),
        ("Af", tropical & (driest >= 60)),
        ("Am", tropical & (driest >= 100 - yearly / 25)),
        ("Aw", tropical),
        *(
            (letter + second, where & season)
            for letter, where in (("C", mild), ("D", ~mild))
            for second, season in (("s", dry_summer), ("w", dry_winter), ("f", driest >= 0))
        ),
    ]
    names, conditions = zip(*rules, strict=True)
    return np.select(list(conditions), [ZONES.index(name) for name in names], ZONES.index("Df"))


def _aridity(warmth: Floats, share: Floats) -> Floats:
    """Return a tenth of the rain of a year (mm) below which a climate is dry."""
    offset = np.select([share >= 0.7, share <= 0.3], [28.0, 0.0], 14.0)
    return np.asarray(2 * warmth + offset)
