"""``ds.seasonal``: validates, delegates, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from xai4land.grids.grid import Grid
    from xai4land_seasonal.data.areas import Box
    from xai4land_seasonal.data.climatology import Climatology
    from xai4land_seasonal.data.sources import Simulations
    from xai4land_seasonal.data.trends import Trend
    from xai4land_seasonal.data.variables import Variable
    from xai4land_seasonal.emulator.emulator import SeasonalEmulator
    from xai4land_seasonal.emulator.training import Settings
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
        grid: xr.Dataset | xr.DataArray | None = None,
        region: str | Box | None = None,
        validation: int = 20,
        trend: Trend = "shrunk",
        name: str = "my-seasonal",
        title: str = "",
        licence: str = "",
        command: str = "",
        amplitude: Sequence[float] | None = None,
        spread: Sequence[float] | None = None,
        parameters: dict[str, Any] | None = None,
        settings: Settings | None = None,
        progress: bool = True,
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
        )

    def forecast(
        self,
        season: str | Sequence[str] = "DJF",
        *,
        members: int = 100,
        lead: int = 1,
        years: int | Sequence[int] | None = None,
        emulator: str | os.PathLike[str] | Forecaster | None = None,
        climatology: Climatology = None,
        simulations: Simulations = None,
        seed: int = 0,
        grid: Grid | None = None,
        variables: Sequence[str] | None = None,
    ) -> xr.Dataset:
        """Forecast seasons as a lazy ensemble; see :func:`xai4land_seasonal.forecast`."""
        from xai4land_seasonal.forecasting import forecast

        return forecast(
            self._data,
            season,
            members=members,
            lead=lead,
            years=years,
            emulator=emulator,
            climatology=climatology,
            simulations=simulations,
            seed=seed,
            grid=grid,
            variables=variables,
        )

    def means(
        self,
        seasons: str | Sequence[str] = ("DJF", "MAM", "JJA", "SON"),
        *,
        climatology: Climatology = None,
    ) -> xr.Dataset:
        """Seasonal means or anomalies; see :func:`xai4land_seasonal.seasonal_means`."""
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

    def combine(self, *others: xr.Dataset, weights: Sequence[float] | None = None) -> xr.Dataset:
        """This ensemble and others as one; see :func:`xai4land_seasonal.combine`."""
        from xai4land_seasonal.products.calibration import combine

        forecasts: Mapping[str, xr.Dataset] = {
            f"{k} {one.attrs.get('emulator', '')}".strip(): one
            for k, one in enumerate((self._data, *others))
        }
        share = None if weights is None else dict(zip(forecasts, weights, strict=True))
        return combine(forecasts, weights=share)

    def verify(
        self,
        obs: xr.Dataset,
        *,
        references: Sequence[str] | Mapping[str, xr.Dataset] = (
            "climatology",
            "trend",
            "persistence",
        ),
        metrics: Sequence[str] | None = None,
        dim: str | Sequence[str] = "time",
        regions: Sequence[str] | Mapping[str, Box] | None = None,
        intervals: int = 0,
        climatology: Climatology = None,
        variable: str | None = None,
        seed: int = 0,
    ) -> xr.Dataset:
        """Scores beside the references'; see :func:`xai4land_seasonal.verify`."""
        from xai4land_seasonal.verification.verify import DEFAULT, verify

        return verify(
            self._data,
            obs,
            references=references,
            metrics=DEFAULT if metrics is None else metrics,
            dim=dim,
            regions=regions,
            intervals=intervals,
            climatology=climatology,
            variable=variable,
            seed=seed,
        )

    def terciles(
        self,
        obs: xr.Dataset,
        *,
        climatology: Climatology = None,
        period: tuple[int, int] | None = None,
    ) -> xr.Dataset:
        """Probabilities of terciles; see :func:`xai4land_seasonal.tercile_probabilities`."""
        from xai4land_seasonal.products.terciles import tercile_probabilities

        return tercile_probabilities(self._data, obs, climatology=climatology, period=period)

    def plot(self, **how: Any) -> Figure:
        """A forecast's maps (:func:`xai4land_seasonal.plot`), or those of scores.

        For scores see :func:`xai4land_seasonal.plot_scores`.
        """
        from xai4land_seasonal.products.plots import plot, plot_scores

        return (plot_scores if "forecast" in self._data.dims else plot)(self._data, **how)

    def plume(self, region: str | Box = "nino34", **how: Any) -> Figure:
        """Members over a region, year by year; see :func:`xai4land_seasonal.plot_plume`."""
        from xai4land_seasonal.products.plots import plot_plume

        return plot_plume(self._data, region, **how)

    def reliability(self, **how: Any) -> Figure:
        """Reliability of scores; see :func:`xai4land_seasonal.plot_reliability`."""
        from xai4land_seasonal.products.plots import plot_reliability

        return plot_reliability(self._data, **how)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        obs: xr.Dataset | None = None,
        climatology: Climatology = None,
        references: Sequence[str] = ("climatology", "trend", "damped persistence"),
        intervals: int = 200,
    ) -> Path:
        """One page with maps, scores and origin; see :func:`xai4land_seasonal.report`."""
        from xai4land_seasonal.products.report import report

        return report(
            self._data,
            path,
            obs=obs,
            climatology=climatology,
            references=references,
            intervals=intervals,
        )

    def summary(self) -> pd.DataFrame:
        """Scores as a table; see :func:`xai4land_seasonal.summary`."""
        from xai4land_seasonal.verification.verify import summary

        return summary(self._data)
