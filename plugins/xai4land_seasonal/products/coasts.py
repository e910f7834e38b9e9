"""Coastlines for maps."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

__all__ = ["read_coastlines"]


@cache
def read_coastlines() -> npt.NDArray[np.float32]:
    """Return coastlines of Natural Earth at 1:110m, shape (points, 2): longitude, latitude.

    Rows of NaN part the lines, as matplotlib takes them.

    Examples
    --------
    >>> lines = read_coastlines()
    >>> bool((np.nanmin(lines, 0) >= (-180, -90)).all())
    True
    """
    text = files("xai4land").joinpath("coasts.txt").read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    points = [tuple(map(float, line.split())) or (np.nan, np.nan) for line in lines]
    return np.array(points, np.float32)
