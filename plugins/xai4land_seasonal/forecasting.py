"""Forecasts: lazy CF ensembles from monthly fields."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xai4land.errors import InputError, InputWarning
from xai4land.grids.grid import Target
from xai4land_seasonal.choosing import choose_forecaster, use_simulations
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.monthly import read_monthly
from xai4land_seasonal.data.months import number_months
from xai4land_seasonal.data.seasons import find_seasons
from xai4land_seasonal.data.sources import Simulations, name_model, split_sources
from xai4land_seasonal.data.starts import find_starts
from xai4land_seasonal.data.state import find_grid, read_state, read_states
from xai4land_seasonal.data.variables import Variable, guess_variables, is_there
from xai4land_seasonal.description import describe_forecast
from xai4land_seasonal.forecaster import Forecaster
from xai4land_seasonal.members import Request, forecast_members

__all__ = ["forecast"]


def forecast(
    data: xr.Dataset,
    seasons: str | Sequence[str] = "DJF",
    *,
    lead: int = 1,
    years: int | Sequence[int] | None = None,
    members: int = 100,
    emulator: str | os.PathLike[str] | Forecaster | None = None,
    climatology: Climatology = None,
    simulations: Simulations = None,
    grid: Target = None,
    variables: Sequence[str] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Forecast seasonal anomalies from the months before, as a lazy ensemble.

    Parameters
    ----------
    data : Dataset
        Monthly fields on a regular grid, without gaps, from at least 15 years before the first
        forecast, since forecasts are added to the trend of the years before. A forecast uses
        nothing after its reference time. Predictors of an emulator that are no targets may be
        missing, with a warning.
    seasons : str or sequence of str
        First letters of three months; a season belongs to the year of its last month.
    lead : int
        Whole months between the last month that is known and the season: with 1, DJF is forecast
        from what is known at the end of October.
    years : int or sequence of int, optional
        Of the seasons. By default all that can be forecast, including the next one.
    members : int
        Size of the ensemble.
    emulator : str, path-like or Forecaster, optional
        A seasonal emulator, or a reference by name: ``"climatology"``, ``"trend"``,
        ``"persistence"``, ``"damped persistence"``, ``"trend + damped persistence"``,
        ``"eof-ridge"``, ``"analogs"``. By default the bundled emulator that fits.
    climatology : tuple of int, Dataset, DataArray or None
        First and last year of the monthly means that anomalies are against, all before the
        first forecast; None if the data are anomalies already.
    simulations : Dataset, mapping from str to Dataset, intake_esm.esm_datastore or None
        What ``"analogs"`` are drawn from, such as the simulations that an emulator learned from,
        absolute or anomalies, on any grid and calendar; None for the data's own past.
    grid : float, Dataset or DataArray, optional
        The grid of references: degrees, or data that lie on it. By default the data's own;
        emulators have their own.
    variables : sequence of str, optional
        Variables that references forecast; by default all.
    seed : int
        Of the members. Those of a year depend on it and on the year alone.

    Returns
    -------
    Dataset
        Anomalies on (time, realization, rows, columns), float32, with
        ``forecast_reference_time`` and ``forecast_period``; ``time`` is the middle of the season.

    Raises
    ------
    InputError
        If months are missing, the data end too early or begin too late, are absolute values
        without a climatology (or the reverse), a climatology reaches into the forecast years,
        the grid is not one that the emulator takes, or simulations are given to an emulator that
        does not draw from them. Lazy values are checked when they are computed.

    Examples
    --------
    >>> import xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))
    >>> made = xai4land_seasonal.forecast(
    ...     climate[["tas"]], "DJF", members=10, years=range(1950, 1960), emulator="trend",
    ...     climatology=(1900, 1929))
    >>> dict(made.tas.sizes)
    {'time': 10, 'realization': 10, 'lat': 18, 'lon': 36}
    """
    wanted = find_seasons(seasons)
    InputError.raise_if(
        f"{name}={value!r}, expected a whole number of at least {smallest}"
        for name, value, smallest in (("members", members, 1), ("lead", lead, 0), ("seed", seed, 0))
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < smallest
    )
    data = read_monthly(data)
    forecaster = choose_forecaster(data, emulator)
    known = guess_variables(data, absolute=climatology is not None)
    found = [v for v in known if variables is None or v.name in variables]
    predictors = forecaster.predictors(found)
    _warn_of_known_model(data, forecaster)
    starts = find_starts(number_months(data["time"]), wanted, lead, years)
    first_year = min((start + 2) // 12 for start in starts)
    native = forecaster.native_grid or find_grid(grid, data)
    missing = _find_missing(data, predictors, forecaster)
    state = read_state(data, predictors, native, climatology, first_year, optional=missing)
    sources = [] if simulations is None else split_sources(simulations)
    source = use_simulations(forecaster, read_states(sources, predictors, state.grid))
    values = forecast_members(state, forecaster, source, starts, Request(members, lead, seed))
    made = describe_forecast(values, state, forecaster, starts, predictors, lead, data)
    labels = ", ".join(label for label, _ in sources)
    return made.assign_attrs({"simulations": labels} if sources else {})


def _warn_of_known_model(data: xr.Dataset, forecaster: Forecaster) -> None:
    """Warn if an emulator has learned from the climate model whose seasons it forecasts."""
    model = name_model(data)
    if model and model in forecaster.attrs.get("training_models", "").split(", "):
        warnings.warn(
            f"{forecaster.name!r} has learned from {model}: scores on this model's seasons flatter "
            "it; test on a model that it has not seen",
            InputWarning,
            stacklevel=3,
        )


def _find_missing(
    data: xr.Dataset, predictors: Sequence[Variable], forecaster: Forecaster
) -> list[str]:
    """Return the predictors that data lack and that are no targets; warn of them."""
    targets = forecaster.targets([variable.name for variable in predictors])
    missing = [v.name for v in predictors if v.name not in targets and not is_there(data, v)]
    if missing:
        warnings.warn(
            f"the data have no {', '.join(missing)}, which {forecaster.name!r} looks at: forecasts "
            "are made as if its departures were zero",
            InputWarning,
            stacklevel=3,
        )
    return missing
