"""A part of a planet whose land use changes by known processes, each year from the year before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.samples.land import make_land_cover
from xai4land.samples.land_dataset import (
    CROPLAND,
    FOREST,
    GRASS,
    PASTURE,
    URBAN,
    Codes,
    make_dataset,
)
from xai4land.samples.noise import Plane
from xai4land.samples.relief import Relief, make_relief
from xai4land.typing import Booleans, Floats32

__all__ = ["FIRST_YEAR", "LAST_YEAR", "PROCESSES", "Process", "land_history"]

FIRST_YEAR, TURN, LAST_YEAR = 1950, 2010, 2050
"""Of the processes; their rates change until ``TURN``."""
RATIO = 8
"""Fine cells in a coarse one along each axis; 64 in all, so that small amounts are not lost."""
FINE_DEGREES = 0.0625
NORTH, WEST, ROWS, COLUMNS = 50, 0, 256, 384
ZOOM = 4
"""By which relief and climate vary in less space than on the planet of wider pixels."""
LAND_SHARE, HEIGHT = 0.8, 0.25
APART = -6.0
"""Worth of a pixel that has no neighbour of the class that a process spreads from."""


@dataclass(frozen=True)
class Process:
    """Changes of one kind.

    Parameters
    ----------
    sources : tuple of int
        Classes that change.
    target : int
        What they become.
    rates : tuple of float
        Shares of all land that change within a year, in ``FIRST_YEAR`` and from ``TURN`` on.
    near : int
        Class whose pixels among the eight neighbours attract, or repel, the change.
    pull : float
        Logarithm of the ratio of the odds of a change, for each of these neighbours.
    suited : mapping of str to float
        The same for one standard deviation of a field.
    rest : int
        Years that land must lie idle before.
    """

    sources: tuple[int, ...]
    target: int
    rates: tuple[float, float]
    near: int
    pull: float
    suited: Mapping[str, float]
    rest: int = 0

    def rate(self, year: int) -> float:
        """Return the share of land that changes within the year."""
        return float(np.interp(year, (FIRST_YEAR, TURN), self.rates))


PROCESSES = {
    "urban growth": Process(
        (CROPLAND, PASTURE, GRASS, FOREST), URBAN, (0.0003, 0.0006), URBAN, 0.5, {"flat": 0.6}
    ),
    "frontier of cropland": Process(
        (FOREST, GRASS, PASTURE),
        CROPLAND,
        (0.0030, 0.0016),
        CROPLAND,
        0.5,
        {"fertile": 1.0, "pressure": 0.8},
    ),
    "frontier of pasture": Process(
        (FOREST, GRASS), PASTURE, (0.0018, 0.0012), PASTURE, 0.5, {"open": 0.8, "pressure": 0.8}
    ),
    "abandonment of cropland": Process(
        (CROPLAND,),
        GRASS,
        (0.0006, 0.0016),
        CROPLAND,
        -0.4,
        {"fertile": -1.0, "pressure": -0.8},
    ),
    "abandonment of pasture": Process(
        (PASTURE,), GRASS, (0.0003, 0.0006), PASTURE, -0.4, {"open": -0.8, "pressure": -0.8}
    ),
    "regrowth": Process((GRASS,), FOREST, (0.0005, 0.0015), FOREST, 0.4, {"wet": 0.6}, rest=8),
}
"""In the order in which they claim land."""


def land_history(seed: int, years: Sequence[int]) -> xr.Dataset:
    """Make states, static features and truth; see :func:`xai4land.sample`."""
    fine = Grid(
        Axis(NORTH - FINE_DEGREES * np.arange(0.5, ROWS)),
        Axis(WEST + FINE_DEGREES * np.arange(0.5, COLUMNS), circular=True),
        ("lat_fine", "lon_fine"),
    )
    plane = Plane(fine.lat.values * ZOOM, fine.lon.values * ZOOM, seed)
    relief = make_relief(plane, fine, LAND_SHARE, HEIGHT)
    [cover] = make_land_cover(plane, relief, [FIRST_YEAR])
    fields = _make_fields(plane, relief)
    rng = np.random.default_rng([seed, FIRST_YEAR])
    # All from the first year on, so that a year does not depend on which others are wanted.
    run = zip(range(FIRST_YEAR, max(years) + 1), _run(cover, fields, rng), strict=False)
    truth = np.stack([cover for year, cover in run if year in years])
    title = f"Synthetic history of land use, seed {seed}"
    return make_dataset(fine, relief, truth, years, RATIO, title)


def _make_fields(plane: Plane, relief: Relief) -> dict[str, Floats32]:
    """Make what decides where land use changes, with mean 0 and standard deviation 1 on land."""
    flat = np.exp(-relief.slope * 120)
    mild = -(((relief.warmth - 16) / 13) ** 2)
    fields = {
        "flat": flat,
        "fertile": 0.5 * flat + 1.2 * relief.clay + 0.15 * relief.wetness + 0.9 * mild,
        "open": 0.5 * flat - 0.5 * np.abs(relief.wetness + 0.4),
        "wet": relief.wetness,
        "pressure": plane.noise(6, 2),
    }
    land = relief.land
    return {name: (f - f[land].mean()) / f[land].std() for name, f in fields.items()}


def _run(cover: Codes, fields: Mapping[str, Floats32], rng: np.random.Generator) -> Iterator[Codes]:
    """Give the map of each year, for ever; the first is ``cover``."""
    idle = np.zeros(cover.shape, np.int16)
    year = FIRST_YEAR
    while True:
        yield cover
        year += 1
        cover, before = cover.copy(), cover
        for process in PROCESSES.values():
            chosen = _choose(process, year, before, cover, idle, fields, rng)
            cover.ravel()[chosen] = process.target
        abandoned = (before != cover) & (cover == GRASS)
        idle = np.where((idle > 0) | abandoned, idle + 1, 0) * (cover == GRASS)


def _choose(
    process: Process,
    year: int,
    before: Codes,
    cover: Codes,
    idle: npt.NDArray[np.int16],
    fields: Mapping[str, Floats32],
    rng: np.random.Generator,
) -> npt.NDArray[np.intp]:
    """Draw the pixels that change, in proportion to their odds and without replacement."""
    able = np.isin(before, process.sources) & (cover == before) & (idle >= process.rest)
    pixels = np.flatnonzero(able)
    neighbours = _count_neighbours(before == process.near).ravel()[pixels]
    worth = process.pull * neighbours + APART * ((neighbours == 0) & (process.pull > 0))
    for name, weight in process.suited.items():
        worth = worth + weight * fields[name].ravel()[pixels]
    count = min(round(process.rate(year) * int((before > 0).sum())), pixels.size)
    # The largest of worth and Gumbel noise are such a draw.
    keys: Any = worth + rng.gumbel(size=pixels.size)
    return pixels[np.argpartition(keys, keys.size - count)[keys.size - count :]]


def _count_neighbours(mask: Booleans) -> npt.NDArray[np.uint8]:
    """Count the pixels of a class among the eight neighbours."""
    padded = np.pad(mask, 1).astype(np.uint8)
    rows, columns = mask.shape
    total = sum(
        padded[1 + i : 1 + i + rows, 1 + j : 1 + j + columns]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
        if (i, j) != (0, 0)
    )
    return np.asarray(total, np.uint8)
