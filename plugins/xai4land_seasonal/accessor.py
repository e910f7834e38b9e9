"""``ds.seasonal``: its methods are the functions of the plugin."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from xai4land_seasonal.verification.defaults import DEFAULT_METRICS, DEFAULT_REFERENCES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from xai4land.grids.grid import Target
    from xai4land_seasonal.data.climatology import Climatology
    from xai4land_seasonal.data.regions import Region
    from xai4land_seasonal.data.sources import Simulations
    from xai4land_seasonal.data.trends import Trend
    from xai4land_seasonal.data.variables import Variable
    from xai4land_seasonal.emulator.emulator import SeasonalEmulator
    from xai4land_seasonal.emulator.settings import Settings
    from xai4land_seasonal.forecaster import Forecaster

__all__ = ["SeasonalAccessor"]


class SeasonalAccessor:
    """Seasonal anomalies one month ahead, and how good they are.

    Each method has a typed function of the same name and arguments in ``xai4land_seasonal``,
    where it is documented.
    """

    def __init__(self, data: xr.Dataset) -> None:
        self._data = data

    def fit(
        self,
        *,
        simulations: Simulations = None,
        predictors: Sequence[str | Variable] | None = None,
        targets: Sequence[str] | None = None,
        leads: Sequence[int] = (1,),
        grid: Target = None,
        region: str | Region | None = None,
        validation: int = 20,
        trend: Trend = "shrunk",
        name: str = "my-seasonal",
        title: str = "",
        licence: str = "",
        command: str = "",
        amplitude: Sequence[float] | None = None,
        spread: Sequence[float] | None = None,
        parameters: Mapping[str, Any] | None = None,
        settings: Settings | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        progress: bool = True,
        **changes: Any,
    ) -> SeasonalEmulator:
        """Train an emulator; see :func:`xai4land_seasonal.fit`."""
        from xai4land_seasonal.emulator.fitting import fit

        return fit(
            self._data,
            simulations=simulations,
            predictors=predictors,
            targets=targets,
            leads=leads,
            grid=grid,
            region=region,
            validation=validation,
            trend=trend,
            name=name,
            title=title,
            licence=licence,
            command=command,
            amplitude=amplitude,
            spread=spread,
            parameters=parameters,
            settings=settings,
            progress=progress,
            **changes,
        )

    def forecast(
        self,
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
        """Forecast seasons as a lazy ensemble; see :func:`xai4land_seasonal.forecast`."""
        from xai4land_seasonal.forecasting import forecast

        return forecast(
            self._data,
            seasons,
            lead=lead,
            years=years,
            members=members,
            emulator=emulator,
            climatology=climatology,
            simulations=simulations,
            grid=grid,
            variables=variables,
            seed=seed,
        )

    def seasonal_means(
        self,
        seasons: str | Sequence[str] = ("DJF", "MAM", "JJA", "SON"),
        *,
        climatology: Climatology = None,
    ) -> xr.Dataset:
        """Compute seasonal means or anomalies; see :func:`xai4land_seasonal.seasonal_means`."""
        from xai4land_seasonal.data.means import seasonal_means

        return seasonal_means(self._data, seasons, climatology=climatology)

    def calibrate(
        self,
        obs: xr.Dataset,
        *,
        years: Literal["others", "past"] = "others",
        climatology: Climatology = None,
    ) -> xr.Dataset:
        """Correct mean and spread; see :func:`xai4land_seasonal.calibrate`."""
        from xai4land_seasonal.products.calibration import calibrate

        return calibrate(self._data, obs, years=years, climatology=climatology)

    def combine(
        self, others: Mapping[str, xr.Dataset], *, weights: Sequence[float] | None = None
    ) -> xr.Dataset:
        """Join this ensemble and others into one; see :func:`xai4land_seasonal.combine`."""
        from xai4land_seasonal.products.combination import combine

        return combine(self._data, others, weights=weights)

    def verify(
        self,
        obs: xr.Dataset,
        *,
        references: Sequence[str] | Mapping[str, xr.Dataset] = DEFAULT_REFERENCES,
        metrics: Sequence[str] = DEFAULT_METRICS,
        dim: str | Sequence[str] = "time",
        regions: Sequence[str] | Mapping[str, Region] | None = None,
        intervals: int = 0,
        climatology: Climatology = None,
        variable: str | None = None,
        seed: int = 0,
    ) -> xr.Dataset:
        """Score a forecast beside references; see :func:`xai4land_seasonal.verify`."""
        from xai4land_seasonal.verification.verify import verify

        return verify(
            self._data,
            obs,
            references=references,
            metrics=metrics,
            dim=dim,
            regions=regions,
            intervals=intervals,
            climatology=climatology,
            variable=variable,
            seed=seed,
        )

    def tercile_probabilities(
        self,
        obs: xr.Dataset,
        *,
        climatology: Climatology = None,
        period: tuple[int, int] | None = None,
    ) -> xr.Dataset:
        """Compute tercile probabilities; see :func:`xai4land_seasonal.tercile_probabilities`."""
        from xai4land_seasonal.products.terciles import tercile_probabilities

        return tercile_probabilities(self._data, obs, climatology=climatology, period=period)

    def plot(
        self,
        *,
        terciles: xr.Dataset | None = None,
        time: int = -1,
        variable: str | None = None,
    ) -> Figure:
        """Draw a forecast's maps; see :func:`xai4land_seasonal.plot`."""
        from xai4land_seasonal.products.forecast_maps import plot

        return plot(self._data, terciles=terciles, time=time, variable=variable)

    def plot_scores(
        self, *, metric: str = "acc", forecast: str | None = None, alpha: float = 0.1
    ) -> Figure:
        """Draw maps of a score; see :func:`xai4land_seasonal.plot_scores`."""
        from xai4land_seasonal.products.score_maps import plot_scores

        return plot_scores(self._data, metric=metric, forecast=forecast, alpha=alpha)

    def plot_plume(
        self,
        region: str | Region = "nino34",
        *,
        obs: xr.Dataset | None = None,
        climatology: Climatology = None,
        season: str | None = None,
        variable: str | None = None,
    ) -> Figure:
        """Draw members over a region by year; see :func:`xai4land_seasonal.plot_plume`."""
        from xai4land_seasonal.products.plume import plot_plume

        return plot_plume(
            self._data,
            region,
            obs=obs,
            climatology=climatology,
            season=season,
            variable=variable,
        )

    def plot_reliability(self, *, forecasts: Sequence[str] | None = None) -> Figure:
        """Draw reliability diagrams; see :func:`xai4land_seasonal.plot_reliability`."""
        from xai4land_seasonal.products.reliability import plot_reliability

        return plot_reliability(self._data, forecasts=forecasts)

    def hindcast_seasons(
        self, season: str, *, first: int | None = None, anomalies: bool = True
    ) -> xr.Dataset:
        """Compute seasons of a hindcast; see :func:`xai4land_seasonal.hindcast_seasons`."""
        from xai4land_seasonal.data.hindcasts import hindcast_seasons

        return hindcast_seasons(self._data, season, first=first, anomalies=anomalies)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        obs: xr.Dataset | None = None,
        climatology: Climatology = None,
        references: Sequence[str] = ("climatology", "trend", "damped persistence"),
        intervals: int = 200,
    ) -> Path:
        """Write a page with maps, scores and origin; see :func:`xai4land_seasonal.report`."""
        from xai4land_seasonal.products.report import report

        return report(
            self._data,
            path,
            obs=obs,
            climatology=climatology,
            references=references,
            intervals=intervals,
        )

    def summarise(self) -> pd.DataFrame:
        """Return scores as a table; see :func:`xai4land_seasonal.summarise`."""
        from xai4land_seasonal.verification.scores import summarise

        return summarise(self._data)
