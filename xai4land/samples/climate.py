"""A stochastic linear climate on the sphere, whose best possible forecast is known.

Anomalies of temperature are a few large modes and local weather,

    T' = P z + u,    z(m + 1) = M(m) z(m) + noise,    u(m + 1) = R D u(m) + noise,

with P the modes' patterns, D each cell's persistence and R the projection that keeps local weather
out of the patterns. So z and u can be read off the field, and the best forecast of a month, linear
inverse modelling's (Penland and Sardeshmukh 1995), is a product of matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.axis import Axis
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid
from xai4land.samples.noise import Sphere

__all__ = ["best_correlation", "best_forecast", "climate", "forced"]

Floats = npt.NDArray[np.float64]
SPIN_UP = 50
"""Years before the first that is kept."""

LAT, LON = np.arange(85.0, -90, -10), np.arange(-175.0, 180, 10)
GRID = Grid(Axis(LAT), Axis(LON, periodic=True, circular=True))
CELLS = GRID.shape[0] * GRID.shape[1]


@dataclass(frozen=True)
class Laws:
    """The climate's laws; the same whatever the seed.

    Attributes
    ----------
    patterns : ndarray, shape (cells, modes)
        Temperature of each mode, orthonormal by area.
    pressure : ndarray, shape (cells, modes)
    back : ndarray, shape (modes, cells)
        From fields to modes.
    steps : ndarray, shape (12, modes, modes)
        From each month to the next.
    mode_noise : ndarray, shape (12, modes)
        Standard deviation of what is added in each month.
    stays : ndarray, shape (cells,)
        Persistence of local weather.
    smooth : ndarray, shape (cells, cells)
        Local noise from white noise.
    noise : ndarray, shape (12, cells)
        Its standard deviation in each month.
    land : ndarray, shape (cells,)
        1 over land, 0 over sea, smooth between.
    """

    patterns: Floats
    pressure: Floats
    back: Floats
    steps: Floats
    mode_noise: Floats
    stays: Floats
    smooth: Floats
    noise: Floats
    land: Floats


@cache
def laws() -> Laws:
    """The laws."""
    area = cell_areas(GRID).values.ravel()
    lat, lon = (part.ravel() for part in np.meshgrid(LAT, LON, indexing="ij"))
    land = 1 / (1 + np.exp(-3 * (Sphere(LAT, LON, 20).noise(1.5, 2).ravel() - 0.6)))

    def bump(at: tuple[float, float], wide: tuple[float, float], size: float = 1.0) -> Floats:
        apart = (lon - at[1] + 180) % 360 - 180
        made: Floats = size * np.exp(-(((lat - at[0]) / wide[0]) ** 2) - (apart / wide[1]) ** 2)
        return made

    tropics = bump((0, 0), (25, 1e6), 0.25)
    raw = np.stack(
        [
            # An oscillation of the tropical Pacific, with teleconnections, ...
            bump((0, -130), (12, 45), 1.6)
            + tropics
            + bump((50, -110), (15, 25), 0.7)
            + bump((-30, 150), (15, 25), 0.5)
            - bump((35, -160), (12, 30), 0.6)
            - bump((30, -85), (10, 15), 0.4),
            # ... its recharge in the west, ...
            bump((0, 160), (12, 25), 0.8) + bump((0, 75), (12, 20), 0.5),
            # ... the Atlantic and the north Pacific, which are slow, ...
            bump((50, -35), (15, 30), 0.8) + bump((15, -40), (10, 30), 0.5),
            bump((45, 175), (12, 35), 0.8) - bump((45, -135), (12, 20), 0.5),
            # ... and an annular mode that warms northern continents.
            bump((60, 80), (15, 60), 1.4) - bump((65, -50), (12, 25), 1.2),
        ],
        1,
    )
    root = np.sqrt(area)[:, None]
    base, mixing = np.linalg.qr(raw * root)
    patterns = base / root * np.abs(np.diag(mixing))
    back = np.linalg.solve(patterns.T @ (patterns * area[:, None]), (patterns * area[:, None]).T)
    month = np.arange(12)
    winter = np.cos(2 * np.pi * (month - 0.5) / 12)
    steps = np.zeros((12, 5, 5))
    turn = 2 * np.pi / 45
    for m in month:
        kept = 0.945 * (1 + 0.05 * np.cos(2 * np.pi * (m - 9) / 12))
        steps[m, :2, :2] = kept * np.array(
            [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        )
        steps[m, 2, 2], steps[m, 3, 3], steps[m, 3, 0] = 0.95, 0.93, -0.05
        steps[m, 4, 4], steps[m, 4, 0] = 0.5, -0.08
    mode_noise = np.tile([0.25, 0.25, 0.3, 0.35, 0.0], (12, 1))
    mode_noise[:, 4] = 0.6 * (1 + 0.5 * winter)
    stays = 0.85 - 0.5 * land - 0.15 * np.abs(np.sin(np.deg2rad(lat)))
    apart = np.arccos(np.clip(_dots(lat, lon), -1, 1))
    smooth = np.exp(-((apart / np.deg2rad(12)) ** 2))
    smooth /= np.sqrt((smooth**2).sum(1, keepdims=True))
    size = 0.15 + 0.5 * land + 0.5 * np.abs(np.sin(np.deg2rad(lat))) ** 2
    season = 1 + 0.35 * np.sin(np.deg2rad(lat)) * winter[:, None]
    pressure = 150 * np.roll(patterns.reshape(*GRID.shape, -1), 2, 1).reshape(CELLS, -1)
    pressure = -pressure / patterns.std(0)
    return Laws(patterns, pressure, back, steps, mode_noise, stays, smooth, size * season, land)


def _dots(lat: Floats, lon: Floats) -> Floats:
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], 1)
    return np.asarray(points @ points.T)


def forced(years: npt.ArrayLike) -> xr.DataArray:
    """The climate without weather: what each month is on average, with its warming.

    Parameters
    ----------
    years : sequence of int

    Returns
    -------
    DataArray of K, shape (year, month, lat, lon)
        Warming begins in 1900, and reaches 1 K in the mean by 2020.

    Examples
    --------
    >>> forced([1900, 2020]).shape
    (2, 12, 18, 36)
    """
    law = laws()
    years = np.asarray(years)
    lat = np.repeat(LAT, len(LON))
    month = np.arange(12)[:, None]
    summer = -np.cos(2 * np.pi * (month - 0.5) / 12) * np.sin(np.deg2rad(lat))
    mean = 300 - 45 * np.sin(np.deg2rad(lat)) ** 2 + (4 + 10 * law.land) * summer
    since = np.clip(years - 1900, 0, None) / 120.0
    pattern = 0.7 + 0.5 * law.land + 0.8 * np.clip(np.sin(np.deg2rad(lat)), 0, None) ** 4
    weights = cell_areas(GRID).values.ravel()
    pattern = pattern / (pattern * weights).sum()
    values = mean[None] + (since**2)[:, None, None] * pattern
    coords = {"year": years, "month": np.arange(1, 13), **GRID.coords()}
    shape = (len(years), 12, *GRID.shape)
    return xr.DataArray(values.reshape(shape), coords, ("year", "month", "lat", "lon"), name="tas")


def climate(seed: int, years: list[int]) -> xr.Dataset:
    """Monthly temperature and pressure of whole years; see :func:`xai4land.sample`."""
    if years != list(range(years[0], years[0] + len(years))):
        raise InputError("years must follow one another in a climate, as range(1900, 2021)")
    law = laws()
    rng = np.random.default_rng(seed)
    length = 12 * (len(years) + SPIN_UP)
    month = np.arange(length) % 12
    modes = rng.standard_normal((length, law.steps.shape[1])) * law.mode_noise[month]
    local = _local(law, rng.standard_normal((length, CELLS)) @ law.smooth.T * law.noise[month])
    for m in range(1, length):
        modes[m] += law.steps[month[m - 1]] @ modes[m - 1]
        local[m] += _local(law, law.stays * local[m - 1])
    kept = slice(12 * SPIN_UP, None)
    weather = 80 * rng.standard_normal((length, CELLS))[kept] @ law.smooth.T
    anomaly = (modes @ law.patterns.T + local)[kept]
    tas = forced(years).values.reshape(-1, CELLS) + anomaly
    psl = 101325 + modes[kept] @ law.pressure.T + weather
    return _dataset(years, tas, psl)


def _local(law: Laws, values: Floats) -> Floats:
    """Without what the patterns explain."""
    return np.asarray(values - (values @ law.back.T) @ law.patterns.T)


def _dataset(years: list[int], tas: Floats, psl: Floats) -> xr.Dataset:
    first = (np.arange(12 * len(years) + 1) + 12 * (years[0] - 1970)).astype("M8[M]")
    bounds = np.stack([first[:-1], first[1:]], 1).astype("M8[s]")
    time = bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) / 2
    coords = cf.grid_coords(GRID)
    about = {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}
    coords["time"] = xr.DataArray(time, dims="time", attrs=about)
    coords["time_bnds"] = xr.DataArray(bounds, dims=("time", "bnds"))
    for name in ("time", "time_bnds"):
        coords[name].encoding = {"units": "hours since 0001-01-01", "dtype": "float64"}
    dims = ("time", "lat", "lon")
    kinds = {
        "tas": (tas, "air_temperature", "K"),
        "psl": (psl, "air_pressure_at_mean_sea_level", "Pa"),
    }
    variables = {
        name: xr.DataArray(
            values.reshape(-1, *GRID.shape).astype(np.float32),
            dims=dims,
            attrs={"standard_name": standard, "units": units, "cell_methods": "time: mean"},
        )
        for name, (values, standard, units) in kinds.items()
    }
    attrs = {
        "Conventions": "CF-1.11",
        "title": "sample climate, made by a stochastic linear model",
        "source_id": "sample",
    }
    return xr.Dataset(variables, coords, attrs)


def best_forecast(data: xr.Dataset, month: int, lead: int = 1) -> xr.DataArray:
    """The best forecast of the anomalies of three months, from the field before them.

    Parameters
    ----------
    data : Dataset
        As :func:`climate` makes it.
    month : int
        First month of the season, 1 to 12.
    lead : int
        Whole months between the last that is known and the season.

    Returns
    -------
    DataArray of K, shape (year, lat, lon)
        Anomaly against :func:`forced`, of the seasons that begin in each year; the mean is not
        weighted by days.

    Examples
    --------
    >>> import xai4land
    >>> data = xai4land.sample("climate", years=range(1900, 1910))
    >>> best_forecast(data, 12).shape
    (10, 18, 36)
    """
    law = laws()
    years = np.unique(data["time"].dt.year.values)
    anomaly = data["tas"].values.reshape(-1, CELLS).astype(np.float64)
    anomaly = anomaly - forced(years).values.reshape(-1, CELLS)
    last = month - 1 - lead - 1
    at = 12 * np.arange(len(years)) + last
    have = at >= 0
    modes = anomaly[at.clip(0)] @ law.back.T
    local = anomaly[at.clip(0)] - modes @ law.patterns.T
    total = np.zeros_like(local)
    for step in range(1, lead + 4):
        modes = modes @ law.steps[(last + step - 1) % 12].T
        local = _local(law, law.stays * local)
        if step > lead:
            total += (modes @ law.patterns.T + local) / 3
    values = np.where(have[:, None], total, np.nan).reshape(-1, *GRID.shape)
    return xr.DataArray(values, {"year": years, **GRID.coords()}, ("year", "lat", "lon"))


@cache
def best_correlation(month: int, lead: int = 1) -> xr.DataArray:
    """Correlation of the best forecast with what comes, in expectation, without the warming.

    From the covariances that the laws settle to, month by month.

    Parameters
    ----------
    month : int
        First month of the season, 1 to 12.
    lead : int

    Returns
    -------
    DataArray, shape (lat, lon)

    Examples
    --------
    >>> bool(best_correlation(12).sel(lat=5, lon=-125) > 0.8)
    True
    """
    law = laws()
    steps, cover = _covariances()
    last = (month - 1 - lead - 1) % 12
    paths = [np.eye(len(cover[0]))]
    for step in range(lead + 3):
        paths.append(steps[(last + step) % 12] @ paths[-1])
    see = np.concatenate([law.patterns, np.eye(CELLS)], 1)
    ahead = see @ (sum(paths[lead + 2 :], paths[lead + 1]) / 3)
    told = np.einsum("ij,jk,ik->i", ahead, cover[last], ahead)
    total = np.zeros(CELLS)
    for a in range(3):
        now = (last + lead + 1 + a) % 12
        path = np.eye(len(cover[0]))
        for b in range(a, 3):
            twice = 1 if a == b else 2
            total += twice * np.einsum("ij,jk,ik->i", see @ path, cover[now], see) / 9
            path = steps[(now + b - a) % 12] @ path
    values = np.sqrt(told / total).reshape(GRID.shape)
    return xr.DataArray(values, GRID.coords(), ("lat", "lon"))


@cache
def _covariances() -> tuple[list[Floats], list[Floats]]:
    """Steps of modes and local weather together, and their covariance in each month."""
    law = laws()
    count = law.steps.shape[1]
    away = np.eye(CELLS) - law.patterns @ law.back
    steps, noises = [], []
    for m in range(12):
        step = np.zeros((count + CELLS, count + CELLS))
        step[:count, :count] = law.steps[m]
        step[count:, count:] = away * law.stays
        steps.append(step)
        shaped = away @ (law.smooth * law.noise[m][:, None])
        noise = np.zeros_like(step)
        noise[:count, :count] = np.diag(law.mode_noise[m] ** 2)
        noise[count:, count:] = shaped @ shaped.T
        noises.append(noise)
    cover = noises[0]
    kept: list[Floats] = []
    for month in range(12 * 12):
        if month >= 11 * 12:
            kept.append(cover)
        # Modes remember longest; 0.99 a month leaves less than a quarter of a percent.
        cover = steps[month % 12] @ cover @ steps[month % 12].T + noises[(month + 1) % 12]
    return steps, kept
