"""What does not change in time on a synthetic planet: relief, climate, soils."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai4land.grids.grid import Grid
from xai4land.samples.noise import Noise
from xai4land.typing import Booleans, Floats32

__all__ = ["Relief", "make_relief"]


@dataclass(frozen=True)
class Relief:
    """Fields that do not change in time, on the fine grid: shape (rows, columns)."""

    land: Booleans
    elevation: Floats32
    slope: Floats32
    northness: Floats32
    clay: Floats32
    sand: Floats32
    organic: Floats32
    warmth: Floats32
    wetness: Floats32


def make_relief(noise: Noise, grid: Grid, land_share: float = 0.32, height: float = 1.0) -> Relief:
    """Make relief, climate and soils.

    Parameters
    ----------
    noise : Noise
        From here on it makes noise on land only.
    grid : Grid
    land_share : float
        Of the grid's cells.
    height : float
        Of the mountains, as a multiple of the planet's.
    """
    lat = grid.lat.values[:, None].astype(np.float32)
    continents = noise.noise(1.2, 7)
    above = continents - np.quantile(continents, 1 - land_share)
    land = above > 0
    # The sea needs no finer detail.
    noise.where = land
    ridges = 1 - np.abs(noise.noise(3.0, 6))
    mountains = np.clip(ridges + 0.5 * above, 0, None) * np.clip(above * 1.5, 0, 1)
    elevation = np.where(land, height * (300 * above + 1500 * mountains**2), 0).astype(np.float32)
    metres = np.float32(np.pi / 180 * 6.371e6 * grid.lat.spacing)
    down = -np.gradient(elevation, axis=0) / metres  # northward, rows run south
    wide = np.pad(elevation, ((0, 0), (1, 1)), mode="wrap" if grid.lon.periodic else "edge")
    across = np.gradient(wide, axis=1)[:, 1:-1] / (metres * np.cos(np.deg2rad(lat)).clip(0.05))
    steep = np.hypot(down, across)
    northness = np.where(steep > 0, -down / np.maximum(steep, 1e-9), 0)
    warmth = 30 - 50 * np.sin(np.deg2rad(np.abs(lat))) ** 1.6 - 0.0065 * elevation
    warmth = warmth + 1.5 * noise.noise(3, 4)
    belts = np.cos(np.deg2rad(lat * 6)) * np.cos(np.deg2rad(lat)) ** 0.5
    wetness = 0.7 * belts + 0.8 * noise.noise(2, 5) + 0.35 * noise.noise(40, 2)
    texture = noise.noise(6, 6, gain=0.7)
    clay = 1 / (1 + np.exp(-0.9 * texture - 0.3 * wetness + 1.2 + 10 * steep))
    sand = (1 - clay) / (1 + np.exp(0.8 * texture + 0.6 * wetness))
    organic = 12 * np.exp(0.5 * wetness - 0.04 * warmth + 0.25 * noise.noise(10, 4))
    return Relief(land, elevation, steep, northness, clay, sand, organic, warmth, wetness)
