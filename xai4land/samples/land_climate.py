"""Monthly climate of the synthetic planet: seasons by latitude, and weather of any month by itself.

    temperature = mean + amplitude of the season x its phase + spread x h
    log(rain)   = log(mean) + season + spread x w - spread^2 / 2

h and w are Gaussian with variance 1, smooth in space, and remember the months before: shocks of the
last two years, weighted with persistence ** months. The shocks of a month are drawn from the seed
and the number of the month alone, so a month has the same weather whichever years are asked for.
Where it rains less than usual it is warmer, so droughts are hot, and the sun shines more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.grids import cf
from xai4land.grids.axis import Axis
from xai4land.grids.grid import Grid
from xai4land.grids.sun import DAYS, compute_declination, compute_half_day
from xai4land.samples.noise import Sphere
from xai4land.samples.relief import make_relief
from xai4land.typing import Floats, Ints

__all__ = ["SECONDS_PER_DAY", "TOP_OF_ATMOSPHERE", "land_climate", "month_axis"]

DEGREES, RELIEF_DEGREES = 5, 1
GRID = Grid(
    Axis(np.arange(90 - DEGREES / 2, -90, -DEGREES)),
    Axis(np.arange(-180 + DEGREES / 2, 180, DEGREES), periodic=True, circular=True),
)
SECONDS_PER_DAY = 86400
FREEZING = 273.15
SOLAR_CONSTANT = 1361.0
"""W m-2."""
CENTRES, RADIUS = 250, 13.0
"""Of the bumps whose random sums are the weather: how many on the sphere, and degrees."""
MEMORY = 24
"""Months after which a shock is forgotten."""
RAIN_PERSISTENCE, HEAT_PERSISTENCE = 0.75, 0.5
"""Correlation of weather with that of the month before, about."""
RAIN_SPREAD = 0.5
"""Of the logarithm of rain."""
DROUGHT_HEAT = -0.4
"""Correlation of the shocks of temperature with those of rain."""
EARLIEST = 12_000
"""Months before year 0 that have weather, too."""


def land_climate(seed: int, years: Sequence[int]) -> xr.Dataset:
    """Make monthly temperature, rain and radiation; see :func:`xai4land.sample`."""
    months = np.concatenate([12 * year + np.arange(12) for year in years])
    warmth, wetness = _coarse_relief(seed)
    heat, rain = _make_weather(seed, months)
    lat = GRID.lat.values[:, None]
    season = months[:, None, None] % 12
    spread = 0.8 + 1.7 * np.sin(np.deg2rad(lat)) ** 2
    tas = FREEZING + warmth + _temperature_cycle(lat, season) + spread * heat
    usual = 2.0 * np.exp(0.75 * wetness + 0.03 * np.minimum(warmth - 15, 0))
    noise = np.exp(RAIN_SPREAD * rain - RAIN_SPREAD**2 / 2)
    daily = usual * _rain_cycle(lat, season) * noise
    rsds = TOP_OF_ATMOSPHERE[months % 12, :, None] * (0.75 - 0.3 * daily / (daily + 4))
    return _make_dataset(seed, months, tas, daily / SECONDS_PER_DAY, rsds)


@cache
def _coarse_relief(seed: int) -> tuple[Floats, Floats]:
    """Average warmth (degC) and wetness of the planet over coarse cells."""
    step = RELIEF_DEGREES
    lat, lon = np.arange(90 - step / 2, -90, -step), np.arange(-180 + step / 2, 180, step)
    fine = Grid(Axis(lat), Axis(lon, periodic=True, circular=True))
    relief = make_relief(Sphere(lat, lon, seed), fine)
    ratio = DEGREES // step
    rows, columns = GRID.shape
    means = [
        field.astype(np.float64).reshape(rows, ratio, columns, ratio).mean((1, 3))
        for field in (relief.warmth, relief.wetness)
    ]
    return means[0], means[1]


def _make_weather(seed: int, months: Ints) -> tuple[Floats, Floats]:
    """Make weather of temperature and rain, each of shape (months, lat, lon)."""
    needed = np.unique(months[:, None] - np.arange(MEMORY))
    drawn = {
        month: np.random.default_rng([seed, month + EARLIEST]).standard_normal((2, CENTRES))
        for month in needed.tolist()
    }
    bumps = _bumps()

    def remember(which: int, persistence: float) -> Floats:
        weights = persistence ** np.arange(MEMORY)
        weights /= np.sqrt((weights**2).sum())
        shocks = np.stack(
            [
                sum(w * drawn[month - lag][which] for lag, w in enumerate(weights))
                for month in months.tolist()
            ]
        )
        return np.asarray((shocks @ bumps.T).reshape(-1, *GRID.shape))

    rain, other = remember(0, RAIN_PERSISTENCE), remember(1, HEAT_PERSISTENCE)
    return DROUGHT_HEAT * rain + np.sqrt(1 - DROUGHT_HEAT**2) * other, rain


@cache
def _bumps() -> Floats:
    """Make bumps of weather evenly on the sphere, (cells, centres); squares of a cell add to 1."""
    number = np.arange(CENTRES) + 0.5
    height, turn = 1 - 2 * number / CENTRES, np.pi * (1 + np.sqrt(5)) * number
    radius = np.sqrt(1 - height**2)
    centres = np.stack([radius * np.cos(turn), radius * np.sin(turn), height])
    points = Sphere(GRID.lat.values, GRID.lon.values, 0).points.reshape(3, -1).astype(np.float64)
    distance = np.rad2deg(np.arccos(np.clip(points.T @ centres, -1, 1)))
    bumps = np.exp(-((distance / RADIUS) ** 2))
    return np.asarray(bumps / np.sqrt((bumps**2).sum(1, keepdims=True)))


def _temperature_cycle(lat: Floats, month: Ints) -> Floats:
    """Return K above the annual mean: warmest in late July in the north, January in the south."""
    return np.asarray(-22 * np.sin(np.deg2rad(lat)) * np.cos(2 * np.pi * (month - 0.3) / 12))


def _rain_cycle(lat: Floats, month: Ints) -> Floats:
    """Return rain relative to its annual mean: dry winters of the tropics, dry summers at 38°."""
    north = np.tanh(lat / 6)
    belt = np.abs(lat)
    strength = 1.7 * np.exp(-(((belt - 14) / 10) ** 2)) - np.exp(-(((belt - 38) / 6) ** 2))

    def rise(month: npt.ArrayLike) -> Floats:
        return np.asarray(np.exp(-strength * north * np.cos(2 * np.pi * np.asarray(month) / 12)))

    return np.asarray(rise(month) / np.mean([rise(m) for m in range(12)], axis=0))


def _insolation() -> Floats:
    """Compute sunshine at the top of the atmosphere in the middle of each month, (12, lat)."""
    sun = compute_declination((np.arange(12)[:, None] + 0.5) * DAYS / 12)
    half = compute_half_day(GRID.lat.values, sun)
    lat = np.deg2rad(GRID.lat.values)
    mean = half * np.sin(lat) * np.sin(sun) + np.cos(lat) * np.cos(sun) * np.sin(half)
    return np.asarray(SOLAR_CONSTANT / np.pi * mean)


TOP_OF_ATMOSPHERE = _insolation()
"""W m-2, shape (12, lat)."""


def month_axis(months: Ints) -> dict[str, xr.DataArray]:
    """Make the middles of months and their bounds, from numbers of months since year 0.

    Examples
    --------
    >>> month_axis(np.array([24000]))["time"].values.astype("M8[h]").tolist()[0].isoformat()
    '2000-01-16T12:00:00'
    """
    first = (np.append(months, months + 1) - 12 * 1970).astype("M8[M]").astype("M8[s]")
    bounds = first.reshape(2, -1).T
    attrs = {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}
    middle = bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) / 2
    coords = {
        "time": xr.DataArray(middle, dims="time", attrs=attrs),
        "time_bnds": xr.DataArray(bounds, dims=("time", "bnds")),
    }
    for coord in coords.values():
        coord.encoding = {"units": "hours since 0001-01-01", "dtype": "float64", "_FillValue": None}
    return coords


def _make_dataset(seed: int, months: Ints, tas: Floats, pr: Floats, rsds: Floats) -> xr.Dataset:
    kinds = {
        "tas": (tas, "air_temperature", "K"),
        "pr": (pr, "precipitation_flux", "kg m-2 s-1"),
        "rsds": (rsds, "surface_downwelling_shortwave_flux_in_air", "W m-2"),
    }
    variables = {
        name: xr.DataArray(
            values.astype(np.float32),
            dims=("time", "lat", "lon"),
            attrs={
                "standard_name": standard,
                "units": units,
                "cell_methods": "time: mean area: mean",
            },
        )
        for name, (values, standard, units) in kinds.items()
    }
    attrs = {
        "Conventions": "CF-1.11",
        "title": f"Climate of the synthetic planet, seed {seed}",
        "source": "xai4land.sample('land_climate')",
    }
    return xr.Dataset(variables, {**month_axis(months), **cf.grid_coords(GRID)}, attrs)
