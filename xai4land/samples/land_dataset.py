"""Maps of land cover as a dataset: LUH2's states from their fractions, features, the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids.axis import Axis
from xai4land.grids.cf import grid_coords
from xai4land.grids.grid import Grid
from xai4land.samples.relief import Relief
from xai4land.typing import Floats32

__all__ = ["CLASSES", "Codes", "coarse_means", "make_dataset"]

Codes = npt.NDArray[np.uint8]

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


def make_dataset(
    fine: Grid, relief: Relief, truth: Codes, years: Sequence[int], ratio: int, title: str
) -> xr.Dataset:
    """Make the dataset of a planet, or of a part of it.

    Parameters
    ----------
    fine : Grid
        Of the features and the truth.
    relief : Relief
    truth : ndarray of uint8, shape (years, rows, columns)
        Positions in :data:`CLASSES`.
    years : sequence of int
    ratio : int
        Fine cells in a coarse one along each axis.
    title : str
    """
    coarse = Grid(
        Axis(fine.lat.values.reshape(-1, ratio).mean(1)),
        Axis(fine.lon.values.reshape(-1, ratio).mean(1), fine.lon.periodic, circular=True),
    )
    states = _make_states(relief, truth, years, ratio)
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
            "title": title,
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


def coarse_means(values: npt.NDArray[np.generic], ratio: int) -> Floats32:
    """Average over coarse cells."""
    height, width = values.shape[-2:]
    shape = (*values.shape[:-2], height // ratio, ratio, width // ratio, ratio)
    means: Floats32 = values.reshape(shape).mean((-3, -1)).astype(np.float32)
    return means


def _make_states(
    relief: Relief, truth: Codes, years: Sequence[int], ratio: int
) -> dict[str, Floats32]:
    """Derive LUH2's states from fractions of the truth; missing over cells that are all ocean."""
    part = {k: coarse_means(truth == k, ratio) for k in range(8)}
    nonforest = part[GRASS] + part[SPARSE]
    used = coarse_means(np.isin(truth, (URBAN, CROPLAND, PASTURE)), ratio)
    warm, dry = coarse_means(relief.warmth, ratio), -coarse_means(relief.wetness, ratio)
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
