"""Verification: scores of a forecast beside its references'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from dask.base import compute

from xai4land.errors import InputError
from xai4land.grids import cf
from xai4land.grids.grid import Grid
from xai4land_seasonal.data.areas import Box
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.variables import usual_variable
from xai4land_seasonal.verification.comparison import Cases, Comparison, compare, problems_of
from xai4land_seasonal.verification.defaults import DEFAULT_METRICS, DEFAULT_REFERENCES
from xai4land_seasonal.verification.metrics import METRICS, mean_over

__all__ = ["METRICS", "intervals_of", "scores_of", "summarise", "verify"]

BATCH = 50
"""Resamples at once."""
RESAMPLED = 2
"""Years that a resample keeps together."""


def verify(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    references: Sequence[str] | Mapping[str, xr.Dataset] = DEFAULT_REFERENCES,
    metrics: Sequence[str] = DEFAULT_METRICS,
    dim: str | Sequence[str] = "time",
    regions: Sequence[str] | Mapping[str, Box] | None = None,
    intervals: int = 0,
    climatology: Climatology = None,
    variable: str | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Scores of a forecast beside its references', on the seasons that all have.

    Parameters
    ----------
    forecast : Dataset
        As :func:`xai4land_seasonal.forecast` or :func:`xai4land_seasonal.hindcast_seasons`
        gives it.
    obs : Dataset
        Monthly (references by name need the years before, too), or seasonal anomalies.
    references : sequence of str, or mapping from str to Dataset
        Names of references that are made from ``obs`` with the forecast's lead and members, or
        other forecasts, such as a dynamical hindcast.
    metrics : sequence of str
        Among :data:`METRICS`.
    dim : str or sequence of str
        ``"time"`` for a score in each cell and season; with latitude and longitude added, their
        area-weighted means; with ``"season"`` added, their means over seasons.
    regions : sequence of str or mapping from str to box, optional
        Scores of means over named regions (:data:`xai4land_seasonal.data.areas.REGIONS`) or boxes,
        instead of in each cell.
    intervals : int
        Resamples of the years, two in a row together (Künsch 1989), for 90 % intervals of area
        means or regions: ``<metric>_interval``, and ``<metric>_gain_interval`` for the first
        forecast's score less each other's. 1,000 are usual; 0 for none.
    climatology : tuple of int, Dataset, DataArray or None
        Of monthly observations, if they are absolute: that of the forecast.
    variable : str, optional
        By default the first of tas, pr, psl and tos that the forecast has, or else by the alphabet.
    seed : int
        Of the references' members.

    Returns
    -------
    Dataset
        One variable a metric, on (forecast, season, ...), lazy if the data are. ``forecast`` names
        the forecast first, then the references. Reliability and rank histograms count over all
        cells (or each region's means), on ``bin``. Intervals are on ``bound``, and computed.

    Raises
    ------
    InputError
        If observations do not cover the forecast, or a metric, reference, region or dimension is
        unknown.

    Examples
    --------
    >>> import xai4land, xai4land_seasonal
    >>> climate = xai4land.sample("climate", years=range(1900, 1960))[["tas"]]
    >>> made = xai4land_seasonal.forecast(
    ...     climate, "DJF", members=10, years=range(1940, 1960), climatology=(1900, 1929),
    ...     emulator="damped persistence")
    >>> scores = verify(made, climate, metrics=["acc"], climatology=(1900, 1929),
    ...                 dim=("time", "lat", "lon"))
    >>> scores.acc.sizes["forecast"]
    4
    """
    name = variable or usual_variable(forecast)
    problems = [
        f"metric {m!r}, expected one of {', '.join(METRICS)}" for m in metrics if m not in METRICS
    ]
    if name not in forecast:
        problems.append(f"variable {name!r} is not in the forecast ({list(forecast.data_vars)})")
    problems += problems_of(forecast, obs, references)
    wide = set([dim] if isinstance(dim, str) else dim) - {"time"}
    grid = Grid.of(forecast)
    cells = set(grid.names) if regions is None else set()
    if wide - {"season"} not in (set(), cells):
        problems.append(
            f"dim={sorted(wide | {'time'})}, expected 'time', with all or none of "
            f"{sorted(cells)}, with or without 'season'"
        )
    if intervals and regions is None and not wide & cells:
        problems.append(
            f"intervals of single cells are not made; add {', '.join(grid.names)} to dim=, or name "
            "regions="
        )
    InputError.raise_if(problems)
    parts = compare(
        forecast,
        obs,
        references,
        climatology=climatology,
        regions=regions,
        variable=name,
        seed=seed,
    )
    found = scores_of(parts, metrics, wide)
    if intervals:
        found = found.merge(intervals_of(parts.cases, metrics, wide, intervals, seed))
    return found.assign_attrs(history=cf.extend_history(forecast, "verified"))


def scores_of(parts: Comparison, metrics: Sequence[str], wide: set[str]) -> xr.Dataset:
    """Scores on (forecast, season, ...), with means over the dimensions in ``wide``."""
    cases = parts.cases
    made = []
    origin: dict[str, str] = {}
    for seasons in cases.values():
        several = []
        for case, _ in seasons.values():
            scores: dict[str, xr.DataArray] = {}
            for name in metrics:
                metric = METRICS[name]
                needs = [case.field(need) for need in metric.needs]
                found = metric.score(*needs, *([parts.area] if metric.pooled else []))
                if isinstance(found, xr.Dataset):
                    new = {f"{name}_{k}": part for k, part in found.items()}
                else:
                    new = {name: found}
                scores |= new
                origin |= dict.fromkeys(new, name)
            several.append(xr.Dataset(scores))
        made.append(_joined(several, "season"))
    every = _joined(made, "forecast")
    every = every.assign_coords(forecast=list(cases), season=list(next(iter(cases.values()))))
    every = xr.Dataset({k: mean_over(v, wide) for k, v in every.items()})
    for key, name in origin.items():
        every[key].attrs = {
            "long_name": METRICS[name].long_name,
            "units": parts.units if METRICS[name].has_units else "1",
        }
    return every.assign_attrs(parts.attrs)


def intervals_of(
    cases: Cases, metrics: Sequence[str], wide: set[str], samples: int, seed: int = 0
) -> xr.Dataset:
    """Scores and gains of resampled years; all forecasts and seasons are drawn alike."""
    names = [m for m in metrics if not METRICS[m].pooled and not m.endswith("pvalue")]
    needs = sorted({need for name in names for need in METRICS[name].needs})
    lazy = {
        name: {
            season: (xr.Dataset({need: case.field(need) for need in needs}), years)
            for season, (case, years) in seasons.items()
        }
        for name, seasons in cases.items()
    }
    # At once: they share observations and references.
    fields: dict[str, dict[str, tuple[xr.Dataset, npt.NDArray[np.int64]]]] = compute(lazy)[0]
    rng = np.random.default_rng(seed)
    years = np.unique(np.concatenate([y for _, y in next(iter(fields.values())).values()]))
    drawn = []
    for start in range(0, samples, BATCH):
        size = min(BATCH, samples - start), -(-years.size // RESAMPLED), 1
        first = rng.integers(0, years.size, size)
        at = (first + np.arange(RESAMPLED)).reshape(size[0], -1)[:, : years.size] % years.size
        one = [
            _joined(
                [_resampled(*part, years[at], names, wide) for part in seasons.values()], "season"
            )
            for seasons in fields.values()
        ]
        drawn.append(_joined(one, "forecast"))
    every = _joined(drawn, "sample")
    every = every.mean("season") if "season" in wide else every
    made = {}
    for name in names:
        gain = every[name].isel(forecast=0) - every[name]
        for key, values in (("interval", every[name]), ("gain_interval", gain)):
            bounds = values.quantile([0.05, 0.95], "sample").rename(quantile="bound")
            long_name = METRICS[name].long_name
            what = "90 % interval" + (" of the gain over" if key == "gain_interval" else "")
            made[f"{name}_{key}"] = bounds.assign_attrs(long_name=f"{long_name}: {what}")
    found = xr.Dataset(made).transpose("forecast", ..., "bound")
    found = found.assign_coords(bound=["lower", "upper"], forecast=list(cases))
    labels = list(next(iter(cases.values())))
    return found.assign_coords(season=labels) if "season" in found.dims else found


def _resampled(
    values: xr.Dataset,
    own: npt.NDArray[np.int64],
    years: npt.NDArray[np.int64],
    names: Sequence[str],
    wide: set[str],
) -> xr.Dataset:
    """Scores over (sample, time) years; a year that a season lacks tells nothing."""
    place = {year: k for k, year in enumerate(own.tolist())}
    at = np.vectorize(lambda year: place.get(year, -1), otypes=[int])(years)
    times = xr.DataArray(at, dims=("sample", "time"))
    drawn = values.isel(time=times).where(times >= 0)
    made = {}
    for name in names:
        score = METRICS[name].score(*(drawn[need] for need in METRICS[name].needs))
        assert isinstance(score, xr.DataArray)
        made[name] = mean_over(score, wide)
    return xr.Dataset(made)


def _joined(parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    return xr.concat(parts, dim, coords="minimal", compat="override")


def summarise(scores: xr.Dataset) -> pd.DataFrame:
    """Return scores as a table: a row for each forecast, means over cells (by area) and seasons.

    Parameters
    ----------
    scores : Dataset
        As :func:`verify` gives it; computed here.

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
        k: mean_over(v, set(map(str, v.dims)) - {"forecast", "region"}) for k, v in plain.items()
    }
    computed = xr.Dataset(means).compute()
    dims = [dim for dim in ("forecast", "region") if dim in computed.dims]
    return computed.to_dataframe(dims)[list(map(str, means))]
