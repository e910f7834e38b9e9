"""Forecast Europe's seasons from global fields, and report on years that were not used.

    python recipes/seasonal_europe.py FOLDER [OUT]

``FOLDER`` is that of ``seasonal.py``. Observations up to 1960 and both simulations are learned
from, 1961-1980 choose blend and spread, and 1981-2000 are forecast: scores of Europe's cells
beside references, and pictures, which are written to the folder ``OUT``. About 6 minutes on one
core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import xarray as xr
from seasonal import REFERENCES, read_observations, read_simulations

from xai4land_seasonal import fit, forecast, plot, plot_plume, summarise, verify
from xai4land_seasonal.data.seasons import STANDARD_SEASONS

REGION = "europe"
METRICS = ("acc", "rmse", "msess", "crpss", "rpss", "roc_below", "roc_above")


def main(folder: Path, out: Path) -> None:
    """Fit, forecast, score, draw."""
    obs, models = read_observations(folder), read_simulations(folder)
    emulator = fit(
        obs.sel(time=slice(None, "1980")),
        simulations=models,
        grid=models["piControl"]["tas"],
        predictors=["tas"],
        region=REGION,
        trend="line",
        validation=20,
        parameters={"networks": 2},
        epochs=10,
        simulation_weight=1.0,
        name="europe",
    )
    print(f"blend {emulator.card.blend}, spread {emulator.card.spread}")
    forecasts: xr.Dataset = forecast(
        obs, STANDARD_SEASONS, years=range(1981, 2001), emulator=emulator
    ).compute()
    scores = verify(
        forecasts,
        obs,
        references=REFERENCES,
        metrics=METRICS,
        dim=("time", "season", "lat", "lon"),
        intervals=500,
    )
    print(summarise(scores).round(3))
    for name in ("acc", "msess", "crpss", "rpss"):
        print(f"{name}: gain over the others, 90 % intervals")
        print(scores[f"{name}_gain_interval"].to_pandas().round(3))
    means = verify(forecasts, obs, references=REFERENCES, metrics=METRICS[:-2], regions=[REGION])
    print("the mean over Europe, by season:")
    print(means["acc"].squeeze("region").to_pandas().round(2))
    out.mkdir(parents=True, exist_ok=True)
    winter = forecasts.isel(time=[k for k, s in enumerate(forecasts.season.values) if s == "DJF"])
    terciles = winter.seasonal.tercile_probabilities(obs, period=(1951, 1980))
    plot(winter, terciles=terciles).savefig(out / "europe.png", dpi=110)
    plot_plume(forecasts, REGION, obs=obs).savefig(out / "europe-plume.png", dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "europe"))
