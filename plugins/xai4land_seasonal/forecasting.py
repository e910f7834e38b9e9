"""Forecasts: lazy CF ensembles from monthly fields."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed

from xai4land.emulator import load_emulator
from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.grid import Target
from xai4land.typing import Ints
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.history import History
from xai4land_seasonal.data.months import encode, number_months, start_of_months
from xai4land_seasonal.data.seasons import Season, find_seasons, season_coords
from xai4land_seasonal.data.sources import Simulations, split_sources
from xai4land_seasonal.data.state import State, find_grid, read_state, read_states
from xai4land_seasonal.data.trends import MIN_TREND_YEARS, Trend
from xai4land_seasonal.data.variables import Variable, guess_variables
from xai4land_seasonal.emulator.emulator import SeasonalEmulator
from xai4land_seasonal.forecaster import Forecaster, GridIndex
from xai4land_seasonal.references import REFERENCES
from xai4land_seasonal.references.analogs import Analogs

__all__ = ["forecast"]

YEARS = 20
"""Forecasts of one task."""


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
        Monthly fields on a regular grid, without a gap, from at least 15 years before the first
        forecast: what is forecast is added to the trend of the years before. A forecast
        looks at nothing from its reference time on.
    seasons : str or sequence of str
        First letters of three months; a season belongs to the year of its last month.
    lead : int
        Whole months between the last month that is known and the season: with 1, DJF is forecast
        from what is known at the end of October.
    years : int or sequence of int, optional
        Of the seasons. By default all that can be forecast, the next one included.
    members : int
        Size of the ensemble.
    emulator : str, path-like or Forecaster, optional
        A seasonal emulator, or a reference by name: ``"climatology"``, ``"trend"``,
        ``"persistence"``, ``"damped persistence"``, ``"trend + damped persistence"``,
        ``"eof-ridge"``, ``"analogs"``. By default the bundled emulator that fits.
    climatology : tuple of int, Dataset, DataArray or None
        First and last year of the monthly means that anomalies are against, all before the
        first forecast; None if the data are anomalies already, which then stay against theirs.
    simulations : Dataset, mapping from str to Dataset, intake_esm.esm_datastore or None
        What ``"analogs"`` are drawn from, such as the simulations that an emulator learned from:
        absolute or anomalies, on any grid and calendar. None: from the data's own past.
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
        the grid is not one the emulator takes, or simulations are given to what draws from none;
        what is lazy is checked when it is computed.

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
    found_seasons = find_seasons(seasons)
    problems = [
        f"{name}={value!r}, expected a whole number of at least {least}"
        for name, value, least in (("members", members, 1), ("lead", lead, 0), ("seed", seed, 0))
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least
    ]
    InputError.raise_if(problems)
    chosen = _choose(data, emulator)
    found = [v for v in guess_variables(data) if variables is None or v.name in variables]
    wanted = chosen.predictors(found)
    time = _time_of(data)
    starts = _starts(number_months(data[time], "the data"), found_seasons, lead, years)
    first_year = min((start + 2) // 12 for start in starts)
    state = read_state(
        data, wanted, chosen.native_grid or find_grid(grid, data), climatology, before=first_year
    )
    sources = [] if simulations is None else split_sources(simulations)
    maker = _drawing(chosen, read_states(sources, wanted, state.grid)) if sources else chosen
    values = _members(state, chosen, maker, starts, (members, lead, seed))
    made = _described(values, state, chosen, starts, wanted, lead, data)
    return made.assign_attrs({"simulations": ", ".join(k for k, _ in sources)} if sources else {})


def _choose(data: xr.Dataset, emulator: Any) -> Forecaster:
    if isinstance(emulator, str) and emulator in REFERENCES:
        return REFERENCES[emulator]
    if emulator is None:
        return _fitting(data)
    if isinstance(emulator, str | os.PathLike):
        emulator = load_emulator(emulator)
    if not isinstance(emulator, Forecaster):
        what = getattr(getattr(emulator, "card", None), "gives", repr(emulator))
        raise InputError(
            f"the emulator gives {what}, expected one of seasons; or name a reference: "
            f"{', '.join(REFERENCES)}"
        )
    return emulator


def _drawing(chosen: Forecaster, simulations: Sequence[State]) -> Any:
    """Analogs from simulations, which are computed once for all forecasts."""
    if not isinstance(chosen, Analogs):
        raise InputError(
            f"simulations= are drawn from by 'analogs', and the emulator is {chosen.name!r}; leave "
            "them out, or name emulator='analogs'"
        )
    histories = [_history(state, chosen.trend) for state in simulations]
    return delayed(chosen.drawing, pure=True)(histories)


def _fitting(data: xr.Dataset) -> Forecaster:
    """The bundled emulator whose predictors are there."""
    from xai4land_seasonal.emulators import BUNDLED

    names = {variable.name for variable in guess_variables(data)}
    for path in BUNDLED.values():
        found = load_emulator(path)
        if isinstance(found, SeasonalEmulator) and {v.name for v in found.card.predictors} <= names:
            return found
    raise InputError(
        f"no bundled emulator forecasts from {', '.join(sorted(names))}; give emulator=, fit your "
        f"own with ds.seasonal.fit(), or name a reference: {', '.join(REFERENCES)}"
    )


def _time_of(data: xr.Dataset) -> str:
    if "time" in data.coords:
        return "time"
    raise InputError("the data have no coordinate 'time'; rename yours: ds.rename(old='time')")


def _starts(
    months: Ints, seasons: Sequence[Season], lead: int, years: int | Sequence[int] | None
) -> Ints:
    """Numbers of the first months of the seasons, in order.

    Raises
    ------
    InputError
        Naming the seasons whose last months are not known, or that have too few years before.
    """
    earliest = int(months[0]) + 12 * MIN_TREND_YEARS
    latest = int(months[-1]) + lead + 1
    if years is None:
        span = range(earliest // 12, latest // 12 + 2)
        found = [s.start(y) for y in span for s in seasons if earliest <= s.start(y) <= latest]
        if not found:
            raise InputError(
                f"{months.size} months are too few to forecast from: trends need {MIN_TREND_YEARS} years"
            )
        return np.array(sorted(found))
    wanted = [years] if isinstance(years, int | np.integer) else [int(y) for y in years]
    problems = [] if wanted else ["years is empty, expected at least one year"]
    for season in seasons:
        for year in wanted:
            start = season.start(year)
            if start < earliest:
                problems.append(
                    f"{season.name} {year} has {(start - int(months[0])) // 12} years before it, "
                    f"expected at least {MIN_TREND_YEARS} to fit a trend on; bring earlier years"
                )
            elif start > latest:
                last, end = start - lead - 1, int(months[-1])
                problems.append(
                    f"{season.name} {year} at lead {lead} needs data up to "
                    f"{last // 12}-{last % 12 + 1:02d}, and they end in "
                    f"{end // 12}-{end % 12 + 1:02d}; bring the months between, or leave it out"
                )
    InputError.raise_if(problems)
    return np.array(sorted({s.start(y) for y in wanted for s in seasons}))


def _history(state: State, trend: Trend) -> Any:
    """The whole past, which is small on this grid; one value that all forecasts share."""
    source = state.data.data
    source = source.rechunk(-1) if isinstance(source, da.Array) else source
    flat = source.reshape(*source.shape[:2], -1)
    make = delayed(History, pure=True)
    return make(flat, int(state.months[0]), state.days(), state.area(), trend)


def _members(
    state: State, chosen: Forecaster, maker: Any, starts: Ints, how: tuple[int, int, int]
) -> da.Array:
    """One task for some years."""
    names = [str(name) for name in state.data["variable"].values]
    targets = len(chosen.targets(names))
    grid, window = chosen.window(state.grid)
    past = _history(state, chosen.trend)
    make = delayed(_run, pure=True)
    parts = []
    for first in range(0, len(starts), YEARS):
        some = starts[first : first + YEARS]
        shape = (len(some), how[0], targets, *grid.shape)
        made = make(maker, past, some, how, state.grid.shape, window)
        parts.append(da.from_delayed(made, shape, np.float32))
    return da.concatenate(parts)  # type: ignore[no-any-return]


def _run(
    chosen: Forecaster,
    history: History,
    starts: Ints,
    how: tuple[int, int, int],
    shape: tuple[int, int],
    window: GridIndex | None,
) -> np.ndarray:
    """Forecasts of some starts in a window, (starts, members, targets, rows, columns)."""
    from xai4land_seasonal.emulator.cases import SEASON_OF_MONTH

    members, lead, seed = how
    made: np.ndarray | None = None
    for month in np.unique(starts % 12):
        at = np.flatnonzero(starts % 12 == month)
        season = SEASON_OF_MONTH[month]
        years = starts[at] // 12 + season.crosses
        part = chosen.members(history, season, lead, years, members, seed).astype(np.float32)
        if made is None:
            made = np.empty((len(starts), *part.shape[1:]), np.float32)
        made[at] = part
    assert made is not None
    whole = made.reshape(*made.shape[:3], *shape)
    return whole if window is None else whole[..., window[0][:, None], window[1]]


def _described(
    values: da.Array,
    state: State,
    chosen: Forecaster,
    starts: Ints,
    variables: Sequence[Variable],
    lead: int,
    source: xr.Dataset,
) -> xr.Dataset:
    grid, _ = chosen.window(state.grid)
    dims = ("time", "realization", *grid.names)
    coords: dict[str, Any] = cf.grid_coords(grid)
    labels = [_name(int(start) % 12) for start in starts]
    coords |= season_coords(starts, labels, state.time)
    reference = xr.DataArray(
        start_of_months(starts - lead, state.time),
        dims="time",
        attrs={"standard_name": "forecast_reference_time"},
    )
    encode(reference)
    coords["forecast_reference_time"] = reference
    coords["forecast_period"] = xr.DataArray(
        np.array([_hours(p) for p in coords["time"].values - reference.values]),
        dims="time",
        attrs={"standard_name": "forecast_period", "units": "hours"},
    )
    coords["realization"] = xr.DataArray(
        np.arange(values.shape[1], dtype=np.int32),
        dims="realization",
        attrs={"standard_name": "realization", "units": "1"},
    )
    made = {}
    by_name = {variable.name: variable for variable in variables}
    for k, name in enumerate(chosen.targets(list(by_name))):
        variable = by_name[name]
        attrs = {
            "long_name": f"seasonal anomaly of {variable.standard_name or name}",
            "units": variable.units,
            "cell_methods": "time: mean",
            "climatology_period": state.climatology,
        }
        made[name] = xr.DataArray(values[:, :, k], dims=dims, attrs=attrs)
        made[name].encoding["_FillValue"] = np.float32(np.nan)
    what = f"seasonal forecast by {chosen.name}"
    attrs = cf.global_attrs(source, f"Seasonal anomalies: {chosen.name}", what, what)
    attrs["comment"] = f"{chosen.description}; {attrs['comment']}"
    attrs |= {"emulator": chosen.name, **chosen.attrs, "climatology_period": state.climatology}
    return xr.Dataset(made, coords, attrs)


def _name(month: int) -> str:
    from xai4land_seasonal.emulator.cases import SEASON_OF_MONTH

    return SEASON_OF_MONTH[month].name


def _hours(span: Any) -> float:
    """A difference of dates, numpy's or cftime's."""
    if isinstance(span, np.timedelta64):
        return float(span / np.timedelta64(1, "h"))
    return float(span.total_seconds() / 3600)
