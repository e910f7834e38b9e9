"""Where the sun stands: its declination, and the hours of the day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xai4land.typing import Floats

__all__ = ["DAYS", "compute_declination", "compute_half_day"]

OBLIQUITY = 23.44
DAYS = 365
"""Of a year."""


def compute_declination(day: npt.ArrayLike) -> Floats:
    """Compute the declination of the sun, in radians (Cooper 1969).

    Parameters
    ----------
    day : array_like
        Days since the beginning of the year.

    Examples
    --------
    >>> np.rad2deg(compute_declination([81, 172])).round(1).tolist()
    [0.0, 23.4]
    """
    return np.asarray(np.deg2rad(OBLIQUITY) * np.sin(2 * np.pi * (284 + np.asarray(day)) / DAYS))


def compute_half_day(lat: Floats, declination: Floats) -> Floats:
    """Compute the angle between noon and sunset, in radians; 0 in the polar night.

    Parameters
    ----------
    lat : ndarray
        In degrees.
    declination : ndarray
        In radians; both are broadcast.

    Examples
    --------
    >>> compute_half_day(np.array([0.0, 80.0, -80.0]), np.array(0.4)).round(2).tolist()
    [1.57, 3.14, 0.0]
    """
    turned = -np.tan(np.deg2rad(np.clip(lat, -89.9, 89.9))) * np.tan(declination)
    return np.asarray(np.arccos(np.clip(turned, -1, 1)))
