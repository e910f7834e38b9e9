"""Verification of a forecast beside references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import xarray as xr

from xai4land.errors import InputError
from xai4land.grids.grid import Grid
from xai4land_seasonal.data.climatology import Climatology
from xai4land_seasonal.data.monthly import as_dataset
from xai4land_seasonal.data.regions import Region
from xai4land_seasonal.data.variables import default_variable
from xai4land_seasonal.verification.comparison import compare, find_problems
from xai4land_seasonal.verification.defaults import DEFAULT_METRICS, DEFAULT_REFERENCES
from xai4land_seasonal.verification.description import describe_scores
from xai4land_seasonal.verification.intervals import compute_intervals
from xai4land_seasonal.verification.loading import load_fields
from xai4land_seasonal.verification.matching import check_forecast
from xai4land_seasonal.verification.metrics import METRICS
from xai4land_seasonal.verification.scores import compute_scores

__all__ = ["verify"]


def verify(
    forecast: xr.Dataset,
    obs: xr.Dataset,
    *,
    references: Sequence[str] | Mapping[str, xr.Dataset] = DEFAULT_REFERENCES,
    metrics: Sequence[str] = DEFAULT_METRICS,
    dim: str | Sequence[str] = "time",
    regions: Sequence[str] | Mapping[str, Region] | None = None,
    intervals: int = 0,
    climatology: Climatology = None,
    variable: str | None = None,
    rebase: tuple[int, int] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> xr.Dataset:
    """Score a forecast beside references, on the seasons that all have.

    Skill over climatology (``msess``, ``crpss``, ``rpss``) depends on the base of the anomalies:
    against an old, colder base any forecast that knows of the warming has it. ``rebase=`` brings
    all to another base before they are scored.

    Parameters
    ----------
    forecast : Dataset
        As :func:`xai4land_seasonal.forecast` or :func:`xai4land_seasonal.hindcast_seasons`
        gives it.
    obs : Dataset
        Monthly (references by name need the years before, too), or seasonal anomalies.
    references : sequence of str, or mapping from str to Dataset
        Names of references, which are made from ``obs`` with the forecast's lead and members; or
        other forecasts, such as a dynamical hindcast.
    metrics : sequence of str
        Among :data:`xai4land_seasonal.verification.metrics.METRICS`.
    dim : str or sequence of str
        ``"time"`` for a score in each cell and season; with latitude and longitude added, their
        area-weighted means; with ``"season"`` added, their means over seasons.
    regions : sequence of str or mapping from str to tuple of float, optional
        Scores of means over named regions (:data:`xai4land_seasonal.data.regions.REGIONS`) or over
        (south, north, west, east), instead of in each cell.
    intervals : int
        Resamples of the years, two in a row together (Künsch 1989), for 90 % intervals of area
        means or regions: ``<metric>_interval``, and ``<metric>_gain_interval`` for the first
        forecast's score less each other's. 1,000 are usual; 0 for none. Scores are computed, too.
    climatology : tuple of int, Dataset, DataArray or None
        Of monthly observations, if they are absolute: that of the forecast.
    variable : str, optional
        By default the first of tas, pr, psl and tos that the forecast has, or else by the alphabet.
    rebase : tuple of int, optional
        First and last year of a base that forecasts, references and observations (which must
        cover it) are brought to; see :func:`xai4land_seasonal.rebase`.
    seed : int
        Of the references' members.
    progress : bool
        Whether to show bars while intervals are computed.

    Returns
    -------
    Dataset
        One variable a metric, on (forecast, season, ...), lazy if the data are. ``forecast`` names
        the forecast first, then the references. Reliability and rank histograms count over all
        cells (or each region's means), on ``bin``. Intervals are on ``bound``, and computed.
        Scores are missing where they are undefined: correlations with a series that does not
        change, skill over a reference without error, categories where terciles coincide (in
        dry seasons). Ties with one tercile are divided so that each category has its share.

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
    check_forecast(forecast)
    obs = as_dataset(obs, "the observations")
    name = variable or default_variable(forecast)
    problems = [
        f"metric {m!r}, expected one of {', '.join(METRICS)}" for m in metrics if m not in METRICS
    ]
    if name not in forecast:
        problems.append(f"variable {name!r} is not in the forecast ({list(forecast.data_vars)})")
    problems += find_problems(forecast, obs, references)
    mean_dims = set([dim] if isinstance(dim, str) else dim) - {"time"}
    grid = Grid.of(forecast)
    cells = set(grid.names) if regions is None else set()
    if mean_dims - {"season"} not in (set(), cells):
        problems.append(
            f"dim={sorted(mean_dims | {'time'})}, expected 'time', with all or none of "
            f"{sorted(cells)}, with or without 'season'"
        )
    if regions is not None:
        problems += [
            f"metric {m!r} is of neighbouring cells; leave out regions= for it"
            for m in metrics
            if m in METRICS and METRICS[m].of_cells
        ]
    if intervals and regions is None and not mean_dims & cells:
        problems.append(
            f"intervals of single cells are not computed; add {', '.join(grid.names)} to dim=, "
            "or name regions="
        )
    InputError.raise_if(problems)
    comparison = compare(
        forecast,
        obs,
        references,
        climatology=climatology,
        regions=regions,
        variable=name,
        seed=seed,
        rebase=rebase,
    )
    if intervals:
        comparison = load_fields(comparison, metrics, progress=progress)
    scores = compute_scores(comparison, metrics, mean_dims)
    if intervals:
        found = compute_intervals(
            comparison, metrics, mean_dims, intervals, seed=seed, progress=progress
        )
        scores = scores.merge(found)
    return describe_scores(scores, forecast)
