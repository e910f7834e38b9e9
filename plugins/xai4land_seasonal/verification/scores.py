"""Scores of forecasts and seasons, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import xarray as xr

from xai4land_seasonal.verification.comparison import Comparison
from xai4land_seasonal.verification.metrics import METRICS, average_over, finish

__all__ = ["compute_scores", "concatenate", "summarise"]

RELIABILITY_PARTS = {
    "probability": ": mean probability",
    "frequency": ": how often it was observed",
    "weight": ": share of the cases",
}


def compute_scores(
    comparison: Comparison, metrics: Sequence[str], mean_dims: set[str]
) -> xr.Dataset:
    """Compute scores on (forecast, season, ...), averaged over ``mean_dims``."""
    by_forecast = []
    origin: dict[str, str] = {}
    for seasons in comparison.forecasts.values():
        by_season = []
        for one, _ in seasons.values():
            scores: dict[str, xr.DataArray] = {}
            for name in metrics:
                metric = METRICS[name]
                needs = [one.field(need) for need in metric.needs]
                found = metric.score(*needs, *([comparison.area] if metric.pooled else []))
                if isinstance(found, xr.Dataset):
                    new = {f"{name}_{k}": part for k, part in found.items()}
                else:
                    new = {name: found}
                scores |= new
                origin |= dict.fromkeys(new, name)
            by_season.append(xr.Dataset(scores))
        by_forecast.append(concatenate(by_season, "season"))
    every = concatenate(by_forecast, "forecast")
    labels, seasons = list(comparison.forecasts), next(iter(comparison.forecasts.values()))
    every = every.assign_coords(forecast=labels, season=list(seasons))
    every = xr.Dataset(
        {str(k): finish(origin[str(k)], average_over(v, mean_dims)) for k, v in every.items()}
    )
    for key, name in origin.items():
        part = RELIABILITY_PARTS.get(key.removeprefix(f"{name}_"), "")
        every[key].attrs = {
            "long_name": METRICS[name].long_name + part,
            "units": comparison.units if METRICS[name].has_units else "1",
        }
    return every.assign_attrs(comparison.attrs)


def concatenate(parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Concatenate datasets along a new dimension."""
    return xr.concat(parts, dim, coords="minimal", compat="override")


def summarise(scores: xr.Dataset) -> pd.DataFrame:
    """Return scores as a table: a row for each forecast, means over cells (by area) and seasons.

    Parameters
    ----------
    scores : Dataset
        As :func:`xai4land_seasonal.verify` gives it; computed here.

    Returns
    -------
    DataFrame
        Indexed by ``forecast``, and by ``region`` where scores are of regions; a column for each
        score.

    Examples
    --------
    >>> scores = xr.Dataset({"acc": (("forecast", "season"), [[0.25, 0.75]])}, {"forecast": ["a"]})
    >>> summarise(scores)["acc"].to_dict()
    {'a': 0.5}
    """
    extra = {"bin", "bound"}
    plain = {k: v for k, v in scores.data_vars.items() if not extra & set(map(str, v.dims))}
    means = {
        k: average_over(v, set(map(str, v.dims)) - {"forecast", "region"}) for k, v in plain.items()
    }
    computed = xr.Dataset(means).compute()
    dims = [dim for dim in ("forecast", "region") if dim in computed.dims]
    return computed.to_dataframe(dims)[list(map(str, means))]
