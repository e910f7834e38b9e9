"""The land of the synthetic planet: land cover from relief, climate, soils and population."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.samples.cache import load_or_make
from xai4land.samples.land_dataset import CROPLAND, OCEAN, URBAN, WATER, Codes, make_dataset
from xai4land.samples.noise import Noise, Sphere
from xai4land.samples.relief import Relief, make_relief
from xai4land.typing import Floats32

__all__ = ["FINE_DEGREES", "RATIO", "land_planet", "make_land_cover", "make_planet"]

RATIO = 4
"""Fine cells in a coarse one along each axis."""
FINE_DEGREES = 0.25


def land_planet(seed: int, years: Sequence[int]) -> xr.Dataset:
    """Make states, static features and truth of a planet; see :func:`xai4land.sample`."""
    fine, relief, truth = make_planet(seed, years)
    title = f"Synthetic planet, seed {seed}"
    return make_dataset(fine, relief, truth, years, RATIO, title)


def make_planet(seed: int, years: Sequence[int]) -> tuple[Grid, Relief, Codes]:
    """Return the fine grid, what does not change in time, and the map of each year."""
    fine = Grid(
        Axis(np.arange(90 - FINE_DEGREES / 2, -90, -FINE_DEGREES)),
        Axis(np.arange(-180 + FINE_DEGREES / 2, 180, FINE_DEGREES), periodic=True, circular=True),
        ("lat_fine", "lon_fine"),
    )

    def make() -> dict[str, np.ndarray]:
        sphere = Sphere(fine.lat.values, fine.lon.values, seed)
        relief = make_relief(sphere, fine)
        return {**vars(relief), "truth": make_land_cover(sphere, relief, years)}

    arrays = load_or_make(f"planet {seed} of {list(years)}", make)
    truth = arrays.pop("truth")
    return fine, Relief(**arrays), truth


def make_land_cover(noise: Noise, relief: Relief, years: Sequence[int]) -> Codes:
    """Take the class with the highest worth at each pixel; cropland and towns grow slowly."""
    warm, wet = relief.warmth, relief.wetness
    flat = np.exp(-relief.slope * 120)
    fertile = flat + 2.2 * relief.clay + 0.25 * np.minimum(wet, 1.2)
    mild = -(((warm - 16) / 13) ** 2)
    rough = [0.16 * noise.noise(90, 2) for _ in range(4)]
    forest = (
        0.9 * wet - (((warm - 15) / 16) ** 2) + 1.3 + 0.06 * np.log1p(relief.organic) + rough[0]
    )
    forest += 0.25 * relief.northness * np.minimum(relief.slope * 80, 1)
    grass = 0.35 - 0.5 * np.abs(wet + 0.4) - (((warm - 13) / 20) ** 2) + 0.9 + rough[1]
    sparse = -0.9 * wet + 0.35 * np.maximum(-warm, 0) / 3 + 0.6 * relief.sand - 0.35 + rough[2]
    lakes = noise.noise(30, 3) + 1.2 * flat - 0.0006 * relief.elevation
    people = noise.noise(5, 5) + 0.5 * mild + 0.6 * flat
    towns = noise.noise(70, 2) + 0.5 * people + 0.8 * flat
    reach = relief.land & (warm > -8)
    edge = float(np.quantile(towns[reach], 0.988)) if reach.any() else 0.0
    cropland = 0.55 * fertile + 0.5 * people + 0.9 * mild + rough[3]
    pasture = 0.45 * people + 0.45 * flat + 0.75 * grass
    worth = np.stack([cropland, pasture, forest, grass, sparse])
    worth += _balance_shares(worth[:, relief.land])[:, None, None]
    covers = []
    for year in years:
        growth = np.float32((year - 2000) / 100)
        gain = np.array([0.8, 0.6, 0, 0, 0], np.float32) * growth
        cover = (worth + gain[:, None, None]).argmax(0) + CROPLAND
        cover[lakes > 3.1] = WATER
        cover[reach & (towns > edge - growth * 0.8)] = URBAN
        cover[~relief.land] = OCEAN
        covers.append(cover.astype(np.uint8))
    return np.stack(covers)


def _balance_shares(worth: Floats32) -> Floats32:
    """Find offsets of the worth of classes that give shares about as on Earth."""
    wanted = np.array([0.13, 0.2, 0.3, 0.17, 0.2], np.float32)
    extra = np.zeros(5, np.float32)
    for _ in range(40):
        chosen = (worth + extra[:, None]).argmax(0)
        share = np.bincount(chosen, minlength=5) / max(chosen.size, 1)
        extra += 0.25 * np.log(wanted / (share + 0.01)).astype(np.float32)
    return extra
