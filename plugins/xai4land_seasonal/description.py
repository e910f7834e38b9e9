"""Forecasts as CF describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from xai4land.grids import cf
from xai4land.heads.outputs import Output, to_dataset
from xai4land.typing import Ints
from xai4land_seasonal.data.months import start_of_months
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH, reference_time, season_coords
from xai4land_seasonal.data.state import State
from xai4land_seasonal.data.variables import Variable
from xai4land_seasonal.forecaster import Forecaster

__all__ = ["describe_forecast"]


def describe_forecast(
    values: da.Array,
    state: State,
    forecaster: Forecaster,
    starts: Ints,
    variables: Sequence[Variable],
    lead: int,
    source: xr.Dataset,
) -> xr.Dataset:
    """Return members as a dataset with CF coordinates and attributes.

    Parameters
    ----------
    values : dask array, shape (starts, members, targets, rows, columns)
    state : State
        What was forecast from.
    forecaster : Forecaster
    starts : ndarray of int
        Numbers of the first months of the seasons.
    variables : sequence of Variable
        The predictors.
    lead : int
    source : Dataset
        The user's data, whose history goes on.
    """
    grid, _ = forecaster.window(state.grid)
    dims = ("time", "realization", *grid.names)
    mapping = cf.geographic_mapping(source)
    coords: dict[str, Any] = {**cf.grid_coords(grid), str(mapping.name): mapping}
    coords |= _time_coords(starts, lead, state.time)
    coords["realization"] = xr.DataArray(
        np.arange(values.shape[1], dtype=np.int32),
        dims="realization",
        attrs={"standard_name": "realization", "units": "1"},
    )
    by_name = {variable.name: variable for variable in variables}
    targets = forecaster.targets(list(by_name))
    outputs = [_output(name, by_name[name], state.climatology) for name in targets]
    arrays = {name: values[:, :, k] for k, name in enumerate(targets)}
    title = f"seasonal forecast by {forecaster.name}"
    attrs = cf.global_attrs(source, f"Seasonal anomalies: {forecaster.name}", title, title)
    attrs["comment"] = f"{forecaster.description}; {attrs['comment']}"
    attrs |= {"emulator": forecaster.name, **forecaster.attrs}
    attrs["climatology_period"] = state.climatology
    return to_dataset(outputs, arrays, dims, coords, attrs)


def _output(name: str, variable: Variable, climatology: str) -> Output:
    attrs = {
        "long_name": f"seasonal anomaly of {_name_quantity(variable)}",
        "units": variable.units,
        "cell_methods": "time: mean",
        "climatology_period": climatology,
    }
    return Output(name, "float32", attrs, np.float32(np.nan))


def _name_quantity(variable: Variable) -> str:
    return variable.standard_name.removesuffix("_anomaly") or variable.name


def _time_coords(starts: Ints, lead: int, time: xr.DataArray) -> dict[str, Any]:
    """Return the seasons' times, when their forecasts are made, and the hours between."""
    coords = season_coords(starts, [SEASON_OF_MONTH[s % 12].name for s in starts], time)
    coords["forecast_reference_time"] = reference_time(starts - lead, time)
    reference = start_of_months(starts - lead, time)
    coords["forecast_period"] = xr.DataArray(
        np.array([_hours(period) for period in coords["time"].values - reference]),
        dims="time",
        attrs={"standard_name": "forecast_period", "units": "hours"},
    )
    return coords


def _hours(span: Any) -> float:
    """Return the hours of a difference of dates, of numpy or of cftime."""
    if isinstance(span, np.timedelta64):
        return float(span / np.timedelta64(1, "h"))
    return float(span.total_seconds() / 3600)
