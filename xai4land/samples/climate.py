"""A stochastic linear climate on the sphere, whose best possible forecast is known.

Anomalies of temperature are a few large modes and local weather,

    T' = P z + u,    z(m + 1) = M(m) z(m) + noise,    u(m + 1) = R D u(m) + noise,

with P the patterns of the modes, D the persistence of each cell and R the projection that removes
the patterns from local weather. So z and u follow from the field, and the best forecast of a month,
that of linear inverse modelling (Penland and Sardeshmukh 1995), is a product of matrices.

Precipitation follows from the modes and weather of its own; see :mod:`xai4land.samples.rain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.axis import Axis
from xai4land.grids.cells import cell_areas
from xai4land.grids.grid import Grid
from xai4land.samples import rain
from xai4land.samples.noise import Sphere
from xai4land.samples.rain import draw_bell
from xai4land.typing import Floats

__all__ = ["best_correlation", "best_forecast", "climate", "forced"]

SPIN_UP_YEARS = 50
"""Years that are simulated and dropped before the first."""

LAT, LON = np.arange(85.0, -90, -10), np.arange(-175.0, 180, 10)
GRID = Grid(Axis(LAT), Axis(LON, periodic=True, circular=True))
CELLS = GRID.shape[0] * GRID.shape[1]


@dataclass(frozen=True)
class Parameters:
    """Parameters of the climate model; the same for every seed.

    Attributes
    ----------
    patterns : ndarray, shape (cells, modes)
        Temperature of each mode, orthonormal by area.
    pressure : ndarray, shape (cells, modes)
        Pressure of each mode, in Pa.
    rain : ndarray, shape (cells, modes)
        Patterns of the modes in the normal variable of precipitation (Q).
    wetness : ndarray, shape (12, cells)
        Mean of that variable in each month (w).
    projection : ndarray, shape (modes, cells)
        Maps temperature fields to the amplitudes of modes.
    propagators : ndarray, shape (12, modes, modes)
        Map modes of each month to the next (M).
    mode_noise : ndarray, shape (12, modes)
        Standard deviation of the noise of modes in each month.
    persistence : ndarray, shape (cells,)
        Persistence of local weather (D).
    smoothing : ndarray, shape (cells, cells)
        Maps white noise to spatially correlated noise.
    noise : ndarray, shape (12, cells)
        Standard deviation of local noise in each month.
    land : ndarray, shape (cells,)
        1 over land, 0 over sea, smooth between.
    """

    patterns: Floats
    pressure: Floats
    rain: Floats
    wetness: Floats
    projection: Floats
    propagators: Floats
    mode_noise: Floats
    persistence: Floats
    smoothing: Floats
    noise: Floats
    land: Floats


@cache
def model_parameters() -> Parameters:
    """Compute the model's parameters."""
    area = cell_areas(GRID).values.ravel()
    lat, lon = (part.ravel() for part in np.meshgrid(LAT, LON, indexing="ij"))
    land = 1 / (1 + np.exp(-3 * (Sphere(LAT, LON, 20).noise(1.5, 2).ravel() - 0.6)))
    root = np.sqrt(area)[:, None]
    base, mixing = np.linalg.qr(_raw_patterns(lat, lon) * root)
    patterns = base / root * np.abs(np.diag(mixing))
    weighted = patterns * area[:, None]
    projection = np.linalg.solve(patterns.T @ weighted, weighted.T)
    winter = np.cos(2 * np.pi * (np.arange(12) - 0.5) / 12)
    mode_noise = np.tile([0.25, 0.25, 0.3, 0.35, 0.0], (12, 1))
    mode_noise[:, 4] = 0.6 * (1 + 0.5 * winter)
    persistence = 0.85 - 0.5 * land - 0.15 * np.abs(np.sin(np.deg2rad(lat)))
    distance = np.arccos(np.clip(_dot_products(lat, lon), -1, 1))
    smoothing = np.exp(-((distance / np.deg2rad(12)) ** 2))
    smoothing /= np.sqrt((smoothing**2).sum(1, keepdims=True))
    size = 0.15 + 0.5 * land + 0.5 * np.abs(np.sin(np.deg2rad(lat))) ** 2
    season = 1 + 0.35 * np.sin(np.deg2rad(lat)) * winter[:, None]
    pressure = 150 * np.roll(patterns.reshape(*GRID.shape, -1), 2, 1).reshape(CELLS, -1)
    pressure = -pressure / patterns.std(0)
    return Parameters(
        patterns,
        pressure,
        rain.make_patterns(lat, lon),
        rain.make_wetness(lat, land, winter),
        projection,
        _mode_propagators(),
        mode_noise,
        persistence,
        smoothing,
        size * season,
        land,
    )


def _raw_patterns(lat: Floats, lon: Floats) -> Floats:
    """Draw the patterns of the modes, shape (cells, modes), before they are orthogonalised."""
    bump = partial(draw_bell, lat, lon)
    tropics = bump((0, 0), (25, 1e6), 0.25)
    return np.stack(
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


def _mode_propagators() -> Floats:
    """Make the matrices that map the modes of each month to the next, shape (12, 5, 5)."""
    propagators = np.zeros((12, 5, 5))
    angle = 2 * np.pi / 45
    for m in range(12):
        damping = 0.945 * (1 + 0.05 * np.cos(2 * np.pi * (m - 9) / 12))
        propagators[m, :2, :2] = damping * np.array(
            [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        )
        propagators[m, 2, 2], propagators[m, 3, 3], propagators[m, 3, 0] = 0.95, 0.93, -0.05
        propagators[m, 4, 4], propagators[m, 4, 0] = 0.5, -0.08
    return propagators


def _dot_products(lat: Floats, lon: Floats) -> Floats:
    """Compute cosines of the angles between all pairs of cells, shape (cells, cells)."""
    phi, lam = np.deg2rad(lat), np.deg2rad(lon)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], 1)
    return np.asarray(points @ points.T)


def forced(years: npt.ArrayLike) -> xr.DataArray:
    """Compute the climate without weather: the mean of each month, with its warming.

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
    model = model_parameters()
    years = np.asarray(years)
    lat = np.repeat(LAT, len(LON))
    month = np.arange(12)[:, None]
    summer = -np.cos(2 * np.pi * (month - 0.5) / 12) * np.sin(np.deg2rad(lat))
    mean = 300 - 45 * np.sin(np.deg2rad(lat)) ** 2 + (4 + 10 * model.land) * summer
    since = np.clip(years - 1900, 0, None) / 120.0
    pattern = 0.7 + 0.5 * model.land + 0.8 * np.clip(np.sin(np.deg2rad(lat)), 0, None) ** 4
    weights = cell_areas(GRID).values.ravel()
    pattern = pattern / (pattern * weights).sum()
    values = mean[None] + (since**2)[:, None, None] * pattern
    coords = {"year": years, "month": np.arange(1, 13), **GRID.coords()}
    shape = (len(years), 12, *GRID.shape)
    return xr.DataArray(values.reshape(shape), coords, ("year", "month", "lat", "lon"), name="tas")


def climate(seed: int, years: list[int]) -> xr.Dataset:
    """Simulate monthly temperature, pressure and precipitation; see :func:`xai4land.sample`."""
    if years != list(range(years[0], years[0] + len(years))):
        raise InputError("years must follow one another in a climate, as range(1900, 2021)")
    model = model_parameters()
    rng = np.random.default_rng(seed)
    length = 12 * (len(years) + SPIN_UP_YEARS)
    month = np.arange(length) % 12
    modes = rng.standard_normal((length, model.propagators.shape[1])) * model.mode_noise[month]
    local = _remove_patterns(
        model, rng.standard_normal((length, CELLS)) @ model.smoothing.T * model.noise[month]
    )
    for m in range(1, length):
        modes[m] += model.propagators[month[m - 1]] @ modes[m - 1]
        local[m] += _remove_patterns(model, model.persistence * local[m - 1])
    kept = slice(12 * SPIN_UP_YEARS, None)
    weather = 80 * rng.standard_normal((length, CELLS))[kept] @ model.smoothing.T
    anomaly = (modes @ model.patterns.T + local)[kept]
    tas = forced(years).values.reshape(-1, CELLS) + anomaly
    psl = 101325 + modes[kept] @ model.pressure.T + weather
    pr = rain.simulate(model, modes[kept], seed)
    return _make_dataset(years, tas, psl, pr)


def _remove_patterns(model: Parameters, values: Floats) -> Floats:
    """Return fields without what the patterns explain (R)."""
    return np.asarray(values - (values @ model.projection.T) @ model.patterns.T)


def _make_dataset(years: list[int], tas: Floats, psl: Floats, pr: Floats) -> xr.Dataset:
    """Give fields of shape (months, cells) their coordinates and CF attributes."""
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
        "pr": (pr, "precipitation_flux", "kg m-2 s-1"),
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


def best_forecast(
    data: xr.Dataset, month: int, lead: int = 1, variable: str = "tas"
) -> xr.DataArray:
    """Compute the expected anomalies of three months, from the field before them.

    Parameters
    ----------
    data : Dataset
        As :func:`climate` makes it.
    month : int
        First month of the season, 1 to 12.
    lead : int
        Whole months between the last known one and the season.
    variable : str
        ``"tas"``, or ``"pr"``, which is no anomaly.

    Returns
    -------
    DataArray, shape (year, lat, lon)
        Of ``tas`` the anomaly against :func:`forced`, in K, of ``pr`` the precipitation, in
        kg m-2 s-1, of the seasons that begin in each year; the mean is not weighted by days.

    Examples
    --------
    >>> import xai4land
    >>> data = xai4land.sample("climate", years=range(1900, 1910))
    >>> best_forecast(data, 12).shape
    (10, 18, 36)
    """
    model = model_parameters()
    years = np.unique(data["time"].dt.year.values)
    anomaly = data["tas"].values.reshape(-1, CELLS).astype(np.float64)
    anomaly = anomaly - forced(years).values.reshape(-1, CELLS)
    last = month - 1 - lead - 1
    at = 12 * np.arange(len(years)) + last
    known = at >= 0
    modes = anomaly[at.clip(0)] @ model.projection.T
    if variable == "pr":
        total = rain.expect(model, modes, last, lead)
    else:
        total = np.zeros((len(years), CELLS))
        local = anomaly[at.clip(0)] - modes @ model.patterns.T
        for step in range(1, lead + 4):
            modes = modes @ model.propagators[(last + step - 1) % 12].T
            local = _remove_patterns(model, model.persistence * local)
            if step > lead:
                total += (modes @ model.patterns.T + local) / 3
    values = np.where(known[:, None], total, np.nan).reshape(-1, *GRID.shape)
    return xr.DataArray(values, {"year": years, **GRID.coords()}, ("year", "lat", "lon"))


@cache
def best_correlation(month: int, lead: int = 1, variable: str = "tas") -> xr.DataArray:
    """Compute the expected correlation of the best forecast with the outcome, without warming.

    It follows from the stationary covariances of the model in each month; that of precipitation
    by drawing 4,000 years (to about 0.01).

    Parameters
    ----------
    month : int
        First month of the season, 1 to 12.
    lead : int
    variable : str
        ``"tas"`` or ``"pr"``.

    Returns
    -------
    DataArray, shape (lat, lon)

    Examples
    --------
    >>> bool(best_correlation(12).sel(lat=5, lon=-125) > 0.8)
    True
    """
    if variable == "pr":
        last = month - 1 - lead - 1
        covariance = _monthly_covariances()[1][last % 12]
        values = rain.correlate_best(model_parameters(), covariance, last, lead)
    else:
        values = _best_tas_correlation(month, lead)
    return xr.DataArray(values.reshape(GRID.shape), GRID.coords(), ("lat", "lon"))


def _best_tas_correlation(month: int, lead: int) -> Floats:
    """Compute the correlation from the covariances of modes and local weather, in each cell."""
    model = model_parameters()
    steps, covariances = _monthly_covariances()
    last = (month - 1 - lead - 1) % 12
    paths = [np.eye(len(covariances[0]))]
    for step in range(lead + 3):
        paths.append(steps[(last + step) % 12] @ paths[-1])
    to_field = np.concatenate([model.patterns, np.eye(CELLS)], 1)
    forecast = to_field @ (sum(paths[lead + 2 :], paths[lead + 1]) / 3)
    explained = np.einsum("ij,jk,ik->i", forecast, covariances[last], forecast)
    total = np.zeros(CELLS)
    for a in range(3):
        now = (last + lead + 1 + a) % 12
        path = np.eye(len(covariances[0]))
        for b in range(a, 3):
            pairs = 1 if a == b else 2
            total += (
                pairs * np.einsum("ij,jk,ik->i", to_field @ path, covariances[now], to_field) / 9
            )
            path = steps[(now + b - a) % 12] @ path
    return np.asarray(np.sqrt(explained / total))


@cache
def _monthly_covariances() -> tuple[list[Floats], list[Floats]]:
    """Compute steps of modes and local weather together, and their covariance in each month."""
    model = model_parameters()
    count = model.propagators.shape[1]
    residual = np.eye(CELLS) - model.patterns @ model.projection
    steps, noises = [], []
    for m in range(12):
        step = np.zeros((count + CELLS, count + CELLS))
        step[:count, :count] = model.propagators[m]
        step[count:, count:] = residual * model.persistence
        steps.append(step)
        shaped = residual @ (model.smoothing * model.noise[m][:, None])
        noise = np.zeros_like(step)
        noise[:count, :count] = np.diag(model.mode_noise[m] ** 2)
        noise[count:, count:] = shaped @ shaped.T
        noises.append(noise)
    covariance = noises[0]
    monthly: list[Floats] = []
    for month in range(12 * 12):
        if month >= 11 * 12:
            monthly.append(covariance)
        # Eleven years suffice: the most persistent mode keeps 0.95 a month.
        covariance = steps[month % 12] @ covariance @ steps[month % 12].T + noises[(month + 1) % 12]
    return steps, monthly
