"""Train ``seasonal-tas`` on simulations and observations, and report on years that were not used.

    python recipes/seasonal_tas.py FOLDER [OUT] [--epochs 20] [--networks 3]

``FOLDER`` holds ``gistemp_2deg_188001-200012.nc`` (GISTEMP, monthly anomalies) and the ``CMIP6``
tree with ``tas`` of ACCESS-ESM1-5's piControl and 1pctCO2 runs. Three fits with one set of
settings, about 20 minutes each on one core:

1. on observations up to 1960; 1961-1980 choose amplitude and spread;
2. on observations up to 1980, with these; 1981-2000 are forecast and reported;
3. on observations up to 2000, with these: what is saved.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cf_xarray  # noqa: F401  (registers .cf)
import xarray as xr

from xai4land_seasonal import SeasonalEmulator, fit, forecast, summarise, verify

REFERENCES = (
    "climatology",
    "trend",
    "persistence",
    "damped persistence",
    "trend + damped persistence",
    "eof-ridge",
    "analogs",
)
METRICS = (
    "acc",
    "residual_correlation",
    "rmse",
    "bias",
    "msess",
    "spread_error",
    "crps",
    "crpss",
    "rpss",
    "roc_below",
    "roc_above",
)


def read_observations(folder: Path) -> xr.Dataset:
    """Return GISTEMP with CF coordinates."""
    data = xr.open_dataset(folder / "gistemp_2deg_188001-200012.nc")
    return data.cf.guess_coord_axis()[["tas_anomaly"]].load()


def read_simulations(folder: Path) -> dict[str, xr.Dataset]:
    """Return the temperature of both simulations."""
    files = {
        name: next(folder.glob(f"CMIP6/CMIP/CSIRO/ACCESS-ESM1-5/{name}/**/tas_Amon_*.nc"))
        for name in ("piControl", "1pctCO2")
    }
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    return {k: xr.open_dataset(f, decode_times=coder).load() for k, f in files.items()}


def fit_until(
    obs: xr.Dataset, simulations: dict[str, xr.Dataset], last: int, **options: Any
) -> SeasonalEmulator:
    """Fit an emulator to observations up to a year."""
    return fit(
        obs.sel(time=slice(None, str(last))),
        simulations=simulations,
        grid=simulations["piControl"]["tas"],
        predictors=["tas"],
        name="seasonal-tas",
        title="Seasonal anomalies of 2 m temperature one month ahead, on 10°",
        licence="weights: CC-BY-SA-4.0, as the CMIP6 output of CSIRO-ARCCSS ACCESS-ESM1-5 that "
        "they learned from; and NASA GISTEMP (public domain)",
        command="python recipes/seasonal_tas.py FOLDER",
        **options,
    )


def report(emulator: SeasonalEmulator, data: xr.Dataset) -> xr.Dataset:
    """Score 1981-2000 with intervals, over all seasons and cells, beside the references."""
    made = forecast(data, ("DJF", "MAM", "JJA", "SON"), years=range(1981, 2001), emulator=emulator)
    return verify(
        made.compute(),
        data,
        references=REFERENCES,
        metrics=METRICS,
        dim=("time", "season", "lat", "lon"),
        intervals=500,
    ).compute()


def main(folder: Path, out: Path, epochs: int, networks: int) -> None:
    """Make all three fits."""
    obs, simulations = read_observations(folder), read_simulations(folder)
    options: dict[str, Any] = {
        "parameters": {"networks": networks},
        "settings": {"epochs": epochs, "simulation_weight": 1.0},
    }
    chosen = fit_until(obs, simulations, 1980, validation=20, **options).card
    options |= {"validation": 0, "amplitude": chosen.amplitude, "spread": chosen.spread}
    scores = report(fit_until(obs, simulations, 1980, **options), obs)
    print(summarise(scores).round(3))
    for name in ("acc", "msess", "crpss", "rpss"):
        print(f"{name}: gain over the others, 90 % intervals")
        print(scores[f"{name}_gain_interval"].to_pandas().round(3))
    emulator = fit_until(obs, simulations, 2000, **options)
    ours = summarise(scores).iloc[0]
    metrics = {f"{k} 1981-2000": round(float(v), 3) for k, v in ours.items()}
    card = emulator.card.with_(metrics=metrics)
    SeasonalEmulator(card, emulator.weights).save(out)
    print(f"wrote {out}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path, nargs="?", default=Path("seasonal-tas.safetensors"))
    parser.add_argument("--epochs", type=int, default=20, help="of each network")
    parser.add_argument("--networks", type=int, default=3)
    main(**vars(parser.parse_args()))
