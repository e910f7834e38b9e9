"""Named regions of the globe."""

from __future__ import annotations

from collections.abc import Mapping

from xai4land.errors import InputError

__all__ = ["REGIONS", "Region", "describe_region", "find_region"]


Region = tuple[float, float, float, float]
"""Southern, northern, western and eastern edge in degrees; east of the western one."""

REGIONS: Mapping[str, Region] = {
    "globe": (-90, 90, -180, 180),
    "tropics": (-20, 20, -180, 180),
    "northern_extratropics": (20, 90, -180, 180),
    "southern_extratropics": (-90, -20, -180, 180),
    "europe": (35, 72, -12, 45),
    "mediterranean": (30, 45, -10, 40),
    "north_america": (15, 72, -168, -52),
    "south_america": (-56, 13, -82, -34),
    "africa": (-35, 35, -18, 52),
    "asia": (5, 78, 45, 180),
    "australia": (-45, -10, 112, 155),
    "north_atlantic": (0, 60, -80, 0),
    "nino3": (-5, 5, -150, -90),
    "nino34": (-5, 5, -170, -120),
    "nino4": (-5, 5, 160, 210),
    "indian_ocean_west": (-10, 10, 50, 70),
    "indian_ocean_east": (-10, 0, 90, 110),
}
"""Niño regions as defined by NOAA, poles of the Indian Ocean dipole by Saji et al. (1999), the
others by us."""


def find_region(region: str | Region) -> Region:
    """Return the edges of a named region, or those that are given, checked.

    Raises
    ------
    InputError
        If the name is unknown, or edges are out of order.
    """
    if isinstance(region, str) and region not in REGIONS:
        raise InputError(
            f"region {region!r}, expected one of {', '.join(REGIONS)}, or (south, north, west, "
            "east)"
        )
    edges = REGIONS[region] if isinstance(region, str) else region
    south, north, west, east = edges
    if not (-90 <= south < north <= 90 and west < east <= west + 360):
        raise InputError(
            f"region {edges}, expected (south, north, west, east) with east beyond west"
        )
    return edges


def describe_region(region: Region) -> str:
    """Return a region's edges as text.

    Examples
    --------
    >>> describe_region(REGIONS["nino34"])
    '-5 to 5°N, -170 to -120°E'
    """
    return "{:g} to {:g}°N, {:g} to {:g}°E".format(*region)
