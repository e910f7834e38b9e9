"""Members of forecasts as dask arrays, one task for some years."""

from __future__ import annotations

from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from dask.delayed import delayed

from xai4land.typing import Ints
from xai4land_seasonal.data.history import History, Rain
from xai4land_seasonal.data.seasons import SEASON_OF_MONTH
from xai4land_seasonal.data.state import State
from xai4land_seasonal.data.trends import Trend
from xai4land_seasonal.forecaster import Forecaster, GridIndex

__all__ = ["Request", "forecast_members", "lazy_history"]

STARTS_PER_TASK = 20


class Request(NamedTuple):
    """What all forecasts of a call share.

    Attributes
    ----------
    members : int
        Size of the ensemble.
    lead : int
        Whole months between the last month that is known and the season.
    seed : int
    """

    members: int
    lead: int
    seed: int


def lazy_history(state: State, trend: Trend) -> Any:
    """Return the whole past as one delayed value that all forecasts share."""
    values = state.data.data
    values = values.rechunk(-1) if isinstance(values, da.Array) else values
    flat = values.reshape(*values.shape[:2], -1)
    make = delayed(History, pure=True)
    rain = state.rain and delayed(Rain, pure=True)(*vars(state.rain).values())
    return make(flat, int(state.months[0]), state.days(), state.area(), trend, rain)


def forecast_members(
    state: State, forecaster: Forecaster, source: Any, starts: Ints, request: Request
) -> da.Array:
    """Return members, shape (starts, members, targets, rows, columns); nothing is computed.

    Parameters
    ----------
    state : State
    forecaster : Forecaster
        Gives the targets and the part of the grid that is forecast.
    source : Forecaster or Delayed
        The forecaster that computes members; perhaps delayed.
    starts : ndarray of int
        Numbers of the first months of the seasons.
    request : Request
    """
    names = [str(name) for name in state.data["variable"].values]
    targets = tuple(names.index(name) for name in forecaster.targets(names))
    grid, window = forecaster.window(state.grid)
    history = lazy_history(state, forecaster.trend)
    make = delayed(_forecast_starts, pure=True)
    parts = []
    for first in range(0, len(starts), STARTS_PER_TASK):
        some = starts[first : first + STARTS_PER_TASK]
        shape = (len(some), request.members, len(targets), *grid.shape)
        values = make(source, history, some, request, targets, state.grid.shape, window)
        parts.append(da.from_delayed(values, shape, np.float32))
    return da.concatenate(parts)  # type: ignore[no-any-return]


def _forecast_starts(
    forecaster: Forecaster,
    history: History,
    starts: Ints,
    request: Request,
    targets: tuple[int, ...],
    shape: tuple[int, int],
    window: GridIndex | None,
) -> np.ndarray:
    """Compute forecasts of some starts, (starts, members, targets, rows, columns)."""
    members: np.ndarray | None = None
    for month in np.unique(starts % 12):
        at = np.flatnonzero(starts % 12 == month)
        season = SEASON_OF_MONTH[month]
        years = starts[at] // 12 + season.crosses
        made = forecaster.members(
            history, season, request.lead, years, request.members, request.seed
        )
        part = history.restore(made, season, years, targets).astype(np.float32)
        if members is None:
            members = np.empty((len(starts), *part.shape[1:]), np.float32)
        members[at] = part
    assert members is not None
    whole = members.reshape(*members.shape[:3], *shape)
    return whole if window is None else whole[..., window[0][:, None], window[1]]
