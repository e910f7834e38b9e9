"""Observations and other forecasts, at the times and on the grid of a forecast."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land.regridding import cell_means
from xai4land.scores.ensembles import ensemble_mean
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.levels import check_level
from xai4land_seasonal.data.means import seasonal_means
from xai4land_seasonal.data.monthly import as_dataset, drop_single_dims, is_bounds, read_monthly
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.data.variables import KNOWN_VARIABLES, Variable, find_variable

__all__ = ["check_forecast", "check_same_level", "match", "to_seasons"]

MAX_BIAS = 30.0
"""Largest bias of a forecast, in standard deviations of the years. It may reach 25 (5 K where years
vary by 0.2 K); of absolute temperatures, in kelvin, it is 90 (polar winters) to a thousand."""


def to_seasons(
    data: xr.Dataset,
    like: xr.Dataset,
    climatology: Climatology,
    what: str,
    *,
    members: bool = False,
) -> xr.Dataset:
    """Return seasonal anomalies of data that are monthly, or seasonal already.

    Parameters
    ----------
    data : Dataset
    like : Dataset
        A forecast: its variables, seasons and grid.
    climatology : tuple of int, Dataset, DataArray or None
        Of monthly data.
    what : str
        What to call the data in errors.
    members : bool
        Whether the data may have members: they are a forecast.

    Raises
    ------
    InputError
        If the forecast is none, or the data lack variables, months or a grid, or have dimensions
        that no one knows.
    """
    check_forecast(like)
    data = as_dataset(data, what)
    seasonal = "season_year" in data.coords
    data = data if seasonal else read_monthly(data, what)
    names = _list_fields(like)
    differences = climatology is None
    grid = Grid.of(like[names[0]], "the forecast")
    problems, found = [], {}
    for name in names:
        try:
            array = find_variable(data, _variable(name, like), differences=differences)
            source = Grid.of(array, f"{what}: {name!r}")
            array = drop_single_dims(array, source, members=members)
            same = dict(zip(source.names, grid.names, strict=True))
            found[name] = array.rename(same) if source == grid else cell_means(array, grid, data)
            found[name] = found[name].transpose("time", ..., *grid.names)
        except InputError as error:
            problems += [f"{what}: {problem}" for problem in error.problems]
    problems += _find_other_base(data, like, climatology, what)
    InputError.raise_if(problems)
    made = xr.Dataset({n: a.rename(n).assign_coords(grid.coords()) for n, a in found.items()})
    if seasonal:
        return made.assign_coords(
            {k: data[k] for k in ("season", "season_year") if k in data.coords}
        )
    number_months(made["time"], what)
    if differences:
        made = made.map(check_level, absolute=False)
    return seasonal_means(made, np.unique(like["season"].values).tolist(), climatology=climatology)


def check_forecast(forecast: Any, what: str = "the forecast") -> None:
    """Refuse what is no forecast: a dataset along time, members and a grid, with seasons.

    Raises
    ------
    InputError
    """
    if not isinstance(forecast, xr.Dataset):
        raise InputError(
            f"{what} is a {type(forecast).__name__}, expected a Dataset as "
            "xai4land_seasonal.forecast gives it; a DataArray becomes one by .to_dataset()"
        )
    _season_keys(forecast, what)
    names = _list_fields(forecast)
    if not names:
        raise InputError(f"{what}: no variable along 'time' among {list(forecast.data_vars)}")
    for name in names:
        grid = Grid.of(forecast[name], f"{what}: {name!r}")
        drop_single_dims(forecast[name], grid, members=True)


def _list_fields(forecast: xr.Dataset) -> list[str]:
    """Return the names of variables along time that are not bounds."""
    bounds = {variable.attrs.get("bounds") for variable in forecast.variables.values()}
    return [
        str(name)
        for name, array in forecast.data_vars.items()
        if "time" in array.dims and name not in bounds and not is_bounds(name)
    ]


def _find_other_base(
    data: xr.Dataset, like: xr.Dataset, climatology: Climatology, what: str
) -> list[str]:
    """Return the problem that anomalies are against another period than the forecast's."""
    given = data.attrs if climatology is None else {"climatology_period": ""}
    if isinstance(climatology, tuple):
        given = {"climatology_period": f"{climatology[0]}-{climatology[1]}"}
    theirs, ours = (str(a.get("climatology_period", "")) for a in (given, like.attrs))
    if theirs == ours or not all(re.fullmatch(r"\d+-\d+", period) for period in (theirs, ours)):
        return []
    return [
        f"{what} are against {theirs}, and the forecast is against {ours}; give both the same "
        "climatology=, or bring them to one with xai4land_seasonal.rebase(ds, period)"
    ]


def match(forecast: xr.Dataset, data: xr.Dataset, what: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Select the seasons that a forecast and seasonal data share, in the forecast's order.

    Raises
    ------
    InputError
        If fewer than two seasons are shared.

    Examples
    --------
    >>> from xai4land_seasonal.data.seasons import season_coords
    >>> import pandas as pd
    >>> like = xr.DataArray(pd.date_range("2000-01-01", periods=2), dims="time")
    >>> def made(starts):
    ...     coords = season_coords(np.array(starts), ["MAM"] * len(starts), like)
    ...     return xr.Dataset({"tas": ("time", np.arange(float(len(starts))))}, coords)
    >>> one, other = match(made([24002, 24014, 24026]), made([24014, 24026, 24038]), "obs")
    >>> one.tas.values, other.tas.values
    (array([1., 2.]), array([0., 1.]))
    """
    keys = [_season_keys(part, name) for part, name in ((forecast, "the forecast"), (data, what))]
    place = {key: k for k, key in enumerate(keys[1])}
    ours = [k for k, key in enumerate(keys[0]) if key in place]
    if len(ours) < 2:
        spans = [
            f"{keys[k][0][0]} {keys[k][0][1]} to {keys[k][-1][0]} {keys[k][-1][1]}" for k in (0, 1)
        ]
        raise InputError(
            f"{what} ({spans[1]}) and the forecast ({spans[0]}) share {len(ours)} seasons, "
            "expected at least two; bring others, or forecast other years"
        )
    theirs = [place[keys[0][k]] for k in ours]
    one, other = forecast.isel(time=ours), data.isel(time=theirs)
    other = other.drop_vars([c for c in other.coords if "time" in other[c].dims])
    return one, other.assign_coords(time=one["time"])


def check_same_level(forecast: xr.DataArray, obs: xr.DataArray, what: str) -> xr.DataArray:
    """Return a forecast; raise if it is absolute beside anomalies, or the reverse.

    Their means over time then differ by more than any bias, and as much as the absolute ones are.
    Lazy data are checked when they are computed.

    Examples
    --------
    >>> obs = xr.DataArray(np.sin(np.arange(20.0)), dims="time")
    >>> check_same_level(obs + 7, obs, "ours").equals(obs + 7)
    True
    """
    means = [ensemble_mean(forecast).mean("time"), obs.mean("time")]
    squares = [(mean**2).mean() for mean in (means[0] - means[1], *means)]
    checked: xr.DataArray = xr.apply_ufunc(
        _refuse_other_level,
        forecast,
        *squares,
        ((obs - means[1]) ** 2).mean(),
        kwargs={"what": what},
        dask="parallelized",
        output_dtypes=[forecast.dtype],
        keep_attrs="override",
    )
    return checked


def _refuse_other_level(
    values: np.ndarray, difference: Any, ours: Any, theirs: Any, variance: Any, what: str
) -> np.ndarray:
    """Return values, or raise if they are plainly of the other level."""
    if values.size == 0:
        return values
    apart, larger, varying = (
        float(square) ** 0.5 for square in (difference, max(ours, theirs), variance)
    )
    known = varying > 1e-6 * larger  # otherwise it may be rounding
    if known and apart > MAX_BIAS * varying and apart > 0.5 * larger:
        raise InputError(
            f"{what} and the observations differ by {apart:.3g} in the mean, "
            f"and these vary by {varying:.3g}: one is absolute, the other "
            "anomalies; take anomalies of both (climatology=, hindcast_seasons(anomalies=True)), "
            "or correct the bias with xai4land_seasonal.calibrate(forecast, obs)"
        )
    return values


def _season_keys(data: xr.Dataset, what: str) -> list[tuple[str, int]]:
    if not {"season", "season_year"} <= set(map(str, data.coords)):
        raise InputError(
            f"{what}: no coordinates 'season' and 'season_year'; make seasonal means with "
            "xai4land_seasonal.seasonal_means(ds), or seasons of a hindcast with "
            "xai4land_seasonal.hindcast_seasons(ds)"
        )
    pairs = zip(data["season"].values.tolist(), data["season_year"].values.tolist(), strict=True)
    return [(str(season), int(year)) for season, year in pairs]


def _variable(name: str, like: xr.Dataset) -> Variable:
    """Return a variable in the units of the forecast, which all is compared in."""
    known = next((v for v in KNOWN_VARIABLES if v.name == name), Variable(name=name))
    given = str(like[name].attrs.get("units", "")).strip()
    return known.model_copy(update={"units": given}) if given else known
