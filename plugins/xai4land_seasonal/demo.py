"""The demonstration: the sample climate, whose best possible forecast is known."""

from __future__ import annotations

from pathlib import Path

import click
import pandas as pd
import xarray as xr

from xai4land.samples.climate import best_correlation
from xai4land_seasonal.data.areas import area_mean
from xai4land_seasonal.data.seasons import STANDARD_SEASONS, Season

__all__ = ["demo", "shares_of_best"]

REFERENCES = ("climatology", "persistence", "damped persistence", "trend + damped persistence")
CLIMATOLOGY = (1500, 1799)
YEARS = range(1800, 1850)


def demo(out: Path, progress: bool) -> None:
    """Train a small emulator on the sample climate, and compare it with the best forecast."""
    import xai4land
    from xai4land_seasonal.emulator.fitting import fit
    from xai4land_seasonal.forecasting import forecast
    from xai4land_seasonal.products.forecast_maps import plot
    from xai4land_seasonal.products.terciles import tercile_probabilities
    from xai4land_seasonal.verification.verify import verify

    training = xai4land.sample("climate", seed=1, years=range(1600, 1900))[["tas"]]
    climate = xai4land.sample("climate", years=range(1500, 1850))[["tas"]]
    emulator = fit(
        training,
        name="small",
        parameters={"width": 16, "heads": 2, "depth": 1},
        epochs=4,
        learning_rate=3e-3,
        progress=progress,
    )
    forecasts = forecast(
        climate, STANDARD_SEASONS, years=YEARS, emulator=emulator, climatology=CLIMATOLOGY
    ).compute()
    scores = verify(
        forecasts, climate, references=REFERENCES, metrics=["acc", "crpss"], climatology=CLIMATOLOGY
    )
    click.echo(
        f"sample climate, {YEARS[0]}-{YEARS[-1]}, four seasons a month ahead; share: of the best "
        "possible correlation"
    )
    click.echo(shares_of_best(scores.compute()).round(3).to_string())
    terciles = tercile_probabilities(forecasts, climate, climatology=CLIMATOLOGY)
    plot(forecasts, terciles=terciles, time=-4).savefig(out / "season.png", dpi=150)
    forecasts.seasonal.plot_plume("nino34", obs=climate, climatology=CLIMATOLOGY).savefig(
        out / "nino34.png", dpi=150
    )
    click.echo(f"wrote {out / 'season.png'} and {out / 'nino34.png'}")


def shares_of_best(scores: xr.Dataset) -> pd.DataFrame:
    """Return scores on the sample climate, and their share of the best possible correlation.

    Parameters
    ----------
    scores : Dataset
        As :func:`xai4land_seasonal.verify` gives it with ``acc``, per cell, at lead 1.

    Examples
    --------
    >>> perfect = best_correlation(12).expand_dims(forecast=["best"], season=["DJF"])
    >>> float(shares_of_best(perfect.to_dataset(name="acc")).loc["best", "share"])
    1.0
    """
    from xai4land_seasonal.verification.scores import summarise

    months = [Season.of(str(name)).month for name in scores["season"].values]
    best = sum(float(area_mean(best_correlation(month))) for month in months) / len(months)
    table = summarise(scores)
    return table.assign(share=(table["acc"] / best).round(6))
