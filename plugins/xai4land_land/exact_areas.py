"""What exact areas ask of an emulator and a grid, and what they leave."""

from __future__ import annotations

import warnings

import numpy as np

from xai4land.emulator import Classes
from xai4land.emulator.inputs import Bound
from xai4land.errors import InputError, InputWarning
from xai4land.grids.grid import Grid

__all__ = ["bound_area_error", "check_exact_areas", "describe_areas"]


def check_exact_areas(outputs: Classes, bound: Bound) -> None:
    """Refuse exact areas where states say nothing of them; warn where pixels are too few.

    Raises
    ------
    InputError
        If the emulator's classes are not fitted to the states.
    """
    if not outputs.conserve:
        raise InputError(
            "areas= with an emulator whose classes are not fitted to the states (conserve=False); "
            "leave areas= out, or fit one that is"
        )
    rows, columns = (
        coarse / fine
        for coarse, fine in zip(bound.coarse.spacings, bound.target.spacings, strict=True)
    )
    pixels = round(rows * columns)
    if pixels < len(outputs.groups):
        warnings.warn(
            f"a coarse cell has {pixels} pixels for {len(outputs.groups)} kinds of area, so areas "
            f"agree within half a pixel ({50 / max(pixels, 1):.0f} % of a cell) only; a finer "
            "target= holds them better",
            InputWarning,
            stacklevel=3,
        )


def bound_area_error(target: Grid, coarse: Grid, farthest: float = 90.0) -> float:
    """Return the largest error of a share of a coarse cell that counting pixels leaves.

    Pixels nearer to the pole are smaller: a class that has all of them has less area than its
    count says. Rounding to whole pixels comes on top.

    Parameters
    ----------
    target, coarse : Grid
        The pixels, and the cells.
    farthest : float
        Degrees from the equator up to which cells are looked at.

    Examples
    --------
    >>> from xai4land.grids.grid import global_grid
    >>> round(bound_area_error(global_grid(0.05), global_grid(0.25), 60), 4)
    0.0009
    """
    lat = target.lat.centres
    lat = lat[np.abs(lat) <= farthest]
    cells = coarse.lat.cell_index(lat)
    weight = np.cos(np.deg2rad(lat))
    largest = 0.0
    for cell in np.unique(cells):
        rows = np.sort(weight[cells == cell])
        shares = np.cumsum(rows) / max(rows.sum(), 1e-12)
        counts = np.arange(1, rows.size + 1) / rows.size
        largest = max(largest, float(np.abs(shares - counts).max()))
    return largest


def describe_areas(tolerance: float, bound: Bound) -> str:
    """Return what a map's areas are, for its attributes."""
    within = f"within {tolerance:g} of the cell" if tolerance else "by largest remainder"
    error, everywhere = (
        100 * bound_area_error(bound.target, bound.coarse, farthest) for farthest in (60.0, 90.0)
    )
    return (
        f"numbers of pixels in each coarse cell agree with the states {within}; unequal areas of "
        f"pixels leave at most {error:.2g} % of a cell up to 60 degrees, {everywhere:.2g} % in all"
    )
