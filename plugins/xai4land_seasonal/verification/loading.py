"""The fields that metrics need, computed once for scores and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import xarray as xr
from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import delayed
from rich.progress import Progress, TaskID

from xai4land.progress import progress_bar
from xai4land_seasonal.verification.comparison import Comparison, ForecastsBySeason
from xai4land_seasonal.verification.fields import LoadedForecast, Observations, SeasonForecast
from xai4land_seasonal.verification.metrics import METRICS

__all__ = ["load_fields"]


def load_fields(
    comparison: Comparison, metrics: Sequence[str], *, progress: bool = False
) -> Comparison:
    """Compute the fields that metrics need; members are kept only where a metric needs them.

    All in one call, since forecasts share observations and references.
    """
    needs = sorted({need for name in metrics for need in METRICS[name].needs})
    of_truth = [need for need in needs if need.startswith("truth.")]
    own = [need for need in needs if need not in of_truth]
    # A task for each season of a forecast: many small ones would take longer than the arithmetic.
    truths: dict[str, Any] = {}
    lazy: dict[str, dict[str, list[Any]]] = {}
    for name, seasons in comparison.forecasts.items():
        lazy[name] = {}
        for season, (one, _) in seasons.items():
            assert isinstance(one, SeasonForecast)
            if season not in truths:
                truth = one.truth
                arrays = map(_delay, (truth.obs, truth.climatology, truth.trend))
                made = delayed(Observations)(*arrays, truth.space)
                truths[season] = made, delayed(_fields_of_truth)(made, of_truth)
            made, shared = truths[season]
            lazy[name][season] = [delayed(_fields_of)(_delay(one.members), made, own), shared]
    with progress_bar(progress) as bar, _TaskCounter(bar, bar.add_task("forecasts", note="")):
        fields: dict[str, dict[str, list[dict[str, xr.DataArray]]]] = compute(lazy)[0]
    loaded: ForecastsBySeason = {
        name: {
            season: (LoadedForecast(fields[name][season][0] | fields[name][season][1]), years)
            for season, (_, years) in seasons.items()
        }
        for name, seasons in comparison.forecasts.items()
    }
    return replace(comparison, forecasts=loaded)


def _delay(array: xr.DataArray) -> Any:
    """Return an array as one task, if it is lazy; tasks that arrays share stay shared."""
    if array.chunks is None:
        return array
    data = array.data.rechunk(-1).to_delayed(optimize_graph=False).item()
    coords = {name: coord.variable for name, coord in array.coords.items()}
    return delayed(xr.DataArray)(data, coords=coords, dims=array.dims)


def _fields_of(
    members: xr.DataArray, truth: Observations, needs: Sequence[str]
) -> dict[str, xr.DataArray]:
    one = SeasonForecast(members, truth)
    return {need: one.field(need) for need in needs}


def _fields_of_truth(truth: Observations, needs: Sequence[str]) -> dict[str, xr.DataArray]:
    return {need: attrgetter(need.removeprefix("truth."))(truth) for need in needs}


class _TaskCounter(Callback):
    """Advance a bar by dask's tasks; a cluster's are counted when all are done."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bar, self.task = bar, task

    def _start(self, dsk: Any) -> None:
        self.bar.update(self.task, total=len(dsk))

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        self.bar.advance(self.task)

    def _finish(self, dsk: Any, state: Any, errored: bool) -> None:
        self.bar.refresh()
