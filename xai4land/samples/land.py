"""The land of the synthetic planet: relief, climate, soils, population and land use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.axis import Axis
from xai4land.grids.cf import grid_coords
from xai4land.grids.grid import Grid
from xai4land.samples.noise import Sphere
from xai4land.typing import Booleans, Floats32

__all__ = ["land_planet"]

Codes = npt.NDArray[np.uint8]

RATIO = 4
"""Fine cells in a coarse one along each axis."""
FINE_DEGREES, COARSE_DEGREES = 0.25, 0.25 * RATIO
CLASSES = (
    "ocean_other",
    "urban",
    "cropland",
    "pasture",
    "forest",
    "grass_shrub",
    "sparse",
    "water",
)
OCEAN, URBAN, CROPLAND, PASTURE, FOREST, GRASS, SPARSE, WATER = range(8)

LONG_NAMES = {
    "primf": "forested primary land",
    "primn": "non-forested primary land",
    "secdf": "potentially forested secondary land",
    "secdn": "potentially non-forested secondary land",
    "urban": "urban land",
    "c3ann": "C3 annual crops",
    "c4ann": "C4 annual crops",
    "c3per": "C3 perennial crops",
    "c4per": "C4 perennial crops",
    "c3nfx": "C3 nitrogen-fixing crops",
    "pastr": "managed pasture",
    "range": "rangeland",
    "secma": "secondary mean age",
    "secmb": "secondary mean biomass density",
}


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


def land_planet(seed: int, years: Sequence[int]) -> xr.Dataset:
    """Make states, static features and truth of a planet; see :func:`xai4land.sample`."""
    fine = Grid(
        Axis(np.arange(90 - FINE_DEGREES / 2, -90, -FINE_DEGREES)),
        Axis(np.arange(-180 + FINE_DEGREES / 2, 180, FINE_DEGREES), periodic=True, circular=True),
        ("lat_fine", "lon_fine"),
    )
    coarse = Grid(
        Axis(np.arange(90 - COARSE_DEGREES / 2, -90, -COARSE_DEGREES)),
        Axis(
            np.arange(-180 + COARSE_DEGREES / 2, 180, COARSE_DEGREES), periodic=True, circular=True
        ),
    )
    sphere = Sphere(fine.lat.values, fine.lon.values, seed)
    relief = _make_relief(sphere, fine)
    truth = _make_land_cover(sphere, relief, years)
    states = _make_states(sphere, relief, truth, years)
    time = xr.DataArray(
        np.array([f"{year:04d}-07-01" for year in years], "M8[s]"),
        dims="time",
        attrs={"standard_name": "time", "axis": "T"},
    )
    time.encoding = {"units": "days since 1850-01-01", "dtype": "float64"}
    data = xr.Dataset(
        {**_state_variables(states), **_static_variables(relief)},
        {"time": time, **grid_coords(coarse), **grid_coords(fine)},
        {
            "Conventions": "CF-1.11",
            "title": f"Synthetic planet, seed {seed}",
            "source": "xai4land.sample('land')",
        },
    )
    data["land_cover"] = xr.DataArray(
        truth,
        dims=("time", "lat_fine", "lon_fine"),
        attrs={
            "long_name": "true land cover in the groups of HILDA+",
            "flag_values": np.arange(8, dtype=np.uint8),
            "flag_meanings": " ".join(CLASSES),
        },
    )
    return data


def _make_relief(sphere: Sphere, grid: Grid) -> Relief:
    """Make relief, climate and soils."""
    lat = grid.lat.values[:, None].astype(np.float32)
    continents = sphere.noise(1.2, 7)
    height = continents - np.quantile(continents, 0.68)
    land = height > 0
    # The sea needs no finer detail.
    sphere.where = land
    ridges = 1 - np.abs(sphere.noise(3.0, 6))
    mountains = np.clip(ridges + 0.5 * height, 0, None) * np.clip(height * 1.5, 0, 1)
    elevation = np.where(land, 300 * height + 1500 * mountains**2, 0).astype(np.float32)
    metres = np.float32(np.pi / 180 * 6.371e6 * FINE_DEGREES)
    down = -np.gradient(elevation, axis=0) / metres  # northward, rows run south
    wide = np.concatenate([elevation[:, -1:], elevation, elevation[:, :1]], axis=1)
    across = np.gradient(wide, axis=1)[:, 1:-1] / (metres * np.cos(np.deg2rad(lat)).clip(0.05))
    steep = np.hypot(down, across)
    northness = np.where(steep > 0, -down / np.maximum(steep, 1e-9), 0)
    warmth = 30 - 50 * np.sin(np.deg2rad(np.abs(lat))) ** 1.6 - 0.0065 * elevation
    warmth = warmth + 1.5 * sphere.noise(3, 4)
    belts = np.cos(np.deg2rad(lat * 6)) * np.cos(np.deg2rad(lat)) ** 0.5
    wetness = 0.7 * belts + 0.8 * sphere.noise(2, 5) + 0.35 * sphere.noise(40, 2)
    texture = sphere.noise(6, 6, gain=0.7)
    clay = 1 / (1 + np.exp(-0.9 * texture - 0.3 * wetness + 1.2 + 10 * steep))
    sand = (1 - clay) / (1 + np.exp(0.8 * texture + 0.6 * wetness))
    organic = 12 * np.exp(0.5 * wetness - 0.04 * warmth + 0.25 * sphere.noise(10, 4))
    return Relief(land, elevation, steep, northness, clay, sand, organic, warmth, wetness)


def _make_land_cover(sphere: Sphere, relief: Relief, years: Sequence[int]) -> Codes:
    """Take the class with the highest worth at each pixel; cropland and towns grow slowly."""
    warm, wet = relief.warmth, relief.wetness
    flat = np.exp(-relief.slope * 120)
    fertile = flat + 2.2 * relief.clay + 0.25 * np.minimum(wet, 1.2)
    mild = -(((warm - 16) / 13) ** 2)
    rough = [0.16 * sphere.noise(90, 2) for _ in range(4)]
    forest = (
        0.9 * wet - (((warm - 15) / 16) ** 2) + 1.3 + 0.06 * np.log1p(relief.organic) + rough[0]
    )
    forest += 0.25 * relief.northness * np.minimum(relief.slope * 80, 1)
    grass = 0.35 - 0.5 * np.abs(wet + 0.4) - (((warm - 13) / 20) ** 2) + 0.9 + rough[1]
    sparse = -0.9 * wet + 0.35 * np.maximum(-warm, 0) / 3 + 0.6 * relief.sand - 0.35 + rough[2]
    lakes = sphere.noise(30, 3) + 1.2 * flat - 0.0006 * relief.elevation
    people = sphere.noise(5, 5) + 0.5 * mild + 0.6 * flat
    towns = sphere.noise(70, 2) + 0.5 * people + 0.8 * flat
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


def _coarse_means(values: npt.NDArray[np.generic]) -> Floats32:
    """Average over coarse cells."""
    height, width = values.shape[-2:]
    shape = (*values.shape[:-2], height // RATIO, RATIO, width // RATIO, RATIO)
    means: Floats32 = values.reshape(shape).mean((-3, -1)).astype(np.float32)
    return means


def _make_states(
    sphere: Sphere, relief: Relief, truth: Codes, years: Sequence[int]
) -> dict[str, Floats32]:
    """Derive LUH2's states from fractions of the truth; missing over cells that are all ocean."""
    part = {k: _coarse_means(truth == k) for k in range(8)}
    nonforest = part[GRASS] + part[SPARSE]
    used = _coarse_means(np.isin(truth, (URBAN, CROPLAND, PASTURE)))
    warm, dry = _coarse_means(relief.warmth), -_coarse_means(relief.wetness)
    old = np.exp(-3 * used) * 0.9
    age = np.array(years)[:, None, None] - 1900
    crops = {
        "c3ann": np.exp(-(((warm - 12) / 9) ** 2)) + 0.05,
        "c4ann": np.exp(-(((warm - 24) / 8) ** 2)),
        "c3per": 0.25 * np.exp(-(((warm - 20) / 7) ** 2)),
        "c4per": 0.2 * np.exp(-(((warm - 27) / 5) ** 2)),
        "c3nfx": np.full_like(warm, 0.15),
    }
    total = np.sum(list(crops.values()), axis=0)
    tended = 1 / (1 + np.exp(2 * dry))
    states = {
        "primf": part[FOREST] * old,
        "primn": nonforest * old,
        "secdf": part[FOREST] - part[FOREST] * old,
        "secdn": nonforest - nonforest * old,
        "urban": part[URBAN],
        **{name: part[CROPLAND] * share / total for name, share in crops.items()},
        "pastr": part[PASTURE] * tended,
        "range": part[PASTURE] - part[PASTURE] * tended,
    }
    secondary = states["secdf"] + states["secdn"] > 0
    states["secma"] = np.where(secondary, age * (1 - used) ** 2, np.nan)
    states["secmb"] = np.where(secondary, 12 * part[FOREST] * (1 - np.exp(-age / 60)), np.nan)
    ocean = part[OCEAN] >= 1
    return {
        name: np.where(ocean, np.nan, values).astype(np.float32) for name, values in states.items()
    }


def _state_variables(states: dict[str, Floats32]) -> dict[str, xr.DataArray]:
    """Give states their attributes."""
    variables = {}
    for name, values in states.items():
        attrs = {"long_name": LONG_NAMES[name], "cell_methods": "time: mean area: mean"}
        if name == "secma":
            attrs["units"] = "year"
        elif name == "secmb":
            attrs["units"] = "kg m-2"
        else:
            attrs |= {"standard_name": "area_fraction", "units": "1"}
        variables[name] = xr.DataArray(values, dims=("time", "lat", "lon"), attrs=attrs)
    return variables


def _static_variables(relief: Relief) -> dict[str, xr.DataArray]:
    """Give static features their attributes; missing over the ocean."""
    features = {
        "elevation": (relief.elevation, "surface_altitude", "m", "height above sea level"),
        "slope": (np.rad2deg(np.arctan(relief.slope)), "", "degree", "slope of the ground"),
        "aspect": (relief.northness, "", "1", "cosine of the slope's aspect (1: faces north)"),
        "clay": (relief.clay, "volume_fraction_of_clay_in_soil", "1", "clay in the soil"),
        "sand": (relief.sand, "volume_fraction_of_sand_in_soil", "1", "sand in the soil"),
        "organic": (relief.organic, "", "kg m-2", "organic carbon in the soil"),
    }
    variables = {}
    for name, (values, standard, units, text) in features.items():
        attrs = {"long_name": text, "units": units}
        if standard:
            attrs["standard_name"] = standard
        masked = np.where(relief.land, values, np.nan).astype(np.float32)
        variables[name] = xr.DataArray(masked, dims=("lat_fine", "lon_fine"), attrs=attrs)
    return variables
